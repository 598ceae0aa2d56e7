"""Pilots: who moves the camera. Controls or a plan go in with the time passed, a Camera comes out.

A level world whose up is -y (`mirage_engine.pose`): yaw grows to the right, pitch upwards, both in
degrees; metres and seconds. The same inputs end at the same place at any frame rate. Knows nothing
of keys, windows or generation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from explorer.config import PilotConfig
from explorer.obstacles import FreeDistance, slide
from mirage_engine import Camera, TourStop, interpolate, pose, yaw_pitch_deg

Array = NDArray[np.float64]

LONGEST_FRAME_S = 0.25  # a longer hang must not throw the walker through the next wall
LONGEST_STEP_S = 1 / 30
PREDICT_STEP_S = 0.1
TURN_EASE_S = 0.1  # smoothing of the measured turn rate
TURN_FADE_S = 0.8  # a hand on the mouse soon stops
LEVEL_EASE_S = 0.25  # coming down to the floor after flying
TRAIL_M, TRAIL_DEG = 0.1, 5.0  # spacing of the remembered way
TRAIL_NODES = 20_000  # beyond it, every second node is forgotten


@dataclass(frozen=True)
class Controls:
    """What the hands want during one display frame."""

    forward: float = 0.0  # -1..1
    right: float = 0.0  # -1..1
    up: float = 0.0  # -1..1, in fly mode
    turn_deg: float = 0.0  # over this frame, positive to the right
    look_deg: float = 0.0  # over this frame, positive up
    fast: bool = False
    slow: bool = False
    toggle_fly: bool = False
    go_home: bool = False

    @property
    def active(self) -> bool:
        """Whether any of them moves or turns."""
        return any((self.forward, self.right, self.up, self.turn_deg, self.look_deg))


@dataclass(frozen=True, eq=False)
class Motion:
    """Where the walker is and how it moves."""

    position: Array  # [3] m, world
    yaw_deg: float
    pitch_deg: float
    velocity: Array  # [3] m/s, world


class KeyboardPilot:
    """Walks or flies as the hands say, smoothly, and slides along remembered walls.

    Walking keeps the height of the start; flying follows the look and passes through everything.
    Roll of the start pose is dropped: the walker stands upright.
    """

    def __init__(
        self,
        start: Camera,
        config: PilotConfig,
        free_distance_m: FreeDistance | None = None,
    ) -> None:
        self.flying = False
        self.going_home = False
        self._lens = start
        self._config = config
        self._free_distance_m = free_distance_m
        yaw_deg, pitch_deg = yaw_pitch_deg(start)
        self._motion = Motion(start.position.copy(), yaw_deg, pitch_deg, np.zeros(3))
        self._level_y = float(start.position[1])
        self._trail = [self._motion]
        self._home_s = 0.0  # since the way home began
        self._controls = Controls()
        self._turn_deg_s = np.zeros(2)  # yaw, pitch; measured

    @property
    def camera(self) -> Camera:
        return self._camera(self._motion)

    @property
    def speed_m_s(self) -> float:
        return float(np.linalg.norm(self._motion.velocity))

    def fly(self, controls: Controls, dt_s: float) -> Camera:
        """The camera `dt_s` later. Any movement of the hands ends the way home."""
        self._controls = controls
        self.flying ^= controls.toggle_fly
        if controls.go_home:
            self.going_home, self._home_s = True, 0.0
        elif controls.active:
            self.going_home = False
        before, dt_s = self._motion, min(dt_s, LONGEST_FRAME_S)
        if self.going_home:
            self._step_home(dt_s)
        else:
            parts = max(1, math.ceil(dt_s / LONGEST_STEP_S - 1e-9))
            turn, look = controls.turn_deg / parts, controls.look_deg / parts
            share = replace(controls, turn_deg=turn, look_deg=look)
            for _ in range(parts):
                self._motion = self._step(self._motion, share, dt_s / parts)
            self._remember()
        self._measure_turn(before, dt_s)
        return self.camera

    def carry(self, camera: Camera) -> None:
        """Sets the walker down at a place that a tour went to; the way there is remembered."""
        yaw_deg, pitch_deg = yaw_pitch_deg(camera)
        yaw_deg += 360.0 * round((self._motion.yaw_deg - yaw_deg) / 360.0)
        self._motion = Motion(camera.position.copy(), yaw_deg, pitch_deg, np.zeros(3))
        self._level_y = float(camera.position[1])
        self.going_home = False
        self._remember()

    def predict(self, seconds: float) -> list[Camera]:
        """The camera now, then one each tenth of a second, if the hands go on as they do now."""
        steps = max(1, round(seconds / PREDICT_STEP_S))
        if self.going_home:
            return self._predict_home(steps)
        motion, cameras = self._motion, [self.camera]
        for i in range(steps):
            fade = math.exp(-(i + 0.5) * PREDICT_STEP_S / TURN_FADE_S) * PREDICT_STEP_S
            turn, look = self._turn_deg_s * fade
            controls = replace(self._controls, turn_deg=float(turn), look_deg=float(look))
            motion = self._step(motion, controls, PREDICT_STEP_S)
            cameras.append(self._camera(motion))
        return cameras

    def _step(self, motion: Motion, controls: Controls, dt_s: float) -> Motion:
        # Half of the turn first: the mean heading of the step, whatever its length.
        yaw = motion.yaw_deg + controls.turn_deg / 2
        limit = self._config.max_pitch_deg
        pitch = min(max(motion.pitch_deg + controls.look_deg, -limit), limit)
        target = self._wish(controls, yaw, (motion.pitch_deg + pitch) / 2)
        # Velocity eases towards the target exponentially; the way is its exact integral.
        ease_s = max(self._config.ease_s, 1e-6)
        left = math.exp(-dt_s / ease_s)
        lag = motion.velocity - target
        moved = target * dt_s + lag * (ease_s * (1 - left))
        velocity = target + lag * left
        if not self.flying:
            velocity[1] = moved[1] = 0.0
            way = moved
            if self._free_distance_m is not None:
                way = slide(self._free_distance_m, self._camera(motion), moved)
            if way is not moved:
                velocity = way / max(dt_s, 1e-6)
            above = self._level_y - motion.position[1]
            down_m = above * (1 - math.exp(-dt_s / LEVEL_EASE_S))
            moved = way + np.array([0.0, down_m, 0.0])
        return Motion(motion.position + moved, yaw + controls.turn_deg / 2, pitch, velocity)

    def _wish(self, controls: Controls, yaw_deg: float, pitch_deg: float) -> Array:
        """[3] m/s that the hands ask for, in the world."""
        facing = pose((0.0, 0.0, 0.0), yaw_deg, pitch_deg if self.flying else 0.0)
        wish = controls.forward * facing[:3, 2] + controls.right * facing[:3, 0]
        if self.flying:
            wish = wish - [0.0, controls.up, 0.0]
        c = self._config
        speed = c.run_m_s if controls.fast else c.slow_m_s if controls.slow else c.walk_m_s
        return wish * (speed / max(1.0, float(np.linalg.norm(wish))))

    def _remember(self) -> None:
        last, now = self._trail[-1], self._motion
        turned = max(abs(now.yaw_deg - last.yaw_deg), abs(now.pitch_deg - last.pitch_deg))
        if turned >= TRAIL_DEG or np.linalg.norm(now.position - last.position) >= TRAIL_M:
            self._trail.append(now)
            if len(self._trail) > TRAIL_NODES:
                del self._trail[1::2]

    def _step_home(self, dt_s: float) -> None:
        self._home_s += dt_s
        pace = 1 - math.exp(-self._home_s / max(self._config.ease_s, 1e-6))
        left, self._motion = self._retrace(self._motion, self._trail, dt_s * pace)
        self._trail = self._trail[:left] if left else self._trail[:1]
        self.going_home = left > 0

    def _predict_home(self, steps: int) -> list[Camera]:
        motion, left, cameras = self._motion, len(self._trail), [self.camera]
        for _ in range(steps):
            if left:
                left, motion = self._retrace(motion, self._trail[:left], PREDICT_STEP_S)
            cameras.append(self._camera(motion))
        return cameras

    def _retrace(
        self, at: Motion, trail: Sequence[Motion], budget_s: float
    ) -> tuple[int, Motion]:  # nodes still ahead, new place
        left = len(trail)
        while left:
            node = trail[left - 1]
            cost_s = self._travel_s(at, node)
            if cost_s > budget_s:
                return left, _between(at, node, budget_s / cost_s)
            budget_s -= cost_s
            at, left = replace(node, velocity=np.zeros(3)), left - 1
        return 0, at

    def _travel_s(self, a: Motion, b: Motion) -> float:
        turn = max(abs(a.yaw_deg - b.yaw_deg), abs(a.pitch_deg - b.pitch_deg))
        way = float(np.linalg.norm(a.position - b.position))
        return max(way / self._config.walk_m_s, turn / self._config.turn_deg_s)

    def _measure_turn(self, before: Motion, dt_s: float) -> None:
        if dt_s > 0:
            now = self._motion
            turned = [now.yaw_deg - before.yaw_deg, now.pitch_deg - before.pitch_deg]
            share = 1 - math.exp(-dt_s / TURN_EASE_S)
            self._turn_deg_s += (np.array(turned) / dt_s - self._turn_deg_s) * share

    def _camera(self, motion: Motion) -> Camera:
        return self._lens.moved(pose(motion.position, motion.yaw_deg, motion.pitch_deg))


class TourPilot:
    """Plays the stops of a tour at walking pace, and waits where the tour waits."""

    def __init__(self, stops: Sequence[TourStop], config: PilotConfig) -> None:
        assert stops, "a tour has at least its start"
        self._stops = stops
        self._elapsed_s = 0.0
        arrive_s = leave_s = 0.0
        self._arrive_s, self._leave_s = [], []
        for i, stop in enumerate(stops):
            if i:
                arrive_s = leave_s + _tour_travel_s(stops[i - 1].camera, stop.camera, config)
            leave_s = arrive_s + stop.wait_s
            self._arrive_s.append(arrive_s)
            self._leave_s.append(leave_s)

    @property
    def done(self) -> bool:
        return self._elapsed_s >= self._leave_s[-1]

    @property
    def stop(self) -> TourStop:
        """The stop that was reached last."""
        return self._stops[self._index()]

    @property
    def camera(self) -> Camera:
        i = self._index()
        here, after = self._stops[i], self._elapsed_s - self._leave_s[i]
        if after <= 0 or i + 1 == len(self._stops):
            return here.camera
        there = self._stops[i + 1].camera
        fraction = after / (self._arrive_s[i + 1] - self._leave_s[i])
        return here.camera.moved(interpolate(here.camera.c2w, there.c2w, fraction))

    def fly(self, dt_s: float) -> Camera:
        """The camera `dt_s` later; 0 holds the tour, as when generation is behind."""
        self._elapsed_s = min(self._elapsed_s + dt_s, self._leave_s[-1])
        return self.camera

    def predict(self, seconds: float) -> list[Camera]:
        """The camera now, then the stops of the next `seconds` and one beyond."""
        following = self._index() + 1
        end = int(np.searchsorted(self._arrive_s, self._elapsed_s + seconds, side="right"))
        ahead = self._stops[following : max(end, following) + 1]
        return [self.camera, *(stop.camera for stop in ahead)]

    def _index(self) -> int:
        return max(0, int(np.searchsorted(self._arrive_s, self._elapsed_s, side="right")) - 1)


def _between(a: Motion, b: Motion, fraction: float) -> Motion:
    return Motion(
        a.position + (b.position - a.position) * fraction,
        a.yaw_deg + (b.yaw_deg - a.yaw_deg) * fraction,
        a.pitch_deg + (b.pitch_deg - a.pitch_deg) * fraction,
        np.zeros(3),
    )


def _tour_travel_s(a: Camera, b: Camera, config: PilotConfig) -> float:
    way = float(np.linalg.norm(a.position - b.position))
    cosine = (float(np.sum(a.c2w[:3, :3] * b.c2w[:3, :3])) - 1) / 2
    turn = math.degrees(math.acos(min(max(cosine, -1.0), 1.0)))
    return max(way / config.walk_m_s, turn / config.turn_deg_s, 1e-3)
