"""The inspector's own camera: it turns around a place, comes closer, pans, and flies.

Upright at all times, in a level world whose up is -y. The same inputs end at the same place at any
frame rate. Knows nothing of keys, windows or points of memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.pilot import LONGEST_FRAME_S, LONGEST_STEP_S, Controls
from mirage_engine import Camera, pinhole, pose, yaw_pitch_deg

Array = NDArray[np.float64]

VFOV_DEG = 36.0  # of the picture's height: a wider window shows more, not other sizes
TURN_DEG = 170.0  # for a drag over the picture's height
MOST_PITCH_DEG = 88.0
NEAREST_M, FARTHEST_M = 0.15, 200.0
NOTCH = 0.86  # of the distance is left after a notch of the wheel
FLIGHT_S = 0.6
CLOSE_M = 3.0  # the distance from which a flight ends up looking at its point, at most
SPEED = 0.8  # of the distance, flown in a second: fast where one sees much, slow at a detail
LEAST_M_S = 0.6
FAST, SLOW = 2.5, 0.4
BEHIND_DEG, ABOVE_DEG = 28.0, 42.0  # a first view: from the walker's right shoulder, high up
FREE = 0.85  # of the picture's height, a square between the panels that a first view fills
STRAYS = 0.03  # share of the points that may lie outside of a first view, for each axis and side


@dataclass(frozen=True, eq=False)
class _Flight:
    """From one aim to another."""

    aims: tuple[Array, Array]  # [3] m each
    distances_m: tuple[float, float]
    began_s: float


class OrbitCamera:
    """Looks at `aim` from `distance_m` away; yaw and pitch are as those of a walker."""

    def __init__(self) -> None:
        self.aim: Array = np.zeros(3)
        self.distance_m = 6.0
        self.yaw_deg, self.pitch_deg = 0.0, -ABOVE_DEG
        self._flight: _Flight | None = None

    def camera(
        self,
        size: tuple[int, int],  # (height, width) px
        turn_deg: float = 0.0,  # further around the aim, for a turntable
    ) -> Camera:
        c2w = pose((0, 0, 0), self.yaw_deg + turn_deg, self.pitch_deg)
        c2w[:3, 3] = self.aim - c2w[:3, 2] * self.distance_m
        half = math.tan(math.radians(VFOV_DEG / 2)) * size[1] / size[0]
        return Camera(c2w, pinhole(size, math.degrees(2 * math.atan(half))), size)

    def turn(self, right_px: float, down_px: float, height_px: float) -> None:
        """A drag around the aim: what is near follows the hand."""
        self._rotate(right_px / height_px * TURN_DEG, -down_px / height_px * TURN_DEG)

    def pan(self, right_px: float, down_px: float, height_px: float) -> None:
        """A drag sideways: what lies at the aim's distance stays under the hand."""
        self._flight = None
        m_per_px = 2 * math.tan(math.radians(VFOV_DEG / 2)) * self.distance_m / height_px
        axes = pose((0, 0, 0), self.yaw_deg, self.pitch_deg)[:3, :3]
        self.aim = self.aim - axes @ np.array([right_px, down_px, 0.0]) * m_per_px

    def dolly(self, notches: float) -> None:
        """Towards the aim, by a share of what is left; away from it for negative ones."""
        self._flight = None
        self.distance_m = _within(self.distance_m * NOTCH**notches)

    def fly(self, controls: Controls, dt_s: float) -> None:
        """Eye and aim together, along the camera's own axes; turning goes around the aim."""
        dt_s = min(dt_s, LONGEST_FRAME_S)
        parts = max(1, math.ceil(dt_s / LONGEST_STEP_S - 1e-9))
        turn, look = controls.turn_deg / parts / 2, controls.look_deg / parts / 2
        for _ in range(parts):
            # Half of the turn first: the mean heading of the step, whatever its length.
            self._rotate(turn, look)
            self._advance(controls, dt_s / parts)
            self._rotate(turn, look)

    def fly_to(
        self,
        point_world: np.ndarray,  # [3] m
        now_s: float,
    ) -> None:
        """Sets out to look at a point from not far away; `glide` goes there."""
        there = np.asarray(point_world, np.float64)
        closer = min(self.distance_m, CLOSE_M)
        self._flight = _Flight((self.aim, there), (self.distance_m, closer), now_s)

    def glide(self, now_s: float) -> None:
        """Goes on with a flight, if there is one; hands on the camera end it."""
        if self._flight is None:
            return
        share = min(max((now_s - self._flight.began_s) / FLIGHT_S, 0.0), 1.0)
        eased = share**2 * (3 - 2 * share)
        (here, there), (far, near) = self._flight.aims, self._flight.distances_m
        self.aim = here + (there - here) * eased
        self.distance_m = far * (near / far) ** eased
        if share == 1.0:
            self._flight = None

    def frame(
        self,
        points_world: np.ndarray,  # [N, 3] m
        walker: Camera,
    ) -> None:
        """Stands back until the walker and nearly all of the points are in the picture."""
        self._flight = None
        self.yaw_deg, self.pitch_deg = yaw_pitch_deg(walker)[0] - BEHIND_DEG, -ABOVE_DEG
        content = np.concatenate([np.asarray(points_world, np.float64), walker.position[None]])
        low, high = np.quantile(content, [STRAYS, 1 - STRAYS], axis=0)
        self.aim = (low + high) / 2
        x, y, z = ((content - self.aim) @ pose((0, 0, 0), self.yaw_deg, self.pitch_deg)[:3, :3]).T
        slope = math.tan(math.radians(VFOV_DEG / 2)) * FREE
        wanted = np.maximum(np.abs(x), np.abs(y)) / slope - z
        self.distance_m = _within(max(float(np.quantile(wanted, 1 - STRAYS)), wanted[-1], 1.5))

    def _rotate(self, turn_deg: float, look_deg: float) -> None:
        self.yaw_deg += turn_deg
        self.pitch_deg = min(max(self.pitch_deg + look_deg, -MOST_PITCH_DEG), MOST_PITCH_DEG)

    def _advance(self, controls: Controls, dt_s: float) -> None:
        axes = pose((0, 0, 0), self.yaw_deg, self.pitch_deg)
        way = controls.right * axes[:3, 0] + controls.forward * axes[:3, 2]
        way[1] -= controls.up
        length = float(np.linalg.norm(way))
        if length < 1e-9:
            return
        self._flight = None
        speed_m_s = max(self.distance_m * SPEED, LEAST_M_S) / max(length, 1.0)
        speed_m_s *= FAST if controls.fast else SLOW if controls.slow else 1.0
        self.aim = self.aim + way * speed_m_s * dt_s


def _within(distance_m: float) -> float:
    return min(max(distance_m, NEAREST_M), FARTHEST_M)
