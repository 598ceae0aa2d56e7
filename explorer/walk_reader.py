"""Reads the walk of a log back, strictly: what is damaged or of another version is refused.

Knows the lines of `explorer.walk_log`; knows nothing of engines or windows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import mirage_engine
from explorer.config import PilotConfig
from explorer.keymap import Action
from explorer.packing import pack, unpack
from explorer.pilot import Controls
from explorer.walk_log import ASKED, FORMAT, LOST, Answer, WalkFrame, WalkLog
from mirage_engine import ConfigError

WATCHED = ("segment", "memory")  # lines for those who look on


def read_walk(path: Path) -> WalkLog:
    """The walk in a log.

    Raises:
        ConfigError: not a log, of another version, damaged, or one that nothing can repeat.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not text"
        raise ConfigError(f"--replay {path}: cannot be read ({why})") from None
    reader: _Reader | None = None
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            if reader is None:
                reader = _Reader(_heading(entry))
            else:
                reader.take(entry)
        except ConfigError as error:
            raise ConfigError(f"--replay {path}: line {number}: {error}") from None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            what = "is damaged" if reader else "is not the beginning of a log of --log"
            raise ConfigError(f"--replay {path}: line {number} {what}") from None
    if reader is None or not reader.log.begins or not reader.log.frames:
        raise ConfigError(f"--replay {path}: holds no walk")
    return reader.log


def _heading(entry: dict[str, Any]) -> WalkLog:
    """Raises ConfigError: of another version."""
    if entry["type"] != "walk":
        raise ValueError
    theirs, ours = (entry["format"], entry["version"]), (FORMAT, mirage_engine.__version__)
    if theirs != ours:
        raise ConfigError(
            f"written by version {theirs[1]} (format {theirs[0]}), this is {ours[1]} ({ours[0]}), "
            "which may make another world of it"
        )
    asked = dict(entry["asked"])
    if set(asked) != set(ASKED):
        raise ValueError
    for name, kind in ASKED.items():
        if asked[name] is not None:
            asked[name] = Path(asked[name]) if kind is Path else asked[name]
            if not isinstance(asked[name], kind):
                raise TypeError(name)
    return WalkLog(asked, unpack(entry["pilot"], PilotConfig, [], "pilot"))


class _Reader:
    """Gathers lines until a frame closes them."""

    def __init__(self, log: WalkLog) -> None:
        self.log = log
        self._controls = Controls()
        self._open: dict[str, Any] = {}
        self._answers: list[Answer] = []
        self._actions: list[Action] = []

    def take(self, entry: Mapping[str, Any]) -> None:
        """Raises what damaged lines raise: ValueError, TypeError, KeyError, ConfigError."""
        kind = entry["type"]
        if kind == "frame":
            self._close(entry)
        elif kind == "input":
            self._input(entry)
        elif kind == "engine":
            self._answers.append(_answer({k: v for k, v in entry.items() if k != "type"}))
        elif kind == "begin":
            self.log.begins.append({k: entry[k] for k in ("preset", "seed", "start")})
        elif kind == "display":
            if self.log.frames:
                pose = [_number(x) for x in entry["pose"]]
                if len(pose) != 16:
                    raise ValueError("pose")
                self.log.frames[-1] = replace(self.log.frames[-1], pose=pose)
        elif kind not in WATCHED:
            raise ValueError(kind)

    def _input(self, entry: Mapping[str, Any]) -> None:
        if "controls" in entry:
            held = dict(entry["controls"])
            for name, value in held.items():
                wanted = bool if isinstance(getattr(Controls(), name), bool) else float
                if type(value) is not wanted or not math.isfinite(value):
                    raise ValueError(name)
            self._controls = Controls(**held)
            return
        self._actions.append(Action(entry["action"]))
        if self._actions[-1] is Action.DROP:
            self._open["dropped"] = Path(entry["file"])

    def _close(self, entry: Mapping[str, Any]) -> None:
        if entry["number"] != len(self.log.frames):
            raise ValueError("lines are missing")
        held = entry.get("held", False)
        if type(held) is not bool:
            raise TypeError("held")
        frame = WalkFrame(
            _number(entry["dt_s"]),
            self._controls,
            held,
            tuple(self._actions),
            answers=tuple(self._answers),
            begins=len(self.log.begins),
            **self._open,
        )
        self.log.frames.append(frame)
        self._open, self._answers, self._actions = {}, [], []


def _answer(entry: dict[str, Any]) -> Answer:
    if "lost" in entry:
        raise ConfigError(LOST)
    answer = unpack(pack(Answer("ready"), []) | entry, Answer, [], "engine")
    poses = np.array(answer.poses, np.float64)
    if answer.poses and (poses.shape[1:] != (3, 4) or not np.isfinite(poses).all()):
        raise ValueError("poses")
    if answer.what == "changed":
        answer.change()
    return answer


def _number(value: Any) -> float:
    if type(value) is not float or not math.isfinite(value):
        raise ValueError(value)
    return value
