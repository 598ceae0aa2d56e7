"""A video of the generated frames alone, in the order in which they come, without the window.

Written beside the frame loop: to encode a segment may take longer than a display frame.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from explorer.recorder import VideoRecorder
from mirage_engine import Segment

FPS = 16  # of generated frames


class Reel:
    """A video that grows by segments. What is taken back later stays in it."""

    def __init__(self, path: Path | None) -> None:
        """Without a path nothing is recorded."""
        self._path = path
        self._video: VideoRecorder | None = None
        self._writer = ThreadPoolExecutor(1, "reel")
        self._added: list[Future[None]] = []

    def add(self, segment: Segment) -> None:
        if self._path is not None:
            self._added.append(self._writer.submit(self._write, self._path, segment))

    def close(self) -> None:
        """Raises ConfigError: the disk or the encoder refuses."""
        self._writer.shutdown()
        for added in self._added:
            added.result()
        if self._video is not None:
            self._video.close()

    def _write(self, path: Path, segment: Segment) -> None:
        self._video = self._video or VideoRecorder(path, FPS)
        for frame in segment.frames:
            self._video.add(frame)
