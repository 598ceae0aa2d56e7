"""Records the window as a video in real time, whatever the display rate is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from explorer.recorder import VideoRecorder

FPS = 30.0
LONGEST_GAP = 60  # frames that one picture may fill, when the window hung


class Film:
    """A video that is being recorded. Frames that come too soon are left out, gaps are filled."""

    def __init__(self, path: Path, now_s: float) -> None:
        """Raises ConfigError: cannot be written there."""
        self.path = path
        self._video = VideoRecorder(path, FPS)
        self._start_s = now_s
        self._shape: tuple[int, ...] = ()

    def due(self, now_s: float) -> bool:
        """Whether a picture is wanted; asked first, because reading pictures back is slow."""
        return self._missing(now_s) > 0

    def add(self, picture: np.ndarray, now_s: float) -> None:
        """[H, W, 3] uint8. Raises ConfigError: the disk or the encoder refuses."""
        if not self._shape:
            self._shape = picture.shape
        if picture.shape != self._shape:
            picture = _fitted(picture, self._shape)
        for _ in range(min(self._missing(now_s), LONGEST_GAP)):
            self._video.add(picture)

    def close(self) -> None:
        """Raises ConfigError: nothing was recorded, or it cannot be written."""
        self._video.close()

    def _missing(self, now_s: float) -> int:
        return int((now_s - self._start_s) * FPS) + 1 - self._video.frames


def _fitted(picture: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The picture cut or padded to the size that the video began with."""
    fitted = np.zeros(shape, np.uint8)
    height, width = min(picture.shape[0], shape[0]), min(picture.shape[1], shape[1])
    fitted[:height, :width] = picture[:height, :width]
    return fitted
