"""New frames as rows of points, before memory decides which of them it needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from mirage_engine.camera import Camera
from mirage_engine.memory.cells import Lens, bilinear_cells, robust_cells, surfels
from mirage_engine.memory.novelty import Frame

_EDGE_LIMIT = 6e4  # half precision ends a little above

Columns = dict[str, Tensor]


def check_frames(
    latents: Tensor, depth_m: Tensor, cameras: Sequence[Camera], keep: Tensor, channels: int
) -> None:
    """Raises ValueError for arguments of `LatentMemory.write` that do not fit together."""
    if latents.ndim != 4 or latents.shape[1] != channels:
        raise ValueError(f"latents must be [t, {channels}, h, w], got {list(latents.shape)}")
    if depth_m.ndim != 3 or depth_m.shape != keep.shape or keep.dtype != torch.bool:
        raise ValueError(
            f"depth {list(depth_m.shape)} and keep {list(keep.shape)} ({keep.dtype}) must be "
            "[t, H, W] float and bool"
        )
    if not len(latents) == len(depth_m) == len(cameras):
        raise ValueError(
            f"got {len(latents)} latents, {len(depth_m)} depth maps and {len(cameras)} cameras"
        )


def every_cell(
    latents: Tensor,  # [t, C, h, w]
    depth_m: Tensor,  # [t, H, W]
    keep: Tensor,  # [t, H, W] bool
    lens: Lens,
) -> tuple[Columns, Tensor]:
    """The paper's way: (all kept cells of all frames, [M] int64 the frame of each)."""
    values, usable = _rows_of_cells(latents)
    depth = bilinear_cells(depth_m, keep, lens.size)
    flat = depth.new_zeros(len(depth), 2, *lens.size)
    points, _, footprints = surfels(depth, flat, lens)
    rows = ((depth.flatten() > 0) & usable.flatten()).nonzero().squeeze(1)
    columns = {
        "points": points.view(-1, 4),
        "latents": values.flatten(0, 1),
        "footprints": footprints.flatten(),
    }
    chosen = {name: column.index_select(0, rows) for name, column in columns.items()}
    return chosen, rows // (lens.size[0] * lens.size[1])


def surfel_frames(
    latents: Tensor,  # [t, C, h, w]
    depth_m: Tensor,  # [t, H, W]
    keep: Tensor,  # [t, H, W] bool
    lens: Lens,
    edge_spread: float,
) -> Iterator[tuple[Frame, Columns]]:
    """Each frame to compare with memory, and a row for each of its cells [h*w]."""
    values, usable = _rows_of_cells(latents)
    cells = robust_cells(depth_m, keep, lens.size, edge_spread)
    depth = torch.where(usable.view_as(cells.depth_m), cells.depth_m, 0.0)
    points, edges, footprints = surfels(depth, cells.slope, lens)
    points, edges = points.flatten(1, 2), edges.flatten(1, 2)
    edges = edges.clamp(-_EDGE_LIMIT, _EDGE_LIMIT).half()
    footprints, slack = footprints.flatten(1), cells.slack.flatten(1)
    for i in range(len(depth)):
        columns = {
            "points": points[i],
            "latents": values[i],
            "edges": edges[i],
            "footprints": footprints[i],
        }
        yield Frame(depth[i].flatten(), slack[i], footprints[i], _one(lens, i)), columns


def _rows_of_cells(latents: Tensor) -> tuple[Tensor, Tensor]:
    """([t, h*w, C] half, [t, h*w] bool whether all numbers are finite)."""
    values = latents.permute(0, 2, 3, 1).flatten(1, 2)
    return values.half(), torch.isfinite(values).all(-1)


def _one(lens: Lens, i: int) -> Lens:
    """The lens of frame `i` alone."""
    one = slice(i, i + 1)
    return Lens(
        lens.intrinsics[one], lens.c2w[one], lens.world_to_cell[one], lens.focal[one], lens.size
    )
