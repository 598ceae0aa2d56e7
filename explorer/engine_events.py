"""What the display hears of its engine, and how the engine is to be run. Plain records."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from explorer.protocol import (
    Changed,
    CloudReset,
    DetailsReady,
    Failure,
    Inspected,
    Looked,
    Progress,
    Ready,
    Saved,
    SegmentReady,
    Stage,
)

State = Literal["starting", "idle", "generating", "restarting", "failed"]


def engine_threads() -> int:
    """Beside a window: one less than there are cores."""
    return max(1, (os.cpu_count() or 2) - 1)


@dataclass(frozen=True)
class EngineSettings:
    """How to run the engine.

    Silence longer than `beat_timeout_s` counts as death, a single step longer than `step_timeout_s`
    as a hang. Importing a large library blocks every thread of a process for a while, so loading
    has a timeout of its own.
    """

    device: str = "auto"
    threads: int = field(default_factory=engine_threads)
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


Event = (
    Stage | Ready | Progress | SegmentReady | CloudReset | Changed | Looked | Inspected
    | DetailsReady | Saved | Failure | Restarted | GaveUp
)  # fmt: skip


def empty_cloud(epoch: int) -> CloudReset:
    """A world without segments or points."""
    points, metres, numbers = np.zeros((0, 4), "f4"), np.zeros(0, "f4"), np.zeros(0, "i4")
    return CloudReset(
        epoch,
        segments=0,
        points_world=points,
        colors=points[:, :3].astype("u1"),
        footprints_m=metres,
        born=numbers,
        ids=numbers,
        flags=numbers.astype("u1"),
        seen=numbers,
        gone_world=points,
        gone_footprints_m=metres,
    )
