"""Stands where the engine's client stands when a world file is only looked into.

No process is started and no model is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from explorer.engine_events import Event
from explorer.protocol import Start
from mirage_engine import Camera, Edit, Preset


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
