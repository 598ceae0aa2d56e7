"""What memory's points look like from given views: one winner per cell, and how it lies there.

`sharp` is the paper's z-buffer, one cell per point. `splat` draws each point as the small tilted
square that it was captured as, so that walking forward does not tear holes, and lets finer and
better centred points win among those of the same surface.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mirage_engine.config import MemoryConfig
from mirage_engine.geometry import (
    Projection,
    flat_cells,
    least_depth,
    least_per_cell,
    nearest_per_cell,
    project,
)
from mirage_engine.inspection import HIDDEN
from mirage_engine.memory.cells import Lens
from mirage_engine.memory.store import PointStore

_SEAM = 0.1  # overlap of neighbouring surfels in sides, so that rounding leaves no cracks
_LAST = 2**31 - 1  # a rank behind all others
_TILT = 0.3  # relative depth that a surfel may gain or lose from its centre to a covered cell


@dataclass(frozen=True)
class Winners:
    """The point that each cell shows, over all views, row-major."""

    point: Tensor  # [t*h*w] int64 row, -1 empty
    depth_m: Tensor  # [t*h*w] 0 empty, +inf sky
    offset: Tensor  # [2, t*h*w] projection minus cell centre, in cells
    scale: Tensor  # [t*h*w] log2 of the point's footprint in target cells

    def before(self, other: Winners, tolerance: float) -> Tensor:
        """[t*h*w] bool: cells in which these are in front of `other`, or where it has none."""
        nearer = self.depth_m * (1 + tolerance) < other.depth_m
        return (self.point >= 0) & ((other.point < 0) | nearer)


@dataclass(frozen=True)
class Axes:
    """Where the sides of projected surfels point, in cells; and how depth changes along them."""

    u: tuple[Tensor, Tensor]  # ([V], [V]) cells along the first side, x and y
    v: tuple[Tensor, Tensor]  # along the second side
    depth: tuple[Tensor, Tensor]  # relative change of depth along either side

    def half(self, axis: int) -> Tensor:
        """[V] half the width (0) or height (1) in cells."""
        return (self.u[axis].abs() + self.v[axis].abs()) / 2


def look(store: PointStore, lens: Lens, config: MemoryConfig) -> Winners:
    """The winners among all points that are not hidden, in the way of `config.mode`."""
    hidden = store["flags"] & HIDDEN
    alive = hidden == 0 if bool(hidden.any()) else None
    if config.mode == "paper":
        return sharp(store, lens, alive)
    near = glance(store, lens, config.splat_cells, alive)
    return splat(store, lens, near, config.splat_cells, config.depth_tolerance)


def sharp(store: PointStore, lens: Lens, alive: Tensor | None = None) -> Winners:
    """Exactly the nearest point per cell; ties go to the point that came first."""
    hits = project(store["points"], lens.world_to_cell, lens.size, alive=alive)
    cell = flat_cells(hits, lens.size)
    best = nearest_per_cell(cell, hits.depth, _count(lens))
    every = torch.arange(len(cell), device=cell.device)
    return _winners(store, lens, hits, best, every, hits.depth)


def glance(
    store: PointStore, lens: Lens, splat_cells: int, alive: Tensor | None = None
) -> Projection:
    """All points near the views: inside, or close enough outside to reach in."""
    margin = splat_cells // 2
    return project(store["points"], lens.world_to_cell, lens.size, margin, alive)


def splat(
    store: PointStore, lens: Lens, seen: Projection, splat_cells: int, tolerance: float
) -> Winners:
    """The winners among `seen` (see `glance`), drawn as surfels.

    Of the candidates of a cell, those within `tolerance` (relative) of the nearest are the
    surface that shows. Among them a clearly finer one wins, then a point whose own centre is in
    the cell over one that only reaches into it, then the best centred, then the oldest.
    """
    reach = splat_cells // 2
    height, width = lens.size
    wide = flat_cells(seen, lens.size, reach)
    front = least_depth(wide, seen.depth, _count(lens, reach))
    shown = seen.depth <= front.index_select(0, wide) * (1 + tolerance)
    hits = seen.at(shown.nonzero().squeeze(1))
    axes = surfel_axes(store, lens, hits)
    entry, column, row, u, v = _spread(hits, axes, lens.size, reach)
    tilt = axes.depth[0].index_select(0, entry) * u + axes.depth[1].index_select(0, entry) * v
    depth = hits.depth.index_select(0, entry) * (1 + tilt.clamp(-_TILT, _TILT))
    cell = (hits.view.index_select(0, entry) * height + row) * width + column
    front = least_depth(cell, depth, _count(lens))
    shown = depth <= front.index_select(0, cell) * (1 + tolerance)
    x = hits.x.index_select(0, entry) - column - 0.5
    y = hits.y.index_select(0, entry) - row - 0.5
    extent = 2 * torch.maximum(axes.half(0), axes.half(1)).index_select(0, entry)
    rank = torch.where(shown, _rank(extent, x, y), _LAST)
    best = least_per_cell(cell, rank, _count(lens))
    return _winners(store, lens, hits, best, entry, depth)


def surfel_axes(store: PointStore, lens: Lens, hits: Projection) -> Axes:
    """Projects the sides of the surfels in `hits` (first order at their centres)."""
    edges = store["edges"].index_select(0, hits.point).float().T
    matrix = lens.world_to_cell.reshape(-1, 12).T.index_select(1, hits.view)  # [12, V]
    sides, depths = [], []
    for side in (edges[:3], edges[3:]):
        x, y, z = (
            matrix[4 * k] * side[0] + matrix[4 * k + 1] * side[1] + matrix[4 * k + 2] * side[2]
            for k in range(3)
        )
        sides.append(((x - hits.x * z) / hits.divisor, (y - hits.y * z) / hits.divisor))
        depths.append(torch.where(torch.isinf(hits.depth), 0.0, z / hits.divisor))
    return Axes(sides[0], sides[1], (depths[0], depths[1]))


def _spread(
    hits: Projection, axes: Axes, size: tuple[int, int], reach: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """(entry of `hits`, column, row, u, v) of all cells inside the grid that surfels cover.

    u, v are the cell centre's place in the surfel, -0.5 to 0.5. The cell of a point's own centre
    is always covered and comes first.
    """
    height, width = size
    own_x, own_y = hits.x.floor(), hits.y.floor()
    inside = (own_x >= 0) & (own_x < width) & (own_y >= 0) & (own_y < height)
    own = inside.nonzero().squeeze(1)
    wide, high = (axes.half(axis) * (1 + 2 * _SEAM) for axis in range(2))
    left = torch.maximum((hits.x - wide - 0.5).ceil(), own_x - reach).clamp(min=0)
    right = torch.minimum((hits.x + wide - 0.5).floor(), own_x + reach).clamp(max=width - 1)
    top = torch.maximum((hits.y - high - 0.5).ceil(), own_y - reach).clamp(min=0)
    bottom = torch.minimum((hits.y + high - 0.5).floor(), own_y + reach).clamp(max=height - 1)
    across, down = (right - left + 1).clamp(min=0), (bottom - top + 1).clamp(min=0)
    lonely = (across * down == 1) & (left == own_x) & (top == own_y)
    count = torch.where(lonely, 0.0, across * down).long()
    fringe = torch.arange(len(count), device=count.device).repeat_interleave(count)
    step = torch.arange(len(fringe), device=count.device)
    step = (step - (count.cumsum(0) - count).index_select(0, fringe)).float()
    per_row = across.index_select(0, fringe)
    line = ((step + 0.5) / per_row).floor()
    column = left.index_select(0, fringe) + step - line * per_row
    row = top.index_select(0, fringe) + line
    u, v = _place(hits, axes, fringe, column, row)
    covered = (u.abs() <= 0.5 + _SEAM) & (v.abs() <= 0.5 + _SEAM)
    covered &= (column != own_x.index_select(0, fringe)) | (row != own_y.index_select(0, fringe))
    kept = covered.nonzero().squeeze(1)
    entry = torch.cat([own, fringe.index_select(0, kept)])
    column = torch.cat([own_x.index_select(0, own), column.index_select(0, kept)])
    row = torch.cat([own_y.index_select(0, own), row.index_select(0, kept)])
    own_u, own_v = _place(hits, axes, own, column[: len(own)], row[: len(own)])
    u, v = torch.cat([own_u, u[kept]]), torch.cat([own_v, v[kept]])
    return entry, column.long(), row.long(), u.clamp(-0.5, 0.5), v.clamp(-0.5, 0.5)


def _place(
    hits: Projection, axes: Axes, entry: Tensor, column: Tensor, row: Tensor
) -> tuple[Tensor, Tensor]:
    """Where cell centres lie in the surfels, in units of their sides. Edge-on surfels: nowhere."""
    x = column + 0.5 - hits.x.index_select(0, entry)
    y = row + 0.5 - hits.y.index_select(0, entry)
    ux, uy, vx, vy = (a.index_select(0, entry) for a in (*axes.u, *axes.v))
    area = ux * vy - vx * uy
    thin = area.abs() < 1e-3
    area = torch.where(thin, torch.inf, area)
    u, v = (x * vy - y * vx) / area, (y * ux - x * uy) / area
    # Dividing by infinity puts edge-on surfels at their centre; only their own cell may show them.
    far = torch.where(thin & (torch.maximum(x.abs(), y.abs()) > 0.5), torch.inf, 0.0)
    return u + far, v + far


def _rank(extent: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """[M] int64 below 2**31: coarseness, whether the centre is in another cell, distance."""
    level = extent.clamp(1, 2**15).log2().round().long()
    reaching = (torch.maximum(x.abs(), y.abs()) > 0.5 + 1e-6).long()
    distance = ((x**2 + y**2) * 2**12).clamp(max=2**18).long()
    return (level << 20) | (reaching << 19) | distance


def _winners(
    store: PointStore, lens: Lens, hits: Projection, best: Tensor, entry: Tensor, depth: Tensor
) -> Winners:
    """Looks up the winners `best` [t*h*w], positions in `entry` [M] (rows of `hits`)."""
    hit = (best >= 0).nonzero().squeeze(1)
    best = best.index_select(0, hit)
    at = hits.at(entry.index_select(0, best))
    cells, device = _count(lens), best.device
    point = torch.full((cells,), -1, dtype=torch.int64, device=device)
    point[hit] = at.point
    depth_m = torch.zeros(cells, device=device)
    depth_m[hit] = depth.index_select(0, best)
    height, width = lens.size
    offset = torch.zeros(2, cells, device=device)
    offset[0, hit] = at.x - (hit % width) - 0.5
    offset[1, hit] = at.y - (hit // width) % height - 0.5
    footprints = store["footprints"].index_select(0, at.point)
    target = torch.where(torch.isinf(at.depth), 1.0, at.depth) / lens.focal.index_select(0, at.view)
    scale = torch.zeros(cells, device=device)
    scale[hit] = (footprints / target).log2()
    return Winners(point, depth_m, offset, scale)


def _count(lens: Lens, margin: int = 0) -> int:
    return len(lens.focal) * (lens.size[0] + 2 * margin) * (lens.size[1] + 2 * margin)
