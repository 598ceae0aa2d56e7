"""Which generated frames saw a point: the question that a researcher asks of every point.

Remembers of every frame only where it was taken and a small depth map, 5 KiB in all, so that frames
whose pictures are long forgotten still answer. Knows nothing of drawing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mirage_engine import Camera, Segment

GRID = (40, 64)  # rows and columns of a depth map
NEAR_M = 0.05
FAR_M = 6e4  # the most that half precision holds, nearly
AROUND = ((-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5))  # of a place, in cells
JUMP = 1.15  # depths of neighbours within this ratio belong to one surface


@dataclass(frozen=True, eq=False)
class Observer:
    """A generated frame."""

    camera: Camera
    segment: int
    frame: int  # in its segment


class KeyframeIndex:
    """Every frame that was ever generated in this world."""

    def __init__(self) -> None:
        self._observers: list[Observer] = []
        self._world_to_cell = np.zeros((0, 3, 4), np.float32)  # beyond the list: room to grow
        self._depths = np.zeros((0, *GRID), np.float16)  # z-depth in m; 0 unknown, +inf sky

    def __len__(self) -> int:
        return len(self._observers)

    def entry(self, index: int) -> Observer:
        """One of those that `seen_by` answers with."""
        return self._observers[index]

    def add(self, segment: Segment) -> None:
        """Takes in where a segment's frames were taken, and how far they saw."""
        first = len(self._observers)
        self._reserve(first + len(segment.cameras))
        for frame, (camera, depth_m) in enumerate(
            zip(segment.cameras, segment.depth_m, strict=True)
        ):
            view = camera.resized(GRID)
            self._world_to_cell[first + frame] = view.intrinsics @ view.w2c[:3]
            self._depths[first + frame] = _centres(depth_m)
            self._observers.append(Observer(camera, segment.index, frame))

    def forget_from(self, segment: int) -> None:
        """Drops the frames of `segment` and later ones."""
        kept = [i for i, o in enumerate(self._observers) if o.segment < segment]
        self._observers = [self._observers[i] for i in kept]
        self._world_to_cell, self._depths = self._world_to_cell[kept], self._depths[kept]

    def clear(self) -> None:
        """For another world."""
        self.forget_from(0)

    def seen_by(
        self,
        point_world: np.ndarray,  # [4] homogeneous; w 0 is sky
        tolerance: float = 0.06,  # relative depth
    ) -> list[int]:
        """The observers whose depth agrees with the point where it falls in their picture."""
        count, solid = len(self), point_world[3] > 0
        x, y, z = (self._world_to_cell[:count] @ np.asarray(point_world, np.float32)).T
        ahead = z > (NEAR_M if solid else 1e-6)
        z = np.where(ahead, z, 1.0)
        x, y = x / z, y / z
        inside = ahead & (x >= 0) & (x < GRID[1]) & (y >= 0) & (y < GRID[0])
        near = np.flatnonzero(inside)
        x, y, z = x[near], y[near], z[near]
        own = self._depth_at(near, x, y)
        if not solid:
            return near[np.isinf(own)].tolist()
        # A steep floor crosses many depths within a cell: the neighbours say how many.
        least, most = own.copy(), own.copy()
        for down, across in AROUND:
            around = self._depth_at(near, x + across, y + down)
            same = (around < own * JUMP) & (around > own / JUMP)
            least = np.where(same, np.minimum(least, around), least)
            most = np.where(same, np.maximum(most, around), most)
        seen = (z >= least * (1 - tolerance)) & (z <= most * (1 + tolerance)) & (own > 0)
        return near[seen].tolist()

    def _depth_at(
        self,
        observers: NDArray[np.intp],  # [K]
        x: NDArray[np.float32],  # [K] cells
        y: NDArray[np.float32],  # [K]
    ) -> NDArray[np.float32]:  # [K]
        row = np.clip(np.floor(y), 0, GRID[0] - 1).astype(np.intp)
        column = np.clip(np.floor(x), 0, GRID[1] - 1).astype(np.intp)
        return self._depths[observers, row, column].astype(np.float32)

    def _reserve(self, count: int) -> None:
        room = len(self._depths)
        if count > room:
            more = max(count, 2 * room) - room
            self._world_to_cell = np.pad(self._world_to_cell, ((0, more), (0, 0), (0, 0)))
            self._depths = np.pad(self._depths, ((0, more), (0, 0), (0, 0)))


def _centres(depth_m: np.ndarray) -> NDArray[np.float16]:
    """[GRID] the depth in the middle of each cell."""
    height, width = depth_m.shape
    rows = (2 * np.arange(GRID[0]) + 1) * height // (2 * GRID[0])
    columns = (2 * np.arange(GRID[1]) + 1) * width // (2 * GRID[1])
    depth = depth_m[np.ix_(rows, columns)]
    return np.where(np.isinf(depth), depth, np.minimum(depth, FAR_M)).astype(np.float16)
