"""A world without a model: a box room with exact pictures, behind the same names as the engine's.

Stands in for `mirage_engine` in the engine process. Slow or deadly on request: a scene number
above 1000 sleeps the milliseconds above it per step, and seeds ask for trouble (see `load_world`).
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np

from mirage_engine import Camera, ConfigError, Preset, Segment, pinhole, pose

LOW, HIGH = np.array([-2.5, -1.2, -2.0]), np.array([2.5, 1.5, 4.0])  # metres; y points down
STEPS = 4
DIES_AT_LOAD, DIES_IN_SEGMENT_2, HANGS_AT_STEP, BREAKS = 66, 67, 68, 69


class Cancelled(Exception):
    pass


def load_world(preset, seed=0, device="auto", on_stage=None, threads=None):
    (on_stage or print)("loading nothing")
    if seed == DIES_AT_LOAD:
        os._exit(9)
    return FakeWorld(preset, seed)


def open_world(path, device="auto", on_stage=None, threads=None):
    try:
        data = json.loads((Path(path) / "world.json").read_text())
    except OSError:
        raise ConfigError(f"{path}: not a world") from None
    world = FakeWorld(Preset(data["name"]), data["seed"])
    world.scene = data["scene"]
    for poses in data["poses"]:
        world._remember(tuple(world.camera.moved(np.array(p)) for p in poses))
    return world


class FakeWorld:
    def __init__(self, preset: Preset, seed: int) -> None:
        self.preset, self.seed, self.new_frames = preset, seed, 4
        size = (preset.lens.height, preset.lens.width)
        self.camera = Camera(pose([0, 0, 0]), pinhole(size, preset.lens.hfov_deg), size)
        self.scene, self._made = 0, []

    @property
    def segments(self) -> int:
        return len(self._made)

    @property
    def points(self):
        made = self._made
        return (
            np.concatenate([s.points_world for s in made]),
            np.concatenate([s.colors for s in made]),
            np.concatenate([s.footprints_m for s in made]),
            np.concatenate([np.full(len(s.colors), s.index) for s in made]),
        )

    def begin(self, *, scene=None, image=None, prompt=None) -> Segment:
        if prompt is not None:
            raise ConfigError("preset 'pocket' takes no prompt; use --image or --scene")
        self.scene = scene
        return self._remember((self.camera,))

    def advance(self, path, on_step=None) -> Segment:
        if not 1 <= len(path) <= self.new_frames:
            raise ValueError(f"{len(path)} cameras, wanted 1 to {self.new_frames}")
        if self.seed == DIES_IN_SEGMENT_2 and self.segments == 2:
            os._exit(9)
        for step in range(STEPS):
            if self.seed == HANGS_AT_STEP and self.segments == 2:
                time.sleep(3600)
            if self.seed == BREAKS and self.segments == 2:
                raise RuntimeError("out of\nmemory")
            time.sleep(max(0, self.scene - 1000) / 1000)
            if on_step is not None and not on_step(step + 1, STEPS):
                raise Cancelled
        return self._remember(tuple(path))

    def undo(self) -> bool:
        if self.segments < 2:
            return False
        self._made.pop()
        return True

    def segment(self, index: int) -> Segment:
        return self._made[index]

    def coverage(self, camera: Camera) -> float:
        return 1.0

    def save(self, path) -> None:
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        poses = [[c.c2w.tolist() for c in s.cameras] for s in self._made]
        data = {"name": self.preset.name, "seed": self.seed, "scene": self.scene, "poses": poses}
        (folder / "world.json.new").write_text(json.dumps(data))
        (folder / "world.json.new").replace(folder / "world.json")

    def _remember(self, cameras: tuple[Camera, ...]) -> Segment:
        views = [look(camera) for camera in cameras]
        frames, depth = np.stack([v[0] for v in views]), np.stack([v[1] for v in views])
        points, colors, footprints = cloud(frames, depth, cameras)
        before = self._made[-1].points if self._made else 0
        self._made.append(
            Segment(
                index=len(self._made),
                frames=frames,
                depth_m=depth,
                keep=np.ones(depth.shape, bool),
                cameras=cameras,
                coverage=0.5,
                points_world=points,
                colors=colors,
                footprints_m=footprints,
                points_added=len(points),
                points=before + len(points),
                nbytes=(before + len(points)) * 50,
                seconds={"read": 0.001, "denoise": 0.01, "total": 0.011},
            )
        )
        return self._made[-1]


def look(camera: Camera):
    """(frame [H, W, 3] uint8, depth_m [H, W] float32) of the room, exactly."""
    rays = camera.rays()
    with np.errstate(divide="ignore"):
        walls = np.where(rays > 0, HIGH - camera.position, LOW - camera.position) / rays
    depth = walls.min(-1)
    hit = camera.position + rays * depth[..., None]
    checks = (np.floor(hit * 2 + 1e-6).sum(-1) % 2)[..., None]
    tint = np.array([[200, 120, 90], [220, 220, 210], [90, 140, 180]])[walls.argmin(-1)]
    return (tint * (0.6 + 0.4 * checks)).astype(np.uint8), depth.astype(np.float32)


def cloud(frames, depth, cameras, step: int = 4):
    """Every fourth pixel both ways as a point: (points_world, colors, footprints_m)."""
    points, colors, footprints = [], [], []
    for frame, z, camera in zip(frames, depth, cameras, strict=True):
        at = (slice(step // 2, None, step), slice(step // 2, None, step))
        xyz = camera.position + (camera.rays() * z[..., None])[at].reshape(-1, 3)
        points.append(np.hstack([xyz, np.ones((len(xyz), 1))]).astype(np.float32))
        colors.append(frame[at].reshape(-1, 3))
        footprints.append((z[at] * step / camera.intrinsics[0, 0]).reshape(-1).astype(np.float32))
    return np.concatenate(points), np.concatenate(colors), np.concatenate(footprints)
