"""What memory covers, seen from the display, and which cameras to ask for next.

Keeps a thinned copy of memory's points and the cameras already generated. Coverage is a splat
without depth order: quick, and right about what is unknown. Knows nothing of pixels or engines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.gone import Gone
from mirage_engine import Camera, Segment, interpolate, pose_distance

GRID = (20, 32)  # rows and columns of the coverage map
NEAR_M = 0.05
SPLAT_CELLS = 3  # a point fills at most this many cells across: what is too coarse is unknown
HYSTERESIS = 0.05  # once asking, goes on until this much above the threshold
SPOILED = 0.02  # share of a generated view that may be gone before it has to be generated again
MOST_STEPS = 10  # cameras of the path ahead that are looked at

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Spacing:
    """The way between two generated frames: at most this far and this much of a turn."""

    metres: float = 0.2
    degrees: float = 7.5

    def steps(self, a: Camera, b: Camera) -> float:
        """How many frames apart two cameras are; a fraction when closer than one."""
        way, turn = pose_distance(a.c2w, b.c2w)
        return max(way / self.metres, turn / self.degrees)


class Horizon:
    """What is known of the world, and where it ends."""

    def __init__(self, threshold: float = 0.85, spacing: Spacing | None = None) -> None:
        self.spacing = spacing or Spacing()
        self.threshold = threshold
        self._asking = False
        self._points = np.zeros((0, 4), np.float32)
        self._edges = np.zeros(0, np.float32)  # [N] of the voxel that a point stands for
        self._keys = np.zeros(0, np.int64)
        self._cameras: list[tuple[int, Camera]] = []  # (segment, camera) of generated frames
        self._gone: Gone | None = None
        self._spoiled: dict[int, bool] = {}  # whether they show what is gone, where asked before

    def __len__(self) -> int:
        return len(self._points)

    @property
    def points_world(self) -> np.ndarray:
        """[N, 4] float32, thinned; w 0 is sky."""
        return self._points

    @property
    def edges_m(self) -> np.ndarray:
        """[N] float32, of the voxel that each point stands for; radians for the sky."""
        return self._edges

    @property
    def generated(self) -> Sequence[tuple[int, Camera]]:
        """(segment, camera) of every generated frame, in the order in which they came."""
        return self._cameras

    def add(self, segment: Segment, with_points: bool = True) -> None:
        """Takes in where a segment was generated, and what it added to memory."""
        self._cameras += [(segment.index, camera) for camera in segment.cameras]
        if with_points:
            self._add_points(segment.points_world, segment.footprints_m)

    def reset(
        self,
        segments: int,  # that the world still has
        points_world: np.ndarray,  # [N, 4]
        footprints_m: np.ndarray,  # [N]
        gone: Gone | None = None,  # all that edits took out of what was generated
    ) -> None:
        """Replaces all points, and forgets the cameras of later segments.

        A view in which something is gone does not count as generated any more.
        """
        self._points, self._edges = self._points[:0], self._edges[:0]
        self._keys, self._asking = self._keys[:0], False
        self._cameras = [(i, camera) for i, camera in self._cameras if i < segments]
        self._gone, self._spoiled = gone, {}
        self._add_points(points_world, footprints_m)

    def coverage(self, camera: Camera) -> float:
        """0..1, share of the view that is known."""
        return float(self.coverage_map(camera).mean())

    def coverage_map(self, camera: Camera) -> Bools:  # [h, w], GRID
        """Which parts of the view are known."""
        return _cells_with(self._points, self._edges, camera)

    def known(self, camera: Camera, threshold: float | None = None) -> bool:
        """Whether a view needs no generation: it is covered, or has just been generated.

        The second matters where the model was unsure and memory kept little of it: asking again
        would bring the same, for ever.
        """
        if self._generated_near(camera):
            return True
        return self.coverage(camera) >= (self.threshold if threshold is None else threshold)

    def path_ahead(
        self,
        predicted: Sequence[Camera],  # where the walker is, then where it is going
        new_frames: int,  # cameras to ask for
    ) -> list[Camera] | None:
        """The `new_frames` cameras to generate next, or None while all ahead is known.

        They lead from the nearest generated frame to the first unknown view and on from there.
        """
        steps = walked(predicted, self.spacing)[:MOST_STEPS]
        limit = self.threshold + (HYSTERESIS if self._asking else 0.0)
        unknown = next((i for i, c in enumerate(steps) if not self.known(c, limit)), None)
        self._asking = unknown is not None
        if unknown is None:
            return None
        return self._path_to(steps[unknown:], new_frames)

    def ask_for(self, path: Sequence[Camera], new_frames: int) -> list[Camera]:
        """The cameras that lead along this path, known or not."""
        return self._path_to(walked(path, self.spacing), new_frames)

    def _path_to(self, steps: list[Camera], new_frames: int) -> list[Camera]:
        anchor = self._anchor(steps[0])
        route = walked([anchor, *steps], self.spacing)[1:]
        if len(route) >= new_frames:
            return route[:new_frames]
        # Too short a way for all the frames: they share it evenly, or all look from its end.
        pairs = zip([anchor, *steps], steps, strict=False)
        length = sum(self.spacing.steps(a, b) for a, b in pairs)
        finer = max(length / new_frames, 1e-6)
        spacing = Spacing(self.spacing.metres * finer, self.spacing.degrees * finer)
        route = walked([anchor, *steps], spacing)[1:] if length > 1e-3 else []
        return (route + [steps[-1]] * new_frames)[:new_frames]

    def _anchor(self, camera: Camera) -> Camera:
        """The generated camera nearest to this one."""
        cameras = [c for _, c in self._cameras]
        return min(cameras, key=lambda c: self.spacing.steps(c, camera), default=camera)

    def _generated_near(self, camera: Camera) -> bool:
        if not self._cameras:
            return False
        positions = np.stack([c.c2w[:3, 3] for _, c in self._cameras])
        away = np.linalg.norm(positions - camera.position, axis=1)
        close = np.flatnonzero(away < self.spacing.metres / 2)
        return any(
            self.spacing.steps(self._cameras[i][1], camera) < 0.5 and not self._is_spoiled(i)
            for i in close.tolist()
        )

    def _is_spoiled(self, index: int) -> bool:
        if self._gone is None:
            return False
        if index not in self._spoiled:
            self._spoiled[index] = _spoils(self._gone, *self._cameras[index])
        return self._spoiled[index]

    def _add_points(self, points_world: np.ndarray, footprints_m: np.ndarray) -> None:
        """One point for each voxel of about twice the footprint."""
        if not len(points_world):
            return
        edges = np.exp2(np.ceil(np.log2(np.maximum(footprints_m, 1e-4) * 1.5))).astype(np.float32)
        keys = _voxel_keys(points_world, edges)
        _, first = np.unique(keys, return_index=True)
        first = first[~np.isin(keys[first], self._keys)]
        self._keys = np.concatenate([self._keys, keys[first]])
        self._points = np.concatenate([self._points, points_world[first].astype(np.float32)])
        self._edges = np.concatenate([self._edges, edges[first]])


def walked(
    cameras: Sequence[Camera],  # at least one
    spacing: Spacing,
) -> list[Camera]:
    """The first camera, and then one each `spacing` along the way through the others."""
    steps, last = [cameras[0]], cameras[0]
    left = 1.0  # share of a spacing until the next one is due
    for camera in cameras[1:]:
        length = spacing.steps(last, camera)
        at = left
        while at <= length + 1e-6:
            steps.append(camera.moved(interpolate(last.c2w, camera.c2w, min(1.0, at / length))))
            at += 1.0
        left, last = at - length, camera
    return steps


def _cells_with(
    points_world: np.ndarray,  # [N, 4]
    edges_m: np.ndarray,  # [N]
    camera: Camera,
) -> Bools:  # [h, w], GRID
    """The cells of the view that some of the points fill."""
    view = camera.resized(GRID)
    world_to_px = (view.intrinsics @ view.w2c[:3]).astype(np.float32)
    projected = points_world @ world_to_px.T
    z = projected[:, 2]
    ahead = z > NEAR_M * points_world[:, 3] + 1e-6
    projected, z, edges = projected[ahead], z[ahead], edges_m[ahead]
    column = np.floor(projected[:, 0] / z).astype(np.int32)
    row = np.floor(projected[:, 1] / z).astype(np.int32)
    # One cell around the view, whose splats still reach into it.
    inside = (row >= -1) & (row <= GRID[0]) & (column >= -1) & (column <= GRID[1])
    row, column = row[inside] + 1, column[inside] + 1
    size = edges[inside] * np.float32(view.intrinsics[0, 0]) / z[inside]
    known = np.zeros((GRID[0] + 2, GRID[1] + 2), bool)
    wide = np.zeros_like(known)
    known[row, column] = True
    wide[row[size > 1], column[size > 1]] = True
    return (known | _dilated(wide))[1:-1, 1:-1]


def _spoils(gone: Gone, segment: int, camera: Camera) -> bool:
    """Whether a view of that segment showed what is gone now. Walls before it do not matter."""
    shown = gone.shown_by(segment)
    touched = _cells_with(shown.points_world, shown.footprints_m, camera)
    return bool(touched.mean() > SPOILED)


def _dilated(mask: Bools) -> Bools:
    """Each True cell and its eight neighbours."""
    assert SPLAT_CELLS == 3
    tall = mask.copy()
    tall[1:] |= mask[:-1]
    tall[:-1] |= mask[1:]
    wide = tall.copy()
    wide[:, 1:] |= tall[:, :-1]
    wide[:, :-1] |= tall[:, 1:]
    return wide


def _voxel_keys(points: np.ndarray, edges: np.ndarray) -> NDArray[np.int64]:
    """[N] one number per voxel, size and kind. Coordinates wrap after 2**19 voxels."""
    cells = np.floor(points[:, :3] / edges[:, None]).astype(np.int64) & 0x7FFFF
    level = np.round(np.log2(edges)).astype(np.int64) & 0x3F
    kind = level << 1 | (points[:, 3] > 0)
    return kind << 57 | cells[:, 0] << 38 | cells[:, 1] << 19 | cells[:, 2]
