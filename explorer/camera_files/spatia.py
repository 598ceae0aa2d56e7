"""Spatia's w2c.txt: a 4x4 w2c per line as a JSON list, OpenCV axes.

Beside it intrinsics.txt with one lens for all, [fx fy cx cy] as shares of width and height. The
format has no room for words: that it is w2c is said by its name alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from explorer.camera_files.checks import Shot, c2w_from_w2c, matrix, number, read_text, write_text
from explorer.camera_files.lens import Lens, lens_from_shares, shares_of
from mirage_engine import Camera, ConfigError

NAME, LENS_NAME = "w2c.txt", "intrinsics.txt"


def read(path: Path, text: str) -> list[Shot]:
    lens = _read_lens(path.with_name(LENS_NAME))
    shots = []
    for row, line in enumerate(text.splitlines(), 1):
        if line.strip():
            where = f"{path}, line {row}"
            try:
                rows = json.loads(line)
            except (RecursionError, ValueError) as error:
                reason = getattr(error, "msg", "too long")
                raise ConfigError(f"{where}: not a JSON list ({reason})") from None
            shots.append(Shot(c2w_from_w2c(matrix(rows, where), where), lens))
    return shots


def write(path: Path, cameras: Sequence[Camera]) -> None:
    """Raises ConfigError for more than one lens."""
    shares = shares_of(cameras[0])
    if not all(np.allclose(shares_of(camera), shares, rtol=0, atol=1e-9) for camera in cameras):
        raise ConfigError(f"{path}: Spatia has one lens for all, these differ; try a .json name")
    write_text(path.with_name(LENS_NAME), "[" + " ".join(map(repr, shares)) + "]\n")
    lines = (json.dumps(camera.w2c.tolist()) for camera in cameras)
    write_text(path, "\n".join([*lines, ""]))


def _read_lens(path: Path) -> Lens | None:
    if not path.exists():
        return None
    where = f"{path}, line 1"
    words = read_text(path).replace("[", " ").replace("]", " ").replace(",", " ").split()
    if len(words) != 4:
        raise ConfigError(f"{where}: {len(words)} numbers; needs fx fy cx cy")
    return lens_from_shares(np.array([number(word, where) for word in words]), where)
