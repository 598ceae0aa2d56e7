"""nerfstudio's transforms.json: `frames`, each with a c2w `transform_matrix`, OpenGL axes.

Intrinsics in pixels, once for all or in each frame; distortion is left out and said.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from explorer.camera_files.checks import Shot, matrix, number, positive, rigid, write_text
from explorer.camera_files.lens import Lens, pixel_lens
from mirage_engine import OPENGL_FROM_OPENCV, Camera, ConfigError

log = logging.getLogger("mirage")

NAME = "transforms.json"
AXES = "c2w, metres; camera axes OpenGL: x right, y up, z back"
MODELS = ("PINHOLE", "SIMPLE_PINHOLE", "OPENCV")  # the last with its distortion left out


def read(
    path: Path,
    data: dict[str, Any],
    size: tuple[int, int],  # (H, W) of the picture where only an angle is given
) -> list[Shot]:
    shots: list[Shot] = []
    for i, frame in enumerate(data["frames"]):
        where = f"{path}, frames[{i}]"
        if not isinstance(frame, dict) or "transform_matrix" not in frame:
            raise ConfigError(f"{where}: has no 'transform_matrix'")
        keys = {**data, **frame}
        if keys.get("camera_model", MODELS[0]) not in MODELS:
            raise ConfigError(
                f"{where}: camera_model '{keys['camera_model']}' is no pinhole; "
                f"known: {', '.join(MODELS)}"
            )
        c2w_gl = matrix(frame["transform_matrix"], f"{where}, transform_matrix")
        shots.append(Shot(rigid(c2w_gl @ OPENGL_FROM_OPENCV, where), _lens(keys, size, where)))
    if any(data.get(key) for key in ("k1", "k2", "k3", "k4", "p1", "p2")):
        log.warning("%s: lens distortion is left out", path)
    return shots


def write(path: Path, cameras: Sequence[Camera]) -> None:
    """Frames are named as if their pictures lay in `images/`."""
    frames = []
    for i, camera in enumerate(cameras):
        (height, width), k = camera.size, camera.intrinsics
        frames.append(
            {
                "file_path": f"images/{i:05d}.png",
                "transform_matrix": (camera.c2w @ OPENGL_FROM_OPENCV).tolist(),
                **{"fl_x": k[0, 0], "fl_y": k[1, 1], "cx": k[0, 2], "cy": k[1, 2]},
                **{"w": width, "h": height},
            }
        )
    data = {"camera_model": MODELS[0], "axes": AXES, "frames": frames}
    write_text(path, json.dumps(data, indent=1))


def _lens(keys: dict[str, Any], size: tuple[int, int], where: str) -> Lens | None:
    if "fl_x" in keys:
        missing = [key for key in ("w", "h") if key not in keys]
        if missing:
            raise ConfigError(f"{where}: 'fl_x' needs '{missing[0]}' as well")
        fx, w, h = (positive(keys[key], f"{where}, {key}") for key in ("fl_x", "w", "h"))
        fy = positive(keys.get("fl_y", fx), f"{where}, fl_y")
        cx = number(keys.get("cx", w / 2), f"{where}, cx")
        cy = number(keys.get("cy", h / 2), f"{where}, cy")
        return pixel_lens(fx, fy, cx, cy, (h, w))
    if "camera_angle_x" in keys:  # radians
        angle = positive(keys["camera_angle_x"], f"{where}, camera_angle_x")
        if angle >= math.pi:
            raise ConfigError(f"{where}, camera_angle_x: must be below pi, got {angle}")
        h = positive(keys.get("h", size[0]), f"{where}, h")
        w = positive(keys.get("w", size[1]), f"{where}, w")
        focal = w / 2 / math.tan(angle / 2)
        return pixel_lens(focal, focal, w / 2, h / 2, (h, w))
    return None
