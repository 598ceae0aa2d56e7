"""Selections against Python's sets, outliers against a loop over all pairs."""

import math

import numpy as np
import pytest

from explorer.memory_table import MemoryTable
from explorer.selection import Selection, outlier_scores


def table_of(count, segments=4):
    table = MemoryTable()
    for segment in range(segments):
        ids = np.arange(segment, count * segments, segments)  # ids and rows do not run together
        table.append(
            {
                "ids": ids,
                "points_world": np.ones((count, 4), np.float32),
                "colors": np.zeros((count, 3), np.uint8),
                "footprints_m": np.ones(count, np.float32),
                "born": np.full(count, segment),
            }
        )
    return table


def test_a_selection_is_a_set():
    rng, table = np.random.default_rng(0), table_of(50)
    selection, truth = Selection(), set()
    for _ in range(200):
        ids = rng.integers(0, 200, rng.integers(40))
        match rng.integers(6):
            case 0:
                selection.replace(ids)
                truth = set(ids.tolist())
            case 1:
                selection.add(ids)
                truth |= set(ids.tolist())
            case 2:
                selection.subtract(ids)
                truth -= set(ids.tolist())
            case 3:
                selection.toggle(ids)
                truth ^= set(ids.tolist())
            case 4:
                selection.invert(table)
                truth = set(range(200)) - truth
            case _ if rng.random() < 0.2:
                selection.clear()
                truth = set()
        assert selection.ids.tolist() == sorted(truth) and selection.count == len(truth)
        assert sorted(table["ids"][selection.rows(table)].tolist()) == sorted(truth)


def test_a_selection_stays_when_rows_move_and_skips_the_dead():
    table, selection = table_of(20), Selection()
    selection.by_segments(table, 1, 2)
    assert (np.isin(table["born"][selection.rows(table)], [1, 2])).all() and selection.count == 40
    table.kill(selection.ids[:5], 3)
    left = selection.ids[5:]
    assert sorted(table["ids"][selection.rows(table)]) == left.tolist()
    alive = table.alive & (table["born"] > 0)  # the others are lost, and their rows with them
    held = {name: table[name][alive] for name in ("ids", "born", "flags", "seen")}
    held |= {name: table[name][alive] for name in ("points_world", "colors", "footprints_m")}
    rows_before = selection.rows(table).tolist()
    table.reconcile(4, held)
    assert selection.rows(table).tolist() != rows_before
    assert sorted(table["ids"][selection.rows(table)]) == left.tolist()
    selection.invert(table)
    assert not set(selection.ids.tolist()) & set(left.tolist())
    assert table.alive[table.rows(selection.ids)].all()


def test_only_a_change_raises_the_revision():
    selection = Selection()
    selection.add(np.array([3, 1, 3]))
    before = selection.revision
    selection.add(np.array([1]))
    selection.subtract(np.array([7]))
    assert selection.revision == before and selection.ids.tolist() == [1, 3]
    selection.toggle(np.array([1]))
    assert selection.revision > before


def test_scores_are_what_a_loop_over_all_pairs_says():
    rng = np.random.default_rng(1)
    points = np.c_[rng.normal(size=(120, 3)), rng.random(120) < 0.7].astype(np.float32)
    footprints = rng.uniform(0.1, 0.5, 120).astype(np.float32)
    scores = outlier_scores(points, footprints)
    for i, point in enumerate(points.astype(np.float64)):
        apart = []
        for j, other in enumerate(points.astype(np.float64)):
            if i == j or point[3] != other[3]:
                continue
            if point[3]:
                apart.append(math.dist(point[:3], other[:3]))
            else:
                a, b = (v[:3] / np.linalg.norm(v[:3]) for v in (point, other))
                apart.append(math.atan2(np.linalg.norm(np.cross(a, b)), a @ b))
        truth = sum(sorted(apart)[:6]) / 6 / footprints[i]
        assert scores[i] == pytest.approx(truth, rel=1e-4)


def test_a_flying_point_scores_far_above_its_surface():
    x, z = np.meshgrid(np.arange(30) * 0.05, np.arange(30) * 0.05)
    floor = np.stack([x.ravel(), np.full(900, 1.5), z.ravel(), np.ones(900)], 1)
    points = np.concatenate([floor, [[0.7, 0.6, 0.7, 1]]]).astype(np.float32)
    points = np.concatenate([points, points[:1]])  # one place twice
    scores = outlier_scores(points, np.full(902, 0.05, np.float32))
    assert scores[900] > 10 and np.delete(scores, 900).max() < 3
    selection = Selection()
    selection.by_outliers(np.arange(902) + 1000, scores, 5.0)
    assert selection.ids.tolist() == [1900]


@pytest.mark.parametrize("count", [0, 1, 6])
def test_too_few_points_are_no_outliers(count):
    points = np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)
    points[:, 3] = 0
    assert outlier_scores(points, np.ones(count, np.float32)).tolist() == [0.0] * count
