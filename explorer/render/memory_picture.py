"""One picture of everything that memory holds, from outside, for `memory.png`.

A three-quarter bird's view with the ceiling taken away, the way walked as a line, shaded by depth
alone (eye-dome lighting). Made with numpy, so that it is the same with and without OpenGL.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from explorer.render.flat import frustum_world, segments_px
from explorer.render.look import INK, PAPER
from explorer.render.viewpoint import look_at
from mirage_engine import Camera

Floats = NDArray[np.float64]

FINER = 2  # drawn this much larger, for smooth edges
CEILING_M = 0.45  # above the eye: what is higher is cut away
HFOV_DEG = 36.0
FAR = 2.5  # points further away than this many times the median are left out
LARGEST_PX = 30  # of a point, across
MARGIN = 0.90  # share of the picture that the points may fill


def render_memory_picture(
    points_world: NDArray[np.float32],  # [N, 4] homogeneous; sky is left out
    colors: NDArray[np.uint8],  # [N, 3]
    cameras: Sequence[Camera],  # the walk; at least one
    size: tuple[int, int] = (1000, 1600),  # (height, width)
    footprints_m: NDArray[np.float32] | None = None,  # [N]
) -> NDArray[np.uint8]:  # [height, width, 3]
    """Draws the points as seen from behind and above the walk's beginning."""
    walk = np.stack([camera.position for camera in cameras])
    kept = _kept(points_world, walk)
    points = points_world[kept, :3].astype(np.float64)
    footprints = np.full(len(points), 0.03) if footprints_m is None else footprints_m[kept]
    fine = size[0] * FINER, size[1] * FINER
    camera = _frame(points, walk, cameras[0], fine)
    depth, source = _splat(points, footprints, camera)
    canvas = _paper(fine)
    hit = source >= 0
    shade = _eye_dome(depth)
    canvas[hit] = (colors[kept][source[hit]] / 255.0) * shade[hit][:, None]
    ends = np.stack([walk[:-1], walk[1:]], 1)
    _lines(canvas, segments_px(camera, ends), 2.2 * FINER, 0.95)
    _lines(canvas, segments_px(camera, frustum_world(cameras[-1], 0.4)), 1.4 * FINER, 0.9)
    small = canvas.reshape(size[0], FINER, size[1], FINER, 3).mean((1, 3))
    return (small.clip(0, 1) * 255).round().astype(np.uint8)


def _kept(points_world: NDArray, walk: Floats) -> NDArray[np.bool_]:
    """Surfaces below the ceiling, without the landscape seen through the windows."""
    finite = (points_world[:, 3] > 0.5) & np.isfinite(points_world).all(1)
    below = points_world[:, 1] > walk[:, 1].min() - CEILING_M
    kept = finite & below
    if kept.sum() < 10:
        return finite
    away = np.linalg.norm(points_world[:, [0, 2]] - walk[:, [0, 2]].mean(0), axis=1)
    return kept & (away <= FAR * np.median(away[kept]))


def _frame(points: Floats, walk: Floats, start: Camera, size: tuple[int, int]) -> Camera:
    """A camera behind the start, high up, that just holds all points."""
    content = np.concatenate([points, walk])
    low, high = np.quantile(content, 0.01, 0), np.quantile(content, 0.99, 0)
    aim = (low + high) / 2
    ahead = start.forward * [1, 0, 1]
    ahead = ahead / max(np.linalg.norm(ahead), 1e-6)
    aside = np.array([ahead[2], 0, -ahead[0]])
    back = -(0.80 * ahead + 0.42 * aside)
    direction = back / max(np.linalg.norm(back), 1e-6) * 0.72 + np.array([0, -0.80, 0])
    direction = direction / np.linalg.norm(direction)
    distance = max(float(np.linalg.norm(high - low)), 1.0)
    camera = look_at(aim + direction * distance, aim, size, HFOV_DEG)
    for _ in range(6):  # centre and fill; perspective needs a few rounds
        middle, fill = _extent(camera, content)
        rays = (middle - [size[1] / 2, size[0] / 2]) / camera.intrinsics[0, 0]
        aim = aim + camera.c2w[:3, :2] @ rays * distance
        distance = distance * fill / MARGIN
        camera = look_at(aim + direction * distance, aim, size, HFOV_DEG)
    return camera


def _extent(camera: Camera, points: Floats) -> tuple[Floats, float]:
    """Middle of the points in pixels, and the share of the picture that they span."""
    pixels, _ = _project(camera, points)
    low, high = np.quantile(pixels, 0.001, 0), np.quantile(pixels, 0.999, 0)
    span = (high - low) / [camera.size[1], camera.size[0]]
    return (low + high) / 2, max(float(span.max()), 0.05)


def _project(camera: Camera, points: Floats) -> tuple[Floats, Floats]:
    """Pixels [N, 2] and depth [N]."""
    seen = points @ camera.w2c[:3, :3].T + camera.w2c[:3, 3]
    depth = np.maximum(seen[:, 2], 1e-3)
    pixels = seen @ camera.intrinsics.T
    return pixels[:, :2] / depth[:, None], depth


def _splat(points: Floats, footprints: NDArray, camera: Camera) -> tuple[Floats, NDArray[np.int64]]:
    """Nearest depth [H, W] and whose it is (-1 nobody's): every point is a disc."""
    height, width = camera.size
    pixels, depth = _project(camera, points)
    across = 1.5 * footprints * camera.intrinsics[0, 0] / depth
    radius = np.clip(across / 2, 0.6 * FINER, LARGEST_PX * FINER / 2)
    nearest = np.full(height * width, np.inf)
    source = np.full(height * width, -1, np.int64)
    order = np.argsort(-depth)  # far first: a later store of the same index wins
    cell = np.floor(pixels[order]).astype(np.int64)
    reach = int(np.ceil(radius.max(initial=1.0)))
    offsets = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2), -1).reshape(-1, 2)
    for dx, dy in offsets:
        covers = np.hypot(dx, dy) <= radius[order]
        x, y = cell[covers, 0] + dx, cell[covers, 1] + dy
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        at = y[inside] * width + x[inside]
        who = order[covers][inside]
        nearer = depth[who] < nearest[at]
        at, who = at[nearer], who[nearer]
        nearest[at], source[at] = depth[who], who
    return nearest.reshape(height, width), source.reshape(height, width)


def _eye_dome(depth: Floats) -> Floats:
    """0..1 brightness: darker where the surroundings are nearer, so that edges stand out."""
    log = np.log(np.where(np.isfinite(depth), depth, depth[np.isfinite(depth)].max(initial=1.0)))
    total = np.zeros_like(log)
    for reach in (1, 3):
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            beside = np.roll(log, (dy * reach * FINER, dx * reach * FINER), (0, 1))
            total += np.clip(log - beside, 0, 0.02) / reach
    return 0.42 + 0.58 * np.exp(-total * 16.0)


def _paper(size: tuple[int, int]) -> Floats:
    share = np.linspace(0, 1, size[0])[:, None, None]
    top, bottom = np.array(PAPER)
    return np.broadcast_to(top * (1 - share) + bottom * share, (*size, 3)).copy()


def _lines(canvas: Floats, ends_px: Floats, width_px: float, strength: float) -> None:
    """Paints round-ended straight pieces over everything."""
    height, width = canvas.shape[:2]
    cover = np.zeros((height, width))
    for start, stop in ends_px[np.isfinite(ends_px).all((1, 2))]:
        low = np.floor(np.minimum(start, stop) - width_px).astype(int).clip(0)
        high = np.ceil(np.maximum(start, stop) + width_px).astype(int).clip(0, (width, height))
        if (high <= low).any():  # outside the picture
            continue
        box = slice(low[1], high[1]), slice(low[0], high[0])
        y, x = np.mgrid[box]
        along = stop - start
        at = np.stack([x + 0.5, y + 0.5], -1) - start
        share = np.clip(at @ along / max(float(along @ along), 1e-9), 0, 1)
        far = np.linalg.norm(at - share[..., None] * along, axis=-1)
        cover[box] = np.maximum(cover[box], np.clip(width_px / 2 + 0.5 - far, 0, 1))
    canvas += (np.array(INK) - canvas) * (cover * strength)[..., None]
