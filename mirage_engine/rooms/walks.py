"""Free space, and natural first-person walks through it. Everything in the plan frame."""

from __future__ import annotations

import numpy as np

from mirage_engine.camera import pose
from mirage_engine.rooms.parts import Solids
from mirage_engine.rooms.plan import Plan, Room, Wall

EYE_M = 1.5
STEP_OVER_M = 0.06  # rugs and thresholds do not stop a walker


class FreeSpace:
    """Knows where a walker fits."""

    def __init__(self, plan: Plan, solids: Solids) -> None:
        self.plan = plan
        bounds = solids.box_array()
        blocking = bounds[:, 0, 1] < -STEP_OVER_M
        blocking &= bounds[:, 1, 1] > -2.6
        self._low = bounds[blocking, 0]  # [K, 3]
        self._high = bounds[blocking, 1]

    def is_free(self, eye: np.ndarray, radius_m: float = 0.25) -> np.ndarray:
        """[N] bool for eyes [N, 3]: an upright body, floor to eye, keeps `radius_m` clear."""
        flat = [0, 2]
        low, high = self._low[None, :, flat], self._high[None, :, flat]
        at = eye[:, None, flat]
        gap = np.maximum(np.maximum(low - at, at - high), 0.0)
        close = (gap**2).sum(-1) < radius_m**2
        # The body ends a little above the eye; what hangs higher does not matter.
        overhead = self._high[None, :, 1] < eye[:, None, 1] - max(radius_m, 0.1)
        return ~(close & ~overhead).any(1)


def walk(
    space: FreeSpace,
    rng: np.random.Generator,
    frames: int,
    step_m: float = 0.2,
    step_deg: float = 7.5,
    start: np.ndarray | None = None,
    radius_m: float = 0.35,
) -> list[np.ndarray]:
    """[4, 4] poses: walks, arcs, turns, strafes, reversals, glances, door crossings."""
    walker = _Walker(space, rng, step_m, step_deg, radius_m, start)
    while len(walker.path) < frames:
        walker.act()
    return walker.path[:frames]


class _Walker:
    def __init__(
        self,
        space: FreeSpace,
        rng: np.random.Generator,
        step_m: float,
        step_deg: float,
        radius_m: float,
        start: np.ndarray | None,
    ) -> None:
        self.space, self.rng, self.radius = space, rng, radius_m
        self.step_m, self.step_deg = step_m, step_deg
        self.pitch = 0.0
        if start is None:
            self.at, self.yaw = self._somewhere()
        else:
            self.at = start[:3, 3].copy()
            self.yaw = float(np.degrees(np.arctan2(start[0, 2], start[2, 2])))
        self.path = [self._pose()]

    def act(self) -> None:
        """One behaviour: a handful of frames."""
        acts = (self._stroll, self._turn, self._strafe, self._back, self._glance, self._visit)
        weights = [0.3, 0.22, 0.1, 0.08, 0.06, 0.24]
        before = len(self.path)
        acts[self.rng.choice(len(acts), p=weights)]()
        if len(self.path) == before:
            self._turn()

    def _somewhere(self) -> tuple[np.ndarray, float]:
        rooms = self.space.plan.rooms
        for _ in range(400):
            room = rooms[self.rng.integers(len(rooms))]
            at = np.array([self.rng.uniform(*room.x), -EYE_M, self.rng.uniform(*room.z)])
            if self.space.is_free(at[None], self.radius + 0.1)[0]:
                return at, float(self.rng.uniform(0, 360))
        raise RuntimeError("the house has no free floor")

    def _pose(self) -> np.ndarray:
        return pose(self.at, self.yaw, self.pitch)

    def _emit(self, step: np.ndarray, turn_deg: float) -> bool:
        """Moves if there is space; whether it did."""
        to = self.at + step
        between = self.at + np.linspace(0.25, 1, 4)[:, None] * step
        if np.abs(step).max() > 0 and not self.space.is_free(between, self.radius).all():
            return False
        self.at, self.yaw = to, self.yaw + turn_deg
        self.pitch *= 0.9
        self.path.append(self._pose())
        return True

    def _heading(self, offset_deg: float = 0.0) -> np.ndarray:
        angle = np.radians(self.yaw + offset_deg)
        return np.array([np.sin(angle), 0.0, np.cos(angle)])

    def _stroll(self) -> None:
        """Forward, straight or in an arc."""
        bend = float(self.rng.choice([0, 0, 1, -1])) * self.rng.uniform(0.15, 0.6) * self.step_deg
        pace = self.step_m * self.rng.uniform(0.6, 1.0)
        for _ in range(int(self.rng.integers(4, 16))):
            if not self._emit(self._heading(bend / 2) * pace, bend):
                break

    def _turn(self) -> None:
        rate = self.rng.choice([-1, 1]) * self.step_deg * self.rng.uniform(0.6, 1.0)
        for _ in range(int(self.rng.integers(4, 18))):
            self._emit(np.zeros(3), rate)

    def _strafe(self) -> None:
        side = self.rng.choice([-90.0, 90.0])
        pace = self.step_m * self.rng.uniform(0.4, 0.8)
        for _ in range(int(self.rng.integers(3, 10))):
            if not self._emit(self._heading(side) * pace, 0.0):
                break

    def _back(self) -> None:
        """Backwards, as one steps back to see more."""
        for _ in range(int(self.rng.integers(3, 9))):
            if not self._emit(self._heading(180.0) * self.step_m * 0.7, 0.0):
                break

    def _glance(self) -> None:
        """Looks up or down a little, and to the side."""
        goal, turn = self.rng.uniform(-14, 14), self.rng.uniform(-0.4, 0.4) * self.step_deg
        count = int(self.rng.integers(4, 9))
        for _ in range(count):
            self.pitch += (goal - self.pitch) / 3
            self._emit(np.zeros(3), turn)

    def _visit(self) -> None:
        """Through a door of this room into the next."""
        doors = self._doors()
        if not doors:
            return
        wall, point = doors[self.rng.integers(len(doors))]
        side = np.sign(self.at[wall.axis] - wall.at) or 1.0
        through = np.zeros(3)
        through[wall.axis] = side
        for goal in (point + through * 0.7, point, point - through * 0.9):
            if not self._go(goal):
                return

    def _go(self, goal: np.ndarray) -> bool:
        """Straight towards `goal`, turning first; whether it got there."""
        for _ in range(60):
            way = goal - self.at
            way[1] = 0.0
            distance = float(np.linalg.norm(way))
            if distance < 0.05:
                return True
            bearing = float(np.degrees(np.arctan2(way[0], way[2])))
            off = (bearing - self.yaw + 180) % 360 - 180
            turn = float(np.clip(off, -self.step_deg, self.step_deg))
            moving = abs(off) < 40
            step = way / distance * min(self.step_m, distance) if moving else np.zeros(3)
            if not self._emit(step, turn):
                return False
        return False

    def _doors(self) -> list[tuple[Wall, np.ndarray]]:
        room = self._room()
        found = []
        for wall in self.space.plan.walls:
            for hole in wall.openings:
                if hole.window or room is None or room not in wall.sides:
                    continue
                middle = sum(hole.along) / 2
                x, z = (wall.at, middle) if wall.axis == 0 else (middle, wall.at)
                found.append((wall, np.array([x, -EYE_M, z])))
        return found

    def _room(self) -> Room | None:
        for room in self.space.plan.rooms:
            if room.x[0] <= self.at[0] <= room.x[1] and room.z[0] <= self.at[2] <= room.z[1]:
                return room
        return None
