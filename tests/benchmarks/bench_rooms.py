"""How fast rooms are built and drawn, on one thread."""

from __future__ import annotations

import time

import numpy as np
import torch

from mirage_engine.camera import Camera, pinhole
from mirage_engine.rooms import Scene

SIZE = (160, 256)
SCENES = range(950_000, 950_006)
FRAMES = 12


def run() -> dict[str, float]:
    """Images per second at 256x160 along walks, and milliseconds to build a scene."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _measure()
    finally:
        torch.set_num_threads(threads)


def _measure() -> dict[str, float]:
    Scene(0).render([Camera(np.eye(4), pinhole(SIZE, 77.0), SIZE)])
    began = time.perf_counter()
    scenes = [Scene(seed) for seed in SCENES]
    built = time.perf_counter()
    paths = [s.walk(np.random.default_rng(s.seed), FRAMES) for s in scenes]
    walked = time.perf_counter()
    for room, path in zip(scenes, paths, strict=True):
        room.render([Camera(p, pinhole(SIZE, 77.0), SIZE) for p in path])
    drawn = time.perf_counter()
    return {
        "images_per_second_one_thread": len(scenes) * FRAMES / (drawn - walked),
        "build_scene_ms": (built - began) / len(scenes) * 1e3,
        "walk_pose_ms": (walked - built) / (len(scenes) * FRAMES) * 1e3,
    }
