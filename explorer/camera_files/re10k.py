"""RealEstate10K .txt: a line of words, then a camera per line.

    timestamp fx fy cx cy k1 k2 and a 3x4 w2c by rows

OpenCV axes; intrinsics as shares of the picture's width and height.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from explorer.camera_files.checks import Shot, c2w_from_w2c, number, write_text
from explorer.camera_files.lens import lens_from_shares, shares_of
from mirage_engine import Camera, ConfigError

log = logging.getLogger("mirage")

COLUMNS = 19
# Where the data set has the address of a video.
HEADER = (
    "mirage walk: frame fx fy cx cy (shares of width, height) k1 k2, "
    "then w2c 3x4 by rows, metres; camera axes OpenCV: x right, y down, z ahead"
)


def read(path: Path, text: str) -> list[Shot]:
    shots: list[Shot] = []
    distorted = False
    for row, line in enumerate(text.splitlines(), 1):
        where, columns = f"{path}, line {row}", line.split()
        whole = len(columns) == COLUMNS and _is_number(columns[0])
        if not columns or (row == 1 and not whole and not _is_number(columns[0])):
            continue
        if not whole:
            raise ConfigError(
                f"{where}: {len(columns)} columns; RealEstate10K has {COLUMNS}: "
                "timestamp fx fy cx cy k1 k2 and 12 of w2c"
            )
        values = np.array([number(word, where) for word in columns[1:]])
        distorted |= bool(values[4:6].any())
        w2c = np.vstack([values[6:].reshape(3, 4), [0, 0, 0, 1]])
        shots.append(Shot(c2w_from_w2c(w2c, where), lens_from_shares(values[:4], where)))
    if distorted:
        log.warning("%s: lens distortion (k1, k2) is left out", path)
    return shots


def write(path: Path, cameras: Sequence[Camera]) -> None:
    """Frame numbers stand for timestamps."""
    lines = [HEADER]
    for frame, camera in enumerate(cameras):
        numbers = [*shares_of(camera), 0.0, 0.0, *camera.w2c[:3].ravel()]
        lines.append(" ".join([str(frame), *(repr(float(v)) for v in numbers)]))
    write_text(path, "\n".join([*lines, ""]))


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
