"""The caster: which solid each ray hits first, and how far away, for whole batches of cameras.

The picture is cut into tiles. Solids are tested only in the tiles that their projection touches,
nearest first, and tiles that are closed by something near are left out of later tests. Distance is
z-depth, because rays have unit z in the camera. Knows nothing of colours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mirage_engine.rooms.parts import BALL, BOX

TILE = 16  # px, edge of a tile
NEAR_M = 0.02
FAR_M = 1e6  # z-depth of a miss
INDEX_BITS = 11  # low bits of a packed depth that hold the solid
_INDEX_MASK = (1 << INDEX_BITS) - 1
_CORNERS = [[(i >> k) & 1 for k in range(3)] for i in range(8)]
_EDGES = [(a, a | 1 << k) for a in range(8) for k in range(3) if not a >> k & 1]


@dataclass(frozen=True)
class Geometry:
    """Solids as tensors on one device, in the plan frame."""

    bounds: Tensor  # [B, 2, 3] float32, low and high corner
    shape: Tensor  # [B] int64, see parts
    frame: Tensor  # [B] int64, the only frame that shows the solid, or -1 for all

    def __post_init__(self) -> None:
        if len(self.bounds) > _INDEX_MASK:
            raise ValueError(f"{len(self.bounds)} solids do not fit into {INDEX_BITS} bits")


@dataclass(frozen=True)
class Views:
    """A batch of equal-sized cameras in the plan frame."""

    origin: Tensor  # [T, 3]
    rotation: Tensor  # [T, 3, 3], camera to plan
    intrinsics: Tensor  # [T, 3, 3]
    size: tuple[int, int]

    def rays(self, x: Tensor, y: Tensor, frame: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Plan directions with unit z-depth, for pixel positions `x`, `y` in `frame`, each [N]."""
        m = (self.rotation @ torch.linalg.inv(self.intrinsics)).view(-1, 9).index_select(0, frame)
        rays = [m[:, 3 * i] * x + m[:, 3 * i + 1] * y + m[:, 3 * i + 2] for i in range(3)]
        return rays[0], rays[1], rays[2]

    def pixel_steps(self) -> Tensor:
        """[T, 6] change of the ray direction per pixel to the right, then per pixel down."""
        k = self.intrinsics
        right = self.rotation[:, :, 0] / k[:, 0, 0, None]
        down = self.rotation[:, :, 1] / k[:, 1, 1, None]
        return torch.cat([right, down], 1)


def cast(geometry: Geometry, views: Views) -> tuple[Tensor, Tensor]:
    """First hits: z-depth [T, H, W] float32 (FAR_M for a miss) and solid [T, H, W] int64 (-1)."""
    height, width = views.size
    rows, columns = -(-height // TILE), -(-width // TILE)
    inverse = _tile_rays(views, rows, columns)
    best = torch.full(
        (len(inverse), TILE * TILE), FAR_M, dtype=torch.float32, device=inverse.device
    ).view(torch.int32)
    frame, solid, tile, near = _pairs(geometry, views, rows, columns)
    order = torch.argsort(near)
    frame, solid, tile, near = frame[order], solid[order], tile[order], near[order]
    for boxes in (True, False):
        chosen = torch.nonzero((geometry.shape[solid] == BOX) == boxes)[:, 0]
        pairs = (frame[chosen], solid[chosen], tile[chosen], near[chosen])
        _cast_pairs(geometry, views, inverse, best, pairs, boxes)
    count = len(views.origin)
    image = best.view(count, rows, columns, TILE, TILE).transpose(2, 3)
    image = image.reshape(count, rows * TILE, columns * TILE)[:, :height, :width]
    packed = image.contiguous()
    hit = packed.view(torch.float32) < FAR_M * 0.9
    solid_image = torch.where(hit, (packed & _INDEX_MASK).long(), -1)
    depth = torch.where(hit, packed.view(torch.float32), FAR_M)
    return depth, solid_image


def _tile_rays(views: Views, rows: int, columns: int) -> Tensor:
    """[T * rows * columns, 3, TILE * TILE] reciprocal ray directions."""
    count, device = len(views.origin), views.origin.device
    x = torch.arange(columns * TILE, device=device, dtype=torch.float32) + 0.5
    y = torch.arange(rows * TILE, device=device, dtype=torch.float32) + 0.5
    k, r = views.intrinsics, views.rotation
    u = (x[None] - k[:, 0, 2, None]) / k[:, 0, 0, None]
    v = (y[None] - k[:, 1, 2, None]) / k[:, 1, 1, None]
    u = u.view(count, 1, columns, 1, 1, TILE)
    v = v.view(count, rows, 1, 1, TILE, 1)
    r = r.view(count, 1, 1, 3, 3, 1, 1)
    rays = r[..., 0, :, :] * u + (r[..., 1, :, :] * v + r[..., 2, :, :])
    rays = _away_from_zero(rays)
    return rays.reciprocal_().reshape(-1, 3, TILE * TILE)


def _away_from_zero(rays: Tensor) -> Tensor:
    return torch.where(rays.abs() < 1e-9, 1e-9, rays)


def _pairs(
    geometry: Geometry, views: Views, rows: int, columns: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Every (frame, solid, tile, least z-depth) whose projection touches the tile."""
    first, last, near, seen = _rectangles(geometry, views, rows, columns)
    frame, solid = torch.nonzero(seen, as_tuple=True)
    first, last, near = first[frame, solid], last[frame, solid], near[frame, solid]
    wide = last - first + 1  # [P, 2] columns, rows
    total = wide[:, 0] * wide[:, 1]
    owner = torch.repeat_interleave(torch.arange(len(total), device=total.device), total)
    rank = torch.arange(len(owner), device=total.device) - (total.cumsum(0) - total)[owner]
    w = wide[owner, 0]
    column = first[owner, 0] + rank % w
    row = first[owner, 1] + rank // w
    tile = (frame[owner] * rows + row) * columns + column
    return frame[owner], solid[owner], tile, near[owner]


def _rectangles(
    geometry: Geometry, views: Views, rows: int, columns: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Tile rectangles [T, B, 2] first and last, least z-depth [T, B] and visibility [T, B]."""
    device = geometry.bounds.device
    pick = torch.tensor(_CORNERS, device=device)
    axes = torch.arange(3, device=device)
    corners = geometry.bounds[:, pick, axes]  # [B, 8, 3]
    local = corners[None] - views.origin[:, None, None]
    local = torch.einsum("tbci,tij->tbcj", local, views.rotation)
    edges = torch.tensor(_EDGES, device=device)
    a, b = local[:, :, edges[:, 0]], local[:, :, edges[:, 1]]  # [T, B, 12, 3]
    points = torch.cat([_clip(a, b), _clip(b, a)], 2)
    z = points[..., 2]
    usable = z >= NEAR_M * 0.99
    k = views.intrinsics[:, None, None]
    px = points[..., 0] / z.clamp(min=NEAR_M * 0.5) * k[..., 0, 0] + k[..., 0, 2]
    py = points[..., 1] / z.clamp(min=NEAR_M * 0.5) * k[..., 1, 1] + k[..., 1, 2]
    xy = torch.stack([px, py], -1)
    low = torch.where(usable[..., None], xy, 1e9).amin(2)
    high = torch.where(usable[..., None], xy, -1e9).amax(2)
    size = torch.tensor([views.size[1], views.size[0]], device=device)
    seen = ((high > 0) & (low < size) & (high > low)).all(-1)
    owner = geometry.frame[None]
    seen &= (owner < 0) | (owner == torch.arange(len(views.origin), device=device)[:, None])
    limit = torch.tensor([columns, rows], device=device) - 1
    first = torch.minimum((low / TILE).clamp(min=0).long(), limit)
    last = torch.minimum((high.clamp(min=0, max=1e6) / TILE).long(), limit)
    near = torch.where(usable, z, FAR_M).amin(2)
    return first, last, near, seen


def _clip(a: Tensor, b: Tensor) -> Tensor:
    """`a`, moved along the edge towards `b` up to the near plane if it lies behind."""
    gap = b[..., 2] - a[..., 2]
    share = ((NEAR_M - a[..., 2]) / torch.where(gap.abs() < 1e-9, 1e-9, gap)).clamp(0, 1)
    behind = (a[..., 2] < NEAR_M) & (b[..., 2] > NEAR_M)
    return torch.where(behind[..., None], a + share[..., None] * (b - a), a)


def _cast_pairs(
    geometry: Geometry,
    views: Views,
    inverse: Tensor,
    best: Tensor,
    pairs: tuple[Tensor, Tensor, Tensor, Tensor],
    boxes: bool,
) -> None:
    """Lowers `best` [tiles, px] by all pairs, in rounds of at most one pair per tile."""
    frame, solid, tile, near = pairs
    order = torch.argsort(tile, stable=True)  # keeps nearest first within a tile
    tile = tile[order]
    counts = torch.bincount(tile, minlength=len(best))
    rank = torch.arange(len(tile), device=tile.device) - (counts.cumsum(0) - counts)[tile]
    by_round = torch.argsort(rank, stable=True)
    order, tile, rank = order[by_round], tile[by_round], rank[by_round]
    rounds = torch.bincount(rank).tolist() if len(rank) else []
    frame, solid, near = frame[order], solid[order], near[order]
    start = 0
    for number, count in enumerate(rounds):
        part = slice(start, start + count)
        start += count
        where, what, who = tile[part], solid[part], frame[part]
        if (number >= 4 and number % 2 == 0) or number == 4:
            closed = best[where].view(torch.float32).amax(1)
            alive = torch.nonzero(closed > near[part])[:, 0]
            where, what, who = where[alive], what[alive], who[alive]
        if len(where) == 0:
            continue
        rays = inverse.index_select(0, where)
        corners = geometry.bounds[what] - views.origin[who][:, None]
        if boxes:
            depth = _box_depth(rays, corners)
        else:
            depth = _round_depth(rays.reciprocal(), corners, geometry.shape[what] == BALL)
        packed = depth.view(torch.int32).bitwise_and_(~_INDEX_MASK)
        packed.bitwise_or_(what.to(torch.int32)[:, None])
        best[where] = torch.minimum(best.index_select(0, where), packed)


def _box_depth(inverse: Tensor, corners: Tensor) -> Tensor:
    """[n, px] z-depth of the entry; inverse [n, 3, px], corners [n, 2, 3] from the eye."""
    low = inverse * corners[:, 0, :, None]
    high = inverse * corners[:, 1, :, None]
    enter = torch.minimum(low, high).amax(1)
    leave = torch.maximum(low, high).amin(1)
    return torch.where((enter <= leave) & (enter > NEAR_M), enter, FAR_M)


def _round_depth(rays: Tensor, corners: Tensor, ball: Tensor) -> Tensor:
    """[n, px] z-depth of ellipsoids and upright cylinders inscribed in their boxes."""
    center, half = corners.mean(1), (corners[:, 1] - corners[:, 0]) / 2
    o = (-center / half)[:, :, None]
    d = rays / half[:, :, None]
    ball_y = ball[:, None].float()
    a = d[:, 0] ** 2 + d[:, 2] ** 2 + ball_y * d[:, 1] ** 2
    b = o[:, 0] * d[:, 0] + o[:, 2] * d[:, 2] + ball_y * o[:, 1] * d[:, 1]
    c = o[:, 0] ** 2 + o[:, 2] ** 2 + ball_y * o[:, 1] ** 2 - 1
    root = b * b - a * c
    hit = root > 0
    side = root.clamp(min=0).sqrt()
    enter, leave = (-b - side) / a, (-b + side) / a
    t1, t2 = (-1 - o[:, 1]) / d[:, 1], (1 - o[:, 1]) / d[:, 1]
    low, high = torch.minimum(t1, t2), torch.maximum(t1, t2)
    enter = torch.where(ball[:, None], enter, torch.maximum(enter, low))
    leave = torch.where(ball[:, None], leave, torch.minimum(leave, high))
    return torch.where(hit & (enter <= leave) & (enter > NEAR_M), enter, FAR_M)
