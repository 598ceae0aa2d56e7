"""A depth map as a mesh that tears at depth edges and is coarse where the surface is flat.

Every pixel is a square whose corners lie between the pixel centres. Neighbours on one surface share
their corners, so the surface is watertight; across a depth edge each side keeps corners of its own,
so that a step to the side opens a gap there instead of stretching a rubber sheet. Depth is kept as
inverse depth: it is linear over a plane's picture, and sky is simply 0. Knows numpy only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

EDGE = 0.08  # relative jump of inverse depth that parts two surfaces, beyond their own slope
FLAT = 0.02  # relative error of inverse depth that a coarse square may have
SMOOTHING = 2  # rounds; generated depth is noisy, and every bump costs triangles
BLOCKS = (16, 8, 4, 2)  # pixels, edge lengths of coarse squares


def depth_mesh(
    depth_m: Floats,  # [H, W] z-depth; 0 unknown, +inf sky
) -> tuple[Floats, NDArray[np.uint32]]:
    """Vertices [V, 4] as (x px, y px, inverse depth 1/m, whole) and triangles [F, 3] into them.

    `whole` is 0 where the surface is torn and 1 elsewhere. Unknown pixels are left out. Triangles
    seen from the camera run clockwise on its picture.
    """
    inverse = _inverse(depth_m)
    valid = depth_m > 0
    inverse = _snap_flying(inverse, valid)
    across, down = _links(inverse, valid)
    inverse = _calm(inverse, across, down)
    corners, joined, alone = _corners(inverse, valid, across, down)
    shared = joined.all(-1) & valid
    single = valid.copy()
    squares = []
    flat_corner = _shared_corners(corners, shared)
    for size in BLOCKS:
        block = _flat_blocks(flat_corner, shared & single, size)
        covered = np.kron(block, np.ones((size, size), bool))
        single[: covered.shape[0], : covered.shape[1]] &= ~covered
        squares.append(_block_squares(flat_corner, block, size))
    squares.append(_pixel_squares(corners, _corner_shift(alone), joined, single))
    return _shared(*_indexed(np.concatenate(squares)))


def _inverse(depth_m: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.where(depth_m > 0, 1.0 / np.maximum(depth_m, 1e-6), 0.0).astype(np.float32)


def _snap_flying(inverse: Floats, valid: Flags) -> Floats:
    """Moves pixels that float between two surfaces to the nearer one in depth."""
    inverse = inverse.copy()
    for grid, ok in ((inverse, valid), (inverse.T, valid.T)):  # views: along rows, along columns
        left, here, right = grid[:, :-2], grid[:, 1:-1], grid[:, 2:]
        step_in, step_out = here - left, right - here
        limit = EDGE * np.maximum(left, right)
        between = (step_in * step_out > 0) & (np.abs(step_in) > limit) & (np.abs(step_out) > limit)
        # A slanted surface has such steps too, but goes on past both neighbours.
        goes_on = np.zeros_like(between)
        goes_on[:, 1:-1] = (
            np.minimum(np.abs(step_in[:, :-2]), np.abs(step_out[:, 2:])) > limit[:, 1:-1]
        )
        flying = between & ~goes_on & ok[:, :-2] & ok[:, 1:-1] & ok[:, 2:]
        nearer = np.where(np.abs(step_in) < np.abs(step_out), left, right)
        here[flying] = nearer[flying]
    return inverse


def _links(inverse: Floats, valid: Flags) -> tuple[Flags, Flags]:
    """Is a pixel one surface with its right neighbour [H, W-1], its lower neighbour [H-1, W]."""
    across = _row_links(inverse, valid)
    return across, _row_links(inverse.T, valid.T).T


def _row_links(inverse: Floats, valid: Flags) -> Flags:
    step = np.diff(inverse, axis=1)
    both = valid[:, 1:] & valid[:, :-1]
    near = np.maximum(inverse[:, 1:], inverse[:, :-1])
    padded = np.pad(step, ((0, 0), (2, 2)), constant_values=np.inf)
    count = step.shape[1]
    change = [np.abs(step - padded[:, i : i + count]) for i in (0, 1, 3, 4)]
    # A floor near the horizon jumps from row to row, but by the same amount each time.
    bend = np.minimum(np.maximum(change[0], change[1]), np.maximum(change[2], change[3]))
    sky = (inverse[:, 1:] == 0) != (inverse[:, :-1] == 0)
    return both & ~sky & (np.minimum(np.abs(step), bend) <= EDGE * near)


def _calm(inverse: Floats, across: Flags, down: Flags) -> Floats:
    """Averages over linked neighbours, opposite ones in pairs so that a slope keeps its place."""
    pair_x, pair_y = across[:, 1:] & across[:, :-1], down[1:] & down[:-1]
    for _ in range(SMOOTHING):
        total, count = inverse.copy(), np.ones_like(inverse)
        total[:, 1:-1] += pair_x * (inverse[:, :-2] + inverse[:, 2:])
        total[1:-1] += pair_y * (inverse[:-2] + inverse[2:])
        count[:, 1:-1] += 2 * pair_x
        count[1:-1] += 2 * pair_y
        inverse = total / count
    return inverse


# Corner k of a pixel: 0 upper left, 1 upper right, 2 lower left, 3 lower right.
CORNER_STEPS = ((-1, -1), (-1, 1), (1, -1), (1, 1))  # (row, column) towards the corner


def _corners(
    inverse: Floats, valid: Flags, across: Flags, down: Flags
) -> tuple[Floats, Flags, Flags]:
    """Inverse depth [H, W, 4] at each pixel's corners; is it one surface with all, or with none."""
    height, width = inverse.shape
    value = np.pad(inverse, 1)
    known = np.pad(valid, 1)
    right = np.zeros((height + 2, width + 2), bool)  # link of (i, j) with (i, j+1)
    right[1:-1, 1:-2] = across
    below = np.zeros_like(right)
    below[1:-2, 1:-1] = down
    depth = np.empty((height, width, 4), np.float32)
    joined = np.empty((height, width, 4), bool)
    alone = np.empty((height, width, 4), bool)
    for k, (row, column) in enumerate(CORNER_STEPS):

        def at(grid: NDArray, i: int, j: int) -> NDArray:
            return grid[1 + i : 1 + i + height, 1 + j : 1 + j + width]

        side = at(right, 0, min(column, 0))  # with the neighbour in the row
        side_far = at(right, row, min(column, 0))  # the same link one row on
        up = at(below, min(row, 0), 0)
        up_far = at(below, min(row, 0), column)
        beside = side | (up & side_far & up_far)
        over = up | (side & up_far & side_far)
        across_corner = (side & up_far) | (up & side_far)
        total = inverse + beside * at(value, 0, column)
        total = total + over * at(value, row, 0) + across_corner * at(value, row, column)
        links = 0.0 + beside + over + across_corner
        there = 0.0 + at(known, 0, column) + at(known, row, 0) + at(known, row, column)
        depth[..., k] = total / (1.0 + links)
        joined[..., k] = links == there
        alone[..., k] = (links == 0) & (there == 3) & valid
    return depth, joined, alone


def _shared_corners(corners: Floats, shared: Flags) -> Floats:
    """[H+1, W+1] inverse depth where pixels agree on it; NaN where they do not."""
    height, width = shared.shape
    grid = np.full((height + 1, width + 1), np.nan, np.float32)
    for k, (row, column) in enumerate(CORNER_STEPS):
        view = grid[max(row, 0) : height + max(row, 0), max(column, 0) : width + max(column, 0)]
        view[shared] = corners[..., k][shared]
    return grid


def _flat_blocks(grid: Floats, free: Flags, size: int) -> Flags:
    """[H // size, W // size] blocks that two triangles show well enough."""
    rows, columns = free.shape[0] // size, free.shape[1] // size
    if rows == 0 or columns == 0:
        return np.zeros((rows, columns), bool)
    whole = free[: rows * size, : columns * size].reshape(rows, size, columns, size).all((1, 3))
    steps = np.arange(size + 1) / size
    top = [i * size for i in range(rows)]
    cells = np.stack([grid[i : i + size + 1, : columns * size + 1] for i in top])
    windows = np.lib.stride_tricks.sliding_window_view(cells, size + 1, axis=2)[:, :, ::size]
    windows = windows.transpose(0, 2, 1, 3)  # [rows, columns, size + 1, size + 1]
    first, last = windows[:, :, 0, :], windows[:, :, -1, :]
    upper = first[:, :, :1] * (1 - steps) + first[:, :, -1:] * steps
    lower = last[:, :, :1] * (1 - steps) + last[:, :, -1:] * steps
    flat = upper[:, :, None] * (1 - steps)[:, None] + lower[:, :, None] * steps[:, None]
    error = np.abs(windows - flat).max((2, 3))
    twist = np.abs(first[:, :, 0] + last[:, :, -1] - first[:, :, -1] - last[:, :, 0])
    limit = FLAT * windows.max((2, 3))
    # NaN compares false, so that a block with a torn corner is never flat.
    return whole & (error <= limit) & (twist <= 2 * limit)


def _block_squares(grid: Floats, block: Flags, size: int) -> Floats:
    """[n, 4, 4] corners (x, y, inverse depth, whole) of coarse squares."""
    i, j = np.nonzero(block)
    square = np.empty((len(i), 4, 4), np.float32)
    for k, (row, column) in enumerate(CORNER_STEPS):
        y, x = (i + (row > 0)) * size, (j + (column > 0)) * size
        square[:, k] = np.stack([x, y, grid[y, x], np.ones_like(x)], -1)
    return square


def _pixel_squares(corners: Floats, shift: Floats, joined: Flags, single: Flags) -> Floats:
    """[n, 4, 4] corners (x, y, inverse depth, whole) of one-pixel squares."""
    i, j = np.nonzero(single)
    square = np.empty((len(i), 4, 4), np.float32)
    for k, (row, column) in enumerate(CORNER_STEPS):
        y, x = i + (row > 0), j + (column > 0)
        square[:, k, 0] = x + shift[y, x, 0]
        square[:, k, 1] = y + shift[y, x, 1]
        square[:, k, 2] = corners[i, j, k]
        square[:, k, 3] = joined[i, j, k]
    return square


def _corner_shift(alone: Flags) -> Floats:
    """[H+1, W+1, 2] pixels (x, y) that torn corners move, so that slanted silhouettes are straight.

    Where one pixel of four stands alone, the corner moves half way towards it: stairs become lines.
    """
    height, width = alone.shape[:2]
    shift = np.zeros((height + 1, width + 1, 2), np.float32)
    count = np.zeros((height + 1, width + 1), np.int32)
    for k, (row, column) in enumerate(CORNER_STEPS):
        rows = slice(max(row, 0), height + max(row, 0))
        columns = slice(max(column, 0), width + max(column, 0))
        count[rows, columns] += alone[..., k]
        shift[rows, columns] += alone[..., k, None] * np.array([-column, -row], np.float32) / 4
    return shift * (count == 1)[..., None]


def _indexed(squares: Floats) -> tuple[Floats, NDArray[np.uint32]]:
    """Two triangles per square."""
    first = 4 * np.arange(len(squares), dtype=np.uint32)[:, None]
    order = np.array([0, 1, 2, 2, 1, 3], np.uint32)
    return squares.reshape(-1, 4), (first + order).reshape(-1, 3)


def _shared(corners: Floats, triangles: NDArray[np.uint32]) -> tuple[Floats, NDArray[np.uint32]]:
    """The same mesh with equal vertices made one: about a third is left."""
    rows = np.ascontiguousarray(corners).view(f"V{corners.itemsize * corners.shape[1]}").ravel()
    _, first, which = np.unique(rows, return_index=True, return_inverse=True)
    # In their old order, in which neighbours are near one another in memory.
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return corners[first[order]], place[which.ravel()][triangles].astype(np.uint32)
