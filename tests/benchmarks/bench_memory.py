"""How long memory takes and how large it gets: turning in place at full size, and pocket size.

One thread, exact depth of an analytic room. `run` returns numbers and prints nothing.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from mirage_engine.camera import Camera
from mirage_engine.config import MemoryConfig
from mirage_engine.memory import LatentMemory
from tests.engine.memory_scenes import camera_at, everywhere, latents_like, room_depth

FULL_SIZE, FULL_DEPTH, FULL_GRID = (704, 1280), (176, 320), (44, 80)
POCKET_SIZE, POCKET_GRID = (160, 256), (40, 64)


def run() -> dict[str, float]:
    """Milliseconds are medians; sizes are MiB (2**20 bytes)."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {**_full_size(), **_pocket_size()}
    finally:
        torch.set_num_threads(threads)


def _full_size() -> dict[str, float]:
    """20 segments of 9 latent frames, turning 4 degrees a frame: two turns."""
    memory = LatentMemory(48, MemoryConfig())
    latents = latents_like(9, 48, grid=FULL_GRID)
    write_ms, added = [], []
    for segment in range(20):
        cameras = [
            camera_at(yaw_deg=4.0 * (segment * 9 + i), size=FULL_SIZE, hfov_deg=58.0)
            for i in range(9)
        ]
        depth = torch.stack([room_depth(camera.resized(FULL_DEPTH)) for camera in cameras])
        start = time.perf_counter()
        added.append(memory.write(latents, depth, cameras, everywhere(depth), segment))
        write_ms.append((time.perf_counter() - start) * 1e3)
    views = [camera_at(yaw_deg=4.0 * i + 1, size=FULL_SIZE, hfov_deg=58.0) for i in range(9)]
    return {
        "read_9_views_ms": _median_ms(lambda: memory.read(views, FULL_GRID)),
        "write_9_frames_ms": statistics.median(write_ms),
        "points_20_segments": float(len(memory)),
        "mib_20_segments": memory.nbytes / 2**20,
        "second_turn_points_share": sum(added[10:]) / sum(added[:10]),
    }


def _pocket_size() -> dict[str, float]:
    """Four frames of 40x64 with 11 channels on a walk through the room."""
    memory = LatentMemory(11, MemoryConfig())
    for segment in range(24):
        _write_pocket(memory, _pocket_cameras(segment), segment)
    here = _pocket_cameras(3)
    depth = torch.stack([room_depth(camera) for camera in here])
    latents, keep = latents_like(len(here)), everywhere(depth)
    points = len(memory)
    return {
        "pocket_points": float(points),
        "pocket_read_4_views_ms": _median_ms(lambda: memory.read(here, POCKET_GRID)),
        "pocket_write_4_frames_ms": _median_ms(
            lambda: memory.write(latents, depth, here, keep, 24)
        ),
    }


def _pocket_cameras(segment: int) -> list[Camera]:
    z = -2.0 + 0.3 * (segment // 2)
    return [camera_at((0.0, 0.2, z), 180.0 * (segment % 2) + 7.5 * i) for i in range(4)]


def _write_pocket(memory: LatentMemory, cameras: list[Camera], segment: int) -> None:
    depth = torch.stack([room_depth(camera) for camera in cameras])
    memory.write(latents_like(len(cameras)), depth, cameras, everywhere(depth), segment)


def _median_ms(action: Callable[[], object], repeats: int = 15) -> float:
    action()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)
