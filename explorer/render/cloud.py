"""The points of memory on the graphics card: row i of the table is record i of the buffer.

`sync` uploads what changed in the table since the last time and nothing else. Drawing passes share
one cloud.
"""

from __future__ import annotations

from collections.abc import Iterator

import moderngl
import numpy as np
from numpy.typing import NDArray

from explorer.memory_table import MemoryTable, Rows

RECORD = np.dtype(
    [
        ("point", "<f4", 4),  # homogeneous, w 0 is sky
        ("color", "u1", 4),  # rgb, flags
        ("tint", "u1", 4),  # rgb of the features, 255 where selected
        ("facts", "<f4", 4),  # born, died, footprint in metres (radians where w is 0), times seen
    ]
)
LAYOUT = "4f 4f1 4f1 4f"
NAMES = ("in_point", "in_color", "in_tint", "in_facts")
NEAR_ROWS = 256  # marked rows this close are written at once


class PointCloud:
    """A mirror of a `MemoryTable`.

    Attributes:
        buffer: the records; another one after it grew.
        revision: grows with every change.
        newest: the newest segment with a point.
    """

    def __init__(self, ctx: moderngl.Context) -> None:
        self.ctx = ctx
        self.revision = 0
        self.newest = 0
        self.buffer = ctx.buffer(reserve=RECORD.itemsize << 12)
        self._table: MemoryTable | None = None
        self._table_revision = 0
        self._selected = np.zeros(0, np.bool_)

    def __len__(self) -> int:
        return len(self._selected)

    @property
    def capacity(self) -> int:
        """Records that the buffer has room for."""
        return self.buffer.size // RECORD.itemsize

    def sync(self, table: MemoryTable) -> None:
        """Takes over what changed in the table; where all rows are others, nothing is selected."""
        if table is self._table and table.revision == self._table_revision:
            return
        if table is not self._table:
            self._table, self._table_revision = table, -1  # older than any: everything is new
        count, held = len(table), len(self)
        changes = table.changes_since(self._table_revision, held)
        self._table_revision = table.revision
        kept = self._selected[: changes.first]
        self._selected = np.concatenate([kept, np.zeros(count - len(kept), np.bool_)])
        self._reserve(count)
        for first, stop in [*runs(changes.rows), (changes.first, count)]:
            self._write(table, first, stop)
        self.newest = int(table["born"].max(initial=0))
        self.revision += 1

    def select(self, rows: NDArray[np.bool_]) -> None:  # [N]
        """Marks these rows as selected, and no others."""
        assert self._table is not None and rows.shape == self._selected.shape, "sync first"
        changed = np.flatnonzero(rows != self._selected)
        if len(changed):
            self._selected = rows.copy()
            for first, stop in runs(changed):
                self._write(self._table, first, stop)
            self.revision += 1

    def _write(self, table: MemoryTable, first: int, stop: int) -> None:
        """Uploads the rows from `first` to before `stop`."""
        if first < stop:
            records = _records(table, slice(first, stop), self._selected)
            self.buffer.write(records, offset=first * RECORD.itemsize)

    def _reserve(self, count: int) -> None:
        size = count * RECORD.itemsize
        if size <= self.buffer.size:
            return
        larger = self.ctx.buffer(reserve=max(size, 2 * self.buffer.size))
        self.ctx.copy_buffer(larger, self.buffer)
        self.buffer.release()
        self.buffer = larger


def runs(rows: Rows) -> Iterator[tuple[int, int]]:
    """(first, end) of neighbouring rows [N], rising; the gaps in between are small."""
    if len(rows):
        for part in np.split(rows, np.flatnonzero(np.diff(rows) > NEAR_ROWS) + 1):
            yield int(part[0]), int(part[-1]) + 1


def _records(table: MemoryTable, rows: slice, selected: NDArray[np.bool_]) -> NDArray:  # [N] RECORD
    records = np.empty(rows.stop - rows.start, RECORD)
    records["point"] = table["points_world"][rows]
    records["color"][:, :3], records["color"][:, 3] = table["colors"][rows], table["flags"][rows]
    records["tint"][:, :3], records["tint"][:, 3] = table["tints"][rows], selected[rows] * 255
    for column, name in enumerate(("born", "died", "footprints_m", "seen")):
        records["facts"][:, column] = table[name][rows]
    return records
