"""Exact depth of simple places, and what tests need to write it into a memory."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mirage_engine.camera import Camera, pinhole, pose

SIZE = (160, 256)
GRID = (40, 64)
HALF_M = (3.0, 1.5, 4.0)  # of the room; its centre is the origin
POST = ((-0.3, -1.5, 1.2), (0.3, 1.5, 1.5))  # lowest and highest corner


def camera_at(
    position: tuple[float, float, float] = (0.0, 0.0, 0.0),
    yaw_deg: float = 0.0,
    pitch_deg: float = 0.0,
    size: tuple[int, int] = SIZE,
    hfov_deg: float = 77.0,
) -> Camera:
    return Camera(pose(position, yaw_deg, pitch_deg), pinhole(size, hfov_deg), size)


def room_depth(camera: Camera, post: bool = False, roof: bool = True) -> Tensor:
    """[H, W] z-depth from inside the box; without a roof there is sky above the walls' tops."""
    depth = torch.from_numpy(_walls(camera, roof).astype(np.float32))
    return torch.minimum(depth, post_depth(camera)) if post else depth


def post_depth(camera: Camera) -> Tensor:
    """[H, W] z-depth of the post alone, +inf beside it."""
    rays, origin = camera.rays(), camera.position
    with np.errstate(divide="ignore"):
        sides = [(np.array(corner) - origin) / rays for corner in POST]
    enter = np.minimum(*sides).max(-1)
    leave = np.maximum(*sides).min(-1)
    hit = (enter < leave) & (enter > 0)
    return torch.from_numpy(np.where(hit, enter, np.inf).astype(np.float32))


def _walls(camera: Camera, roof: bool) -> np.ndarray:
    rays, origin = camera.rays(), camera.position
    nearest = np.full(rays.shape[:2], np.inf)
    up = np.zeros(rays.shape[:2], bool)
    for axis, half in enumerate(HALF_M):
        for side in (-half, half):
            with np.errstate(divide="ignore"):
                distance = (side - origin[axis]) / rays[..., axis]
            first = (distance > 1e-9) & (distance < nearest)
            nearest = np.where(first, distance, nearest)
            up = np.where(first, axis == 1 and side < 0, up)
    return nearest if roof else np.where(up, np.inf, nearest)


def latents_like(count: int, channels: int = 11, seed: int = 0, grid=GRID) -> Tensor:
    """[count, channels, h, w] numbers that half precision holds exactly."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, channels, *grid, generator=generator).half().float()


def everywhere(depth_m: Tensor) -> Tensor:
    """A keep mask that keeps all."""
    return torch.ones_like(depth_m, dtype=torch.bool)
