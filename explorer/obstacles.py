"""Walls for the walker, from remembered surface points: how far is free, and how to slide along.

A point cloud has holes and stray points, so what blocks is a body with a radius that meets several
points, not a ray that meets one. Metres; world up is -y. Knows nothing of keys or pilots.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mirage_engine import Camera

Array = NDArray[np.float64]

# How far (m) a walker may go from a camera in a level unit direction of the world before it
# touches something; inf where nothing is known, 0 when touching.
FreeDistance = Callable[[Camera, Array], float]

STRAYS = 2  # points that may be wrong: the third one is a wall
OVERHEAD_M = 0.15  # above the eye
NEAR_M, NEAR_MOVED_M = 3.0, 0.75  # points kept at hand, and how far they last


class Obstacles:
    """The points of memory that stand in a walker's way."""

    def __init__(self, body_m: float, eye_height_m: float, step_m: float) -> None:
        self._body_m = body_m
        self._band_m = (-OVERHEAD_M, eye_height_m - step_m)  # below the eye, world +y
        self._points_world = np.zeros((0, 3), np.float32)
        self._near_xz = np.zeros((0, 2))
        self._near_center: Array | None = None

    def see(
        self,
        points_world: np.ndarray,  # [N, 3], or [N, 4] homogeneous: w 0 is sky and blocks nothing
    ) -> None:
        """Replaces what is known."""
        if points_world.shape[1] == 4:
            points_world = points_world[points_world[:, 3] > 0]
        self._points_world = points_world[:, :3]
        self._near_center = None

    def free_distance_m(self, camera: Camera, direction: Array) -> float:
        """See `FreeDistance`. Beyond three metres nothing is looked for: inf."""
        x, z = self._near(camera.position).T
        along = x * direction[0] + z * direction[2]
        aside = x * direction[2] - z * direction[0]
        ahead = (along > 0) & (np.abs(aside) < self._body_m)
        if np.count_nonzero(ahead) <= STRAYS:
            return math.inf
        touch = along[ahead] - np.sqrt(self._body_m**2 - aside[ahead] ** 2)
        return max(0.0, float(np.partition(touch, STRAYS)[STRAYS]))

    def _near(self, position: Array) -> Array:
        """[M, 2] (x, z) of the close points at body height, seen from `position`."""
        center = self._near_center
        if center is None or np.abs(position - center).max() > NEAR_MOVED_M:
            # Heights within a hand's breadth need no new choice; flying does.
            self._near_center = center = position.copy()
            offset = self._points_world - position
            low, high = self._band_m
            standing = (offset[:, 1] > low) & (offset[:, 1] < high)
            close = np.abs(offset[:, [0, 2]]).max(1) < NEAR_M + NEAR_MOVED_M
            self._near_xz = self._points_world[standing & close][:, [0, 2]].astype(np.float64)
        return self._near_xz - position[[0, 2]]


def slide(
    free_distance_m: FreeDistance,
    camera: Camera,  # where the walker is
    moved: Array,  # [3] m, the level way that it wants to go
) -> Array:  # [3] m
    """What is left of the way when walls stand in it; `moved` itself where none does."""
    length = float(np.linalg.norm(moved))
    if length < 1e-9:
        return moved
    ahead = moved / length
    free = free_distance_m(camera, ahead)
    if free >= length:
        return moved
    angles = [_open_angle(free_distance_m, camera, moved, side) for side in (-1.0, 1.0)]
    angle = min(angles, key=abs)
    if abs(angle) > math.radians(88):  # straight on: go as far as there is room
        return ahead * free
    return _turned(moved, angle) * math.cos(angle)


def _open_angle(free_distance_m: FreeDistance, camera: Camera, moved: Array, side: float) -> float:
    """Radians: the smallest turn to one side at which the way is free."""
    length = float(np.linalg.norm(moved))
    closed, opened = 0.0, math.pi / 2
    for _ in range(8):
        angle = (closed + opened) / 2
        toward = _turned(moved / length, side * angle)
        if free_distance_m(camera, toward) >= length * math.cos(angle):
            opened = angle
        else:
            closed = angle
    return side * opened


def _turned(direction: Array, angle: float) -> Array:
    """[3] a level direction, turned by radians to the right."""
    x, z = direction[0], direction[2]
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([x * cos + z * sin, 0.0, z * cos - x * sin])
