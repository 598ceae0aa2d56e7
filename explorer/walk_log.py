"""The lines of an event log that a walk can be replayed from, and what they mean.

    walk     first: what was asked for, how the walker walks
    begin    a world begins: its preset, seed and start
    input    an action, or controls that hold from the next frame on
    engine   an answer of the engine, with what it had been asked for
    frame    closes a display frame: all lines since the frame before belong to it

Answers are enough to make the world again: each carries its own request. Knows nothing of windows.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

import mirage_engine
from explorer.config import PilotConfig
from explorer.engine_events import Event, GaveUp, Restarted
from explorer.keymap import Action
from explorer.packing import pack
from explorer.pilot import Controls
from explorer.protocol import Changed, CloudReset, Failure, Ready, SegmentReady, Start
from mirage_engine import Camera, ConfigError, Edit, Preset, Segment

if TYPE_CHECKING:
    from explorer.cli import Options

FORMAT = 1
# Members of `Options` that make the world and the first walk.
ASKED: dict[str, type] = {
    "config": str,
    "image": Path,
    "fit": str,
    "fov": float,
    "prompt": str,
    "scene": int,
    "seed": int,
    "memory": str,
    "tour": str,
    "path": Path,
    "load": Path,
}
LOST = "the engine was started anew here, which no replay can repeat"


@dataclass(frozen=True)
class Answer:
    """What the engine said, and what makes it say so again."""

    #: The first three were asked for, the others begin a world.
    what: Literal["segment", "undone", "changed", "shown", "ready", "reset"]
    index: int = 0  # of the segment
    poses: tuple[tuple[tuple[float, ...], ...], ...] = ()  # of the segment, [T, 3, 4] c2w
    crc: int = 0  # of the segment's frames
    edit: str = ""  # kind of the change
    ids: tuple[int, ...] = ()
    budget_mib: float = 0.0

    @property
    def asked(self) -> bool:
        """Whether it followed a request of its own."""
        return self.what in ("segment", "undone", "changed")

    def path(self, lens: Camera) -> list[Camera]:
        """The cameras that were asked for."""
        last = (0.0, 0.0, 0.0, 1.0)
        return [lens.moved(np.array([*rows, last], np.float64)) for rows in self.poses]

    def change(self) -> Edit:
        return Edit(self.edit, np.array(self.ids, np.int32), self.budget_mib)  # type: ignore[arg-type]


@dataclass(frozen=True)
class WalkFrame:
    """All that went into one display frame."""

    dt_s: float
    controls: Controls
    held: bool  # whether a tour had to wait
    actions: tuple[Action, ...] = ()
    dropped: Path | None = None  # file, for the action that drops one
    answers: tuple[Answer, ...] = ()
    begins: int = 0  # worlds begun by the end of this frame
    pose: list[float] | None = None  # [16] where the walker stood then, where it was noted


@dataclass(frozen=True)
class WalkLog:
    """A walk as it was recorded."""

    asked: dict[str, Any]  # `ASKED`
    pilot: PilotConfig
    begins: list[dict[str, Any]] = field(default_factory=list)  # as `begin_entry`
    frames: list[WalkFrame] = field(default_factory=list)

    @property
    def answers(self) -> Iterator[Answer]:
        return (answer for frame in self.frames for answer in frame.answers)


def walk_entry(options: Options, pilot: PilotConfig) -> dict[str, Any]:
    """The first line of a log."""
    asked = {name: getattr(options, name) for name in ASKED}
    for name, value in asked.items():
        file = ASKED[name] is Path or (name in ("config", "tour") and str(value).endswith(".toml"))
        asked[name] = str(Path(value).absolute()) if file and value is not None else value
    about = {"format": FORMAT, "version": mirage_engine.__version__}
    return {**about, "asked": asked, "pilot": pack(pilot, [])}


def begin_entry(preset: Preset, seed: int, start: Start) -> dict[str, Any]:
    """The line of a world that begins; equal for equal worlds."""
    image = None if start.image is None else zlib.crc32(start.image.tobytes())
    path = str(Path(start.path).absolute()) if start.path else ""
    where = {"kind": start.kind, "scene": start.scene, "prompt": start.prompt, "path": path}
    return {"preset": pack(preset, []), "seed": seed, "start": {**where, "image": image}}


def check_same(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Raises ConfigError: two lines of `begin_entry` are of different worlds."""
    for part in ("preset", "seed", "start"):
        if wanted[part] != found[part]:
            then = "" if part == "preset" else f": {wanted[part]}, not {found[part]}"
            raise ConfigError(f"--replay: recorded with another {part}{then}")


def answer_of(event: Event, begun: bool) -> Answer | None:
    """The answer in an event; None for news that change neither world nor walk.

    `begun` says whether this world was ready before. Raises ConfigError: see `LOST`.
    """
    match event:
        case SegmentReady(segment=segment):
            crc = frames_crc(segment)
            if event.request < 0:
                return Answer("shown", segment.index, crc=crc)
            poses = tuple(tuple(map(tuple, c.c2w[:3].tolist())) for c in segment.cameras)
            return Answer("segment", segment.index, poses, crc)
        case Ready():
            return Answer("ready")
        case CloudReset():
            return Answer("undone" if begun else "reset")
        case Changed():
            ids = tuple(event.ids.tolist()) if event.kind != "budget" else ()
            return Answer("changed", edit=event.kind, ids=ids, budget_mib=event.budget_mib)
        case Restarted() | GaveUp() | Failure(doing="begin" | "restore"):
            raise ConfigError(LOST)
    return None


def frames_crc(segment: Segment) -> int:
    """Tells whether a segment is bit for bit what it was."""
    return zlib.crc32(segment.frames.tobytes())


def answer_entry(answer: Answer) -> dict[str, Any]:
    """The line of an answer: what is at its default is left out."""
    plain = vars(Answer("ready"))
    return {"what": answer.what, **{k: v for k, v in vars(answer).items() if v != plain[k]}}
