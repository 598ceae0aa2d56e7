"""The points that the researcher has chosen, by their ids, and which points stand alone.

Ids stay when rows move, so a selection survives undo and growth. Knows nothing of mice, drawing or
engines.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from explorer.memory_table import MemoryTable, Rows

Ids = NDArray[np.int64]

NEIGHBOURS = 6  # that a point of a surface has close by


class Selection:
    """A set of ids.

    Attributes:
        ids: [M] int64, rising.
        revision: grows with every change.
    """

    def __init__(self) -> None:
        self.ids: Ids = np.zeros(0, np.int64)
        self.revision = 0

    @property
    def count(self) -> int:
        """How many were chosen, those included that died since."""
        return len(self.ids)

    def rows(self, table: MemoryTable) -> Rows:
        """[<= M] the rows of the chosen points that live."""
        rows = table.rows(self.ids)
        return rows[table.alive[rows]]

    def replace(self, ids: np.ndarray) -> None:
        self._set(np.unique(np.asarray(ids, np.int64)))

    def add(self, ids: np.ndarray) -> None:
        self._set(np.union1d(self.ids, np.asarray(ids, np.int64)))

    def subtract(self, ids: np.ndarray) -> None:
        self._set(np.setdiff1d(self.ids, np.asarray(ids, np.int64)))

    def toggle(self, ids: np.ndarray) -> None:
        self._set(np.setxor1d(self.ids, np.asarray(ids, np.int64)))

    def invert(self, table: MemoryTable) -> None:
        """All living points that were not chosen."""
        self._set(np.setdiff1d(table["ids"][table.alive], self.ids).astype(np.int64))

    def clear(self) -> None:
        self._set(np.zeros(0, np.int64))

    def by_segments(self, table: MemoryTable, low: int, high: int) -> None:
        """The living points born in segments `low` to `high`, both included."""
        born = table["born"]
        self.replace(table["ids"][table.alive & (born >= low) & (born <= high)])

    def by_outliers(
        self,
        ids: np.ndarray,  # [N] that were scored; the table may have changed since
        scores: np.ndarray,  # [N], see `outlier_scores`
        threshold: float,
    ) -> None:
        """The points that stand more alone than `threshold`."""
        self.replace(np.asarray(ids)[scores > threshold])

    def _set(self, ids: Ids) -> None:
        if not np.array_equal(ids, self.ids):
            self.ids = ids
            self.revision += 1


def outlier_scores(
    points_world: np.ndarray,  # [N, 4] homogeneous; w 0 is sky
    footprints_m: np.ndarray,  # [N]; radians where w is 0
) -> NDArray[np.float32]:  # [N]
    """How alone each point stands: mean distance to its six nearest neighbours, in footprints.

    About 1 on a surface. Surfaces count among surfaces, and sky by angles among sky; 0 where there
    are too few to say. Takes a second for 200,000 points: for a thread beside the frame loop.
    """
    from scipy.spatial import KDTree  # a fifth of a second that no start should wait for

    scores = np.zeros(len(points_world), np.float32)
    sky = points_world[:, 3] == 0
    for rows in (np.flatnonzero(~sky), np.flatnonzero(sky)):
        if len(rows) <= NEIGHBOURS:
            continue
        places = points_world[rows, :3].astype(np.float64)
        if sky[rows[0]]:
            places /= np.linalg.norm(places, axis=1, keepdims=True)
        apart = KDTree(places).query(places, NEIGHBOURS + 1)[0][:, 1:]  # the first is itself
        if sky[rows[0]]:
            apart = 2 * np.arcsin(np.minimum(apart / 2, 1.0))  # chord to angle
        scores[rows] = apart.mean(1) / np.maximum(footprints_m[rows], 1e-6)
    return scores
