"""A room of boxes with exact colour and depth from any camera: the truth for pictures."""

from __future__ import annotations

import numpy as np

from explorer.timeline import Keyframe
from mirage_engine import Camera, pinhole, pose

SIZE = (160, 256)  # (height, width) of a keyframe
HFOV_DEG = 77.0
SKY = np.array([0.55, 0.70, 0.92])
# (lower corner, upper corner) in metres, y down; the first is the room itself, seen from inside.
BOXES = (
    ((-3.0, -1.2, -2.0), (3.0, 1.5, 6.0)),
    ((-0.6, 0.6, 2.5), (0.6, 1.5, 3.3)),
    ((1.4, -0.5, 3.5), (2.2, 1.5, 4.2)),
    ((-2.4, 0.9, 1.5), (-1.6, 1.5, 2.4)),
)
PAINT = ((0.80, 0.72, 0.62), (0.32, 0.50, 0.55), (0.72, 0.42, 0.32), (0.47, 0.52, 0.34))
SHADE = (0.88, 1.0, 0.78)  # by the axis that the surface faces


def camera(
    x: float = 0.0,
    y: float = 0.0,
    z: float = 0.0,
    yaw_deg: float = 0.0,
    pitch_deg: float = 0.0,
    size: tuple[int, int] = SIZE,
) -> Camera:
    return Camera(pose((x, y, z), yaw_deg, pitch_deg), pinhole(size, HFOV_DEG), size)


def shoot(view: Camera, key: int = 0) -> Keyframe:
    """What the room looks like from `view`."""
    rays, eye = view.rays().reshape(-1, 3), view.position
    nearest = np.full(len(rays), np.inf)
    color = np.zeros((len(rays), 3))
    with np.errstate(divide="ignore", invalid="ignore"):
        for index, (low, high) in enumerate(BOXES):
            to_low, to_high = (np.array(low) - eye) / rays, (np.array(high) - eye) / rays
            first, last = np.minimum(to_low, to_high), np.maximum(to_low, to_high)
            if index == 0:
                distance, axis = last.min(1), last.argmin(1)
            else:
                distance, axis = first.max(1), first.argmax(1)
                distance = np.where((distance < last.min(1)) & (distance > 0.05), distance, np.inf)
            hit = distance < nearest
            point = eye + rays * np.where(np.isfinite(distance), distance, 0)[:, None]
            paint = _paint(index, axis, point)
            window = (index == 0) & (axis == 2) & _in_window(point)
            paint = np.where(window[:, None], SKY - 0.15 * rays[:, 1:2], paint)
            distance = np.where(window, 1e9, distance)  # farther than anything, nearer than nothing
            nearest = np.where(hit, distance, nearest)
            color = np.where(hit[:, None], paint, color)
    depth = np.where(nearest > 1e6, np.inf, nearest).reshape(view.size).astype(np.float32)
    frame = (color.clip(0, 1) * 255).round().astype(np.uint8).reshape(*view.size, 3)
    return Keyframe(frame, depth, view, 0, 0.0, key)


def _paint(index: int, axis: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Soft checks of half a metre."""
    u = np.where(axis == 0, point[:, 2], point[:, 0])
    v = np.where(axis == 1, point[:, 2], point[:, 1])
    check = (np.floor(u * 2) + np.floor(v * 2)) % 2
    return np.array(PAINT[index]) * (0.86 + 0.14 * check)[:, None] * np.array(SHADE)[axis][:, None]


def _in_window(point: np.ndarray) -> np.ndarray:
    return (point[:, 2] > 5) & (np.abs(point[:, 0] + 1.2) < 0.8) & (np.abs(point[:, 1] + 0.2) < 0.6)
