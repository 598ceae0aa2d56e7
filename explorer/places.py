"""Generated frames to which the walker may come back, and when that happens.

A return needs three things: to have been there, to have been away, and to be near again. Each
place keeps its first frame; a frame that shows nearly the same as one before is no place of its
own. Knows nothing of what a return is for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.timeline import pose_distances
from explorer.warp import Sight
from mirage_engine import Camera

Floats = NDArray[np.float64]

NEAR_M, NEAR_DEG = 0.25, 10.0  # the walker is at a place within both of these ...
AWAY_M, AWAY_DEG = 1.0, 40.0  # ... and away from it beyond one of these
APART_M, APART_DEG = 0.10, 4.0  # between two places, in one of these
MOST_PLACES = 160  # beyond, every second one goes; 50 MiB with the pocket's pictures


@dataclass(frozen=True, eq=False)
class Place:
    """A generated frame."""

    sight: Sight
    segment: int
    frame: int  # in its segment
    made_s: float

    @property
    def camera(self) -> Camera:
        return self.sight.camera

    @property
    def name(self) -> tuple[int, int]:
        """(segment, frame in it)."""
        return self.segment, self.frame


@dataclass(frozen=True, eq=False)
class Return:
    """The walker is back at a place."""

    place: Place
    seen_s: float  # when the walker was there last, before this return
    left_s: float  # when it was away for the first time after that
    metres: float  # from the place
    degrees: float


class Places:
    """Where the walker can return to."""

    def __init__(self) -> None:
        self._places: list[Place] = []
        self._seen_s = np.zeros(0)  # [places]; NaN: never been there
        self._left_s = np.zeros(0)  # [places]; NaN: not been away since

    def __len__(self) -> int:
        return len(self._places)

    def add(self, place: Place) -> None:
        """Takes in a frame, unless an earlier one shows the same place."""
        metres, degrees = self._distances(place.camera)
        if ((metres < APART_M) & (degrees < APART_DEG)).any():
            return
        self._places.append(place)
        self._seen_s = np.append(self._seen_s, np.nan)
        self._left_s = np.append(self._left_s, np.nan)
        if len(self._places) > MOST_PLACES:
            count = len(self._places)
            self._keep([i for i in range(count) if i % 2 == 0 or i == count - 1])

    def forget_from(self, segment: int) -> None:
        """Drops the frames of `segment` and later ones."""
        self._keep([i for i, place in enumerate(self._places) if place.segment < segment])

    def walk(self, camera: Camera, now_s: float) -> Return | None:
        """The walker is here now; tells if that is a return, to the nearest place if to several.

        Other places around are not returned to before they, too, have been left anew: a way back
        along a corridor is a return every metre or so, not at every frame.
        """
        metres, degrees = self._distances(camera)
        near = (metres <= NEAR_M) & (degrees <= NEAR_DEG)
        away = (metres > AWAY_M) | (degrees > AWAY_DEG)
        self._left_s[away & np.isfinite(self._seen_s) & np.isnan(self._left_s)] = now_s
        back = np.flatnonzero(near & np.isfinite(self._left_s))
        found = None
        if len(back):
            i = back[(metres[back] / NEAR_M + degrees[back] / NEAR_DEG).argmin()]
            times = float(self._seen_s[i]), float(self._left_s[i])
            found = Return(self._places[i], *times, float(metres[i]), float(degrees[i]))
            self._left_s[~away] = np.nan
        self._seen_s[near] = now_s
        return found

    def _distances(self, camera: Camera) -> tuple[Floats, Floats]:
        """([places] metres, [places] degrees)."""
        return pose_distances([place.camera for place in self._places], camera)

    def _keep(self, rows: Sequence[int]) -> None:
        self._places = [self._places[i] for i in rows]
        self._seen_s, self._left_s = self._seen_s[list(rows)], self._left_s[list(rows)]
