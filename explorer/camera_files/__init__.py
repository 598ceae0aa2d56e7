"""Camera paths from and to files. One door in, one door out; each format has a module of its own.

    w2c.txt            `spatia`      4x4 w2c, OpenCV axes; intrinsics.txt beside it
    transforms.json    `nerfstudio`  4x4 c2w, OpenGL axes
    images.txt         `colmap`      quaternion w2c, OpenCV axes; cameras.txt beside it
    other .txt         `re10k`       RealEstate10K: 3x4 w2c, OpenCV axes
    other .json        `ours`        4x4 c2w, OpenCV axes

What is read starts at the identity: the world is the first camera's frame. Translations keep the
file's unit, taken as metres. Lenses are fitted to the size asked for by `lens.fit_intrinsics`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from explorer.camera_files import colmap, nerfstudio, ours, re10k, spatia
from explorer.camera_files.checks import Array, Shot, parse_json, read_text
from explorer.camera_files.lens import fit_intrinsics
from mirage_engine import Camera, ConfigError

__all__ = ["check_name", "read_cameras", "write_cameras"]

Writer = Callable[[Path, Sequence[Camera]], None]

# By whole name, else by suffix.
WRITERS: dict[str, Writer] = {
    spatia.NAME: spatia.write,
    nerfstudio.NAME: nerfstudio.write,
    colmap.CAMERAS: colmap.write,
    colmap.IMAGES: colmap.write,
    ".txt": re10k.write,
    ".json": ours.write,
}
NAMES = (
    "w2c.txt (Spatia), transforms.json (nerfstudio), images.txt (COLMAP), "
    "any other .txt (RealEstate10K) or .json (ours)"
)


def read_cameras(
    path: str | Path,
    size: tuple[int, int],  # (H, W) px of the lens
    intrinsics: Array,  # [3, 3] px of `size`, where the file has none
) -> list[Camera]:
    """The cameras of a file in any of the formats, or of COLMAP's folder; the first at identity.

    Raises:
        ConfigError: the file cannot be read or understood; names the line or the entry.
    """
    path = Path(path)
    shots = _read(path, size)
    if not shots:
        raise ConfigError(f"{path}: holds no cameras")
    first = Camera(shots[0].c2w, intrinsics, size)
    cameras = []
    for i, shot in enumerate(shots):
        relative = first.w2c @ shot.c2w if i else np.eye(4)
        lens = shot.lens
        fitted = intrinsics if lens is None else fit_intrinsics(lens.intrinsics, lens.size, size)
        cameras.append(Camera(relative, fitted, size))
    return cameras


def write_cameras(path: str | Path, cameras: Sequence[Camera]) -> None:
    """Writes the format that the name asks for; Spatia's and COLMAP's second file comes beside.

    Raises:
        ConfigError: a name of no format, lenses that the format cannot hold, or no way to write.
    """
    assert cameras, "a path has a camera"
    _writer(Path(path))(Path(path), cameras)


def check_name(path: Path) -> None:
    """Raises ConfigError, with the names that would do, for a name of no format."""
    _writer(path)


def _writer(path: Path) -> Writer:
    writer = WRITERS.get(path.name) or WRITERS.get(path.suffix)
    if writer is None:
        raise ConfigError(f"{path}: no camera format has this name; known: {NAMES}")
    return writer


def _read(path: Path, size: tuple[int, int]) -> list[Shot]:
    if path.is_dir() or path.name in (colmap.CAMERAS, colmap.IMAGES):
        return colmap.read(path if path.is_dir() else path.parent)
    text = read_text(path)
    if path.suffix == ".json":
        return _read_json(path, text, size)
    if text.lstrip().startswith("["):
        return spatia.read(path, text)
    return re10k.read(path, text)


def _read_json(path: Path, text: str, size: tuple[int, int]) -> list[Shot]:
    data = parse_json(text, path)
    if isinstance(data, dict) and isinstance(data.get("frames"), list):
        return nerfstudio.read(path, data, size)
    if isinstance(data, dict) and data.get("format") == ours.FORMAT:
        return ours.read(path, data)
    raise ConfigError(
        f"{path}: neither nerfstudio ('frames' with 'transform_matrix') "
        f"nor ours ('format': '{ours.FORMAT}')"
    )
