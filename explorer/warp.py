"""A generated frame as another camera sees it, and how alike two frames of one place are.

Works on the pixels themselves, without a graphics card, so that it can run beside the frame loop.
Depth is followed as its inverse, which is linear in a picture wherever the surface is a plane.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mirage_engine import Camera, psnr_db, ssim

Floats = NDArray[np.float64]

ROUNDS = 6  # in which a pixel's depth settles; a splat is already right to a pixel
SAME_SURFACE = 0.04  # relative depth within which the old frame shows what the new view sees
LEAST_SHARE = 0.1  # of the pixels that must count before two frames can be called alike


@dataclass(frozen=True, eq=False)
class Sight:
    """A generated frame with all that is needed to see it from elsewhere."""

    frame: np.ndarray  # [H, W, 3] uint8
    depth_m: np.ndarray  # [H, W] float32; 0 unknown, +inf sky
    keep: np.ndarray  # [H, W] bool, True = static and sure
    camera: Camera


@dataclass(frozen=True, eq=False)
class Likeness:
    """Two frames of one place, as the later camera sees it."""

    then: np.ndarray  # [H, W, 3] uint8 the earlier frame, warped
    now: np.ndarray  # [H, W, 3] uint8
    known: np.ndarray  # [H, W] bool, what was compared
    pixels: int  # that count: static and known to both
    share: float  # 0..1 of all pixels
    psnr_db: float  # over those pixels; NaN where too few count
    ssim: float


def likeness(then: Sight, now: Sight) -> Likeness:
    """Measures `then`, warped to the pose of `now`, against it.

    What counts is where `then` is static and in view, and `now` is static. The depth of `now` has
    no say: a wall that came back elsewhere is a difference and no reason to look away.
    """
    static_m = np.where(then.keep, then.depth_m, np.float32(0.0))
    warped, known = warp(then.frame, static_m, then.camera, now.camera)
    known &= now.keep
    share = float(known.mean())
    enough = share >= LEAST_SHARE
    return Likeness(
        then=warped,
        now=now.frame,
        known=known,
        pixels=int(known.sum()),
        share=share,
        psnr_db=psnr_db(warped, now.frame, known) if enough else float("nan"),
        ssim=ssim(warped, now.frame, known) if enough else float("nan"),
    )


def warp(
    frame: np.ndarray,  # [H, W, 3] uint8
    depth_m: np.ndarray,  # [H, W]; 0 unknown, +inf sky
    camera: Camera,  # of the frame
    to: Camera,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:  # [h, w, 3] and [h, w] where it is known
    """The frame seen from `to`: of each pixel the nearest surface that the frame shows."""
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(depth_m > 0, 1.0 / depth_m, np.nan).astype(np.float64)
        there, back = _pixel_to_pixel(camera, to), _pixel_to_pixel(to, camera)
        x, y = _centres(to.size)
        near = _splat(inverse, there, to.size)
        for _ in range(ROUNDS):
            u, v, _ = _moved(back, x, y, near)
            _, _, settled = _moved(there, u, v, _bilinear(inverse, u, v))
            near = np.where(np.isfinite(settled), settled, near)
        u, v, wanted = _moved(back, x, y, near)
        shown = _bilinear(inverse, u, v)
        known = np.abs(shown - wanted) <= SAME_SURFACE * np.maximum(shown, wanted) + 1e-9
    colors = _bilinear(frame.astype(np.float64), np.where(known, u, 0.5), np.where(known, v, 0.5))
    return np.round(colors).astype(np.uint8), known


def _pixel_to_pixel(camera: Camera, to: Camera) -> Floats:
    """[4, 4] from homogeneous (x px, y px, 1, inverse depth) of one camera to those of another."""
    lens, other = np.eye(4), np.eye(4)
    lens[:3, :3], other[:3, :3] = np.linalg.inv(camera.intrinsics), to.intrinsics
    return other @ to.w2c @ camera.c2w @ lens


def _moved(
    matrix: Floats,  # [4, 4]
    x: Floats,  # px, any shape
    y: Floats,
    inverse: Floats,  # 1/m
) -> tuple[Floats, Floats, Floats]:  # the same of the other camera; NaN behind it
    """Where pixels lie for the other camera, and their inverse depth there."""
    u, v, ahead, over = (row[0] * x + row[1] * y + row[2] + row[3] * inverse for row in matrix)
    ahead = np.where(ahead > 1e-6, ahead, np.nan)
    return u / ahead, v / ahead, over / ahead


def _centres(size: tuple[int, int]) -> tuple[Floats, Floats]:
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    return x, y


def _splat(inverse: Floats, there: Floats, size: tuple[int, int]) -> Floats:
    """[h, w] the nearest inverse depth that falls on each pixel or beside it; NaN for none."""
    height, width = size
    x, y = _centres(inverse.shape)
    u, v, near = _moved(there, x, y, inverse)
    row, column = np.floor(v), np.floor(u)
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width) & np.isfinite(near)
    nearest = np.full((height + 2, width + 2), -np.inf)
    at = row[inside].astype(np.intp) + 1, column[inside].astype(np.intp) + 1
    np.maximum.at(nearest, at, near[inside])
    own = nearest[1:-1, 1:-1]
    around = np.max(
        [nearest[i : i + height, j : j + width] for i in (0, 1, 2) for j in (0, 1, 2)], 0
    )
    filled = np.where(np.isfinite(own), own, around)  # cracks between the splats
    return np.where(np.isfinite(filled), filled, np.nan)


def _bilinear(
    values: Floats,  # [H, W] or [H, W, C]
    x: Floats,  # [...] px
    y: Floats,
) -> Floats:  # [...] or [..., C]; NaN outside, and beside NaN
    height, width = values.shape[:2]
    x, y = x - 0.5, y - 0.5
    inside = (x > -1e-3) & (x < width - 1 + 1e-3) & (y > -1e-3) & (y < height - 1 + 1e-3)
    x, y = np.where(inside, x, 0.0), np.where(inside, y, 0.0)
    column = np.clip(np.floor(x), 0, width - 2).astype(np.intp)
    row = np.clip(np.floor(y), 0, height - 2).astype(np.intp)
    extra = (...,) + (None,) * (values.ndim - 2)
    right, down = np.clip(x - column, 0, 1)[extra], np.clip(y - row, 0, 1)[extra]
    upper = values[row, column] * (1 - right) + values[row, column + 1] * right
    lower = values[row + 1, column] * (1 - right) + values[row + 1, column + 1] * right
    return np.where(inside[extra], upper * (1 - down) + lower * down, np.nan)
