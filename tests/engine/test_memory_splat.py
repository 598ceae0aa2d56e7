"""The fast surfel read-out against a plain loop over points and cells: the specification."""

import numpy as np
import pytest
import torch

from mirage_engine.config import MemoryConfig
from mirage_engine.memory import LatentMemory
from tests.engine.memory_scenes import camera_at, everywhere, latents_like, room_depth

SIZE, GRID = (48, 64), (12, 16)
REACH, TOLERANCE = 2, 0.05


def read_by_loop(memory, camera):
    """(source, depth) [h, w], one point and one cell at a time."""
    points = memory.cloud()["points_world"].astype(np.float64)
    edges = memory._live["edges"].numpy().astype(np.float64).reshape(-1, 2, 3)
    lens = camera.resized(GRID)
    matrix = lens.intrinsics @ lens.w2c[:3]
    hits = {}
    for i, point in enumerate(points):
        x, y, z = matrix @ point
        if z <= 1e-6:
            continue
        depth = z if point[3] > 0 else np.inf
        column, row = int(np.floor(x / z)), int(np.floor(y / z))
        if -REACH <= column < GRID[1] + REACH and -REACH <= row < GRID[0] + REACH:
            hits.setdefault((row, column), []).append((i, x / z, y / z, z, depth))
    cells = {}
    for (row, column), here in hits.items():
        front = min(hit[4] for hit in here)
        for hit in here:
            if hit[4] <= front * (1 + TOLERANCE):
                draw(cells, hit, row, column, edges[hit[0]], matrix)
    source, depth_m = np.full(GRID, -1), np.zeros(GRID)
    for cell, candidates in cells.items():
        front = min(depth for depth, *_ in candidates)
        surface = [c for c in candidates if c[0] <= front * (1 + TOLERANCE)]
        best = min(surface, key=lambda c: c[1:])
        source[cell], depth_m[cell] = best[-1], best[0]
    return source, depth_m


def draw(cells, hit, row, column, edges, matrix):
    """Adds the surfel's candidates (depth, level, reaching, distance, point) to its cells."""
    i, x, y, z, depth = hit
    sides = np.array([matrix[:, :3] @ edge for edge in edges])  # [2, 3]
    axes = (sides[:, :2] - np.array([x, y]) * sides[:, 2:]) / z  # [2 sides, x and y]
    tilt = sides[:, 2] / z if np.isfinite(depth) else np.zeros(2)
    extent = np.abs(axes).sum(0).max()
    level = round(np.log2(max(extent, 1)))
    for r in range(max(row - REACH, 0), min(row + REACH + 1, GRID[0])):
        for c in range(max(column - REACH, 0), min(column + REACH + 1, GRID[1])):
            away = np.array([c + 0.5 - x, r + 0.5 - y])
            own = (r, c) == (row, column)
            flat = abs(np.linalg.det(axes)) >= 1e-3
            place = np.linalg.solve(axes.T, away) if flat else np.zeros(2)
            if not own and (not flat or np.abs(place).max() > 0.6):
                continue
            change = np.clip(place, -0.5, 0.5) @ tilt
            there = depth * (1 + np.clip(change, -0.3, 0.3))
            distance = min(int((away @ away) * 2**12), 2**18)
            cells.setdefault((r, c), []).append((there, level, not own, distance, i))


@pytest.mark.parametrize("seed", range(6))
def test_the_fast_read_out_is_the_plain_loop(seed):
    rng = np.random.default_rng(seed)
    memory = LatentMemory(3, MemoryConfig())

    def somewhere():
        position = tuple(rng.uniform(-1, 1, 3) * (2, 0.8, 3))
        return camera_at(position, rng.uniform(-180, 180), rng.uniform(-30, 30), SIZE)

    for segment in range(4):
        camera = somewhere()
        depth = room_depth(camera, post=True, roof=bool(seed % 2))[None]
        depth = depth * torch.from_numpy(1 + 0.01 * rng.normal(size=depth.shape)).float()
        latents = latents_like(1, 3, grid=GRID)
        memory.write(latents, depth, [camera], everywhere(depth), segment)
    cameras = [somewhere() for _ in range(3)]
    view = memory.read(cameras, GRID)
    for i, camera in enumerate(cameras):
        source, depth = read_by_loop(memory, camera)
        # Rounding may decide between two points that are equally good.
        same = view.source[i].numpy() == source
        assert same.mean() > 0.99
        assert np.allclose(view.depth_m[i].numpy()[same], depth[same], rtol=1e-3)
        assert np.array_equal(view.mask[i].numpy() | ~same, (source >= 0) | ~same)


def test_walking_shows_the_right_depth_and_no_background_between_surfels():
    memory = LatentMemory(3, MemoryConfig())
    start = camera_at((0.0, 0.3, -3.0))
    depth = room_depth(start)[None]
    memory.write(latents_like(1, 3), depth, [start], everywhere(depth), 0)
    for step in range(1, 12):
        near = camera_at((0.0, 0.3, -3.0 + 0.3 * step))
        view = memory.read([near], (40, 64))
        truth = room_depth(near).unfold(0, 4, 4).unfold(1, 4, 4).flatten(2).median(-1).values
        error = (view.depth_m[0] / truth - 1).abs()[view.mask[0]]
        assert error.mean() < 0.01
        assert error.quantile(0.99) < 0.1


def test_a_rolled_camera_sees_no_holes_either():
    memory = LatentMemory(3, MemoryConfig())
    start = camera_at((0.0, 0.0, -3.0))
    depth = room_depth(start)[None]
    memory.write(latents_like(1, 3), depth, [start], everywhere(depth), 0)
    for degrees in (10, 45, 80):
        roll = np.eye(4)
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        roll[:2, :2] = [[c, -s], [s, c]]
        near = camera_at((0.0, 0.0, -0.5))
        near = near.moved(near.c2w @ roll)
        assert memory.coverage(near, (40, 64)) > 0.98
