"""The display's table against a plain dictionary of points, and a copy that is kept up with it."""

import numpy as np
import pytest

from explorer.memory_table import COLUMNS, REMEMBERED_MARKS, MemoryTable
from mirage_engine import HIDDEN, LOCKED, NEVER

CHANNELS = 3


class Life:
    """A table and a dictionary {id: {column: value}} that live through the same random events."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.table, self.points = MemoryTable(), {}
        self.segment, self.next_id = -1, 0
        self.copy, self.seen_revision = {name: self.table[name].copy() for name in COLUMNS}, 0

    def new_columns(self, count, born):
        rng, ids = self.rng, np.arange(self.next_id, self.next_id + count)
        self.next_id += count + int(rng.integers(3))  # ids may have gaps
        return {
            "ids": ids,
            "points_world": rng.normal(size=(count, 4)).astype(np.float32),
            "colors": rng.integers(0, 256, (count, 3), np.uint8),
            "footprints_m": rng.random(count).astype(np.float32),
            "born": np.asarray(born),
        }

    def note(self, columns):
        """Appended points, as the dictionary has them."""
        blank = {"died": NEVER, "seen": 1, "frame": 0, "flags": 0, "tints": [128] * 3}
        blank["latents"] = [np.nan] * CHANNELS
        for i, number in enumerate(columns["ids"].tolist()):
            given = {k: v[i] if np.ndim(v) else v for k, v in columns.items()}
            self.points[number] = blank | given

    def some_ids(self, alive_only=False):
        ids = [i for i, p in self.points.items() if not alive_only or p["died"] == NEVER]
        chosen = self.rng.permutation(np.array(ids, int))
        return chosen[: self.rng.integers(len(chosen) + 1)]

    def append(self):
        self.segment += 1
        columns = self.new_columns(int(self.rng.integers(60)), self.segment)
        if self.rng.random() < 0.3:
            count = len(columns["ids"])
            columns["latents"] = self.rng.normal(size=(count, CHANNELS)).astype(np.float16)
            columns["frame"] = self.rng.integers(0, 5, count)
        self.table.append(columns)
        self.note(columns)

    def kill(self):
        ids = self.some_ids()
        self.table.kill(np.append(ids, [10**6, -1]), self.segment)  # strangers do not matter
        for number in ids.tolist():
            self.points[number]["died"] = min(self.points[number]["died"], self.segment)

    def flag(self):
        ids, bit, on = self.some_ids(), int(self.rng.choice([1, 2])), bool(self.rng.integers(2))
        self.table.flag(ids, bit, on)
        for number in ids.tolist():
            flags = int(self.points[number]["flags"])
            self.points[number]["flags"] = flags | bit if on else flags & ~bit

    def detail(self):
        ids, new_ids = self.some_ids(alive_only=True), self.some_ids()
        seen = self.rng.integers(1, 4, len(ids))
        latents = self.rng.normal(size=(len(new_ids), CHANNELS)).astype(np.float16)
        frame = self.rng.integers(0, 5, len(new_ids)).astype(np.uint8)
        rows = self.table.detail(ids, seen, new_ids, latents, frame)
        assert self.table["ids"][rows].tolist() == new_ids.tolist()
        for number, value in zip(ids.tolist(), seen, strict=True):
            self.points[number]["seen"] = value
        for number, feature, at in zip(new_ids.tolist(), latents, frame, strict=True):
            self.points[number] |= {"latents": feature, "frame": at}

    def tint(self):
        rows = np.flatnonzero(self.rng.random(len(self.table)) < 0.2)
        tints = self.rng.integers(0, 256, (len(rows), 3), np.uint8)
        self.table.tint(rows, tints)
        for number, tint in zip(self.table["ids"][rows].tolist(), tints, strict=True):
            self.points[number]["tints"] = tint

    def reconcile(self):
        """Some segments are undone; some points come back, some are lost, some were never seen."""
        segments = int(self.rng.integers(max(self.segment, 1), max(self.segment, 0) + 2))
        old = [i for i, p in self.points.items() if p["born"] < segments]
        held = {i: self.points[i] for i in old if self.rng.random() < 0.8}
        columns = self.new_columns(int(self.rng.integers(8)), np.zeros(0, int))
        columns["born"] = self.rng.integers(0, segments, len(columns["ids"]))
        fresh = columns["ids"].tolist()
        for name in ("ids", "points_world", "colors", "footprints_m", "born"):
            known = np.array([point[name] for point in held.values()])
            columns[name] = np.concatenate(
                [known.reshape(-1, *columns[name].shape[1:]), columns[name]]
            )
        columns["ids"] = columns["ids"].astype(int)
        columns["flags"] = self.rng.integers(0, 4, len(columns["ids"])).astype(np.uint8)
        columns["seen"] = self.rng.integers(1, 9, len(columns["ids"]))
        self.table.reconcile(segments, columns)
        for number in old:
            if number not in held:
                if self.points[number]["died"] == NEVER:
                    del self.points[number]
                else:
                    died = self.points[number]["died"]
                    self.points[number]["died"] = min(died, segments - 1)
        self.points = {i: p for i, p in self.points.items() if p["born"] < segments}
        kept = {k: v[len(held) :] for k, v in columns.items()}
        assert kept["ids"].tolist() == fresh
        self.note(kept)
        for i, number in enumerate(held):
            facts = {name: columns[name][i] for name in ("flags", "seen")}
            self.points[number] |= {"died": NEVER, **facts}
        self.segment = segments - 1
        self.next_id = max(self.points, default=-1) + 1  # ids of undone points come again

    def clear(self):
        self.table.clear()
        self.points, self.segment = {}, -1

    def keep_up(self):
        """What a drawing pass does: take over only what changed."""
        count = len(self.copy["ids"])
        changes = self.table.changes_since(self.seen_revision, count)
        self.seen_revision = self.table.revision
        if changes.whole:
            count, self.copy = 0, {name: v[:0] for name, v in self.copy.items()}
        else:
            assert changes.first == count
        for name, column in self.copy.items():
            column[changes.rows] = self.table[name][changes.rows]
            self.copy[name] = np.concatenate([column, self.table[name][count:]])
        return changes

    def check(self):
        table, ids = self.table, self.table["ids"].tolist()
        assert len(table) == len(ids) == len(self.points) and set(ids) == set(self.points)
        for name in COLUMNS:
            true = np.array([self.points[i][name] for i in ids], COLUMNS[name][1])
            assert np.array_equal(table[name], true.reshape(table[name].shape)), name
        if table.latents.shape[1]:
            true = np.array([self.points[i]["latents"] for i in ids], np.float16)
            true = true.reshape(-1, CHANNELS)
            assert np.array_equal(table.latents, true, equal_nan=True)
        died = [self.points[i]["died"] for i in ids]
        flags = [self.points[i]["flags"] for i in ids]
        assert table.alive.tolist() == [d == NEVER for d in died]
        assert table.read.tolist() == [
            d == NEVER and not f & HIDDEN for d, f in zip(died, flags, strict=True)
        ]
        for segment in (0, self.segment // 2):
            born = [self.points[i]["born"] for i in ids]
            lived = [b <= segment < d for b, d in zip(born, died, strict=True)]
            assert table.alive_at(segment).tolist() == lived
        assert np.array_equal(table.alive_at(self.segment), table.alive)
        asked = self.rng.integers(-2, self.next_id + 3, 9)
        known = [i for i in asked.tolist() if i in self.points]
        assert table["ids"][table.rows(asked)].tolist() == known


@pytest.mark.parametrize("seed", range(3))
def test_hundreds_of_random_events_leave_what_a_dictionary_holds(seed):
    life = Life(seed)
    events = [life.append] * 4 + [life.kill, life.flag, life.detail, life.tint] * 3
    events += [life.reconcile] * 2
    for step in range(300):
        event = life.clear if step % 97 == 96 else life.rng.choice(events)
        before = life.table.revision
        rows_before = len(life.table)
        event()
        life.check()
        assert life.table.revision > before or len(life.table) == rows_before
        if life.rng.random() < 0.3:
            life.keep_up()
            for name in COLUMNS:
                assert np.array_equal(life.copy[name], life.table[name]), (step, name)


def test_a_copy_that_is_far_behind_starts_anew_and_one_that_keeps_up_never_does():
    life = Life(5)
    life.append()
    life.keep_up()
    for _ in range(REMEMBERED_MARKS + 1):
        life.table.flag(life.table["ids"], LOCKED, True)
        assert not life.table.changes_since(life.table.revision - 1, len(life.table)).whole
    assert life.keep_up().whole
    life.append()
    changes = life.keep_up()
    assert not changes.whole and not len(changes.rows)


def test_nothing_changed_means_nothing_to_take_over():
    life = Life(6)
    life.append()
    life.keep_up()
    before = life.table.revision
    life.table.flag(np.array([10**6]), HIDDEN, True)
    life.table.append({"ids": np.zeros(0, int)})
    life.table.detail(*[np.zeros(0, int)] * 3, np.zeros((0, 0), np.float16), np.zeros(0, int))
    changes = life.keep_up()
    assert life.table.revision == before and not changes.whole and not len(changes.rows)


def test_any_part_of_a_segment_is_a_fair_sample_of_it():
    table = MemoryTable()
    stripe = np.repeat(np.arange(10), 100)  # the engine's order: row by row of the picture
    for segment in range(2):
        columns = Life(0).new_columns(1000, segment)
        columns["ids"] = np.arange(1000) + 1000 * segment
        columns["footprints_m"] = stripe.astype(np.float32)
        table.append(columns)
    assert (np.diff(table["born"]) >= 0).all()
    tenth = np.bincount(table["footprints_m"][:200].astype(int), minlength=10)
    assert tenth.min() > 5


def test_another_world_may_have_features_of_another_size():
    life = Life(7)
    life.append()
    for channels in (3, 8):
        life.table.clear()
        columns = life.new_columns(4, 0)
        columns["latents"] = np.ones((4, channels), np.float16)
        life.table.append(columns)
        assert life.table.latents.shape == (4, channels) and (life.table.latents == 1).all()


def test_nobody_writes_into_the_table_from_outside():
    life = Life(8)
    life.append()
    with pytest.raises(ValueError, match="read-only"):
        life.table["born"][0] = 9
    with pytest.raises(ValueError, match="read-only"):
        life.table.latents[0] = 9
