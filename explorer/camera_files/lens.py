"""Lenses between a file and the pictures here: pixels, shares of a picture, and another size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mirage_engine import Camera, ConfigError

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Lens:
    """Pinhole intrinsics [3, 3] in pixels of a picture of `size` (H, W)."""

    intrinsics: Array
    size: tuple[float, float]


def pixel_lens(
    fx: float, fy: float, cx: float, cy: float, size: tuple[float, float]
) -> Lens:  # all in px; size (H, W)
    return Lens(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]]), size)


def lens_from_shares(shares: Array, where: str) -> Lens:
    """From [4] fx fy cx cy, x as shares of a picture's width, y of its height.

    Shares do not tell the picture's shape; square pixels do: then fy / fx is width over height.
    """
    fx, fy, cx, cy = (float(share) for share in shares)
    if min(fx, fy) <= 0:
        raise ConfigError(f"{where}, focal length: must be above 0, got {min(fx, fy):g}")
    aspect = fy / fx
    return pixel_lens(fx * aspect, fy, cx * aspect, cy, (1.0, aspect))


def shares_of(camera: Camera) -> list[float]:
    """fx fy cx cy, x as shares of the picture's width, y of its height."""
    (height, width), k = camera.size, camera.intrinsics
    return [
        float(v) for v in (k[0, 0] / width, k[1, 1] / height, k[0, 2] / width, k[1, 2] / height)
    ]


def fit_intrinsics(
    intrinsics: Array,  # [3, 3] px of the source
    source: tuple[float, float],  # (H, W)
    target: tuple[int, int],  # (H, W)
) -> Array:  # [3, 3] px of the target
    """The lens after scaling the source to cover the target and cropping it in the centre."""
    scale = max(target[0] / source[0], target[1] / source[1])
    fitted: Array = np.diag([scale, scale, 1.0]) @ intrinsics
    fitted[0, 2] -= (source[1] * scale - target[1]) / 2
    fitted[1, 2] -= (source[0] * scale - target[0]) / 2
    return fitted
