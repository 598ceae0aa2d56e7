"""The numbers of each segment, for curves and tables; and how alike a place looks on return.

To compare returns, the first frame of each new pose is kept at half size: 30 KiB each, and beyond
600 of them every second one goes. Knows nothing of drawing or files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mirage_engine import Camera, Segment, SegmentRecord, psnr_db

Floats = NDArray[np.float64]

SAME_M, SAME_DEG = 0.05, 1.0  # poses this near show the same place ...
APART = 8  # ... and are a return if so many frames lie between them
MOST_KEPT = 600


@dataclass(frozen=True, eq=False)
class Record:
    """What is said of one segment."""

    segment: int
    frames: int
    coverage: float  # 0..1, share of its views that memory knew beforehand; NaN where not asked
    points_added: int
    removed: int  # points that memory lost with it, and by edits until the next one
    points: int  # in memory afterwards
    nbytes: int  # of memory afterwards
    residual: float  # of the depth alignment, relative
    seconds: dict[str, float]  # by stage
    revisit_psnr_db: float = float("nan")  # mean over its returns to earlier frames; NaN: none

    @property
    def hole_rate(self) -> float:
        """0..1, share of its views that had to be invented."""
        return 1.0 - self.coverage


@dataclass(frozen=True, eq=False)
class _Shot:
    """A generated frame that may be returned to."""

    camera: Camera
    segment: int
    number: int  # of the frame in the world
    small: NDArray[np.uint8]  # [H / 2, W / 2, 3]


class History:
    """A Record for each segment."""

    def __init__(self) -> None:
        self._records: dict[int, Record] = {}
        self._shots: list[_Shot] = []
        self._returns_db: dict[int, list[float]] = {}  # PSNR of each, by the later segment

    def __len__(self) -> int:
        return len(self._records)

    @property
    def records(self) -> list[Record]:
        """By segment, rising."""
        return [self._records[index] for index in sorted(self._records)]

    @property
    def newest(self) -> int:
        """The highest segment; 0 where there is none."""
        return max(self._records, default=0)

    @property
    def last(self) -> Record | None:
        """The newest segment's, with what was changed by hand since; None where there is none."""
        return self._records.get(self.newest)

    def column(self, name: str) -> Floats:
        """[segments] one attribute of all records."""
        return np.array([getattr(record, name) for record in self.records], np.float64)

    def seconds(self, stage: str) -> Floats:
        """[segments]; NaN where a segment did not have that stage."""
        return np.array([r.seconds.get(stage, np.nan) for r in self.records], np.float64)

    def add(self, segment: Segment) -> None:
        """Takes in a segment. They may come in any order, as those of a restored world do."""
        if segment.index in self._records:
            return
        self._records[segment.index] = record_of(segment)
        if segment.index > 0:  # the start image was not generated
            self._compare(segment)

    def add_saved(self, index: int, saved: SegmentRecord) -> None:
        """Takes in what a world file says of a segment; its pictures are not compared."""
        self._records[index] = Record(
            segment=index,
            frames=len(saved.cameras),
            coverage=saved.coverage,
            points_added=saved.points_added,
            removed=0,
            points=saved.points,
            nbytes=saved.nbytes,
            residual=saved.residual,
            seconds=saved.seconds,
        )

    def change(self, segment: int, points: int, nbytes: int, removed: int) -> None:
        """Memory was edited after `segment`: what it holds now, and how many points that cost."""
        if segment in self._records:
            record = self._records[segment]
            removed += record.removed
            record = replace(record, points=points, nbytes=nbytes, removed=removed)
            self._records[segment] = record

    def forget_from(self, segment: int) -> None:
        """Undo: `segment` and later ones never were."""
        self._records = {i: r for i, r in self._records.items() if i < segment}
        self._returns_db = {i: r for i, r in self._returns_db.items() if i < segment}
        self._shots = [shot for shot in self._shots if shot.segment < segment]

    def clear(self) -> None:
        """For another world."""
        self.forget_from(0)

    def _compare(self, segment: Segment) -> None:
        positions = np.array([s.camera.position for s in self._shots]).reshape(-1, 3)
        turns = np.array([s.camera.c2w[:3, :3] for s in self._shots]).reshape(-1, 9)
        fresh: list[_Shot] = []
        for i, (frame, camera) in enumerate(zip(segment.frames, segment.cameras, strict=True)):
            # All segments but the first have the same length.
            number = segment.index * len(segment.frames) + i
            shot = _Shot(camera, segment.index, number, _halved(frame))
            near = np.linalg.norm(positions - camera.position, axis=1) <= SAME_M
            cosine = (turns @ camera.c2w[:3, :3].reshape(9) - 1) / 2
            near &= np.degrees(np.arccos(np.clip(cosine, -1, 1))) <= SAME_DEG
            same = [self._shots[k] for k in np.flatnonzero(near)]
            for other in same:
                if abs(other.number - number) >= APART:
                    later = max(other.segment, segment.index)
                    self._returned(later, psnr_db(other.small, shot.small))
            if not same:
                fresh.append(shot)
        self._shots += fresh
        if len(self._shots) > MOST_KEPT:
            del self._shots[1::2]

    def _returned(self, segment: int, psnr: float) -> None:
        returns = self._returns_db.setdefault(segment, [])
        returns.append(psnr)
        mean = float(np.mean(returns))
        self._records[segment] = replace(self._records[segment], revisit_psnr_db=mean)


def record_of(segment: Segment) -> Record:
    """The numbers of a segment, before anything is compared or edited."""
    return Record(
        segment=segment.index,
        frames=len(segment.frames),
        coverage=segment.coverage,
        points_added=segment.points_added,
        removed=len(segment.removed_ids),
        points=segment.points,
        nbytes=segment.nbytes,
        residual=segment.residual,
        seconds=dict(segment.seconds),
    )


def _halved(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[H / 2, W / 2, 3] the means of squares of four pixels."""
    height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
    quarters = frame[:height, :width].reshape(height // 2, 2, width // 2, 2, 3)
    return np.round(quarters.mean((1, 3), dtype=np.float32)).astype(np.uint8)
