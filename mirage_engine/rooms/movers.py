"""Moving objects: a rolling ball, a gliding cube, each on a smooth closed path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mirage_engine.rooms.parts import BALL, BOX

if TYPE_CHECKING:
    from mirage_engine.rooms.scene import Scene


@dataclass(frozen=True)
class Mover:
    """Swings around `center` along `direction`, in the plan frame."""

    shape: int
    center: np.ndarray  # [3] metres
    half: np.ndarray  # [3] metres
    direction: np.ndarray  # [3] metres, amplitude
    bob: float  # metres up and down
    period_s: float

    def bounds(self, time_s: float) -> np.ndarray:
        """[2, 3] low and high corner at a time."""
        phase = 2 * np.pi * time_s / self.period_s
        at = self.center + self.direction * np.sin(phase)
        at = at + np.array([0.0, self.bob * np.sin(2 * phase), 0.0])
        return np.stack([at - self.half, at + self.half])


def make_movers(scene: Scene, start: np.ndarray, rng: np.random.Generator) -> list[Mover]:
    """A ball on the floor and a cube in the air, ahead of the start camera."""
    ahead, right = start[:3, 2], start[:3, 0]
    movers = []
    for shape, size in ((BALL, 0.18), (BOX, 0.14)):
        reach = float(rng.uniform(2.2, 3.2))
        spot = start[:3, 3] + ahead * reach + right * rng.uniform(-0.3, 0.3)
        swing = right * _room_to_swing(scene, spot, right, size)
        if shape == BALL:
            spot[1] = -size - 0.02
            bob = 0.0
        else:
            spot[1] = -float(rng.uniform(1.2, 1.7))
            bob = 0.08
        movers.append(Mover(shape, spot, np.full(3, size), swing, bob, float(rng.uniform(3, 6))))
    return movers


def _room_to_swing(scene: Scene, spot: np.ndarray, along: np.ndarray, size: float) -> float:
    """Largest amplitude, to both sides, that touches nothing."""
    best = 0.1
    for reach in np.arange(0.2, 0.9, 0.1):
        ends = np.stack([spot + along * reach, spot - along * reach])
        if not scene.space.is_free(ends, size + 0.05).all():
            break
        best = float(reach)
    return best
