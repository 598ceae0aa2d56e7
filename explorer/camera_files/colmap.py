"""COLMAP's text model: cameras.txt with the lenses, images.txt with a w2c per picture.

Rotations are quaternions (w x y z), OpenCV axes; intrinsics in pixels, centres at +0.5 as here.
COLMAP keeps no order: pictures are walked by name, numbers in names counted as numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from explorer.camera_files.checks import (
    Array,
    Shot,
    c2w_from_w2c,
    number,
    positive,
    read_text,
    write_text,
)
from explorer.camera_files.lens import Lens, pixel_lens
from mirage_engine import Camera, ConfigError

CAMERAS, IMAGES = "cameras.txt", "images.txt"
# Model -> which of its numbers are fx fy cx cy.
MODELS = {"PINHOLE": (0, 1, 2, 3), "SIMPLE_PINHOLE": (0, 0, 1, 2)}
CAMERAS_HEADER = "# lenses, px, pixel centres at 0.5: CAMERA_ID MODEL WIDTH HEIGHT fx fy cx cy"
COLUMNS = "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME"
IMAGES_HEADER = (
    f"# two lines each: {COLUMNS}, then 2D points (none)\n"
    "# w2c, metres; camera axes OpenCV: x right, y down, z ahead"
)


def read(folder: Path) -> list[Shot]:
    for name in (CAMERAS, IMAGES):
        if not (folder / name).exists():
            raise ConfigError(
                f"{folder / name}: missing; COLMAP needs {CAMERAS} and {IMAGES} in one folder "
                "(another format needs another name)"
            )
    lenses = _read_lenses(folder / CAMERAS)
    named: list[tuple[str, Shot]] = []
    for where, words in _images(folder / IMAGES):
        if len(words) < 10:
            raise ConfigError(f"{where}: {len(words)} columns; an image has 10: {COLUMNS}")
        values = np.array([number(word, where) for word in words[1:8]])
        if words[8] not in lenses:
            raise ConfigError(f"{where}: no camera {words[8]} in {CAMERAS}")
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = _rotation(values[:4], where), values[4:]
        shot = Shot(c2w_from_w2c(pose, where), lenses[words[8]])
        named.append((" ".join(words[9:]), shot))
    return [shot for _, shot in sorted(named, key=lambda pair: _name_order(pair[0]))]


def write(path: Path, cameras: Sequence[Camera]) -> None:
    """Both files, whichever of them `path` names."""
    lenses: dict[str, int] = {}  # a line of cameras.txt without its number -> that number
    lines = [IMAGES_HEADER]
    for i, camera in enumerate(cameras, 1):
        (height, width), k = camera.size, camera.intrinsics
        numbers = (repr(float(v)) for v in (k[0, 0], k[1, 1], k[0, 2], k[1, 2]))
        lens = lenses.setdefault(f"PINHOLE {width} {height} {' '.join(numbers)}", len(lenses) + 1)
        w2c = camera.w2c
        pose = (repr(float(v)) for v in (*_quaternion(w2c[:3, :3]), *w2c[:3, 3]))
        lines += [f"{i} {' '.join(pose)} {lens} {i - 1:05d}.png", ""]
    rows = [f"{lens} {line}" for line, lens in lenses.items()]
    write_text(path.with_name(CAMERAS), "\n".join([CAMERAS_HEADER, *rows, ""]))
    write_text(path.with_name(IMAGES), "\n".join([*lines, ""]))


def _read_lenses(path: Path) -> dict[str, Lens]:
    lenses: dict[str, Lens] = {}
    for row, line in enumerate(read_text(path).splitlines(), 1):
        where, words = f"{path}, line {row}", line.split()
        if not words or words[0].startswith("#"):
            continue
        model = words[1] if len(words) > 1 else ""
        if model not in MODELS:
            raise ConfigError(
                f"{where}: camera model '{model}' cannot be read; known: {', '.join(MODELS)} "
                "(undistort the pictures first)"
            )
        columns = 4 + max(MODELS[model]) + 1
        if len(words) != columns:
            raise ConfigError(f"{where}: {len(words)} columns; {model} has {columns}")
        width, height = (positive(word, f"{where}, size") for word in words[2:4])
        values = [number(word, where) for word in words[4:]]
        fx, fy, cx, cy = (values[i] for i in MODELS[model])
        positive(min(fx, fy), f"{where}, focal length")
        lenses[words[0]] = pixel_lens(fx, fy, cx, cy, (height, width))
    return lenses


def _images(path: Path) -> Iterator[tuple[str, list[str]]]:
    """(where, words) of each image; the line after each holds its 2D points, or nothing."""
    points = False
    for row, line in enumerate(read_text(path).splitlines(), 1):
        where, words = f"{path}, line {row}", line.split()
        if line.lstrip().startswith("#"):
            continue
        if points and len(words) % 3:
            raise ConfigError(
                f"{where}: must hold the 2D points of the image above, in threes, or be empty"
            )
        if not points and words:
            yield where, words
        points = not points and bool(words)


def _name_order(name: str) -> list[tuple[int, str, str]]:
    """So that picture 9 comes before picture 10: longer numbers are larger ones."""
    parts = re.findall(r"0*([0-9]+)|([^0-9]+)", name)
    return [(len(digits), digits, word) for digits, word in parts]


def _rotation(quaternion: Array, where: str) -> Array:  # [4] w x y z -> [3, 3]
    length = np.linalg.norm(quaternion)
    if abs(length - 1) > 1e-2:
        raise ConfigError(f"{where}: the quaternion must have length 1, got {length:g}")
    w, x, y, z = quaternion / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _quaternion(rotation: Array) -> Array:  # [3, 3] -> [4] w x y z, w not negative
    """An eigenvector of a matrix that is linear in the rotation: exact at half turns too."""
    (a, b, c), (d, e, f), (g, h, i) = rotation
    # This is 4 q qᵀ - 1 for a unit q (only the lower half is read): q is what it stretches most.
    symmetric = [
        [a + e + i, 0, 0, 0],
        [h - f, a - e - i, 0, 0],
        [c - g, d + b, e - a - i, 0],
        [d - b, g + c, h + f, i - a - e],
    ]
    q = np.linalg.eigh(np.array(symmetric), "L").eigenvectors[:, -1]
    return q if q[0] >= 0 else -q
