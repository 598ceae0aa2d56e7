"""The inspector's state: time, choice, colours of features."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.inspector import PLAY_S, Inspector
from explorer.memory_table import MemoryTable
from mirage_engine import Camera, pinhole, pose

WALKER = Camera(pose([0, 0, 0]), pinhole((160, 256), 77.0), (160, 256))


def filled(count: int, first_id: int = 0, born: int = 0, into: MemoryTable | None = None):
    """A table with points in a ball of 2 m around (0, 0, 5), features and all."""
    rng = np.random.default_rng(first_id)
    table = MemoryTable() if into is None else into
    ids = np.arange(first_id, first_id + count, dtype=np.int32)
    xyz = rng.uniform([-2, -2, 3], [2, 2, 7], (count, 3))
    table.append(
        {
            "ids": ids,
            "points_world": np.hstack([xyz, np.ones((count, 1))]).astype(np.float32),
            "colors": rng.integers(0, 255, (count, 3), dtype=np.uint8),
            "footprints_m": np.full(count, 0.05, np.float32),
            "born": np.full(count, born, np.int32),
            "latents": rng.normal(0, 1, (count, 5)).astype(np.float16),
        }
    )
    return table


def test_playing_shows_every_segment_once_and_ends_with_now():
    inspector, shown = Inspector(), []
    inspector.start_playing(5)
    for tick in range(20):
        inspector.play(5, tick * (PLAY_S + 0.001))
        shown.append(inspector.shown)
    assert shown[:6] == [0, 1, 2, 3, 4, None] and set(shown[6:]) == {None}
    assert not inspector.playing


def test_playing_goes_by_time_and_not_by_frames():
    inspector = Inspector()
    inspector.start_playing(9)
    for tick in range(110):
        inspector.play(9, 10 + tick * PLAY_S / 50)
    assert inspector.shown == 2


@pytest.mark.parametrize(
    ("shown", "steps", "after"),
    [(None, -1, 6), (6, 1, None), (0, -1, 0), (3, 2, 5), (5, 9, None), (None, 1, None)],
)
def test_seeking_stays_between_the_start_and_now(shown, steps, after):
    inspector = Inspector()
    inspector.shown, inspector.playing = shown, True
    inspector.seek(steps, 7)
    assert (inspector.shown, inspector.playing) == (after, False)


def test_the_first_look_has_all_points_in_the_picture_and_later_ones_stay_where_they_were():
    inspector, table = Inspector(), filled(500)
    inspector.enter(table, WALKER)
    camera = inspector.orbit.camera((600, 960))
    seen = table["points_world"] @ camera.w2c[:3].T
    pixels = seen[:, :2] / seen[:, 2:] * camera.intrinsics[0, 0] + [480, 300]
    assert (seen[:, 2] > 0).all()
    inside = (pixels > 0).all(1) & (pixels < [960, 600]).all(1)
    assert inside.mean() > 0.95
    inspector.orbit.turn(200, 40, 600)
    turned = inspector.orbit.camera((600, 960)).c2w
    inspector.enter(table, WALKER)
    assert np.array_equal(inspector.orbit.camera((600, 960)).c2w, turned)


def test_colours_of_features_keep_their_meaning_until_somebody_asks_for_others():
    inspector, table = Inspector(), filled(300)
    inspector.tint(table)
    before = dict(zip(table["ids"].tolist(), table["tints"].tolist(), strict=True))
    assert len({tuple(t) for t in before.values()}) > 250
    filled(3000, first_id=300, born=1, into=table)
    inspector.tint(table)
    after = dict(zip(table["ids"].tolist(), table["tints"].tolist(), strict=True))
    assert {i: after[i] for i in before} == before
    assert sum(after[i] != [128, 128, 128] for i in range(300, 3300)) > 2900
    inspector.tint(table, refresh=True)
    renewed = dict(zip(table["ids"].tolist(), table["tints"].tolist(), strict=True))
    assert sum(renewed[i] != before[i] for i in before) > 200


def test_points_without_features_have_no_colours_of_them():
    inspector, table = Inspector(), MemoryTable()
    inspector.tint(table)
    filled(10, into=table)
    inspector.tint(table)
    assert inspector.basis is None, "ten points are no sample"


def test_wishes_are_granted_once_and_in_order():
    inspector = Inspector()
    inspector.wish("hide")
    inspector.wish("undo")
    assert inspector.take_wishes() == ["hide", "undo"] and inspector.take_wishes() == []


def test_another_world_forgets_what_was_chosen_but_not_how_points_look():
    inspector = Inspector()
    inspector.points.mode, inspector.points.ranges[3] = 3, (1.0, 2.0)
    inspector.shown, inspector.in_space = 4, False
    inspector.selection.replace(np.array([1, 2]))
    inspector.forget()
    assert inspector.points.mode == 3 and not inspector.points.ranges
    assert inspector.shown is None and inspector.selection.count == 0
