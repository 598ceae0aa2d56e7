"""Frames from hits: exact depth, colours, and smooth edges by four more samples where they matter."""

from __future__ import annotations

import torch
from torch import Tensor

from mirage_engine.rooms.parts import BALL, BOX
from mirage_engine.rooms.raycast import FAR_M, NEAR_M, Geometry, Views
from mirage_engine.rooms.shade import Paint, Surface, shade, sky_color

# A rotated grid: four samples that never share a row or a column.
_OFFSETS = ((-0.125, -0.375), (0.375, -0.125), (-0.375, 0.125), (0.125, 0.375))


def exact_hits(
    geometry: Geometry,
    eye: Tensor,  # [N, 3] plan frame
    rays: tuple[Tensor, Tensor, Tensor],  # [N] each
    solid: Tensor,  # [N] int64, no misses
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Depth [N], face [N] and normal (3 x [N]) where each ray enters its solid; FAR_M if not."""
    bounds = geometry.bounds[solid]
    enter, leave, face = None, None, None
    for axis, ray in enumerate(rays):
        inverse = 1 / torch.where(ray.abs() < 1e-9, 1e-9, ray)
        low = (bounds[:, 0, axis] - eye[:, axis]) * inverse
        high = (bounds[:, 1, axis] - eye[:, axis]) * inverse
        first, last = torch.minimum(low, high), torch.maximum(low, high)
        side = 2 * axis + (ray < 0).long()
        if enter is None or leave is None or face is None:
            enter, leave, face = first, last, side
        else:
            face = torch.where(first > enter, side, face)
            enter, leave = torch.maximum(enter, first), torch.minimum(leave, last)
    assert enter is not None and leave is not None and face is not None
    depth = torch.where((enter <= leave) & (enter > NEAR_M), enter, FAR_M)
    sign = (face % 2 * 2 - 1).to(depth.dtype)
    normal = [torch.where(face // 2 == axis, sign, 0.0) for axis in range(3)]
    curved = torch.nonzero(geometry.shape[solid] != BOX)[:, 0]
    if len(curved):
        part = tuple(r[curved] for r in rays)
        ball = geometry.shape[solid[curved]] == BALL
        d, f, n = _round_hits(bounds[curved], eye[curved], part, ball)
        depth[curved], face[curved] = d, f
        for axis in range(3):
            normal[axis][curved] = n[axis]
    return depth, face, (normal[0], normal[1], normal[2])


def _round_hits(
    bounds: Tensor, eye: Tensor, rays: tuple[Tensor, ...], ball: Tensor
) -> tuple[Tensor, Tensor, list[Tensor]]:
    half = (bounds[:, 1] - bounds[:, 0]) / 2
    o = ((eye - bounds.mean(1)) / half).unbind(1)
    d = [torch.where(r.abs() < 1e-9, 1e-9, r) / half[:, k] for k, r in enumerate(rays)]
    weight = ball.to(o[0].dtype)
    a = d[0] * d[0] + d[2] * d[2] + weight * d[1] * d[1]
    b = o[0] * d[0] + o[2] * d[2] + weight * o[1] * d[1]
    c = o[0] * o[0] + o[2] * o[2] + weight * o[1] * o[1] - 1
    root = b * b - a * c
    side = root.clamp(min=0).sqrt()
    enter, leave = (-b - side) / a, (-b + side) / a
    t1, t2 = (-1 - o[1]) / d[1], (1 - o[1]) / d[1]
    low, high = torch.minimum(t1, t2), torch.maximum(t1, t2)
    cap = ~ball & (low > enter)
    enter = torch.where(cap, low, enter)
    leave = torch.where(ball, leave, torch.minimum(leave, high))
    depth = torch.where((root > 0) & (enter <= leave) & (enter > NEAR_M), enter, FAR_M)
    at = [(o[k] + depth * d[k]) / half[:, k] for k in range(3)]
    length = (at[0] ** 2 + at[2] ** 2 + weight * at[1] ** 2).sqrt().clamp(min=1e-9)
    down = -d[1].sign()
    normal = [
        torch.where(cap, 0.0, at[0] / length),
        torch.where(cap, down, weight * at[1] / length),
        torch.where(cap, 0.0, at[2] / length),
    ]
    face = torch.where(cap, torch.where(down < 0, 2, 3), 0)
    return depth, face, normal


def paint_samples(
    geometry: Geometry,
    faces: Tensor,  # [B, 6] material of each face
    paint: Paint,
    views: Views,
    frame: Tensor,  # [N]
    rays: tuple[Tensor, Tensor, Tensor],
    solid: Tensor,  # [N], -1 for sky
) -> tuple[Tensor, Tensor, Tensor]:
    """Colours [N, 3], exact depth [N] (FAR_M for sky) and face [N] (-1 for sky) of samples."""
    count, device = len(solid), solid.device
    color = torch.empty(count, 3, device=device)
    depth = torch.full((count,), FAR_M, device=device)
    face = torch.full((count,), -1, device=device)
    hit = torch.nonzero(solid >= 0)[:, 0]
    if len(hit) < count:
        miss = torch.nonzero(solid < 0)[:, 0]
        color[miss] = sky_color(paint, tuple(r[miss] for r in rays))  # type: ignore[arg-type]
        frame, solid = frame[hit], solid[hit]
        rays = tuple(r[hit] for r in rays)  # type: ignore[assignment]
    eye = views.origin[frame]
    near, side, normal = exact_hits(geometry, eye, rays, solid)
    near = near.clamp(max=500.0)
    surface = Surface(
        tuple(eye[:, k] + near * rays[k] for k in range(3)),  # type: ignore[arg-type]
        normal,
        _spread(views, frame, rays, near, side // 2),
        faces[solid, side],
        side // 2,
    )
    shaded = shade(paint, surface)
    if len(hit) == count:
        return shaded, near, side
    color[hit], depth[hit], face[hit] = shaded, near, side
    return color, depth, face


def _spread(
    views: Views, frame: Tensor, rays: tuple[Tensor, ...], depth: Tensor, axis: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Metres along x, y, z that one pixel spans on the plane of the face."""
    k, r = views.intrinsics, views.rotation
    across = (r[:, :, 0] / k[:, 0, 0, None])[frame]
    along = (r[:, :, 1] / k[:, 1, 1, None])[frame]
    pick = axis[:, None]
    ray = torch.stack(rays, -1).gather(1, pick)[:, 0]
    ray = torch.where(ray.abs() < 1e-6, 1e-6, ray)
    slope_x = across.gather(1, pick)[:, 0] / ray
    slope_y = along.gather(1, pick)[:, 0] / ray
    spans = []
    for i in range(3):
        dx = across[:, i] - rays[i] * slope_x
        dy = along[:, i] - rays[i] * slope_y
        spans.append(depth * torch.sqrt(dx * dx + dy * dy))
    return spans[0], spans[1], spans[2]


def smooth_edges(
    geometry: Geometry,
    faces: Tensor,
    paint: Paint,
    views: Views,
    solid: Tensor,  # [T, H, W]
    face: Tensor,  # [T, H, W]
    color: Tensor,  # [T, H, W, 3], changed in place
) -> None:
    """Averages four samples wherever a neighbour shows another face.

    The samples test only what the pixel and its neighbours hit, which nearly always holds the
    truth and keeps the cost proportional to the edges.
    """
    key = solid * 8 + face
    edge = torch.zeros_like(key, dtype=torch.bool)
    across, down = key[:, :, 1:] != key[:, :, :-1], key[:, 1:] != key[:, :-1]
    edge[:, :, 1:] |= across
    edge[:, :, :-1] |= across
    edge[:, 1:] |= down
    edge[:, :-1] |= down
    t, i, j = torch.nonzero(edge, as_tuple=True)
    if len(t) == 0:
        return
    height, width = views.size
    around = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)]
    candidates = torch.stack(
        [solid[t, (i + a).clamp(0, height - 1), (j + b).clamp(0, width - 1)] for a, b in around]
    )  # [5, E]
    offsets = torch.tensor(_OFFSETS, device=solid.device)
    x = (j + 0.5 + offsets[:, :1]).reshape(-1)  # [4 E]
    y = (i + 0.5 + offsets[:, 1:]).reshape(-1)
    frame = t.repeat(len(_OFFSETS))
    rays = views.rays(x, y, frame)
    hit = _first_of(geometry, views, frame, rays, candidates.repeat(1, len(_OFFSETS)))
    samples, _, _ = paint_samples(geometry, faces, paint, views, frame, rays, hit)
    color[t, i, j] = samples.view(len(_OFFSETS), -1, 3).mean(0)


def _first_of(
    geometry: Geometry,
    views: Views,
    frame: Tensor,  # [N]
    rays: tuple[Tensor, Tensor, Tensor],
    candidates: Tensor,  # [K, N], -1 for sky
) -> Tensor:
    """[N] the candidate that each ray hits first; where none, sky if one is sky, else the first."""
    eye = views.origin[frame]
    best = torch.full_like(rays[0], FAR_M)
    found = torch.where((candidates < 0).any(0), -1, candidates[0])
    for number, solid in enumerate(candidates):
        fresh = solid >= 0
        if number:
            fresh = fresh & (solid != candidates[0])
        rows = torch.nonzero(fresh)[:, 0]
        part = tuple(r[rows] for r in rays)
        depth, _, _ = exact_hits(geometry, eye[rows], part, solid[rows])  # type: ignore[arg-type]
        nearer = depth < best[rows]
        rows, depth = rows[nearer], depth[nearer]
        best[rows], found[rows] = depth, solid[rows]
    return found
