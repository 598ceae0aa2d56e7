"""Files are found by path or beside the engine, and appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

ENGINE_DIR = Path(__file__).parent


def find(weights: str) -> Path:
    """A path as given, or beside the engine."""
    path = Path(weights).expanduser()
    return path if path.exists() else ENGINE_DIR / weights


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields the temporary name to write to; it takes the place of `path` when all went well.

    Raises OSError: the file cannot be written. What stood at `path` then stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)  # a left-over, or a link to somewhere else
    try:
        part.touch()  # so that a place where nothing may be written shows before any work
        yield part
        part.chmod(0o644)  # safetensors writes for its owner alone
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
