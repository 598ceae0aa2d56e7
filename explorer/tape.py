"""Between the hands and the walker: writes a walk down, or plays a written one.

The frame loop is the same for both. In a replay time, controls, actions and answers are those of
the log; the person may look on, use the inspector and leave. Knows nothing of windows.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple, Protocol

from explorer.cli import Options
from explorer.config import PilotConfig
from explorer.engine_client import EngineClient
from explorer.engine_events import Event
from explorer.engine_off import EngineOff
from explorer.event_log import EventLog
from explorer.keymap import Action
from explorer.pilot import Controls
from explorer.protocol import Ready, Start
from explorer.replayed_engine import ReplayedEngine
from explorer.walk_log import (
    LOST,
    WalkFrame,
    WalkLog,
    answer_entry,
    answer_of,
    begin_entry,
    walk_entry,
)
from explorer.walk_reader import read_walk
from explorer.walker import Walker
from mirage_engine import Camera, ConfigError, Preset

LIVE = (Action.QUIT, Action.ASK_QUIT)  # what the person may do during a replay
# About files and the window, not about the walk: not done a second time.
ONCE_ONLY = (Action.RECORD, Action.SCREENSHOT, Action.SAVE, Action.FULLSCREEN)
LONGEST_PACE_S = 0.25

log = logging.getLogger("mirage")


class Hands(Protocol):
    """What is needed of `Bindings`."""

    dropped: Path | None


class Wish(NamedTuple):
    """How the walker is to move in a frame."""

    controls: Controls
    dt_s: float
    held: bool  # whether a tour must wait


class Recording:
    """Lets everything pass, and writes it down where there is a log."""

    waiting = False

    def __init__(self, options: Options, pilot: PilotConfig, event_log: EventLog) -> None:
        self._log, self._frames = event_log, 0
        self._controls, self._begun = Controls(), False
        event_log.entry("walk", **walk_entry(options, pilot))

    def begin(self, preset: Preset, seed: int, start: Start) -> None:
        """Another world begins."""
        self._begun = False
        self._log.entry("begin", **begin_entry(preset, seed, start))

    def actions(self, actions: list[Action], hands: Hands, now_s: float) -> list[Action]:
        """What to do in this frame."""
        for action in actions:
            file = {"file": str(hands.dropped)} if action is Action.DROP else {}
            self._log.input(now_s, action=action.value, **file)
        return actions

    def hear(self, event: Event) -> None:
        """The engine's answers, at the frame that hears them."""
        if not self._log.on:
            return
        try:
            answer = answer_of(event, self._begun)
        except ConfigError:
            self._log.entry("engine", lost=LOST)
            return
        self._begun = self._begun or isinstance(event, Ready)
        if answer is not None:
            self._log.entry("engine", **answer_entry(answer))

    def move(self, walker: Walker, wish: Wish, now_s: float) -> Camera:
        """Moves the walker; this ends the frame."""
        if wish.controls != self._controls:
            self._controls = wish.controls
            self._log.input(now_s, controls={k: v for k, v in vars(wish.controls).items() if v})
        held = {"held": True} if wish.held else {}
        self._log.entry("frame", number=self._frames, dt_s=wish.dt_s, **held)
        self._frames += 1
        return walker.move(*wish)

    def pace_s(self, shortest_s: float) -> float:
        """How long the next frame is to last."""
        return shortest_s

    def close(self) -> None: ...


class Replay:
    """Plays a walk frame by frame, and leaves at its end.

    Attributes:
        waiting: whether the walk stands still because the engine is behind.
    """

    def __init__(self, walk: WalkLog, engine: ReplayedEngine) -> None:
        self._frames, self._engine = walk.frames, engine
        self._next = 0
        self._now: WalkFrame | None = None  # None: the engine is behind
        self._poses = self._strayed = 0

    @property
    def waiting(self) -> bool:
        return self._now is None

    def begin(self, preset: Preset, seed: int, start: Start) -> None: ...

    def actions(self, actions: list[Action], hands: Hands, _now_s: float) -> list[Action]:
        """What to do in this frame. Raises ConfigError: the engine cannot do what it could."""
        live = [action for action in actions if action in LIVE]
        if self._next and self._frames[self._next - 1].begins != self._engine.worlds:
            raise ConfigError("--replay: the world that began here cannot be begun again")
        if self._next == len(self._frames):
            self._now = None
            return [Action.QUIT]
        frame = self._frames[self._next]
        self._now = frame if self._engine.arrived(frame.answers) else None
        if self._now is None:
            return live
        self._next += 1
        hands.dropped = frame.dropped
        return live + [action for action in frame.actions if action not in ONCE_ONLY]

    def hear(self, event: Event) -> None: ...

    def move(self, walker: Walker, _wish: Wish, _now_s: float) -> Camera:
        """Moves the walker as it moved then, whatever the hands do now."""
        frame = self._now
        if frame is None:
            return walker.camera
        camera = walker.move(frame.controls, frame.dt_s, frame.held)
        if frame.pose is not None:
            self._poses += 1
            self._strayed += camera.c2w.reshape(-1).tolist() != frame.pose
        return camera

    def pace_s(self, shortest_s: float) -> float:
        """As long as it lasted then."""
        return shortest_s if self._now is None else min(self._now.dt_s, LONGEST_PACE_S)

    def close(self) -> None:
        """Says whether it was the same walk."""
        engine, frames = self._engine, self._next
        done = f"replayed {frames} of {len(self._frames)} frames"
        if self._strayed or engine.different:
            log.warning(
                "%s, not as it was: %d of %d poses and %d of %d segments differ",
                *(done, self._strayed, self._poses, engine.different, engine.checked),
            )
            return
        log.info("%s: %d poses, %d segments, all as they were", done, self._poses, engine.checked)


def thread_tape(
    options: Options,
    pilot: PilotConfig,
    lens: Camera,
    client: EngineClient | EngineOff,
    event_log: EventLog,
) -> tuple[Recording | Replay, EngineClient | EngineOff | ReplayedEngine, PilotConfig]:
    """Who writes or plays, the engine to talk to, and how the walker walks."""
    if options.replay is None:
        return Recording(options, pilot, event_log), client, pilot
    walk = read_walk(options.replay)
    assert isinstance(client, EngineClient), "a replay has an engine"
    engine = ReplayedEngine(client, walk, lens)
    return Replay(walk, engine), engine, walk.pilot
