"""The points of memory as the display knows them: a row each, never moved while the world lives.

Rows are appended and marked, so that a drawing pass uploads only what changed. A point that memory
lost keeps its row, with the segment in which it went: so the past can be shown as it was. Knows
numpy only; nothing of drawing, engines or windows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mirage_engine import HIDDEN, NEVER

Rows = NDArray[np.int64]

COLUMNS: dict[str, tuple[tuple[int, ...], type]] = {
    "ids": ((), np.int32),
    "points_world": ((4,), np.float32),  # homogeneous; w 0 is sky
    "colors": ((3,), np.uint8),  # what the codec makes of the feature
    "footprints_m": ((), np.float32),  # radians where w is 0
    "born": ((), np.int32),  # segment
    "died": ((), np.int32),  # segment, NEVER while it lives
    "seen": ((), np.int32),  # frames that showed it
    "frame": ((), np.uint8),  # latent frame in its segment
    "flags": ((), np.uint8),
    "tints": ((3,), np.uint8),  # the feature's principal components as RGB
}
REMEMBERED_MARKS = 64  # changes of single rows that are kept apart


@dataclass(frozen=True)
class Changes:
    """What another copy of the table has to take over."""

    whole: bool  # all rows are other ones: start anew
    first: int  # rows from here on are new
    rows: Rows  # rows before `first` that were marked


class MemoryTable:
    """Columns of points; `table["born"]` is [N], a read-only view.

    Attributes:
        revision: grows with every change.
        latents: [N, C] float16 features; NaN for rows whose feature was not fetched yet.
    """

    def __init__(self) -> None:
        self.revision = 0
        self._count = 0
        self._columns = {name: np.zeros((0, *s), t) for name, (s, t) in COLUMNS.items()}
        self._latents: NDArray[np.float16] = np.zeros((0, 0), np.float16)
        self._row_of = np.zeros(0, np.int32)  # by id; -1 where there is no row
        self._whole_revision = 0
        self._marks: list[tuple[int, Rows]] = []  # (revision, rows)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, name: str) -> np.ndarray:
        view = self._columns[name][: self._count]
        view.flags.writeable = False
        return view

    @property
    def latents(self) -> NDArray[np.float16]:
        view = self._latents[: self._count]
        view.flags.writeable = False
        return view

    @property
    def alive(self) -> NDArray[np.bool_]:
        """[N] rows that memory holds now, hidden ones included."""
        return self["died"] == NEVER

    @property
    def read(self) -> NDArray[np.bool_]:
        """[N] rows that memory answers from now: alive and not hidden."""
        return self.alive & (self["flags"] & HIDDEN == 0)

    def alive_at(self, segment: int) -> NDArray[np.bool_]:
        """[N] rows that memory held when `segment` was the newest; its deaths have happened."""
        return (self["born"] <= segment) & (self["died"] > segment)

    def rows(self, ids: np.ndarray) -> Rows:
        """[M] the rows of those ids that are known, in their order."""
        rows = self._find(ids)
        return rows[rows >= 0]

    def append(self, columns: Mapping[str, np.ndarray]) -> None:
        """Adds points; `ids`, `points_world`, `colors`, `footprints_m` and `born` are needed."""
        count = len(columns["ids"])
        if not count:
            return
        births = np.broadcast_to(columns["born"], (count,))
        columns = {**columns, "born": births}
        # Mixed within each segment, so that every n-th row is a fair sample and not a stripe.
        mixed = np.random.default_rng(count).permutation(count)
        mixed = mixed[np.argsort(births[mixed], kind="stable")]
        self._reserve(self._count + count)
        new = slice(self._count, self._count + count)
        blank = {"died": NEVER, "seen": 1, "frame": 0, "flags": 0, "tints": 128}
        for name, column in self._columns.items():
            given = columns.get(name)
            column[new] = blank[name] if given is None else np.asarray(given)[mixed]
        given = columns.get("latents")
        if given is None:
            self._latents[new] = np.nan
        else:
            self._keep_latents(np.arange(new.start, new.stop), np.asarray(given)[mixed])
        self._index(self._columns["ids"][new], new.start)
        self._count += count
        self.revision += 1

    def kill(self, ids: np.ndarray, segment: int) -> None:
        """Memory lost these points in `segment`; those that it lost earlier stay as they are."""
        rows = self.rows(ids)
        rows = rows[self._columns["died"][rows] == NEVER]
        self._columns["died"][rows] = segment
        self._mark(rows)

    def flag(self, ids: np.ndarray, bit: int, on: bool) -> None:
        """Sets or clears HIDDEN or LOCKED."""
        rows, flags = self.rows(ids), self._columns["flags"]
        flags[rows] = flags[rows] | bit if on else flags[rows] & ~np.uint8(bit)
        self._mark(rows)

    def detail(
        self,
        ids: np.ndarray,  # [N] living points
        seen: np.ndarray,  # [N]
        new_ids: np.ndarray,  # [M] whose features come along
        latents: np.ndarray,  # [M, C] float16
        frame: np.ndarray,  # [M] latent frame in their segment
    ) -> Rows:
        """Takes in what is fetched while somebody looks; returns the rows with new features."""
        rows = self._find(ids)
        rows, seen = rows[rows >= 0], seen[rows >= 0]
        changed = rows[self._columns["seen"][rows] != seen]
        self._columns["seen"][rows] = seen
        rows = self._find(new_ids)
        known, rows = rows >= 0, rows[rows >= 0]
        self._columns["frame"][rows] = frame[known]
        self._keep_latents(rows, latents[known])
        self._mark(np.concatenate([changed, rows]))
        return rows

    def tint(self, rows: Rows, tints: np.ndarray) -> None:
        """Sets the principal-component colours [M, 3] of rows [M]."""
        self._columns["tints"][rows] = tints
        self._mark(rows)

    def reconcile(self, segments: int, columns: Mapping[str, np.ndarray]) -> None:
        """Becomes what memory holds now, after an undo or a restored world.

        Points that came back live again, points of undone segments are forgotten, and those that
        died earlier stay as the past. `columns` are those of `append`, and `flags` and `seen`.
        """
        ids = np.asarray(columns["ids"])
        held = np.zeros(self._count, bool)
        held[self.rows(ids)] = True
        past = ~held & ~self.alive & (self["born"] < segments)
        died = self._columns["died"][: self._count]
        died[held] = NEVER
        died[past] = np.minimum(died[past], segments - 1)  # a death outlives its undone segment
        self._retain(np.flatnonzero(held | past))
        rows = self._find(ids)
        there, rows = rows >= 0, rows[rows >= 0]
        for name in ("flags", "seen"):
            self._columns[name][rows] = np.asarray(columns[name])[there]
        self.append({name: np.asarray(column)[~there] for name, column in columns.items()})
        self._whole()

    def clear(self) -> None:
        """For another world."""
        self._retain(np.zeros(0, np.int64))
        self._latents = np.zeros((0, 0), np.float16)  # features of another size may follow
        self._whole()

    def changes_since(self, revision: int, count: int) -> Changes:
        """What a copy that stood at `revision` with `count` rows lacks."""
        lost = self._marks[0][0] > revision + 1 if len(self._marks) == REMEMBERED_MARKS else False
        if revision < self._whole_revision or lost:
            return Changes(True, 0, np.zeros(0, np.int64))
        marked = [rows for at, rows in self._marks if at > revision]
        rows = np.unique(np.concatenate(marked)) if marked else np.zeros(0, np.int64)
        return Changes(False, count, rows[rows < count])

    def _find(self, ids: np.ndarray) -> Rows:
        """[M] the row of each id, -1 where there is none."""
        ids = np.asarray(ids, np.int64).ravel()
        inside = (ids >= 0) & (ids < len(self._row_of))
        rows = np.full(len(ids), -1, np.int64)
        rows[inside] = self._row_of[ids[inside]]
        return rows

    def copy(self) -> MemoryTable:
        """As it is now, for work beside the frame loop."""
        other = MemoryTable()
        other._count, other._latents = self._count, self._latents[: self._count].copy()
        other._columns = {n: c[: self._count].copy() for n, c in self._columns.items()}
        other._index(other._columns["ids"], 0)
        return other

    @property
    def detailed_id(self) -> int:
        """The highest id whose feature is known, -1 where none is."""
        known = self["ids"][np.isfinite(self.latents[:, :1]).any(1)]
        return int(known.max(initial=-1))

    def _mark(self, rows: Rows) -> None:
        if len(rows):
            self.revision += 1
            self._marks = [*self._marks, (self.revision, rows)][-REMEMBERED_MARKS:]

    def _whole(self) -> None:
        self.revision += 1
        self._whole_revision, self._marks = self.revision, []

    def _retain(self, rows: Rows) -> None:
        for name, column in self._columns.items():
            self._columns[name] = column[rows]
        self._latents = self._latents[rows]
        self._count = len(rows)
        self._row_of = np.zeros(0, np.int32)
        self._index(self._columns["ids"], 0)

    def _index(self, ids: np.ndarray, first: int) -> None:
        most = int(ids.max(initial=-1)) + 1
        if most > len(self._row_of):
            grown = np.full(max(most, 2 * len(self._row_of)), -1, np.int32)
            grown[: len(self._row_of)] = self._row_of
            self._row_of = grown
        self._row_of[ids] = np.arange(first, first + len(ids))

    def _keep_latents(self, rows: Rows, latents: np.ndarray) -> None:
        if not len(rows):
            return
        if self._latents.shape[1] == 0 and latents.shape[1]:
            shape = len(self._columns["ids"]), latents.shape[1]
            self._latents = np.full(shape, np.nan, np.float16)
        self._latents[rows] = latents

    def _reserve(self, count: int) -> None:
        capacity = len(self._columns["ids"])
        if count <= capacity:
            return
        capacity = max(count, 2 * capacity, 1 << 12)
        for name, column in self._columns.items():
            grown = np.zeros((capacity, *column.shape[1:]), column.dtype)
            grown[: self._count] = column[: self._count]
            self._columns[name] = grown
        latents = np.full((capacity, self._latents.shape[1]), np.nan, np.float16)
        latents[: self._count] = self._latents[: self._count]
        self._latents = latents
