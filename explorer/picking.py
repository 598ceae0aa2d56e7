"""Which points of memory lie under the mouse, in a box, under a brush.

Works on the points as they are drawn: round sprites as large as their footprint, sky behind all
else. Knows nothing of mice, selections or drawing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mirage_engine import Camera

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
Box = tuple[float, float, float, float]  # left, top, right, bottom, px

NEAR_M = 0.05
SPRITE = 0.65  # radius of a sprite in footprints: neighbours overlap a little, as drawn
LEAST_RADIUS_PX = 2.0
CELL_PX = 4  # of the depth buffer that says what is hidden
SAME_SURFACE = 1.05  # depths within this ratio of the nearest are not hidden by it, and
SAME_FOOTPRINTS = 2.0  # so much more: the sprites of a slanted wall all face the camera
MOST_REACH = 12  # cells to each side that one point hides


def pick(
    points_world: Floats,  # [N, 4] homogeneous; w 0 is sky
    footprints_m: Floats,  # [N]; radians where w is 0
    alive: Bools,  # [N] points that are drawn
    camera: Camera,
    at_px: tuple[float, float],  # (x, y) in the camera's picture
) -> int:
    """The row of the point that is seen there, the nearest one; -1 where there is none."""
    x, y = at_px
    seen = _look(points_world, footprints_m, alive, camera, (x, y, x, y))
    away = np.hypot(seen.x - x, seen.y - y)
    hit = np.flatnonzero(away <= seen.radius)
    if not len(hit):
        return -1
    # Sky is all equally far: there the best centred one is meant.
    order = np.lexsort((away[hit], seen.depth[hit]))
    return int(seen.rows[hit[order[0]]])


def in_rect(
    points_world: Floats,  # [N, 4]
    footprints_m: Floats,  # [N]
    alive: Bools,  # [N]
    camera: Camera,
    rect_px: tuple[float, float, float, float],  # (x, y, width, height), dragged any way
    visible_only: bool = True,  # without those that others hide
) -> Bools:  # [N]
    """The points whose centres are in the box."""
    x, y, width, height = rect_px
    box = min(x, x + width), min(y, y + height), max(x, x + width), max(y, y + height)
    seen = _look(points_world, footprints_m, alive, camera, box)
    inside = (seen.x >= box[0]) & (seen.x <= box[2]) & (seen.y >= box[1]) & (seen.y <= box[3])
    return _chosen(seen, inside, len(alive), box, visible_only)


def in_brush(
    points_world: Floats,  # [N, 4]
    footprints_m: Floats,  # [N]
    alive: Bools,  # [N]
    camera: Camera,
    at_px: tuple[float, float],  # (x, y)
    radius_px: float,
    visible_only: bool = True,  # without those that others hide
) -> Bools:  # [N]
    """The points whose centres are under a round brush."""
    x, y = at_px
    box = x - radius_px, y - radius_px, x + radius_px, y + radius_px
    seen = _look(points_world, footprints_m, alive, camera, box)
    inside = np.hypot(seen.x - x, seen.y - y) <= radius_px
    return _chosen(seen, inside, len(alive), box, visible_only)


@dataclass(frozen=True, eq=False)
class _Seen:
    """Points whose sprites reach into a box of the picture."""

    rows: NDArray[np.intp]  # [M]
    x: Floats  # [M] px
    y: Floats  # [M] px
    radius: Floats  # [M] px
    depth: Floats  # [M] m; +inf sky
    footprints: Floats  # [M] m


def _look(
    points_world: Floats, footprints_m: Floats, alive: Bools, camera: Camera, box: Box
) -> _Seen:
    world_to_px = (camera.intrinsics @ camera.w2c[:3]).astype(np.float32)
    rows = np.flatnonzero(alive)
    points, footprints = points_world[rows], footprints_m[rows]
    x, y, z = world_to_px @ points.T
    ahead = z > np.where(points[:, 3] > 0, NEAR_M, 1e-6)
    z = np.where(ahead, z, 1.0)
    x, y = x / z, y / z
    focal = np.float32(camera.intrinsics[1, 1])
    radius = np.maximum(SPRITE * footprints * focal / z, LEAST_RADIUS_PX)
    reach = np.maximum(radius, CELL_PX)  # whoever shares a cell of the depth buffer counts
    near = ahead & (x >= box[0] - reach) & (x <= box[2] + reach)
    near &= (y >= box[1] - reach) & (y <= box[3] + reach)
    depth = np.where(points[near, 3] > 0, z[near], np.inf)
    return _Seen(
        rows[near], x[near], y[near], radius[near], depth.astype(np.float32), footprints[near]
    )


def _chosen(seen: _Seen, inside: Bools, count: int, box: Box, visible_only: bool) -> Bools:
    if visible_only:
        inside = inside & _in_front(seen, box)
    chosen = np.zeros(count, bool)
    chosen[seen.rows[inside]] = True
    return chosen


def _in_front(seen: _Seen, box: Box) -> Bools:
    """[M] whether no other point hides it; those outside the box do not matter."""
    left, top = box[0] - CELL_PX, box[1] - CELL_PX
    columns = int((box[2] - left) / CELL_PX) + 2
    rows = int((box[3] - top) / CELL_PX) + 2
    x, y = (seen.x - left) / CELL_PX, (seen.y - top) / CELL_PX
    own_column, own_row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    radius = seen.radius / CELL_PX
    reach = np.minimum(np.ceil(radius - 0.5), MOST_REACH).astype(np.int64)
    front = np.full((rows, columns), np.inf, np.float32)
    # The largest first, so that those that reach a cell away are a slice.
    order = np.argsort(-reach, kind="stable")
    most = int(reach.max(initial=0))
    counts = np.searchsorted(-reach[order], -np.arange(most + 1), side="right")
    for down in range(-most, most + 1):
        for across in range(-most, most + 1):
            who = order[: counts[max(abs(down), abs(across))]]
            row, column = own_row[who] + down, own_column[who] + across
            covered = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
            if down or across:
                gap = np.hypot(column + 0.5 - x[who], row + 0.5 - y[who])
                covered &= gap <= radius[who]
            np.minimum.at(front, (row[covered], column[covered]), seen.depth[who][covered])
    inside = (own_row >= 0) & (own_row < rows) & (own_column >= 0) & (own_column < columns)
    nearest = front[np.where(inside, own_row, 0), np.where(inside, own_column, 0)]
    return inside & (seen.depth <= nearest * SAME_SURFACE + SAME_FOOTPRINTS * seen.footprints)
