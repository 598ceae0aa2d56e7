"""The points on the graphics card against the table that they mirror."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.memory_table import MemoryTable
from explorer.render.cloud import NEAR_ROWS, RECORD, PointCloud, runs
from mirage_engine import HIDDEN, LOCKED, NEVER
from tests.gl.tables import add

gl = pytest.mark.gl


def held(cloud: PointCloud) -> np.ndarray:
    """What the card holds."""
    return np.frombuffer(cloud.buffer.read(), RECORD)[: len(cloud)]


def assert_mirrors(cloud: PointCloud, table: MemoryTable, selected: set[int]) -> None:
    records, ids = held(cloud), table["ids"].tolist()
    assert len(records) == len(table)
    assert np.array_equal(records["point"], table["points_world"])
    assert np.array_equal(records["color"][:, :3], table["colors"])
    assert np.array_equal(records["color"][:, 3], table["flags"])
    assert np.array_equal(records["tint"][:, :3], table["tints"])
    assert records["tint"][:, 3].tolist() == [255 * (i in selected) for i in ids]
    for column, name in enumerate(("born", "died", "footprints_m", "seen")):
        assert np.array_equal(records["facts"][:, column], np.float32(table[name]))


class Life:
    """A table to which random things happen, as a world does them."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.table = MemoryTable()
        self.segment = self.next_id = 0

    def grow(self) -> None:
        count = int(self.rng.integers(0, 900))
        ids = np.arange(self.next_id, self.next_id + count)
        self.next_id += count
        self.table.append(self.columns(ids, np.full(count, self.segment)))
        self.segment += 1

    def columns(self, ids, born) -> dict[str, np.ndarray]:
        count = len(ids)
        return {
            "ids": ids,
            "points_world": self.rng.normal(size=(count, 4)).astype(np.float32),
            "colors": self.rng.integers(0, 256, (count, 3)).astype(np.uint8),
            "footprints_m": self.rng.uniform(0.01, 1, count).astype(np.float32),
            "born": born,
            "seen": self.rng.integers(1, 9, count),
            "flags": np.zeros(count, np.uint8),
        }

    def some(self) -> np.ndarray:
        most = min(len(self.table), int(self.rng.integers(1, 60)))
        return self.rng.choice(self.table["ids"], most, replace=False)

    def die(self) -> None:
        self.table.kill(self.some(), self.segment)

    def flag(self) -> None:
        bit = HIDDEN if self.rng.random() < 0.5 else LOCKED
        self.table.flag(self.some(), bit, bool(self.rng.random() < 0.7))

    def tint(self) -> None:
        rows = self.table.rows(self.some())
        self.table.tint(rows, self.rng.integers(0, 256, (len(rows), 3)).astype(np.uint8))

    def undo(self) -> None:
        kept = self.segment // 2
        rows = np.flatnonzero(self.table["born"] < kept)
        self.table.reconcile(kept, self.columns(self.table["ids"][rows], self.table["born"][rows]))
        self.segment = kept


@gl
@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_to_the_table_the_card_holds_its_rows(ctx, seed):
    life, cloud = Life(seed), PointCloud(ctx)
    life.grow()
    selected: set[int] = set()
    for _ in range(40):
        for _ in range(int(life.rng.integers(1, 4))):
            deeds = life.grow, life.die, life.flag, life.tint, life.undo
            deed = deeds[life.rng.choice(5, p=[0.35, 0.2, 0.2, 0.2, 0.05])]
            if len(life.table) or deed == life.grow:
                deed()
            if deed == life.undo:
                selected = set()
        cloud.sync(life.table)
        assert cloud.newest == life.table["born"].max(initial=0)
        assert_mirrors(cloud, life.table, selected)
        if life.rng.random() < 0.3:
            chosen = life.rng.random(len(life.table)) < 0.01
            cloud.select(chosen)
            selected = set(life.table["ids"][chosen].tolist())
            assert_mirrors(cloud, life.table, selected)
    assert cloud.capacity > 1 << 12, "it never had to grow"


@gl
def test_only_what_changed_is_uploaded(ctx):
    table, cloud = MemoryTable(), PointCloud(ctx)
    add(table, np.ones((3000, 4)), born=0)
    cloud.sync(table)
    junk = np.frombuffer(bytes([7]) * RECORD.itemsize, RECORD)
    for row in (0, 1000, 2999):
        cloud.buffer.write(junk, offset=row * RECORD.itemsize)
    add(table, np.ones((500, 4)), born=1)
    table.kill(table["ids"][[400, 405, 2300]], 1)
    table.kill(table["ids"][[3100]], 1)  # among those that are new
    cloud.sync(table)
    records = held(cloud)
    assert (records[[0, 1000, 2999]] == junk).all()
    dead = np.flatnonzero(records["facts"][:, 1] != np.float32(NEVER))
    assert set(dead) - {0, 1000, 2999} == {400, 405, 2300, 3100}
    assert (records["facts"][3000:, 0] == 1).all()


@gl
def test_a_cloud_without_news_stays_as_it_is_and_another_table_replaces_it(ctx):
    table, other, cloud = MemoryTable(), MemoryTable(), PointCloud(ctx)
    add(table, np.ones((30, 4)))
    cloud.sync(table)
    revision = cloud.revision
    cloud.sync(table)
    cloud.select(np.zeros(30, bool))
    assert cloud.revision == revision
    add(other, np.zeros((5, 4)), born=3)
    cloud.select(np.ones(30, bool))
    cloud.sync(other)
    assert_mirrors(cloud, other, set())
    assert cloud.newest == 3


def test_rows_near_each_other_are_written_at_once():
    rng = np.random.default_rng(0)
    for count in (0, 1, 50, 400):
        rows = np.unique(rng.integers(0, 40_000, count))
        expected: list[tuple[int, int]] = []
        for row in rows.tolist():
            if expected and row - expected[-1][1] < NEAR_ROWS:
                expected[-1] = expected[-1][0], row + 1
            else:
                expected.append((row, row + 1))
        assert list(runs(rows)) == expected
