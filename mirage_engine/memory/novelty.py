"""Which cells of a new frame memory does not know yet, and which points it makes obsolete.

First seen wins: a surface that memory shows at that very view is known, unless the new cell is
clearly finer. The test is made on the picture and not in space, so that no grid of voxels lets
neighbours across its borders in twice; points that something nearer hides count as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mirage_engine.config import MemoryConfig
from mirage_engine.geometry import Projection, flat_cells
from mirage_engine.inspection import LOCKED
from mirage_engine.memory.cells import Lens
from mirage_engine.memory.splat import glance, splat, surfel_axes
from mirage_engine.memory.store import PointStore


@dataclass(frozen=True)
class Frame:
    """One frame to write, on the latent grid, flattened."""

    depth_m: Tensor  # [h*w]; 0 = nothing there, +inf = sky
    slack: Tensor  # [h*w] relative extent of depth within the cell
    footprints: Tensor  # [h*w] metres, or radians where sky
    lens: Lens  # of this frame alone


@dataclass(frozen=True)
class Novelty:
    fresh: Tensor  # [K] int64 cells to remember
    seen_again: Tensor  # rows of points that showed the same surface
    obsolete: Tensor  # rows of points that finer cells replace


def compare(store: PointStore, frame: Frame, alive: Tensor, config: MemoryConfig) -> Novelty:
    """Sorts the cells of `frame` into known and fresh; `alive` [rows] bool masks `store`."""
    wanted = frame.depth_m > 0
    if len(store) == 0:
        none = torch.empty(0, dtype=torch.int64, device=wanted.device)
        return Novelty(wanted.nonzero().squeeze(1), none, none)
    near = glance(store, frame.lens, config.splat_cells, alive)
    shown = splat(store, frame.lens, near, config.splat_cells, config.depth_tolerance)
    point = shown.point.clamp(min=0)
    same = wanted & (shown.point >= 0) & _same_surface(shown.depth_m, frame, config)
    known = same & ~_finer(frame.footprints, store, point, config)
    hits, cell = _inside(near, frame)
    at_cell = frame.footprints.index_select(0, cell)
    same = _same_surface(hits.depth, frame, config, cell) & wanted.index_select(0, cell)
    finer = _finer(at_cell, store, hits.point, config)
    # Points behind a nearer one are not shown, but they are remembered all the same.
    known[cell[same & ~finer]] = True
    fresh = wanted & ~known
    candidates = hits.at((same & finer & fresh.index_select(0, cell)).nonzero().squeeze(1))
    return Novelty(
        fresh.nonzero().squeeze(1),
        shown.point[known & (shown.point >= 0)],
        candidates.point[_covered(store, frame, candidates, config)],
    )


def _same_surface(
    depth_m: Tensor, frame: Frame, config: MemoryConfig, cell: Tensor | None = None
) -> Tensor:
    """[M] bool: whether `depth_m` agrees with the frame's cells (all, or `cell` [M])."""
    there, slack = frame.depth_m, frame.slack
    if cell is not None:
        there, slack = there.index_select(0, cell), slack.index_select(0, cell)
    # Inverse depth, so that sky agrees with sky (0 = 0) and with nothing else.
    return (1 / depth_m - 1 / there).abs() <= (config.depth_tolerance + slack) / there


def _finer(new: Tensor, store: PointStore, rows: Tensor, config: MemoryConfig) -> Tensor:
    """[M] bool: whether new footprints [M] are clearly finer than those of `rows` [M].

    Nothing counts as finer than a locked point: what it shows is known for good.
    """
    free = store["flags"].index_select(0, rows) & LOCKED == 0
    return free & (new < config.finer * store["footprints"].index_select(0, rows))


def _inside(near: Projection, frame: Frame) -> tuple[Projection, Tensor]:
    height, width = frame.lens.size
    inside = (near.x >= 0) & (near.x < width) & (near.y >= 0) & (near.y < height)
    hits = near.at(inside.nonzero().squeeze(1))
    return hits, flat_cells(hits, frame.lens.size)


def _covered(
    store: PointStore, frame: Frame, hits: Projection, config: MemoryConfig
) -> Tensor:  # [V] bool
    """Whether the frame sees the whole surfel, so that nothing is lost when it goes."""
    if len(hits.x) == 0:
        return torch.empty(0, dtype=torch.bool, device=hits.x.device)
    axes = surfel_axes(store, frame.lens, hits)
    height, width = frame.lens.size
    covered = torch.ones(len(hits.x), dtype=torch.bool, device=hits.x.device)
    for u, v in ((-0.4, -0.4), (-0.4, 0.4), (0.4, -0.4), (0.4, 0.4)):
        x = (hits.x + u * axes.u[0] + v * axes.v[0]).floor()
        y = (hits.y + u * axes.u[1] + v * axes.v[1]).floor()
        depth = hits.depth * (1 + u * axes.depth[0] + v * axes.depth[1])
        covered &= (x >= 0) & (x < width) & (y >= 0) & (y < height)
        cell = y.clamp(0, height - 1).long() * width + x.clamp(0, width - 1).long()
        covered &= (frame.depth_m.index_select(0, cell) > 0) & _same_surface(
            depth, frame, config, cell
        )
    return covered
