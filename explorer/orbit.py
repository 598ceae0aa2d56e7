"""The inspector's own camera: around a place, or flying; upright, and smooth on its way to a point.

Knows nothing of keys, windows or points.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from explorer.pilot import Controls
from mirage_engine import Camera, pinhole, pose

Array = NDArray[np.float64]

HFOV_DEG = 55.0
DEG_PER_PX = 0.28
MOST_PITCH = 88.0
NEAREST_M, FARTHEST_M = 0.15, 200.0
NOTCH = 0.86  # of the distance that is left after a notch of the wheel
FLIGHT_S = 0.6
FLY_SHARE = 0.8  # of the distance to the aim, flown in a second
LEAST_FLY_M_S = 0.6
TAIL = 0.03  # share of the points that may lie outside of the first view, to each side
FREE = 0.55  # of the picture's half width


class OrbitCamera:
    """Looks at `aim` from `distance_m` away, turned by yaw and pitch as a walker's camera is."""

    def __init__(self) -> None:
        self.aim: Array = np.zeros(3)
        self.distance_m = 6.0
        self.yaw_deg, self.pitch_deg = 35.0, -38.0
        self._from: Array = self.aim
        self._to: Array | None = None
        self._began_s = 0.0

    def camera(self, size: tuple[int, int], turn_deg: float = 0.0) -> Camera:
        """For a picture of (height, width); turned further around the aim."""
        c2w = pose((0, 0, 0), self.yaw_deg + turn_deg, self.pitch_deg)
        c2w[:3, 3] = self.aim - c2w[:3, 2] * self.distance_m
        return Camera(c2w, pinhole(size, HFOV_DEG), size)

    def turn(self, right_px: float, down_px: float, height_px: float) -> None:
        per_px = DEG_PER_PX * 600 / height_px
        self.yaw_deg += right_px * per_px
        self.pitch_deg = min(max(self.pitch_deg - down_px * per_px, -MOST_PITCH), MOST_PITCH)

    def pan(self, right_px: float, down_px: float, height_px: float) -> None:
        """The aim moves with the hand, as if it lay under the mouse."""
        camera = self.camera((int(height_px), int(height_px * 1.6)))
        metres = self.distance_m / camera.intrinsics[0, 0]
        self._to = None
        right, down = camera.c2w[:3, 0], camera.c2w[:3, 1]
        self.aim = self.aim - (right * right_px + down * down_px) * metres

    def dolly(self, notches: float) -> None:
        wanted = self.distance_m * NOTCH**notches
        self.distance_m = min(max(wanted, NEAREST_M), FARTHEST_M)

    def fly(self, controls: Controls, dt_s: float) -> None:
        """Moves aim and eye together, in the camera's own frame; keys and stick turn it."""
        self.yaw_deg += controls.turn_deg
        pitch = self.pitch_deg + controls.look_deg
        self.pitch_deg = min(max(pitch, -MOST_PITCH), MOST_PITCH)
        c2w = pose((0, 0, 0), self.yaw_deg, self.pitch_deg)
        way = controls.right * c2w[:3, 0] + controls.forward * c2w[:3, 2]
        way = way - [0.0, controls.up, 0.0]
        if not way.any():
            return
        speed = max(self.distance_m * FLY_SHARE, LEAST_FLY_M_S)
        speed *= 2.5 if controls.fast else 0.4 if controls.slow else 1.0
        self._to = None
        self.aim = self.aim + way * speed * min(dt_s, 0.25)

    def fly_to(self, point_world: Array, now_s: float) -> None:
        """Sets out to look at a point, from not far away."""
        self._from, self._to, self._began_s = self.aim, np.asarray(point_world, np.float64), now_s
        self.distance_m = min(self.distance_m, 3.0)

    def glide(self, now_s: float) -> None:
        """A step of the flight, if there is one."""
        if self._to is None:
            return
        share = min(max((now_s - self._began_s) / FLIGHT_S, 0.0), 1.0)
        eased = share * share * (3 - 2 * share)
        self.aim = self._from + (self._to - self._from) * eased
        if share >= 1:
            self._to = None

    def frame(self, points_world: Array, walker: Camera) -> None:
        """Stands back behind the walker, high up, until it sees it and nearly all of the points."""
        content = np.concatenate([points_world[:, :3], walker.position[None]])
        low, high = np.quantile(content, [TAIL, 1 - TAIL], axis=0)
        heading = math.degrees(math.atan2(walker.forward[0], walker.forward[2]))
        self.yaw_deg, self.pitch_deg = heading - 28.0, -42.0
        self._to, self.aim = None, (low + high) / 2
        seen = (content - self.aim) @ pose((0, 0, 0), self.yaw_deg, self.pitch_deg)[:3, :3]
        # The picture is wider than high, but panels stand at its sides: a square is free.
        half = math.tan(math.radians(HFOV_DEG) / 2) * FREE
        wanted = float(np.quantile(np.abs(seen[:, :2]).max(1) / half - seen[:, 2], 1 - TAIL))
        self.distance_m = min(max(wanted, 1.5), FARTHEST_M)
