"""What a memory's file says beside the points: how it came to be what it is."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from mirage_engine.config import ConfigError, from_dict
from mirage_engine.memory.edits import EditNote


@dataclass(frozen=True)
class Past:
    next_id: int  # higher than any id that was ever given
    budget_mib: float
    added: tuple[tuple[int, int], ...]  # (segment, points that it added)
    edits: tuple[EditNote, ...]  # those that still hold, in order

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))


def read_past(text: str | None, path: Path) -> Past:
    """Raises ConfigError for what `to_json` did not write; `path` is named."""
    where = f"{path}: memory part 'past'"
    try:
        data = json.loads(text or "")
    except ValueError as error:
        raise ConfigError(f"{where} cannot be read ({error})") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{where} is no table")
    return from_dict(data, Past, where)
