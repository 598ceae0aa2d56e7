"""A world without a model: a box room with exact pictures, behind the same names as the engine's.

Stands in for `mirage_engine` in the engine process. Slow or deadly on request: a scene number
above 1000 sleeps the milliseconds above it per step, and seeds ask for trouble (see `load_world`).
Every fourth pixel both ways becomes a point; nothing is ever known already, so that each segment
adds all of its points. Edits are real; what they were is saved and done again on opening.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np

from mirage_engine import (
    HIDDEN,
    LOCKED,
    Camera,
    ConfigError,
    Edit,
    EditRecord,
    PointDetails,
    Points,
    Preset,
    Segment,
    ViewRead,
    XRay,
    pinhole,
    pose,
)
from mirage_engine.inspection import sources

LOW, HIGH = np.array([-2.5, -1.2, -2.0]), np.array([2.5, 1.5, 4.0])  # metres; y points down
STEPS = 4
CELL = 4  # px
POINT_BYTES = 50
FLAGS = {
    "hide": (HIDDEN, True),
    "show": (HIDDEN, False),
    "lock": (LOCKED, True),
    "unlock": (LOCKED, False),
}
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
    for step in data["steps"]:
        if "poses" in step:
            world._next_id = step["first_id"]
            world._remember(tuple(world.camera.moved(np.array(p)) for p in step["poses"]))
        else:
            world.edit(Edit(step["kind"], np.array(step["ids"], np.int32), step["budget_mib"]))
    return world


class FakeWorld:
    def __init__(self, preset: Preset, seed: int) -> None:
        self.preset, self.seed, self.new_frames = preset, seed, 4
        size = (preset.lens.height, preset.lens.width)
        self.camera = Camera(pose([0, 0, 0]), pinhole(size, preset.lens.hfov_deg), size)
        self.scene, self._made = 0, []
        self.budget_mib, self.edits = 0.0, []
        self._next_id, self._given = 0, None
        self._table = {}  # columns of all points; "held": neither deleted nor forgotten
        self._steps = []  # segments and edits as they are saved
        self._before = []  # (table, budget) before each of them

    @property
    def segments(self) -> int:
        return len(self._made)

    @property
    def points(self) -> Points:
        held = self._table["held"]
        return Points(**{name: self._table[name][held] for name in Points.__annotations__})

    @property
    def point_count(self) -> int:
        return int(self._table["held"].sum())

    @property
    def nbytes(self) -> int:
        return self.point_count * POINT_BYTES

    @property
    def gone(self):
        away = self._gone_rows()
        return self._table["points_world"][away], self._table["footprints_m"][away]

    def begin(self, *, scene=None, image=None, prompt=None) -> Segment:
        if prompt is not None:
            raise ConfigError("preset 'pocket' takes no prompt; use --image or --scene")
        self.scene = scene
        return self._remember((self.camera,))

    def advance(self, path, on_step=None) -> Segment:
        self._check(path)
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
        self._given = self._xray(path, coming=False)
        return self._remember(tuple(path))

    def edit(self, edit: Edit) -> np.ndarray:
        before, table = (dict(self._table), self.budget_mib), self._table
        named, flags = np.isin(table["ids"], edit.ids) & table["held"], table["flags"]
        if edit.kind == "budget":
            self.budget_mib = edit.budget_mib
            changed = self._forget()
        elif edit.kind == "delete":
            changed = named & (flags & LOCKED == 0)
            self._table = table | {
                "held": table["held"] & ~changed,
                "deleted": table["deleted"] | changed,
            }
        else:
            bit, on = FLAGS[edit.kind]
            changed = named & ((flags & bit > 0) != on)
            self._table = table | {"flags": np.where(changed, flags ^ np.uint8(bit), flags)}
        ids = table["ids"][changed]
        if len(ids) or self.budget_mib != before[1]:
            step = {"kind": edit.kind, "ids": edit.ids.tolist(), "budget_mib": edit.budget_mib}
            self._before.append(before)
            self._steps.append(step)
            number = len(self._steps)
            self.edits.append(EditRecord(number, edit.kind, self.segments, len(ids)))
        return ids

    def undo(self) -> bool:
        if len(self._steps) < 2:
            return False
        self._table, self.budget_mib = self._before.pop()
        if "poses" in self._steps.pop():
            self._made.pop()
            self._given = None
        else:
            self.edits.pop()
        return True

    def segment(self, index: int) -> Segment:
        return self._made[index]

    def coverage(self, camera: Camera) -> float:
        return 1.0

    def details(self, since_id: int = -1) -> PointDetails:
        table = {name: column[self._table["held"]] for name, column in self._table.items()}
        new = table["ids"] > since_id
        return PointDetails(
            table["ids"],
            table["seen"],
            table["flags"],
            table["ids"][new],
            features(table["colors"][new]),
            table["frame"][new],
        )

    def look(self, camera: Camera) -> ViewRead:
        rows, depth = nearest(self._table["points_world"], self._shown(), camera)
        hit = rows >= 0
        focal = camera.intrinsics[0, 0] / CELL
        scale = np.zeros(rows.shape, np.float32)
        scale[hit] = np.log2(self._table["footprints_m"][rows[hit]] * focal / depth[hit])
        return ViewRead(camera, hit, depth, scale, self._of_rows("ids", rows))

    def xray(self, path=()) -> XRay:
        if path:
            self._check(path)
            return self._xray(path, coming=True)
        if self._given is None:
            raise ConfigError("no segment was generated yet")
        return self._given

    def save(self, path) -> None:
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        data = {
            "name": self.preset.name,
            "seed": self.seed,
            "scene": self.scene,
            "steps": self._steps,
        }
        (folder / "world.json.new").write_text(json.dumps(data))
        (folder / "world.json.new").replace(folder / "world.json")

    def _check(self, path) -> None:
        if not 1 <= len(path) <= self.new_frames:
            raise ValueError(f"{len(path)} cameras, wanted 1 to {self.new_frames}")

    def _remember(self, cameras: tuple[Camera, ...]) -> Segment:
        views = [look(camera) for camera in cameras]
        frames, depth = np.stack([v[0] for v in views]), np.stack([v[1] for v in views])
        points, colors, footprints = cloud(frames, depth, cameras)
        poses = [c.c2w.tolist() for c in cameras]
        self._before.append((dict(self._table), self.budget_mib))
        self._steps.append({"poses": poses, "first_id": self._next_id})
        held = self._table["ids"][self._table["held"]] if self._table else np.zeros(0, np.int32)
        mine = self._append(points, colors, footprints, len(cameras))
        lost = self._table["ids"][self._forget()]
        left = self._table["held"][mine]
        self._made.append(
            Segment(
                index=len(self._made),
                frames=frames,
                depth_m=depth,
                keep=np.ones(depth.shape, bool),
                cameras=cameras,
                coverage=0.5,
                points_world=points[left],
                colors=colors[left],
                footprints_m=footprints[left],
                point_ids=self._table["ids"][mine][left],
                removed_ids=lost[np.isin(lost, held)],
                points_added=len(points),
                points=self.point_count,
                nbytes=self.nbytes,
                residual=0.0,
                seconds={"read": 0.001, "denoise": 0.01, "total": 0.011},
            )
        )
        return self._made[-1]

    def _append(self, points, colors, footprints, frames: int) -> slice:
        """Adds the points to the table; returns their rows."""
        count, before = len(points), len(self._table.get("ids", ()))
        new = {
            "points_world": points,
            "colors": colors,
            "footprints_m": footprints,
            "born": np.full(count, self.segments, np.int32),
            "ids": np.arange(self._next_id, self._next_id + count, dtype=np.int32),
            "flags": np.zeros(count, np.uint8),
            "seen": np.ones(count, np.int32),
            "frame": np.arange(frames, dtype=np.uint8).repeat(count // frames),
            "held": np.ones(count, bool),
            "deleted": np.zeros(count, bool),
        }
        old = self._table
        self._table = {n: np.concatenate([old[n], c]) if old else c for n, c in new.items()}
        self._next_id += count
        return slice(before, None)

    def _forget(self) -> np.ndarray:
        """[N] bool rows that went for the budget: the coarsest first, then the oldest."""
        surplus = -(-int(self.nbytes - self.budget_mib * 2**20) // POINT_BYTES)
        gone = np.zeros(len(self._table["ids"]), bool)
        if self.budget_mib > 0 and surplus > 0:
            free = np.flatnonzero(self._table["held"] & (self._table["flags"] & LOCKED == 0))
            order = np.argsort(-self._table["footprints_m"][free], kind="stable")
            gone[free[order[:surplus]]] = True
            self._table = self._table | {"held": self._table["held"] & ~gone}
        return gone

    def _shown(self) -> np.ndarray:
        return self._table["held"] & (self._table["flags"] & HIDDEN == 0)

    def _gone_rows(self) -> np.ndarray:
        hidden = self._table["held"] & (self._table["flags"] & HIDDEN > 0)
        return np.flatnonzero(self._table["deleted"] | hidden)

    def _of_rows(self, name: str, rows: np.ndarray) -> np.ndarray:
        """int32, -1 where there is no row."""
        return np.where(rows >= 0, self._table[name][rows].astype(np.int32), np.int32(-1))

    def _xray(self, path, coming: bool) -> XRay:
        last, points = self._made[-1], self._table["points_world"]
        cameras = (last.cameras[-1], *path)
        views = [nearest(points, self._shown(), camera) for camera in cameras]
        rows, depth = np.stack([v[0] for v in views]), np.stack([v[1] for v in views])
        away = np.zeros(len(points), bool)
        away[self._gone_rows()] = True
        gone, gone_m = nearest(points, away, cameras[0])
        mask, colors = rows >= 0, self._table["colors"]
        pictures = np.where(mask[..., None], colors[rows], np.uint8(128))
        read = np.where(mask[..., None], features(colors)[rows], np.float16(0))
        frames, shares = sources(self._of_rows("born", rows[1:]), self._of_rows("frame", rows[1:]))
        return XRay(
            segment=self.segments,
            coming=coming,
            cameras=cameras,
            latents=read.transpose(0, 3, 1, 2),
            mask=mask,
            depth_m=depth,
            point_ids=self._of_rows("ids", rows),
            decoded=pictures.repeat(CELL, 1).repeat(CELL, 2),
            first=(last.index, len(last.cameras) - 1),
            source_frames=frames,
            source_shares=shares,
            references=np.zeros((0, 2), np.int32),
            reference_shares=np.zeros(0, np.float32),
            residual=float("nan") if coming else 0.0,
            gone_first=(gone >= 0) & (~mask[0] | (gone_m * 1.05 < depth[0])),
        )


def features(colors: np.ndarray) -> np.ndarray:
    """[N, 4] float16: a point's colour, and how bright it is."""
    plain = colors / np.float16(255)
    return np.concatenate([plain, plain.mean(-1, keepdims=True)], -1).astype(np.float16)


def nearest(points_world: np.ndarray, shown: np.ndarray, camera: Camera):
    """([h, w] row of the nearest point that is `shown`, or -1; [h, w] float32 depth_m, or 0)."""
    size = (camera.size[0] // CELL, camera.size[1] // CELL)
    lens = camera.resized(size)
    rows, depth = np.full(size, -1), np.zeros(size, np.float32)
    x, y, z = lens.intrinsics @ lens.w2c[:3] @ points_world.T.astype(float)
    ahead = np.flatnonzero(shown & (z > 1e-6))
    column, row = np.floor(x[ahead] / z[ahead]), np.floor(y[ahead] / z[ahead])
    inside = (column >= 0) & (column < size[1]) & (row >= 0) & (row < size[0])
    for i, at in zip(
        ahead[inside],
        zip(row[inside].astype(int), column[inside].astype(int), strict=True),
        strict=True,
    ):
        if rows[at] < 0 or z[i] < depth[at]:
            rows[at], depth[at] = i, z[i]
    return rows, depth


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


def cloud(frames, depth, cameras, step: int = CELL):
    """Every fourth pixel both ways as a point: (points_world, colors, footprints_m)."""
    points, colors, footprints = [], [], []
    for frame, z, camera in zip(frames, depth, cameras, strict=True):
        at = (slice(step // 2, None, step), slice(step // 2, None, step))
        xyz = camera.position + (camera.rays() * z[..., None])[at].reshape(-1, 3)
        points.append(np.hstack([xyz, np.ones((len(xyz), 1))]).astype(np.float32))
        colors.append(frame[at].reshape(-1, 3))
        footprints.append((z[at] * step / camera.intrinsics[0, 0]).reshape(-1).astype(np.float32))
    return np.concatenate(points), np.concatenate(colors), np.concatenate(footprints)
