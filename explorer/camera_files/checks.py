"""What all camera formats share: a shot as read, and numbers that are checked where they stand.

Each refusal is one line that begins with `where`: the file, and the line or entry in it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.camera_files.lens import Lens
from explorer.recorder import replacing
from mirage_engine import ConfigError

Array = NDArray[np.float64]

NOT_RIGID = 1e-3  # further from a rotation than rounding explains


@dataclass(frozen=True, eq=False)
class Shot:
    """A camera as its file has it."""

    c2w: Array  # [4, 4], OpenCV axes
    lens: Lens | None = None  # None where the file has none


def number(value: Any, where: str) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise ConfigError(f"{where}: '{value}' is not a number") from None
    if not math.isfinite(found):
        raise ConfigError(f"{where}: '{value}' is not finite")
    return found


def positive(value: Any, where: str) -> float:
    found = number(value, where)
    if found <= 0:
        raise ConfigError(f"{where}: must be above 0, got {found:g}")
    return found


def matrix(rows: Any, where: str, side: int = 4) -> Array:
    """[side, side]; a 3x4 pose gets its last row."""
    try:
        found = np.array(rows, np.float64)
    except (TypeError, ValueError):
        raise ConfigError(f"{where}: must be {side}x{side} numbers") from None
    if found.shape == (3, 4) and side == 4:
        found = np.vstack([found, [0, 0, 0, 1]])
    if found.shape != (side, side):
        raise ConfigError(f"{where}: must be {side}x{side} numbers, got {list(found.shape)}")
    if not np.isfinite(found).all():
        raise ConfigError(f"{where}: holds a number that is not finite")
    return found


def rigid(pose: Array, where: str) -> Array:
    """The same 4x4 pose with its rotation free of rounding errors."""
    rotation = pose[:3, :3]
    u, _, vt = np.linalg.svd(rotation)
    nearest = u @ vt
    if np.abs(nearest - rotation).max() > NOT_RIGID or np.linalg.det(nearest) < 0:
        raise ConfigError(f"{where}: not a rigid pose; its 3x3 part must be a rotation")
    if np.abs(pose[3] - [0, 0, 0, 1]).max() > NOT_RIGID:
        raise ConfigError(f"{where}: the last row must be 0 0 0 1")
    found = np.eye(4)
    found[:3, :3], found[:3, 3] = nearest, pose[:3, 3]
    return found


def c2w_from_w2c(w2c: Array, where: str) -> Array:
    return np.asarray(np.linalg.inv(rigid(w2c, where)), np.float64)


def read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise ConfigError(f"{path}: cannot be read ({reason})") from None


def parse_json(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}, line {error.lineno}: not valid JSON ({error.msg})") from None
    except (RecursionError, ValueError):  # brackets, or digits, without end
        raise ConfigError(f"{path}: not valid JSON (too deep, or a number too long)") from None


def write_text(path: Path, text: str) -> None:
    """Whole or not at all. Raises ConfigError: cannot be written there."""
    with replacing(path) as part:
        part.write_text(text, "utf-8")
