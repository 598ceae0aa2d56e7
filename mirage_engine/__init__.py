"""Mirage's engine: a world that a video model generates while you walk, and remembers.

The public names. Torch is only imported when a World is first asked for, so that a window can
open before it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mirage_engine.camera import (
    OPENGL_FROM_OPENCV,
    Camera,
    interpolate,
    pinhole,
    pose,
    pose_distance,
)
from mirage_engine.config import CONFIG_DIR, ConfigError, Preset, is_preset, load_config
from mirage_engine.files import replacing
from mirage_engine.inspection import (
    HIDDEN,
    LOCKED,
    NEVER,
    Edit,
    EditKind,
    PointDetails,
    Points,
    ViewRead,
    XRay,
)
from mirage_engine.segment import Segment
from mirage_engine.tour import (
    Tour,
    TourStop,
    list_tours,
    load_tour,
    tour_cameras,
    yaw_pitch_deg,
)
from mirage_engine.world_record import (
    EditRecord,
    PastPoints,
    SegmentRecord,
    WorldRecord,
    read_record,
)

if TYPE_CHECKING:
    from mirage_engine.evaluation.metrics import psnr_db, ssim
    from mirage_engine.evaluation.report import start_revisit, tour_report
    from mirage_engine.loading import load_world, open_world
    from mirage_engine.presence import check_weights
    from mirage_engine.world import World

__version__ = "0.1.0"
__all__ = [
    "CONFIG_DIR",
    "HIDDEN",
    "LOCKED",
    "NEVER",
    "OPENGL_FROM_OPENCV",
    "Camera",
    "ConfigError",
    "Edit",
    "EditKind",
    "EditRecord",
    "PastPoints",
    "PointDetails",
    "Points",
    "Preset",
    "Segment",
    "SegmentRecord",
    "Tour",
    "TourStop",
    "ViewRead",
    "World",
    "WorldRecord",
    "XRay",
    "check_weights",
    "interpolate",
    "is_preset",
    "list_tours",
    "load_config",
    "load_tour",
    "load_world",
    "open_world",
    "pinhole",
    "pose",
    "pose_distance",
    "psnr_db",
    "read_record",
    "replacing",
    "ssim",
    "start_revisit",
    "tour_cameras",
    "tour_report",
    "yaw_pitch_deg",
]

_LAZY = {
    "World": "mirage_engine.world",
    "check_weights": "mirage_engine.presence",
    "load_world": "mirage_engine.loading",
    "open_world": "mirage_engine.loading",
    "psnr_db": "mirage_engine.evaluation.metrics",
    "ssim": "mirage_engine.evaluation.metrics",
    "start_revisit": "mirage_engine.evaluation.report",
    "tour_report": "mirage_engine.evaluation.report",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
