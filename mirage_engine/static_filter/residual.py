"""Finds what moves by geometry alone: a surface in space that another frame saw to be empty.

Each pixel's point is looked at from other frames of the segment, and from earlier cameras by what
memory holds. If they see clearly further there, something came or went. What lies behind another
surface proves nothing, and what memory holds with the same depth or latent stands still. Needs
depth and poses and no model; blind to what stays within its own outline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mirage_engine.camera import Camera
from mirage_engine.config import StaticFilterConfig
from mirage_engine.geometry import cell_rays, unproject
from mirage_engine.parts import Decoded, MemoryView, Sight

WITNESSES = 8  # frames of a segment, evenly spread
VOTES = 2  # witnesses needed, where there are so many
NEAR_M = 0.05
SAME = 0.3  # relative depth within which two measurements are of one surface
GROWTH = 2  # samples that a surface is followed beyond what is proven
CONTINUES = 0.02  # relative step of depth between neighbours on one surface
SPREADS = 4.5  # tolerated: three deviations, a deviation being 1.5 median errors


@dataclass(frozen=True)
class DepthMaps:
    """Some views' depth on a coarse grid, with the lens of that grid."""

    depth_m: Tensor  # [k, h, w]; 0 unknown, +inf sky
    intrinsics: Tensor  # [k, 3, 3]
    c2w: Tensor  # [k, 4, 4]

    def points(self) -> Tensor:  # [k, h, w, 3] world
        rays = cell_rays(self.intrinsics, (self.depth_m.shape[1], self.depth_m.shape[2]))
        rays = rays @ self.c2w[:, None, :3, :3].mT
        return unproject(self.depth_m, rays, self.c2w[:, :3, 3])[..., :3]

    def solid(self) -> Tensor:  # [k, h, w] bool
        return (self.depth_m > 0) & torch.isfinite(self.depth_m)


class ResidualFilter:
    """Keeps what has a depth, passes the codec's own mask, and is not seen to move."""

    def __init__(self, config: StaticFilterConfig, device: torch.device | str = "cpu") -> None:
        self.config, self.device = config, device

    def __call__(self, decoded: Decoded, depth_m: Tensor, sight: Sight) -> Tensor:
        keep = depth_m > 0
        if decoded.keep is not None:
            keep = keep & decoded.keep
        return keep & ~self.moving(depth_m, sight).to(keep.device)

    def moving(self, depth_m: Tensor, sight: Sight) -> Tensor:  # [T, H, W] bool
        """Pixels whose surface is in space that witnesses saw to be empty."""
        depth_m = depth_m.to(self.device)
        frames = thinned(depth_m, sight.cameras, self.config.step_px)
        own: list[int] = list(range(0, len(depth_m), -(-len(depth_m) // WITNESSES)))
        witnesses = [_frame(frames, j) for j in own]
        past = _from_memory(sight, depth_m)
        gaps = _gaps(frames, witnesses + past, own + [-1] * len(past))
        tolerance = self.config.tolerance + _noise(gaps)
        needed = min(VOTES, max(1, len(gaps) - 1))
        moved = (gaps > tolerance).sum(0) >= needed
        if sight.view is not None:
            known = _remembered(frames.depth_m, sight, sight.view, tolerance, self.config)
            moved = moved & ~known
        return _spread(moved, frames.depth_m, depth_m)


def seen_through(
    view: MemoryView,  # what memory held of t views
    depth_m: Tensor,  # [t, H, W] what is there now; 0 unknown
    latents: Tensor,  # [t, C, h, w] what is there now
    tolerance: float,  # relative depth
    latent_gap: float,  # 1 - cosine
) -> Tensor:  # [t, h, w] bool
    """Remembered cells whose surface is gone: all of the cell lies further, and looks different."""
    height, width = view.mask.shape[1:]
    known = torch.where(depth_m > 0, depth_m, 0.0)
    nearest = -F.adaptive_max_pool2d(-known[:, None], (height, width))[:, 0]
    further = nearest > view.depth_m * (1 + tolerance)
    return view.mask & further & ~_alike(view, latents, latent_gap)


def thinned(depth_m: Tensor, cameras: Sequence[Camera], step: int) -> DepthMaps:
    """Every `step`-th pixel of [T, H, W], with the lens that sees just those."""
    first = step // 2
    lenses = []
    for camera in cameras:
        lens = camera.intrinsics.copy()
        lens[:2, 2] -= first + 0.5
        lens[:2] /= step
        lens[:2, 2] += 0.5
        lenses.append(lens)
    # The last pixels of a size that is no multiple fall under the last step.
    depth = depth_m[:, first::step, first::step]
    return DepthMaps(depth, _stack(lenses, depth), _stack([c.c2w for c in cameras], depth))


def _from_memory(sight: Sight, like: Tensor) -> list[DepthMaps]:
    """What earlier cameras saw, as far as it was remembered."""
    if sight.memory is None or not sight.earlier or sight.view is None:
        return []
    grid = (sight.view.mask.shape[1], sight.view.mask.shape[2])
    depth = sight.memory.read(sight.earlier, grid).depth_m.to(like)
    lenses = [camera.resized(grid).intrinsics for camera in sight.earlier]
    maps = DepthMaps(depth, _stack(lenses, depth), _stack([c.c2w for c in sight.earlier], depth))
    return [_frame(maps, j) for j in range(len(depth))]


def _gaps(frames: DepthMaps, witnesses: Sequence[DepthMaps], own: Sequence[int]) -> Tensor:
    """[k, T, h, w] relative free space that each witness saw behind each point of each frame.

    NaN where a witness knows nothing: outside its picture, at unknown depth, in its own frame.
    """
    points, solid = frames.points(), frames.solid()
    rows = []
    for witness, frame in zip(witnesses, own, strict=True):
        gap = _gap(points, solid, witness)
        if frame >= 0:
            gap[frame] = torch.nan
        rows.append(gap)
    return torch.stack(rows)


def _gap(points_world: Tensor, solid: Tensor, witness: DepthMaps) -> Tensor:
    depth, lens = witness.depth_m[0], witness.intrinsics[0]
    rotation, position = witness.c2w[0, :3, :3], witness.c2w[0, :3, 3]
    cam = (points_world - position) @ rotation
    z = cam[..., 2]
    ahead = z.clamp(min=NEAR_M)
    x = (cam[..., 0] / ahead * lens[0, 0] + lens[0, 2]).floor()
    y = (cam[..., 1] / ahead * lens[1, 1] + lens[1, 2]).floor()
    height, width = depth.shape
    inside = solid & (z > NEAR_M) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    # The nearest of nine, so that neither an edge nor a slope is taken for a hole.
    nearest = -F.max_pool2d(F.pad(-depth[None, None], (1, 1, 1, 1), mode="replicate"), 3, 1)[0, 0]
    seen = nearest[y.clamp(0, height - 1).long(), x.clamp(0, width - 1).long()]
    return torch.where(inside & (seen > 0), seen / ahead - 1, torch.nan)


def _spread(
    moved: Tensor,  # [T, h, w] bool
    coarse_m: Tensor,  # [T, h, w]
    depth_m: Tensor,  # [T, H, W]
) -> Tensor:  # [T, H, W] bool
    """To every pixel: whatever continues the surface of a neighbour that moved moves with it."""
    for _ in range(GROWTH):
        moved = moved | _continues(moved, coarse_m, coarse_m)
    whole = torch.zeros_like(depth_m, dtype=torch.bool)
    for i in moved.flatten(1).any(1).nonzero().flatten().tolist():
        frame = slice(i, i + 1)
        whole[frame] = _continues(moved[frame], coarse_m[frame], depth_m[frame])
    return whole


def _continues(moved: Tensor, coarse_m: Tensor, depth_m: Tensor) -> Tensor:
    far = F.max_pool2d(torch.where(moved, coarse_m, 0.0)[:, None], 3, 1, 1)
    near = -F.max_pool2d(torch.where(moved, -coarse_m, -torch.inf)[:, None], 3, 1, 1)
    size = (depth_m.shape[1], depth_m.shape[2])
    near, far = (F.interpolate(edge, size, mode="nearest-exact")[:, 0] for edge in (near, far))
    return (depth_m >= near * (1 - CONTINUES)) & (depth_m <= far * (1 + CONTINUES))


def _noise(gaps: Tensor) -> float:
    """How far measurements of one surface disagree, as a tolerance: depth that flickers, poses."""
    same = gaps[gaps.abs() < SAME]
    return SPREADS * float(same.abs().median()) if len(same) else 0.0


def _remembered(
    depth_m: Tensor,  # [T, h', w'] on the coarse grid
    sight: Sight,
    view: MemoryView,
    tolerance: float,
    config: StaticFilterConfig,
) -> Tensor:  # [T, h', w'] bool
    """What memory knows with the same depth, or with the same latent."""
    group = len(depth_m) // len(view.mask)

    def over_grid(cells: Tensor) -> Tensor:
        cells = cells.to(depth_m).repeat_interleave(group, 0)[:, None]
        return F.interpolate(cells, depth_m.shape[1:], mode="nearest-exact")[:, 0]

    held = over_grid(torch.where(view.mask, view.depth_m, torch.nan))
    same = (depth_m / held - 1).abs() < tolerance
    if sight.latents is None:
        return same
    return same | (over_grid(_alike(view, sight.latents, config.latent_gap)) > 0)


def _alike(view: MemoryView, latents: Tensor, latent_gap: float) -> Tensor:  # [t, h, w] bool
    cosine = F.cosine_similarity(view.latents.float(), latents.float().to(view.latents), dim=1)
    return view.mask & (cosine > 1 - latent_gap)


def _frame(maps: DepthMaps, index: int) -> DepthMaps:
    row = slice(index, index + 1)
    return DepthMaps(maps.depth_m[row], maps.intrinsics[row], maps.c2w[row])


def _stack(arrays: Sequence[np.ndarray], like: Tensor) -> Tensor:
    return torch.from_numpy(np.stack(arrays)).to(like)
