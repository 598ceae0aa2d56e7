"""The numbers of segments; returns against the evaluation, which looks at a whole walk at once."""

import math

import numpy as np
import pytest

from explorer.history import MOST_KEPT, History
from explorer.report import coverage_rows
from mirage_engine import Camera, Preset, pinhole, pose, psnr_db
from mirage_engine.evaluation.report import revisit_pairs
from tests.explorer.fake_world import FakeWorld


class Walk:
    """A world whose pictures are noisy, so that no return is perfect."""

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        self.world = FakeWorld(Preset("pocket"), 0)
        self.segments = [self.world.begin(scene=0)]

    def go(self, *cameras):
        for start in range(0, len(cameras), 4):
            segment = self.world.advance(cameras[start : start + 4])
            noise = self.rng.normal(0, 3 + len(self.segments), segment.frames.shape)
            frames = np.clip(segment.frames + noise, 0, 255).astype(np.uint8)
            object.__setattr__(segment, "frames", frames)
            self.segments.append(segment)

    def at(self, z=0.0, yaw_deg=0.0):
        return self.world.camera.moved(pose((0, 0, z), yaw_deg))


@pytest.fixture
def walk():
    """Twelve frames ahead and the same twelve back."""
    walk = Walk()
    there = [walk.at(z=0.15 * i) for i in range(12)]
    walk.go(*there, *there[::-1])
    return walk


def half(frame):
    """Half size."""
    corners = [frame[i::2, j::2].astype(float) for i in (0, 1) for j in (0, 1)]
    return np.round(sum(corners) / 4).astype(np.uint8)


def true_returns(segments):
    """{segment: mean PSNR} of all pairs of the walk, as the evaluation pairs them."""
    generated = [
        (s.index, c, f) for s in segments[1:] for c, f in zip(s.cameras, s.frames, strict=True)
    ]
    found = {}
    for i, j in revisit_pairs([camera for _, camera, _ in generated]):
        psnr = psnr_db(half(generated[i][2]), half(generated[j][2]))
        found.setdefault(generated[j][0], []).append(psnr)
    return {segment: np.mean(values) for segment, values in found.items()}


def test_returns_are_the_pairs_that_the_evaluation_finds(walk):
    history = History()
    for segment in walk.segments:
        history.add(segment)
    truth = true_returns(walk.segments)
    assert set(truth) == {5, 6}, "the turning point is too near to itself to count"
    for record in history.records:
        if record.segment in truth:
            assert record.revisit_psnr_db == pytest.approx(truth[record.segment], abs=0.05)
        else:
            assert math.isnan(record.revisit_psnr_db)
    assert history.column("revisit_psnr_db")[5] > history.column("revisit_psnr_db")[6]


def test_segments_of_a_restored_world_may_come_in_any_order(walk):
    forward, mixed = History(), History()
    for segment in walk.segments:
        forward.add(segment)
    for index in (6, 0, 3, 1, 2, 5, 4, 4):
        mixed.add(walk.segments[index])
    assert [r.segment for r in mixed.records] == list(range(7)) and mixed.newest == 6
    for name in ("points", "nbytes", "frames", "coverage"):
        assert np.array_equal(mixed.column(name), forward.column(name))
    same = forward.column("revisit_psnr_db"), mixed.column("revisit_psnr_db")
    assert np.allclose(*same, atol=0.01, equal_nan=True)


def test_a_place_seen_a_little_aside_or_just_now_is_no_return():
    walk, history = Walk(), History()
    walk.go(*[walk.at()] * 8)  # standing still
    walk.go(*[walk.at(yaw_deg=1.2 * i) for i in range(1, 5)], *[walk.at(z=0.06)] * 4)
    for segment in walk.segments:
        history.add(segment)
    assert np.isnan(history.column("revisit_psnr_db")).all()


def test_an_edit_changes_the_newest_record_and_an_undo_forgets(walk):
    history = History()
    for segment in walk.segments:
        history.add(segment)
    before = history.records[6]
    history.change(6, before.points - 70, before.nbytes - 900, 70)
    history.change(6, before.points - 80, before.nbytes - 990, 10)
    history.change(99, 1, 1, 1)  # no such segment: nothing
    after = history.records[6]
    assert (after.points, after.nbytes) == (before.points - 80, before.nbytes - 990)
    assert after.removed == before.removed + 80
    history.forget_from(4)
    assert len(history) == 4 and history.newest == 3
    walk.segments = walk.segments[:4]
    walk.world._made = walk.world._made[:4]
    walk.go(*[walk.at(z=0.15 * i) for i in range(4)])
    history.add(walk.segments[-1])
    assert history.records[4].revisit_psnr_db == pytest.approx(
        true_returns(walk.segments)[4], abs=0.05
    )
    history.clear()
    assert len(history) == 0 and history.newest == 0 and history.column("points").shape == (0,)


def test_curves_have_a_value_for_each_segment(walk):
    history = History()
    for segment in walk.segments:
        history.add(segment)
    assert history.column("points").tolist() == [s.points for s in walk.segments]
    assert np.allclose(history.column("hole_rate"), [1 - s.coverage for s in walk.segments])
    assert history.seconds("denoise").tolist() == [0.01] * 7
    assert np.isnan(history.seconds("decode")).all()


def test_pictures_of_a_long_walk_stay_few_and_old_places_are_still_known():
    size, history = (16, 24), History()
    cameras = [Camera(pose((0, 0, 0.2 * i)), pinhole(size, 77), size) for i in range(4 * MOST_KEPT)]
    walk = Walk()
    walk.go(walk.at())
    segment = walk.segments[1]
    rng = np.random.default_rng(0)
    for index in range(1, 1 + MOST_KEPT):
        chosen = tuple(cameras[4 * index - 4 : 4 * index])
        fresh = {"index": index, "cameras": chosen}
        fresh["frames"] = rng.integers(0, 255, (4, *size, 3), np.uint8)
        history.add(type(segment)(**{**vars(segment), **fresh}))
    assert len(history._shots) <= MOST_KEPT
    back = {
        "index": MOST_KEPT + 1,
        "cameras": tuple(cameras[:40][::-1]),
        "frames": fresh["frames"][[0] * 40],
    }
    history.add(type(segment)(**{**vars(segment), **back}))
    assert history.records[-1].revisit_psnr_db > 5


def test_the_table_has_a_named_column_for_every_number(walk):
    names, *rows = coverage_rows(walk.segments)
    assert len(rows) == 7 and all(len(row) == len(names) for row in rows)
    for row, segment in zip(rows, walk.segments, strict=True):
        told = dict(zip(names, row, strict=True))
        assert (told["segment"], told["frames"]) == (segment.index, len(segment.frames))
        assert told["coverage"] + told["hole_rate"] == pytest.approx(1)
        assert (told["points"], told["bytes"]) == (segment.points, segment.nbytes)
        assert told["denoise_s"] == 0.01 and told["write_s"] == 0.0
