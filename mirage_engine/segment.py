"""Segment: what leaves the engine. Frozen numpy, so that it can cross a process border as is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mirage_engine.camera import Camera


@dataclass(frozen=True, eq=False)
class Segment:
    """One generated piece of the walk. Frame 0 of a later segment is not repeated."""

    index: int  # 0 is the start image
    frames: np.ndarray  # [T, H, W, 3] uint8, the new frames only
    depth_m: np.ndarray  # [T, H, W] float32; 0 unknown, +inf sky
    keep: np.ndarray  # [T, H, W] bool, True = static and sure
    cameras: tuple[Camera, ...]  # T
    coverage: float  # 0..1, share of the new views that memory knew beforehand
    points_world: np.ndarray  # [N, 4] float32 homogeneous points that memory gained; w 0 = sky
    colors: np.ndarray  # [N, 3] uint8 of those points
    footprints_m: np.ndarray  # [N] float32, edge of the cell at capture (radians where w is 0)
    point_ids: np.ndarray  # [N] int32 of those points
    removed_ids: np.ndarray  # [M] int32, points that memory lost: replaced by finer, or forgotten
    points_added: int
    points: int  # in memory afterwards
    nbytes: int  # of memory afterwards
    residual: float  # of the depth alignment, relative
    seconds: dict[str, float]  # read, denoise, decode, depth, filter, write, total
