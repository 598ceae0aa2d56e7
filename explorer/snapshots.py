"""Writes screenshots beside the frame loop: to compress one takes as long as several frames."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from explorer.recorder import write_png
from mirage_engine import ConfigError


class Snapshots:
    """Pictures on their way to the disk, which are finished even when the program ends."""

    def __init__(self) -> None:
        self._writer = ThreadPoolExecutor(1, "snapshots")
        self._waiting: list[tuple[Path, Future[None]]] = []

    def take(
        self,
        path: Path,
        image: np.ndarray,  # [H, W, 3] uint8
        facts: Mapping[str, object],  # to be written into the file
    ) -> None:
        self._waiting.append((path, self._writer.submit(write_png, path, image, facts)))

    def news(self) -> list[str]:
        """A line for each picture that was written, or could not be, since the last call."""
        done = [item for item in self._waiting if item[1].done()]
        self._waiting = [item for item in self._waiting if item not in done]
        return [_line(path, future) for path, future in done]


def _line(path: Path, future: Future[None]) -> str:
    try:
        future.result()
    except ConfigError as error:
        return str(error)
    return f"screenshot {path}"
