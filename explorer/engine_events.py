"""What the display hears of its engine, and how the engine is to be run. Plain records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from explorer.protocol import CloudReset, Failure, Progress, Ready, Saved, SegmentReady, Stage

State = Literal["starting", "idle", "generating", "restarting", "failed"]


@dataclass(frozen=True)
class EngineSettings:
    """How to run the engine.

    Silence longer than `beat_timeout_s` counts as death, a single step longer than `step_timeout_s`
    as a hang. Importing a large library blocks every thread of a process for a while, so loading
    has a timeout of its own.
    """

    device: str = "auto"
    threads: int | None = None  # one less than there are cores
    engine: str = "mirage_engine"  # module with load_world and open_world
    beat_timeout_s: float = 10.0
    load_timeout_s: float = 60.0
    step_timeout_s: float = 300.0


@dataclass(frozen=True)
class Restarted:
    """The engine died or hung and is being started again; the world is restored."""

    epoch: int
    why: str


@dataclass(frozen=True)
class GaveUp:
    """The engine could not be brought back."""

    epoch: int
    why: str


Event = Stage | Ready | Progress | SegmentReady | CloudReset | Saved | Failure | Restarted | GaveUp


def empty_cloud(epoch: int) -> CloudReset:
    """A world without segments or points."""
    points, colors = np.zeros((0, 4), np.float32), np.zeros((0, 3), np.uint8)
    return CloudReset(epoch, 0, points, colors, np.zeros(0, np.float32), np.zeros(0, np.int64))
