"""Stands where the engine's client stands when a world file is only looked into: no model is loaded.

The file is told as the events that an engine would have sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from explorer.engine_events import Event
from explorer.known_world import KnownWorld
from explorer.protocol import Start
from mirage_engine import Camera, Edit, Preset, WorldRecord, read_record

WORDS = "no engine runs here; open the world with --load to change it or walk on"


class EngineOff:
    """The members of `EngineClient`; asks for nothing, so that nothing is ever answered."""

    state = "off"
    pid = None
    response_s = None
    asked = None

    def new_world(self, preset: Preset, seed: int, start: Start) -> None: ...
    def ask(self, path: Sequence[Camera]) -> None: ...
    def cancel(self) -> None: ...
    def undo(self) -> None: ...
    def save(self, path: str | Path) -> None: ...
    def change(self, edit: Edit) -> None: ...
    def look(self, camera: Camera) -> None: ...
    def inspect(self, path: Sequence[Camera]) -> None: ...
    def details(self, since_id: int) -> None: ...
    def close(self) -> None: ...

    def poll(self) -> list[Event]:
        return []


def fill(known: KnownWorld, path: Path) -> None:
    """What a saved world holds becomes what the display knows. Raises ConfigError."""
    record = read_record(path)
    known.open_record(record, _keyframe(record))


def _keyframe(record: WorldRecord) -> tuple[np.ndarray, Camera]:
    """The last picture and where it was seen from."""
    return record.thumbnail, record.segments[-1].cameras[-1]
