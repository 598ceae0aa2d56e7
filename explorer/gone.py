"""Points that an edit took out of memory, and the pixels of older pictures that still show them.

A picture generated after the edit shows what the model invented anew, in the same place perhaps:
so every gone point carries the segment after which it went. Knows nothing of who edits or draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mirage_engine import Camera

Bools = NDArray[np.bool_]

SAME_SURFACE = 0.06  # relative depth within which a pixel shows a point
HALF = 0.65  # of a footprint, to each side: points of one surface leave no gaps
NEAR_M = 0.05


@dataclass(frozen=True, eq=False)
class Gone:
    """What was taken away."""

    points_world: np.ndarray  # [M, 4] homogeneous; w 0 is sky
    footprints_m: np.ndarray  # [M]; radians where w is 0
    died: np.ndarray  # [M] newest segment when each went

    def shown_by(self, segment: int) -> Gone:
        """Those that pictures of `segment` may still show."""
        older = self.died >= segment
        return Gone(self.points_world[older], self.footprints_m[older], self.died[older])


NOTHING = Gone(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))


def pixels_showing(
    gone: Gone,
    camera: Camera,
    depth_m: np.ndarray,  # [H, W] z-depth of `camera`; 0 unknown, +inf sky
) -> Bools:  # [H, W]
    """The pixels in which a gone point is seen: covered by its square, at its depth."""
    height, width = depth_m.shape
    points_world, footprints_m = gone.points_world, gone.footprints_m
    view = camera.resized((height, width))
    world_to_px = (view.intrinsics @ view.w2c[:3]).astype(np.float32)
    x, y, z = world_to_px @ np.asarray(points_world, np.float32).T
    solid = points_world[:, 3] > 0
    ahead = z > np.where(solid, NEAR_M, 1e-6)
    z = np.where(ahead, z, 1.0)
    half = np.maximum(HALF * footprints_m * view.intrinsics[1, 1] / z, 0.5)
    left, right = _span(x / z, half, width)
    top, bottom = _span(y / z, half, height)
    seen = np.flatnonzero(ahead & (left <= right) & (top <= bottom))
    point, row, column = _squares(left[seen], right[seen], top[seen], bottom[seen])
    depth = depth_m[row, column]
    same = np.abs(depth - z[seen][point]) <= SAME_SURFACE * z[seen][point]
    same = np.where(solid[seen][point], same, np.isinf(depth))
    shown = np.zeros((height, width), bool)
    shown[row[same], column[same]] = True
    return shown


def _span(
    middle: np.ndarray,  # [M] px
    half: np.ndarray,  # [M] px
    size: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """([M] first, [M] last) pixel whose centre is covered; first above last where none is."""
    first = np.clip(np.ceil(middle - half - 0.5), 0, size)
    last = np.clip(np.floor(middle + half - 0.5), -1, size - 1)
    return first.astype(np.int64), last.astype(np.int64)


def _squares(
    left: NDArray[np.int64],  # [M]
    right: NDArray[np.int64],  # [M], included
    top: NDArray[np.int64],  # [M]
    bottom: NDArray[np.int64],  # [M], included
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """([P] square, [P] row, [P] column) of all pixels in all squares."""
    across = right - left + 1
    count = across * (bottom - top + 1)
    square = np.repeat(np.arange(len(count)), count)
    step = np.arange(len(square)) - np.repeat(np.cumsum(count) - count, count)
    return square, top[square] + step // across[square], left[square] + step % across[square]
