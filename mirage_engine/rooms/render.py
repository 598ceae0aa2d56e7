"""Frames from hits: exact depth, colours, and edges smoothed by four more samples."""

from __future__ import annotations

import torch
from torch import Tensor

from mirage_engine.rooms.parts import BALL, BOX
from mirage_engine.rooms.raycast import FAR_M, NEAR_M, Geometry, Views
from mirage_engine.rooms.shade import Paint, Surface, shade, sky_color

# A rotated grid: four samples that never share a row or a column.
_AROUND = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))
_VISIBLE = 0.02  # difference of colour below which an edge needs no smoothing
_OFFSETS = ((-0.125, -0.375), (0.375, -0.125), (-0.375, 0.125), (0.125, 0.375))


def exact_hits(
    geometry: Geometry,
    eye: Tensor,  # [N, 3] plan frame
    rays: tuple[Tensor, Tensor, Tensor],  # [N] each
    solid: Tensor,  # [N] int64, no misses
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Depth [N], face [N] and normal (3 x [N]) where each ray enters its solid; FAR_M if not."""
    bounds = geometry.bounds.index_select(0, solid)
    depth, axis = _slab(bounds, eye, [_reciprocal(r) for r in rays])
    along = torch.where(axis == 0, rays[0], torch.where(axis == 1, rays[1], rays[2]))
    face = 2 * axis + (along < 0).long()
    sign = (face % 2 * 2 - 1).to(depth.dtype)
    normal = [torch.where(face // 2 == axis, sign, 0.0) for axis in range(3)]
    shape = geometry.shape.index_select(0, solid)
    curved = torch.nonzero(shape != BOX)[:, 0]
    if len(curved):
        part = tuple(r.index_select(0, curved) for r in rays)
        ball = shape.index_select(0, curved) == BALL
        inside, at = bounds.index_select(0, curved), eye.index_select(0, curved)
        d, f, n = _round_hits(inside, at, part, ball)
        depth[curved], face[curved] = d, f
        for axis in range(3):
            normal[axis][curved] = n[axis]
    return depth, face, (normal[0], normal[1], normal[2])


def _reciprocal(ray: Tensor) -> Tensor:
    return torch.where(ray.abs() < 1e-9, 1e-9, ray).reciprocal_()


def _slab(bounds: Tensor, eye: Tensor, inverse: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Entry depth [N] into boxes, FAR_M for a miss, and the axis [N] of the face entered."""
    enters, leaves = [], []
    for k in range(3):
        low = (bounds[:, 0, k] - eye[:, k]) * inverse[k]
        high = (bounds[:, 1, k] - eye[:, k]) * inverse[k]
        enters.append(torch.minimum(low, high))
        leaves.append(torch.maximum(low, high))
    leave = torch.minimum(torch.minimum(leaves[0], leaves[1]), leaves[2])
    flat = torch.maximum(enters[0], enters[1])
    enter = torch.maximum(flat, enters[2])
    axis = (enters[1] > enters[0]).long()
    axis.masked_fill_(enters[2] > flat, 2)
    return torch.where((enter <= leave) & (enter > NEAR_M), enter, FAR_M), axis


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
        color[miss] = sky_color(paint, tuple(r.index_select(0, miss) for r in rays))  # type: ignore[arg-type]
        frame, solid = frame.index_select(0, hit), solid.index_select(0, hit)
        rays = tuple(r.index_select(0, hit) for r in rays)  # type: ignore[assignment]
    eye = views.origin.index_select(0, frame)
    near, side, normal = exact_hits(geometry, eye, rays, solid)
    near = near.clamp(max=500.0)
    surface = Surface(
        tuple(eye[:, k] + near * rays[k] for k in range(3)),  # type: ignore[arg-type]
        normal,
        _spread(views, frame, rays, near, side // 2),
        faces.view(-1).index_select(0, solid * 6 + side),
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
    steps = views.pixel_steps().index_select(0, frame)  # [N, 6]
    pick = axis[:, None]
    ray = torch.where(axis == 0, rays[0], torch.where(axis == 1, rays[1], rays[2]))
    ray = torch.where(ray.abs() < 1e-6, 1e-6, ray).reciprocal()
    slope_x = steps.gather(1, pick)[:, 0] * ray
    slope_y = steps.gather(1, pick + 3)[:, 0] * ray
    spans = []
    for i in range(3):
        dx = steps[:, i] - rays[i] * slope_x
        dy = steps[:, i + 3] - rays[i] * slope_y
        spans.append(depth * torch.hypot(dx, dy))
    return spans[0], spans[1], spans[2]


def smooth_edges(
    geometry: Geometry,
    views: Views,
    solid: Tensor,  # [T, H, W]
    face: Tensor,  # [T, H, W]
    color: Tensor,  # [T, H, W, 3], changed in place
) -> None:
    """Averages four samples wherever a neighbour shows another face.

    A sample takes its colour from the pixel itself or from the neighbour whose face it hits:
    colours change slowly within a face, so that only the coverage needs to be found anew.
    """
    key = solid * 8 + face
    t, i, j = torch.nonzero(_edges(key, color), as_tuple=True)
    if len(t) == 0:
        return
    height, width = views.size
    places = [
        (t * height + (i + a).clamp(0, height - 1)) * width + (j + b).clamp(0, width - 1)
        for a, b in _AROUND
    ]
    candidates = torch.stack([key.view(-1).index_select(0, p) for p in places])  # [5, E]
    colors = torch.stack([color.view(-1, 3).index_select(0, p) for p in places])  # [5, E, 3]
    offsets = torch.tensor(_OFFSETS, device=solid.device)
    x = (j + 0.5 + offsets[:, :1]).reshape(-1)  # [4 E]
    y = (i + 0.5 + offsets[:, 1:]).reshape(-1)
    frame = t.repeat(len(_OFFSETS))
    rays = views.rays(x, y, frame)
    choice = _first_of(geometry, views, frame, rays, candidates.repeat(1, len(_OFFSETS)))
    own = torch.arange(len(t), device=solid.device).repeat(len(_OFFSETS))
    samples = colors.view(-1, 3).index_select(0, choice * len(t) + own)
    color[t, i, j] = samples.view(len(_OFFSETS), -1, 3).mean(0)


def _edges(key: Tensor, color: Tensor) -> Tensor:
    """[T, H, W] bool: a neighbour shows another face in another colour."""
    edge = torch.zeros_like(key, dtype=torch.bool)
    across = key[:, :, 1:] != key[:, :, :-1]
    across &= (color[:, :, 1:] - color[:, :, :-1]).abs().amax(-1) > _VISIBLE
    down = key[:, 1:] != key[:, :-1]
    down &= (color[:, 1:] - color[:, :-1]).abs().amax(-1) > _VISIBLE
    edge[:, :, 1:] |= across
    edge[:, :, :-1] |= across
    edge[:, 1:] |= down
    edge[:, :-1] |= down
    return edge


def _first_of(
    geometry: Geometry,
    views: Views,
    frame: Tensor,  # [N]
    rays: tuple[Tensor, Tensor, Tensor],
    candidates: Tensor,  # [K, N] solid * 8 + face, negative for sky
) -> Tensor:
    """[N] number of the candidate that each ray hits first; where none, sky's, else 0."""
    eye = views.origin.index_select(0, frame)
    best = torch.full_like(rays[0], FAR_M)
    found = (candidates < 0).int().argmax(0)
    for number, key in enumerate(candidates):
        fresh = key >= 0
        for earlier in candidates[:number]:
            fresh &= key != earlier
        rows = torch.nonzero(fresh)[:, 0]
        key, at = key.index_select(0, rows), eye.index_select(0, rows)
        part = (rays[0][rows], rays[1][rows], rays[2][rows])
        depth, face = _entry(geometry, at, part, key >> 3)
        # Another face of the same solid lies at the same depth: the right face wins.
        depth = torch.where(face == key & 7, depth, depth * 1.0001)
        nearer = torch.nonzero(depth < best.index_select(0, rows))[:, 0]
        rows = rows.index_select(0, nearer)
        best[rows] = depth.index_select(0, nearer)
        found[rows] = number
    return found


def _entry(
    geometry: Geometry, eye: Tensor, rays: tuple[Tensor, Tensor, Tensor], solid: Tensor
) -> tuple[Tensor, Tensor]:
    """Depth [N] and face [N] where each ray enters its solid; FAR_M and any face for a miss."""
    bounds = geometry.bounds.index_select(0, solid)
    depth, axis = _slab(bounds, eye, [_reciprocal(r) for r in rays])
    along = torch.where(axis == 0, rays[0], torch.where(axis == 1, rays[1], rays[2]))
    face = 2 * axis + (along < 0).long()
    shape = geometry.shape.index_select(0, solid)
    curved = torch.nonzero((shape != BOX) & (depth < FAR_M))[:, 0]
    if len(curved):
        part = tuple(r.index_select(0, curved) for r in rays)
        ball = shape.index_select(0, curved) == BALL
        depth[curved], face[curved], _ = _round_hits(bounds[curved], eye[curved], part, ball)
    return depth, face
