"""Our own .json: 4x4 c2w and intrinsics in pixels of one size; says its axes in its head."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from explorer.camera_files.checks import Shot, matrix, positive, rigid, write_text
from explorer.camera_files.lens import Lens
from mirage_engine import Camera, ConfigError

FORMAT = "mirage-cameras-1"
AXES = "c2w, metres; camera axes OpenCV: x right, y down, z ahead"


def read(path: Path, data: dict[str, Any]) -> list[Shot]:
    if data.get("axes") != AXES:
        raise ConfigError(f"{path}: axes must be '{AXES}', got {data.get('axes')!r}")
    size = _size(path, data) if "size" in data else None
    if not isinstance(data.get("cameras"), list):
        raise ConfigError(f"{path}: 'cameras' must be a list")
    shots: list[Shot] = []
    for i, camera in enumerate(data["cameras"]):
        where = f"{path}, cameras[{i}]"
        if not isinstance(camera, dict) or "c2w" not in camera:
            raise ConfigError(f"{where}: has no 'c2w'")
        c2w = rigid(matrix(camera["c2w"], f"{where}, c2w"), where)
        lens = None
        if "intrinsics" in camera:
            if size is None:
                raise ConfigError(f"{path}: intrinsics need the picture's 'size'")
            intrinsics = matrix(camera["intrinsics"], f"{where}, intrinsics", side=3)
            positive(min(intrinsics[0, 0], intrinsics[1, 1]), f"{where}, focal length")
            lens = Lens(intrinsics, size)
        shots.append(Shot(c2w, lens))
    return shots


def write(path: Path, cameras: Sequence[Camera]) -> None:
    height, width = cameras[0].size
    assert all(camera.size == (height, width) for camera in cameras), "one size for all"
    data = {
        "format": FORMAT,
        "axes": AXES,
        "size": {"width": width, "height": height},
        "cameras": [
            {"c2w": camera.c2w.tolist(), "intrinsics": camera.intrinsics.tolist()}
            for camera in cameras
        ],
    }
    write_text(path, json.dumps(data, indent=1))


def _size(path: Path, data: dict[str, Any]) -> tuple[float, float]:
    sides = data["size"] if isinstance(data["size"], dict) else {}
    height, width = (positive(sides.get(k), f"{path}, size {k}") for k in ("height", "width"))
    return height, width
