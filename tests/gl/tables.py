"""Small tables of points for the drawing tests."""

from __future__ import annotations

import numpy as np

from explorer.memory_table import MemoryTable
from explorer.render.cloud import PointCloud

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def add(
    table: MemoryTable,
    points,  # [N, 4] or [4]
    color=RED,  # [N, 3] or [3]
    footprint: float = 0.05,
    **columns,  # [N] or one value for all
) -> np.ndarray:  # ids
    """Appends points with running ids; what is not given is usual."""
    points = np.asarray(points, np.float32).reshape(-1, 4)
    count = len(points)
    ids = np.arange(len(table), len(table) + count)
    given = {"footprints_m": footprint, "born": 0} | columns
    filled = {name: np.broadcast_to(value, (count,)) for name, value in given.items()}
    colors = np.broadcast_to(np.uint8(color), (count, 3))
    table.append({"ids": ids, "points_world": points, "colors": colors, **filled})
    return ids


def cloud_of(ctx, *points, **more) -> PointCloud:
    """A cloud with one call of `add` for each of `points`, (points, color)."""
    table, cloud = MemoryTable(), PointCloud(ctx)
    for places, color in points:
        add(table, places, color, **more)
    cloud.sync(table)
    return cloud


def middle_of(picture: np.ndarray, color) -> tuple[float, float]:
    """(x, y) of the mean place of a colour."""
    rows, columns = np.nonzero((picture == np.uint8(color)).all(-1))
    assert len(rows), "the colour is nowhere"
    return columns.mean() + 0.5, rows.mean() + 0.5
