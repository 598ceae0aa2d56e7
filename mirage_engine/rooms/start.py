"""Chooses the start view: into a room, with depth ahead, something to see and space to walk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from mirage_engine.camera import pinhole, pose
from mirage_engine.rooms.raycast import Geometry, Views, cast

if TYPE_CHECKING:
    from mirage_engine.rooms.scene import Scene

AHEAD_M = 2.4  # free walking straight ahead
SIZE = (20, 32)


def choose_start(scene: Scene, rng: np.random.Generator, count: int = 48) -> np.ndarray | None:
    """[4, 4] start camera in the plan frame, or None if this house has no good view."""
    poses = [_candidate(scene, rng) for _ in range(count)]
    poses = [p for p in poses if p is not None]
    if not poses:
        return None
    depth, solid = _look(scene, np.stack(poses))
    loose = np.array(scene.solids.loose)
    scores = [_score(d, s, loose) for d, s in zip(depth, solid, strict=True)]
    best = int(np.argmax(scores))
    return poses[best] if scores[best] > 0 else None


def _candidate(scene: Scene, rng: np.random.Generator) -> np.ndarray | None:
    rooms = [r for r in scene.plan.rooms if not r.outdoor]
    room = rooms[rng.integers(len(rooms))]
    x, z = rng.uniform(*room.x), rng.uniform(*room.z)
    c2w = pose((x, -1.5, z), float(rng.uniform(0, 360)))
    steps = np.linspace(0, AHEAD_M, 13)[:, None] * c2w[:3, 2] + c2w[:3, 3]
    return c2w if scene.space.is_free(steps, 0.3).all() else None


def _look(scene: Scene, poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    bounds = torch.from_numpy(scene.solids.box_array()).float()
    shapes = torch.tensor(scene.solids.shapes)
    geometry = Geometry(bounds, shapes, torch.full((len(bounds),), -1))
    pose_tensor = torch.from_numpy(poses).float()
    lens = torch.from_numpy(pinhole(SIZE, 77.0)).float().expand(len(poses), 3, 3)
    views = Views(pose_tensor[:, :3, 3], pose_tensor[:, :3, :3].contiguous(), lens, SIZE)
    depth, solid = cast(geometry, views)
    return depth.numpy(), solid.numpy()


def _score(depth: np.ndarray, solid: np.ndarray, loose: np.ndarray) -> float:
    """Higher is better; 0 or less will not do."""
    middle = depth[6:14, 10:22]
    typical = float(np.median(middle))
    if typical < 3.0 or typical > 8.0 or depth.min() < 0.75:
        return 0.0
    seen = np.bincount(solid[solid >= 0], minlength=len(loose))
    things = int((seen >= 3).sum()) + 2 * int(((seen >= 4) & loose).sum())
    near = float((depth < 1.6).mean())
    sky = float((solid < 0).mean())
    comfort = 1 - abs(typical - 4.8) / 6
    return comfort + 0.035 * min(things, 50) - 1.5 * near + 0.4 * min(sky, 0.06) / 0.06
