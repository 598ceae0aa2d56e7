"""Brings depth at picture size to the latent grid, and turns cells into surfels.

Never averages across a depth edge: a cell whose pixels lie on two surfaces is dropped. Works in
inverse depth, where a plane is linear in the picture and sky is simply zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mirage_engine.camera import Camera
from mirage_engine.geometry import cell_rays, unproject

_TAIL = 0.1  # share of a cell's pixels at either end that its spread does not count
_PLANE = 0.6  # a step of 1 leaves about this much when the best plane is taken away
_SAMPLES = 8  # pixels per side that are looked at in a cell; large cells are thinned to that
_STEEPEST = 0.5  # relative change of inverse depth per cell that a surfel follows


@dataclass(frozen=True)
class Lens:
    """Cameras as tensors, on a grid of cells."""

    intrinsics: Tensor  # [t, 3, 3] in cells
    c2w: Tensor  # [t, 4, 4]
    world_to_cell: Tensor  # [t, 3, 4]
    focal: Tensor  # [t] cells
    size: tuple[int, int]  # (h, w)


@dataclass(frozen=True)
class Cells:
    """Depth on the latent grid."""

    depth_m: Tensor  # [t, h, w]; 0 = dropped, +inf = sky
    slack: Tensor  # [t, h, w] relative extent of the inverse depth within the cell
    slope: Tensor  # [t, 2, h, w] relative change of inverse depth per cell along x and y


def make_lens(cameras: Sequence[Camera], size: tuple[int, int], device: torch.device) -> Lens:
    """`cameras` on the grid `size`; products are taken in float64 before they are rounded."""
    intrinsics = np.empty((len(cameras), 3, 3))
    c2w = np.empty((len(cameras), 4, 4))
    w2c = np.empty((len(cameras), 3, 4))
    for i, camera in enumerate(cameras):
        scale = np.array([size[1] / camera.size[1], size[0] / camera.size[0], 1.0])
        intrinsics[i] = scale[:, None] * camera.intrinsics
        c2w[i] = camera.c2w
        w2c[i] = camera.w2c[:3]
    focal = np.sqrt(intrinsics[:, 0, 0] * intrinsics[:, 1, 1])

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array.astype(np.float32)).to(device)

    return Lens(tensor(intrinsics), tensor(c2w), tensor(intrinsics @ w2c), tensor(focal), size)


def bilinear_cells(
    depth_m: Tensor,  # [t, H, W]
    keep: Tensor,  # [t, H, W] bool
    size: tuple[int, int],
) -> Tensor:  # [t, h, w]; 0 = dropped
    """The paper's way: bilinear depth, nearest mask. Blends surfaces at edges and knows no sky."""
    depth = functional.interpolate(depth_m[:, None], size, mode="bilinear")[:, 0]
    kept = functional.interpolate(keep[:, None].float(), size, mode="nearest")[:, 0] > 0
    return torch.where(kept & (depth > 0) & torch.isfinite(depth), depth, 0.0)


def robust_cells(
    depth_m: Tensor,  # [t, H, W]
    keep: Tensor,  # [t, H, W] bool
    size: tuple[int, int],
    edge_spread: float,
) -> Cells:
    """Median depth per cell; cells on an edge or with under half of their pixels are dropped.

    A cell may stretch further than `edge_spread` if its pixels lie on one plane: a floor seen at
    a grazing angle is not an edge.
    """
    inverse = torch.where(keep & (depth_m > 0), 1 / depth_m, torch.inf)
    samples, x, y = _samples(inverse, size)  # [M, k], [k], [k]
    count = samples.shape[-1]
    ordered = samples.sort(-1).values
    valid = (ordered < torch.inf).sum(-1, keepdim=True)
    low = ((valid - 1) * _TAIL).round().long().clamp(min=0)
    high = (valid - 1 - low).clamp(min=0)
    middle = torch.cat([(valid - 1).clamp(min=0) // 2, valid // 2], -1).clamp(max=count - 1)
    at = ordered.gather(-1, torch.cat([low, high, middle], -1))
    low_x, high_x, middle_x = at[:, 0], at[:, 1], at[:, 2:].mean(-1)
    slope, bumps = _plane(samples, x, y)
    enough = valid.squeeze(-1) * 2 >= count
    sky = high_x == 0
    flat = (low_x > 0) & (bumps <= _PLANE * edge_spread * middle_x)
    level = (low_x > 0) & (high_x - low_x <= edge_spread * middle_x)
    kept = enough & (sky | flat | level)
    shape = (len(depth_m), *size)
    surface = kept & ~sky
    solid = torch.where(surface, middle_x, 1.0)
    depth = torch.where(surface, 1 / solid, torch.where(kept, torch.inf, 0.0))
    slack = torch.where(surface, (high_x - low_x) / solid, 0.0)
    tilt = torch.where((surface & flat)[:, None], slope / solid[:, None], 0.0)
    tilt = tilt.clamp(-_STEEPEST, _STEEPEST).reshape(*shape, 2).permute(0, 3, 1, 2)
    return Cells(depth.reshape(shape), slack.reshape(shape), tilt)


def _samples(picture: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """[t*h*w, k] pixels of each cell, and their [k] x and y from the cell's centre in cells."""
    (height, width), t = size, len(picture)
    down, right = -(-picture.shape[1] // height), -(-picture.shape[2] // width)
    if picture.shape[1:] != (height * down, width * right):
        # Nearest, because in-between depths would be inventions.
        whole = (height * down, width * right)
        picture = functional.interpolate(picture[:, None], whole, mode="nearest")[:, 0]
    rows, columns = _thinned(down, picture.device), _thinned(right, picture.device)
    blocks = picture.reshape(t, height, down, width, right)
    if len(rows) < down or len(columns) < right:
        blocks = blocks[:, :, rows][..., columns]
    samples = blocks.permute(0, 1, 3, 2, 4).reshape(t * height * width, -1)
    y, x = torch.meshgrid((rows + 0.5) / down - 0.5, (columns + 0.5) / right - 0.5, indexing="ij")
    return samples, x.reshape(-1), y.reshape(-1)


def _thinned(pixels: int, device: torch.device) -> Tensor:
    step = -(-pixels // _SAMPLES)
    count = -(-pixels // step)
    return torch.arange(count, device=device) * step + (pixels - 1 - (count - 1) * step) // 2


def _plane(samples: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """[M, 2] slope of the best plane through each cell, and the [M] range of what it leaves.

    The range is infinite for cells with missing pixels, which cannot show that they are flat.
    """
    across = torch.stack([x - x.mean(), y - y.mean()], -1)  # [k, 2]
    power = (across**2).sum(0)
    weights = across / torch.where(power > 0, power, 1.0)
    slope = samples @ weights
    left = samples - slope @ across.T
    bumps = left.amax(-1) - left.amin(-1)
    return slope, torch.where(torch.isfinite(bumps), bumps, torch.inf)


def surfels(
    depth_m: Tensor,  # [t, h, w]; 0 = dropped, +inf = sky
    slope: Tensor,  # [t, 2, h, w] see Cells
    lens: Lens,
) -> tuple[Tensor, Tensor, Tensor]:
    """(points [t, h, w, 4], edges [t, h, w, 6], footprints [t, h, w]) in the world.

    Edges are the two sides of the cell on its surface, in metres (sky: per unit of direction);
    the footprint is the width of the cell at that depth (sky: its angle in radians).
    """
    rotation = lens.c2w[:, :3, :3]
    rays = cell_rays(lens.intrinsics, lens.size) @ rotation[:, None].mT
    points = unproject(depth_m, rays, lens.c2w[:, :3, 3])
    sky = torch.isinf(depth_m)
    depth = torch.where(sky, 1.0, depth_m)[..., None]
    edges = []
    for axis in range(2):
        step = rotation[:, None, None, :, axis] / lens.intrinsics[:, axis, axis, None, None, None]
        edge = depth * (step - rays * slope[:, axis, :, :, None])
        direction = points[..., :3]
        turn = step - direction * (direction * step).sum(-1, keepdim=True)
        turn = turn / rays.norm(dim=-1, keepdim=True)
        edges.append(torch.where(sky[..., None], turn, edge))
    footprints = depth[..., 0] / lens.focal[:, None, None]
    return points, torch.cat(edges, -1), footprints
