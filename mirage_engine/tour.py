"""Tours: a walk written down in TOML, and the cameras along it.

    summary = "..."          # shown by --list
    spacing_m = 0.2          # at most this far from one generated frame to the next
    spacing_deg = 7.5
    steps = [
        { mark = "start" },
        { forward = 2.0, say = "To the window" },   # metres; also back, strafe (right), up
        { turn = -90 },                             # degrees, positive to the RIGHT, as strafe is
        { look = 10 },                              # degrees, positive up
        { wait = 1.0 },                             # seconds in a window; no frame
        { return = true },                          # back over the same poses to the last mark,
    ]                                               # or the start; return = "NAME" to that mark

A step with several moves does them together: forward and turn walk a curve. Moves are level,
whatever the look. Knows nothing of time, windows or generation.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mirage_engine.camera import Camera, pose
from mirage_engine.config import CONFIG_DIR, ConfigError, load_config

TOUR_DIR = CONFIG_DIR / "tours"
MOST_STOPS = 20_000

MOVES = ("forward", "back", "strafe", "up", "turn", "look")
STEP_KEYS = (*MOVES, "wait", "say", "mark", "return")


@dataclass(frozen=True)
class Tour:
    """A tour file, checked."""

    name: str
    summary: str
    spacing_m: float
    spacing_deg: float
    steps: tuple[dict[str, Any], ...]
    source: str  # for messages


@dataclass(frozen=True, eq=False)
class TourStop:
    """A pose of the tour: one generated frame."""

    camera: Camera
    caption: str = ""  # what is said here
    mark: str = ""  # its name, if it has one
    wait_s: float = 0.0  # how long a player stays


@dataclass(frozen=True)
class TourFile:
    """The keys of a tour file."""

    steps: tuple[dict, ...]
    summary: str = ""
    spacing_m: float = 0.2
    spacing_deg: float = 7.5


def list_tours() -> dict[str, str]:
    """Name to summary of the bundled tours."""
    return {p.stem: load_tour(p).summary for p in sorted(TOUR_DIR.glob("*.toml"))}


def load_tour(source: str | Path) -> Tour:
    """A bundled tour by name, or a file that ends in `.toml`.

    Raises:
        ConfigError: no such tour, or a step that makes no sense; the message names it.
    """
    path = Path(source)
    if path.suffix != ".toml":
        path = TOUR_DIR / f"{source}.toml"
        if not path.exists():
            known = sorted(p.stem for p in TOUR_DIR.glob("*.toml"))
            raise ConfigError(f"no tour named '{source}'; {_nearest(str(source), known)}")
    data = load_config(path, TourFile)
    tour = Tour(path.stem, data.summary, data.spacing_m, data.spacing_deg, data.steps, str(path))
    _check(tour)
    return tour


def tour_cameras(tour: Tour, start: Camera) -> list[TourStop]:
    """Every pose of the tour from `start`, which is the first stop as it is.

    Raises:
        ConfigError: more than 20 000 stops.
    """
    walk = _Walk(tour, start)
    for number, step in enumerate(tour.steps, 1):
        walk.take(step)
        if len(walk.stops) > MOST_STOPS:
            raise ConfigError(
                f"{tour.source}: step {number} makes more than {MOST_STOPS} stops; walk less"
            )
    return walk.stops


def yaw_pitch_deg(camera: Camera) -> tuple[float, float]:
    """The heading of a camera as `mirage_engine.pose` takes it; its roll is left out."""
    right, forward = camera.c2w[:3, 0], camera.forward
    yaw = math.degrees(math.atan2(-right[2], right[0]))
    return yaw, math.degrees(math.asin(min(max(-forward[1], -1.0), 1.0)))


@dataclass(frozen=True)
class _Place:
    """A stop's index and the heading there, for walking on and back."""

    stop: int
    position: np.ndarray  # [3] m, world
    yaw_deg: float
    pitch_deg: float


class _Walk:
    """The stops so far, and the way back over them."""

    def __init__(self, tour: Tour, start: Camera) -> None:
        self.stops = [TourStop(start)]
        self._tour = tour
        self._caption = ""
        yaw_deg, pitch_deg = yaw_pitch_deg(start)
        # The way from the start without the detours that were walked back.
        self._path = [_Place(0, start.position, yaw_deg, pitch_deg)]
        self._marks: dict[str, int] = {}  # name to index in the path, in the order of marking

    def take(self, step: dict[str, Any]) -> None:
        if "say" in step:
            self._caption = step["say"]
            self.stops[-1] = replace(self.stops[-1], caption=self._caption)
        if any(key in step for key in MOVES):
            self._move(step)
        if "return" in step:
            self._go_back(step["return"])
        if "wait" in step:
            waited = self.stops[-1].wait_s + step["wait"]
            self.stops[-1] = replace(self.stops[-1], wait_s=waited)
        if "mark" in step:
            self.stops[-1] = replace(self.stops[-1], mark=step["mark"])
            self._marks[step["mark"]] = len(self._path) - 1

    def _move(self, step: dict[str, Any]) -> None:
        turn, look = step.get("turn", 0.0), step.get("look", 0.0)
        ahead = step.get("forward", 0.0) - step.get("back", 0.0)
        # In the walker's own level frame: right, down, ahead.
        way = np.array([step.get("strafe", 0.0), -step.get("up", 0.0), ahead])
        count = self._count(float(np.linalg.norm(way)), max(abs(turn), abs(look)))
        start = position = self._path[-1]
        bent = start.position
        for k in range(1, count + 1):
            done = k / count
            if turn:  # a curve is walked chord by chord, each at its mean heading
                heading = pose((0, 0, 0), start.yaw_deg + turn * (k - 0.5) / count)
                bent = bent + heading[:3, :3] @ way / count
            else:
                bent = start.position + pose((0, 0, 0), start.yaw_deg)[:3, :3] @ way * done
            position = _Place(
                len(self.stops), bent, start.yaw_deg + turn * done, start.pitch_deg + look * done
            )
            c2w = pose(bent, position.yaw_deg, position.pitch_deg)
            self._stop(self.stops[0].camera.moved(c2w), position)

    def _count(self, way_m: float, turn_deg: float) -> int:
        frames = max(way_m / self._tour.spacing_m, turn_deg / self._tour.spacing_deg)
        return min(math.ceil(frames - 1e-9), MOST_STOPS + 1)

    def _go_back(self, target: bool | str) -> None:
        if target is True:
            target = next(reversed(self._marks), "")
        end = self._marks[target] if target else 0
        for place in reversed(self._path[end:-1]):
            here = self.stops[place.stop]
            self.stops.append(TourStop(here.camera, self._caption, here.mark))
        del self._path[end + 1 :]
        self._marks = {name: at for name, at in self._marks.items() if at <= end}

    def _stop(self, camera: Camera, place: _Place) -> None:
        self.stops.append(TourStop(camera, self._caption))
        self._path.append(place)


def _check(tour: Tour) -> None:
    """The whole file at the door, so that no walk breaks off in the middle."""
    for name in ("spacing_m", "spacing_deg"):
        value = getattr(tour, name)
        if not (math.isfinite(value) and value >= 0.001):
            raise ConfigError(f"{tour.source}: {name} must be at least 0.001, got {value}")
    if not tour.steps:
        raise ConfigError(f"{tour.source}: steps is empty; a tour needs at least one")
    marks: list[str] = []
    for number, step in enumerate(tour.steps, 1):
        where = f"{tour.source}: step {number}"
        _check_step(step, where)
        target = step.get("return", True)
        if target is not True and target not in marks:
            raise ConfigError(f"{where}: no mark '{target}' so far; {_nearest(target, marks)}")
        if step.get("mark") in marks:
            raise ConfigError(f"{where}: the mark '{step['mark']}' is there already")
        if "mark" in step:
            marks.append(step["mark"])
        if "return" in step and isinstance(target, str):
            del marks[marks.index(target) + 1 :]


def _check_step(step: dict[str, Any], where: str) -> None:
    if not step:
        raise ConfigError(f"{where}: is empty; {_nearest('', STEP_KEYS)}")
    for key, value in step.items():
        if key not in STEP_KEYS:
            raise ConfigError(f"{where}: unknown key '{key}'; {_nearest(key, STEP_KEYS)}")
        if key in ("say", "mark"):
            if not isinstance(value, str) or (key == "mark" and not value):
                raise ConfigError(f"{where}: {key} must be a text, got {value!r}")
        elif key == "return":
            if value is not True and not (isinstance(value, str) and value):
                raise ConfigError(f"{where}: return must be true or a mark's name, got {value!r}")
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigError(f"{where}: {key} must be a number, got {value!r}")
        elif not math.isfinite(value) or (key == "wait" and value < 0):
            raise ConfigError(f"{where}: {key} cannot be {value}")
    if "return" in step and any(key in step for key in MOVES):
        raise ConfigError(f"{where}: return cannot move as well; make it a step of its own")


def _nearest(word: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known) or 'none'}"
