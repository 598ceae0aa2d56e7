"""Which generated frames to show for a view. A bounded cache; what it forgets, memory still knows.

Scores each keyframe by what of the view it shows, how sharply, and from how near a place. Knows
nothing of drawing, and nothing of what to generate next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from explorer.gone import NOTHING, Gone, pixels_showing
from mirage_engine import Camera, Segment

Floats = NDArray[np.float32]

SAMPLES = (10, 16)  # of a keyframe's surface, rows and columns
CELLS = (10, 16)  # of the view that is to be filled
CANDIDATES = 48  # keyframes that are scored; the nearest ones by pose
SAME_SURFACE = 1.15  # depths within this ratio of the nearest may be the same surface
PARALLAX = 2.0  # how much a metre aside per metre of distance costs
LOYALTY = 1.05  # a keyframe already shown stays until another is this much better
LEAST_CELLS = 0.75  # a keyframe that adds less than this is not worth drawing


@dataclass(frozen=True, eq=False)
class Keyframe:
    """A generated frame that can be drawn from elsewhere."""

    frame: np.ndarray  # [H, W, 3] uint8
    depth_m: np.ndarray  # [H, W] float32; 0 unknown, +inf sky
    camera: Camera
    segment: int
    generated_at_s: float
    key: int  # unique in its timeline
    number: int = 0  # in its segment


class Timeline:
    """The generated frames at hand.

    Attributes:
        revision: grows with every change.
    """

    def __init__(self, limit: int = 240) -> None:
        self.revision = 0
        self._limit = limit
        self._next_key = 0
        self._shown: frozenset[int] = frozenset()
        self._frames: list[Keyframe] = []
        self._originals: list[Keyframe] = []  # as generated, before anything was taken out
        self._gone = NOTHING
        self._due: set[int] = set()  # keys of originals from which it is yet to be taken out
        self._samples: list[Floats] = []  # [S, 4] homogeneous points of each frame
        self._depths: list[Floats] = []  # [S] their depth in it

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def keyframes(self) -> Sequence[Keyframe]:
        """All at hand, oldest first."""
        return [self._current(i) for i in range(len(self._frames))]

    def add(self, segment: Segment, now_s: float = 0.0) -> None:
        """Takes in a segment's frames; beyond the limit, the most redundant ones go."""
        shots = zip(segment.frames, segment.depth_m, segment.cameras, strict=True)
        for number, (frame, depth_m, camera) in enumerate(shots):
            key, self._next_key = self._next_key, self._next_key + 1
            keyframe = Keyframe(frame, depth_m, camera, segment.index, now_s, key, number)
            self._frames.append(keyframe)
            self._originals.append(keyframe)
            self._due.add(key)
            samples, depths = self._samples_of(keyframe)
            self._samples.append(samples)
            self._depths.append(depths)
        self._thin()
        self.revision += 1

    def frame_of(self, segment: int, number: int) -> Keyframe | None:
        """A frame of a segment as it was generated; None if it is not at hand any more."""
        wanted = (k for k in self._originals if (k.segment, k.number) == (segment, number))
        return next(wanted, None)

    def forget_from(self, segment: int) -> None:
        """Drops the frames of `segment` and later ones."""
        self._keep([i for i, k in enumerate(self._frames) if k.segment < segment])
        self.revision += 1

    def hide_points(self, gone: Gone) -> None:
        """Takes surfaces that an edit took away out of the pictures that still show them.

        `gone` is all that is gone now; `NOTHING` brings every picture back. A picture that changes
        has another key, as drawing knows its shape by that.
        """
        self._gone = gone
        self._due = {original.key for original in self._originals}
        for i, original in enumerate(self._originals):
            self._samples[i], self._depths[i] = self._samples_of(original)
        self.revision += 1

    def keyframes_for(self, camera: Camera, count: int) -> list[Keyframe]:
        """At most `count` keyframes that together show most of the view, the best one first."""
        if not self._frames or count < 1:
            return []
        near = self._nearest(camera, CANDIDATES)
        scores = self._scores(camera, near)
        loyal = np.array([self._frames[i].key in self._shown for i in near])
        scores[loyal] *= LOYALTY
        chosen: list[int] = []
        filled = np.zeros(scores.shape[1], np.float32)
        for _ in range(min(count, len(near))):
            gain = (np.maximum(scores, filled) - filled).sum(1)
            best = int(gain.argmax())
            if gain[best] < LEAST_CELLS:
                break
            chosen.append(int(near[best]))
            filled = np.maximum(filled, scores[best])
        keyframes = [self._current(i) for i in chosen]
        self._shown = frozenset(keyframe.key for keyframe in keyframes)
        return keyframes

    def _current(self, index: int) -> Keyframe:
        """A keyframe less what is gone. Only found when it is wanted: it takes milliseconds."""
        original = self._originals[index]
        if original.key in self._due:
            self._due.remove(original.key)
            self._frames[index] = self._without_gone(original, self._frames[index])
        return self._frames[index]

    def _without_gone(self, original: Keyframe, before: Keyframe) -> Keyframe:
        """`original` or `before` themselves where they are that."""
        gone = self._gone.shown_by(original.segment)
        pixels = pixels_showing(gone, original.camera, original.depth_m)
        if not pixels.any():
            return original
        depth_m = np.where(pixels, np.float32(0.0), original.depth_m)
        if np.array_equal(depth_m, before.depth_m):
            return before
        key, self._next_key = self._next_key, self._next_key + 1
        return replace(original, depth_m=depth_m, key=key)

    def _samples_of(self, keyframe: Keyframe) -> tuple[Floats, Floats]:
        """See `_surface`, less what is gone."""
        camera = keyframe.camera.resized(SAMPLES)
        z = _sampled(keyframe.depth_m)
        z[pixels_showing(self._gone.shown_by(keyframe.segment), camera, z)] = 0.0
        return _surface(z, camera)

    def _nearest(self, camera: Camera, count: int) -> NDArray[np.intp]:
        """Indices of the nearest by pose; half a metre counts as much as 30 degrees."""
        way, turn = pose_distances([k.camera for k in self._frames], camera)
        return np.argsort(way / 0.5 + turn / 30.0, kind="stable")[:count]

    def _scores(self, camera: Camera, indices: NDArray[np.intp]) -> Floats:
        """[K, cells] how well each keyframe shows each cell of the view, 0..1."""
        view = camera.resized(CELLS)
        world_to_px = (view.intrinsics @ view.w2c[:3]).astype(np.float32)
        samples = np.stack([self._samples[i] for i in indices])
        depths = np.stack([self._depths[i] for i in indices])
        projected = samples @ world_to_px.T
        z = projected[..., 2]
        ahead = z > 0.05
        safe = np.where(ahead, z, 1.0)
        column = np.floor(projected[..., 0] / safe)
        row = np.floor(projected[..., 1] / safe)
        inside = ahead & (row >= 0) & (row < CELLS[0]) & (column >= 0) & (column < CELLS[1])
        frame = np.broadcast_to(np.arange(len(indices))[:, None], z.shape)[inside]
        cell = (row * CELLS[1] + column)[inside].astype(np.int64)
        z = z[inside]

        nearest = np.full(CELLS[0] * CELLS[1], np.inf, np.float32)
        np.minimum.at(nearest, cell, z)
        baseline = np.array(
            [np.linalg.norm(self._frames[i].camera.position - camera.position) for i in indices]
        ).astype(np.float32)
        sharp = np.minimum(1.0, z / depths[inside])
        score = sharp / (1.0 + PARALLAX * baseline[frame] / z)
        score[z > nearest[cell] * SAME_SURFACE] = 0.0  # hidden behind another surface
        scores = np.zeros((len(indices), len(nearest)), np.float32)
        np.maximum.at(scores, (frame, cell), score)
        return scores

    def _thin(self) -> None:
        """The frames that are most like their neighbours go, until the limit is kept."""
        while len(self._frames) > self._limit:
            c2w = np.stack([k.camera.c2w for k in self._frames])
            way = np.linalg.norm(c2w[:, None, :3, 3] - c2w[None, :, :3, 3], axis=-1)
            rotations = c2w[:, :3, :3].reshape(-1, 9)
            turn = np.degrees(np.arccos(np.clip((rotations @ rotations.T - 1) / 2, -1, 1)))
            apart = way / 0.5 + turn / 30.0
            np.fill_diagonal(apart, np.inf)
            # With both neighbours counted, a gap once made protects the frames at its sides.
            lonely = np.partition(apart, 1, axis=1)[:, :2].sum(1)
            lonely[0] = np.inf  # the start is home
            gone = int(lonely.argmin())
            self._keep([i for i in range(len(c2w)) if i != gone])

    def _keep(self, indices: list[int]) -> None:
        self._frames = [self._frames[i] for i in indices]
        self._originals = [self._originals[i] for i in indices]
        self._due &= {original.key for original in self._originals}
        self._samples = [self._samples[i] for i in indices]
        self._depths = [self._depths[i] for i in indices]


def _sampled(depth_m: np.ndarray) -> Floats:
    """[SAMPLES] depths of a grid of pixels."""
    height, width = depth_m.shape
    rows = (np.arange(SAMPLES[0]) * height + height // 2) // SAMPLES[0]
    columns = (np.arange(SAMPLES[1]) * width + width // 2) // SAMPLES[1]
    return depth_m[np.ix_(rows, columns)].astype(np.float32)


def _surface(
    depth_m: Floats,  # [h, w]
    camera: Camera,  # of that size
) -> tuple[Floats, Floats]:
    """([S, 4] homogeneous points, [S] depth) of the pixels; the sky has w 0 and depth 1.

    Unknown pixels become the zero point, which no view shows.
    """
    z = depth_m.reshape(-1)
    rays = camera.rays().reshape(-1, 3)
    sky, known = np.isinf(z), z > 0
    reach = np.where(sky, 1.0, z)[:, None]
    xyz = rays * reach + np.where(sky[:, None], 0.0, camera.position)
    points = np.hstack([xyz, np.where(sky, 0.0, 1.0)[:, None]]) * known[:, None]
    return points.astype(np.float32), np.where(sky | ~known, 1.0, z).astype(np.float32)


def pose_distances(cameras: Sequence[Camera], to: Camera) -> tuple[np.ndarray, np.ndarray]:
    """([K] metres, [K] degrees)."""
    c2w = np.array([c.c2w for c in cameras]).reshape(-1, 4, 4)
    way = np.linalg.norm(c2w[:, :3, 3] - to.position, axis=1)
    cosine = (np.einsum("kij,ij->k", c2w[:, :3, :3], to.c2w[:3, :3]) - 1) / 2
    return way, np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
