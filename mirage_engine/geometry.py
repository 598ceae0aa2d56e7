"""Pure tensor geometry: depth to points, points to cells, the z-buffer, voxels, depth alignment.

Works on any device and remembers nothing. Knows nothing of cameras as objects, latents or files:
matrices come in as tensors. Points are homogeneous `[x, y, z, w]`: w 1 is a surface in metres,
w 0 a unit direction (sky), so that one projection serves both. Cell centres are at +0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

NEAR = 1e-6  # nothing nearer than this is in front of a camera
FAR = 1e9  # coordinates beyond this are treated as broken
_EMPTY = torch.iinfo(torch.int64).max
_MIN_OVERLAP = 32  # cells needed before a depth fit is believed


@dataclass(frozen=True)
class Projection:
    """The points that fall into some views, by view and then by point index."""

    view: Tensor  # [V] int64
    point: Tensor  # [V] int64, row of the points that were projected
    x: Tensor  # [V] float32, in cells
    y: Tensor  # [V]
    divisor: Tensor  # [V] positive z of the homogeneous point; what x and y were divided by
    depth: Tensor  # [V] z-depth in metres, +inf for directions

    def at(self, rows: Tensor) -> Projection:
        """The entries `rows` [M] of this one."""
        return Projection(
            self.view.index_select(0, rows),
            self.point.index_select(0, rows),
            self.x.index_select(0, rows),
            self.y.index_select(0, rows),
            self.divisor.index_select(0, rows),
            self.depth.index_select(0, rows),
        )


def cell_rays(intrinsics: Tensor, size: tuple[int, int]) -> Tensor:
    """[t, h, w, 3] camera rays through the cell centres, with z 1, for intrinsics [t, 3, 3]."""
    height, width = size
    x = torch.arange(width, device=intrinsics.device, dtype=intrinsics.dtype) + 0.5
    y = torch.arange(height, device=intrinsics.device, dtype=intrinsics.dtype) + 0.5
    k = intrinsics[:, :, :, None]
    ray_y = (y[None, :] - k[:, 1, 2]) / k[:, 1, 1]
    ray_x = (x[None, :] - k[:, 0, 2]) / k[:, 0, 0]
    rays = torch.ones(len(intrinsics), height, width, 3, device=x.device, dtype=x.dtype)
    rays[..., 0] = ray_x[:, None, :]
    rays[..., 1] = ray_y[:, :, None]
    return rays


def unproject(
    depth_m: Tensor,  # [t, h, w] z-depth; +inf = sky
    rays_world: Tensor,  # [t, h, w, 3] world rays of unit z-depth
    position_m: Tensor,  # [t, 3] camera positions
) -> Tensor:  # [t, h, w, 4]
    """Homogeneous points; sky becomes a unit direction. Zero depth gives the camera itself."""
    sky = torch.isinf(depth_m)[..., None]
    surface = torch.where(sky, 0.0, depth_m[..., None]) * rays_world + position_m[:, None, None, :]
    direction = rays_world / rays_world.norm(dim=-1, keepdim=True)
    return torch.cat([torch.where(sky, direction, surface), (~sky).to(depth_m.dtype)], -1)


def project(
    points_world: Tensor,  # [N, 4] homogeneous
    world_to_cell: Tensor,  # [t, 3, 4] intrinsics of the grid times world-to-camera
    size: tuple[int, int],  # (h, w)
    margin: int = 0,  # cells around the grid that count as inside
    alive: Tensor | None = None,  # [N] bool, False = leave out
) -> Projection:
    """Clips what is behind, outside or not finite first, and divides only what is left."""
    height, width = size
    views, count = len(world_to_cell), len(points_world)
    q = (world_to_cell.reshape(views * 3, 4) @ points_world.T).reshape(views, 3, count)
    x, y, z = q[:, 0], q[:, 1], q[:, 2]
    # Comparisons with NaN are false, so broken points fall out here.
    inside = (z > NEAR) & (z < FAR)
    inside &= (x >= -margin * z) & (x < (width + margin) * z)
    inside &= (y >= -margin * z) & (y < (height + margin) * z)
    if alive is not None:
        inside &= alive
    flat = inside.reshape(-1).nonzero().squeeze(1)
    per_view = inside.sum(1)
    view = torch.arange(views, device=flat.device).repeat_interleave(per_view)
    point = flat - view * count
    row = flat + view * (2 * count)  # of [views, 3, count]
    q = q.reshape(-1)
    z = q.index_select(0, row + 2 * count)
    surface = points_world[:, 3].index_select(0, point) > 0
    return Projection(
        view,
        point,
        (q.index_select(0, row) / z).clamp_(max=_below(width + margin)),
        (q.index_select(0, row + count) / z).clamp_(max=_below(height + margin)),
        z,
        torch.where(surface, z, torch.inf),
    )


@lru_cache
def _below(edge: int) -> float:
    """The largest float32 under `edge`: a division may round up onto the border."""
    return float(torch.nextafter(torch.tensor(float(edge)), torch.tensor(0.0)))


def flat_cells(hits: Projection, size: tuple[int, int], margin: int = 0) -> Tensor:
    """[V] int64 cell index over all views, row-major, on the grid widened by `margin`."""
    height, width = size[0] + 2 * margin, size[1] + 2 * margin
    column = hits.x.floor().long() + margin
    row = hits.y.floor().long() + margin
    return (hits.view * height + row) * width + column


def least_per_cell(
    cell: Tensor,  # [M] int64 in 0..cells
    rank: Tensor,  # [M] int64, 0 <= rank < 2**31
    cells: int,
) -> Tensor:  # [cells] int64 position in the list, -1 where nothing fell
    """The entry of the lowest rank in each cell; ties go to the first in the list.

    Deterministic on every device: rank and position share one integer, and the least of
    integers does not depend on the order in which they arrive.
    """
    position = torch.arange(len(cell), device=cell.device)
    key = (rank << 32) | position
    best = torch.full((cells,), _EMPTY, dtype=torch.int64, device=cell.device)
    best.scatter_reduce_(0, cell, key, "amin")
    return torch.where(best == _EMPTY, -1, best & 0xFFFFFFFF)


def nearest_per_cell(
    cell: Tensor,  # [M] int64 in 0..cells
    depth: Tensor,  # [M] float32, 0 or more, +inf allowed, no NaN
    cells: int,
) -> Tensor:  # [cells] int64 position in the list, -1 where nothing fell
    """The z-buffer: the nearest entry of each cell; ties go to the first in the list."""
    # The bits of floats that are not negative rise with their value.
    return least_per_cell(cell, depth.contiguous().view(torch.int32).long(), cells)


def least_depth(
    cell: Tensor,  # [M] int64 in 0..cells
    depth: Tensor,  # [M] float32, 0 or more, no NaN
    cells: int,
) -> Tensor:  # [cells] float32, +inf where nothing fell
    """Only the depth of the z-buffer."""
    # Integers scatter several times faster than floats on a CPU.
    bits = depth.contiguous().view(torch.int32)
    infinite = torch.tensor(torch.inf).view(torch.int32).item()
    least = torch.full((cells,), int(infinite), dtype=torch.int32, device=cell.device)
    return least.scatter_reduce_(0, cell, bits, "amin").view(torch.float32)


def footprint_edge(footprint_m: Tensor) -> Tensor:
    """The largest power of two that is not above each footprint, so that voxels nest."""
    return torch.exp2(torch.floor(torch.log2(footprint_m)))


def voxel_keys(
    points_m: Tensor,  # [N, 3] or [N, 4]
    edge_m: float | Tensor,  # one edge, or [N] powers of two (see `footprint_edge`)
) -> Tensor:  # [N] int64
    """One integer per voxel. Voxels of different edges never share a key.

    Coordinates wrap after 2**19 voxels, far beyond what anyone walks.
    """
    edge = torch.as_tensor(edge_m, dtype=torch.float64, device=points_m.device)
    index = torch.floor(points_m[:, :3].double() / edge.reshape(-1, 1)).long() & 0x7FFFF
    level = torch.floor(torch.log2(edge)).long().reshape(-1) & 0x3F
    return (level << 57) | (index[:, 0] << 38) | (index[:, 1] << 19) | index[:, 2]


@dataclass(frozen=True)
class DepthFit:
    """1 / true = scale / predicted + shift, with the median relative error that is left."""

    scale: float
    shift: float  # 1/m
    residual: float

    def apply(self, depth_m: Tensor) -> Tensor:
        """Sky and unknown stay; what would land behind infinity becomes unknown (0)."""
        known = (depth_m > 0) & torch.isfinite(depth_m)
        inverse = self.scale / torch.where(known, depth_m, 1.0) + self.shift
        fitted = torch.where(inverse > 1e-4, 1 / inverse.clamp(min=1e-4), 0.0)
        return torch.where(known, fitted, depth_m)


def fit_depth(
    predicted_m: Tensor,  # any shape
    reference_m: Tensor,  # same shape
    valid: Tensor,  # same shape, bool
) -> DepthFit:
    """Scale and shift in inverse depth by reweighted least squares (Huber).

    Cells without finite positive depth on both sides are ignored. With fewer than 32 cells in
    common, or a fit that shrinks or stretches more than fivefold, it is the identity.
    """
    for depth in (predicted_m, reference_m):
        valid = valid & (depth > 0) & torch.isfinite(depth)
    x, y = 1 / predicted_m[valid].double(), 1 / reference_m[valid].double()
    if len(x) == 0:
        return DepthFit(1.0, 0.0, 0.0)
    identity = DepthFit(1.0, 0.0, float(((x - y).abs() / y).median()))
    if len(x) < _MIN_OVERLAP:
        return identity
    # Start from the ratio of medians, which half of the cells may be wrong without moving.
    scale, shift = y.median() / x.median(), torch.zeros((), dtype=x.dtype, device=x.device)
    for _ in range(10):
        error = ((scale * x + shift - y) / y).abs()
        knee = 1.5 * error.median() + 1e-6
        weight = (knee / error.clamp(min=1e-12)).clamp(max=1.0) / y**2
        mean_x, mean_y = (weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()
        variance = (weight * (x - mean_x) ** 2).sum() / weight.sum()
        covariance = (weight * (x - mean_x) * (y - mean_y)).sum() / weight.sum()
        # A flat wall cannot tell scale from shift: a weak pull towards no shift decides.
        pull = 1e-4 * mean_x**2
        scale = (covariance + pull * mean_y / mean_x) / (variance + pull)
        shift = mean_y - scale * mean_x
    residual = float(((scale * x + shift - y).abs() / y).median())
    if not 0.2 <= float(scale) <= 5 or residual > identity.residual + 1e-6:
        return identity
    return DepthFit(float(scale), float(shift), residual)


def align_depth(
    predicted_m: Tensor,  # any shape
    reference_m: Tensor,  # same shape, on memory's scale
    valid: Tensor,  # same shape, bool: static cells that memory covers
) -> tuple[Tensor, float]:
    """(aligned depth, median relative residual); see `fit_depth` for when it changes nothing."""
    fit = fit_depth(predicted_m, reference_m, valid)
    return fit.apply(predicted_m), fit.residual
