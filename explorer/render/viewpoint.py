"""Cameras that look at the walker and at memory from outside. Knows numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mirage_engine import Camera, pinhole


def follow(
    walker: Camera,
    size: tuple[int, int],  # (height, width)
    back_m: float = 3.2,
    above_m: float = 3.0,
    turn_deg: float = 0.0,  # around the walker
) -> Camera:
    """A camera behind and above the walker, upright whatever the walker looks at."""
    ahead = walker.forward * [1, 0, 1]
    if np.linalg.norm(ahead) < 1e-6:  # looks straight up or down
        ahead = walker.c2w[:3, 1] * [1, 0, 1]
    angle = np.radians(turn_deg)
    ahead = ahead / np.linalg.norm(ahead)
    turned = np.array(
        [
            ahead[0] * np.cos(angle) + ahead[2] * np.sin(angle),
            0,
            -ahead[0] * np.sin(angle) + ahead[2] * np.cos(angle),
        ]
    )
    eye = walker.position - turned * back_m - np.array([0, above_m, 0])
    return look_at(eye, walker.position + turned * 0.8, size)


def look_at(
    eye_world: NDArray[np.floating],
    aim_world: NDArray[np.floating],
    size: tuple[int, int],  # (height, width)
    hfov_deg: float = 62.0,
) -> Camera:
    """A camera at `eye_world` with `aim_world` in the middle and world up (-y) upwards."""
    forward = np.asarray(aim_world, np.float64) - eye_world
    forward = forward / np.linalg.norm(forward)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right = right / np.linalg.norm(right)
    c2w = np.eye(4)
    c2w[:3, :3] = np.stack([right, np.cross(forward, right), forward], 1)
    c2w[:3, 3] = eye_world
    return Camera(c2w, pinhole(size, hfov_deg), size)
