"""How much of the surroundings memory holds: by heading, by floor tile, by cell of a view.

Works on the thinned points of the horizon, as it does itself: quick, and right about what is
unknown. Knows nothing of drawing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from explorer.horizon import MOST_STEPS, Horizon, walked
from mirage_engine import Camera

Floats = NDArray[np.float32]

HEADINGS = 72  # of 5 degrees each
CELL_DEG = 2.5  # of the panorama
REACH = 0.75  # of an edge: a voxel's point may lie anywhere in it
NEAR_M = 0.05
TILE_M, TILE_CELLS = 0.5, 4  # edge of a floor tile, and the cells across it
FLOOR_BAND_M = 0.3  # above and below the floor that still is floor
UNSEEN, REMEMBERED, STALE = 0, 1, 2
STALE_SCALE = 1.0  # log2 of a footprint in cells: wider than two cells is too coarse to trust


class ReadView(Protocol):
    """What memory says of a view, on its grid of cells."""

    @property
    def mask(self) -> np.ndarray: ...  # [h, w] bool, remembered
    @property
    def scale(self) -> np.ndarray: ...  # [h, w] log2 of the footprint in cells of this view


class Known(Protocol):
    """The part of a known world that the map is drawn from."""

    @property
    def horizon(self) -> Horizon: ...


def _nothing(*shape: int) -> Floats:
    return np.zeros(shape, np.float32)


@dataclass(frozen=True, eq=False)
class MapFacts:
    """What is remembered around the walker."""

    tiles_world: Floats = field(default_factory=lambda: _nothing(0, 2))  # [M, 2] x, z, low corner
    tile_share: Floats = field(default_factory=lambda: _nothing(0))  # [M] remembered, 0..1
    headings: Floats = field(default_factory=lambda: _nothing(HEADINGS))  # see `headings`
    threshold: float = 0.85  # share under which the next view is generated
    ahead: Floats = field(default_factory=lambda: _nothing(0, 3))  # [K, 3] the path ahead
    horizon: int | None = None  # index into `ahead`: where memory ends; None where it does not
    frusta: tuple[Camera, ...] = ()  # the last camera of each segment


def map_facts(
    known: Known,
    walker: Camera,
    path: Sequence[Camera],  # where the walker is, then where it is going
    eye_height_m: float,
) -> MapFacts:
    """Everything that the map and the compass show."""
    horizon = known.horizon
    points, edges = horizon.points_world, horizon.edges_m
    vfov_deg = math.degrees(2 * math.atan(walker.size[0] / 2 / walker.intrinsics[1, 1]))
    tiles, share = floor_tiles(points, edges, float(walker.position[1]), eye_height_m)
    steps = walked(path, horizon.spacing)[1 : MOST_STEPS + 1]
    return MapFacts(
        tiles_world=tiles,
        tile_share=share,
        headings=headings(points, edges, walker.position, vfov_deg),
        threshold=horizon.threshold,
        ahead=np.array([step.position for step in steps], np.float32).reshape(-1, 3),
        horizon=next((i for i, step in enumerate(steps) if not horizon.known(step)), None),
        frusta=tuple(dict(horizon.generated).values()),
    )


def headings(
    points_world: np.ndarray,  # [N, 4] homogeneous, thinned; w 0 is sky
    edges_m: np.ndarray,  # [N] of what each point stands for; radians where w is 0
    position: np.ndarray,  # [3] m, of the eye
    vfov_deg: float,  # height of the band around the horizontal that counts
) -> Floats:  # [72] share remembered, 0..1
    """How much of each heading is known. Heading 0 is centred on +z, then clockwise from above."""
    across = HEADINGS * 2
    assert across * CELL_DEG == 360
    rows = max(1, round(vfov_deg / CELL_DEG))
    way = points_world[:, :3] - points_world[:, 3:] * np.asarray(position, np.float32)
    level = np.hypot(way[:, 0], way[:, 2])
    distance = np.maximum(np.hypot(level, way[:, 1]), 1e-6)
    yaw_deg = np.degrees(np.arctan2(way[:, 0], way[:, 2]))
    rise_deg = np.degrees(np.arctan2(-way[:, 1], level))
    x = yaw_deg / CELL_DEG + 1
    y = (vfov_deg / 2 - rise_deg) * rows / vfov_deg
    reach = np.degrees(edges_m / distance) / CELL_DEG * REACH
    near = (distance > NEAR_M) & (y > -1) & (y < rows + 1)
    x, y, reach = x[near], y[near], reach[near]
    # Three cells across at most: what is too coarse is unknown, as in the horizon's own map.
    known = np.zeros((rows, across), bool)
    for down in (0, -1, 1):
        for aside in (0, -1, 1):
            column, row = np.floor(x) + aside, np.floor(y) + down
            filled = (row >= 0) & (row < rows)
            if down or aside:
                gap = np.maximum(np.abs(column + 0.5 - x), np.abs(row + 0.5 - y))
                filled &= gap < reach
            known[row[filled].astype(np.int64), column[filled].astype(np.int64) % across] = True
    return known.reshape(rows, HEADINGS, 2).mean((0, 2), dtype=np.float32)


def floor_tiles(
    points_world: np.ndarray,  # [N, 4]
    edges_m: np.ndarray,  # [N]
    eye_y: float,  # world y of the eye; down is positive
    eye_height_m: float,  # above the floor
) -> tuple[Floats, Floats]:
    """([M, 2] x and z of the low corners, [M] share remembered) of half-metre tiles of floor."""
    below = points_world[:, 1] - (eye_y + eye_height_m)
    floor = (points_world[:, 3] > 0) & (np.abs(below) < FLOOR_BAND_M)
    cell_m = TILE_M / TILE_CELLS
    # A point stands for the floor of its voxel, which begins at a multiple of its edge.
    across = np.clip(edges_m[floor] / cell_m, 1, TILE_CELLS).astype(np.int64)
    first = np.floor(points_world[floor][:, [0, 2]] / (across * cell_m)[:, None]).astype(np.int64)
    first *= across[:, None]
    steps = [(x, z) for x in range(TILE_CELLS) for z in range(TILE_CELLS)]
    filled = [first[across > max(step)] + step for step in steps]
    low = first.min(0, initial=0)
    keys = np.unique(np.concatenate([(cells - low) @ (1, 1 << 32) for cells in filled]))
    cells = np.stack([keys & 0xFFFFFFFF, keys >> 32], 1) + low
    tiles, counts = np.unique(cells // TILE_CELLS, axis=0, return_counts=True)
    share = counts / TILE_CELLS**2
    return (tiles * TILE_M).astype(np.float32), share.astype(np.float32)


def states(view: ReadView) -> NDArray[np.uint8]:  # [h, w]
    """0 never seen, 1 remembered, 2 stale: seen only from so far away that it is coarse here."""
    coarse = np.where(view.scale > STALE_SCALE, STALE, REMEMBERED)
    return np.where(view.mask, coarse, UNSEEN).astype(np.uint8)


def path_coverage(
    horizon: Horizon,
    cameras: Sequence[Camera],  # at least one
) -> float:
    """0..1, share of the views along a path that is remembered."""
    return float(np.mean([horizon.coverage(camera) for camera in cameras]))
