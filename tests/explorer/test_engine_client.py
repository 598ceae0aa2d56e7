"""The engine process behind its client: answers, forgets the stale, survives its own death.

Every test runs a real process with a world that needs no model.
"""

import os
import signal
import time

import numpy as np
import pytest

from explorer.engine_client import EngineClient
from explorer.engine_events import EngineSettings, GaveUp, Restarted
from explorer.protocol import (
    Changed,
    CloudReset,
    DetailsReady,
    Failure,
    Inspected,
    Looked,
    Progress,
    Ready,
    Saved,
    SegmentReady,
    Start,
)
from mirage_engine import HIDDEN, Edit, Preset, pose
from tests.explorer import fake_world

FAKE = EngineSettings(engine="tests.explorer.fake_world", threads=1)
PATIENCE_S = 60.0
PRESET = Preset("pocket")


class Session:
    """A client, and everything that it ever said."""

    def __init__(self, settings=FAKE):
        self.client, self.events = EngineClient(settings), []

    def wait(self, done):
        """Polls until `done()`; fails after a generous while."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            self.events += self.client.poll()
            if done():
                return
            time.sleep(0.01)
        pytest.fail(f"state {self.client.state}, events {[type(e).__name__ for e in self.events]}")

    def all(self, kind):
        return [e for e in self.events if isinstance(e, kind)]

    def begin(self, seed=0, start=None):
        self.client.new_world(PRESET, seed, start or Start("scene"))
        self.wait(lambda: self.client.state == "idle" and self.all(Ready))

    def path(self, turn_deg):
        camera = self.all(Ready)[-1].camera
        return [camera.moved(pose([0, 0, 0], turn_deg + i)) for i in range(4)]

    def segments(self):
        return [e.segment for e in self.all(SegmentReady)]

    def walk(self, turn_deg):
        """Asks and waits for the segment."""
        before = len(self.segments())
        self.client.ask(self.path(turn_deg))
        self.wait(lambda: len(self.segments()) > before)


@pytest.fixture
def session():
    made = []

    def make(settings=FAKE):
        made.append(Session(settings))
        return made[-1]

    yield make
    for one in made:
        one.client.close()


def test_the_start_image_comes_before_ready_and_segments_come_when_asked_for(session):
    s = session()
    s.begin()
    kinds = [type(e).__name__ for e in s.events]
    assert kinds.index("Stage") < kinds.index("SegmentReady") < kinds.index("Ready")
    s.walk(10)
    first, second = s.segments()
    assert (first.index, second.index) == (0, 1)
    assert np.array_equal(second.frames[0], fake_world.look(s.path(10)[0])[0])
    assert [p.step for p in s.all(Progress)] == [1, 2, 3, 4]
    assert s.client.state == "idle"
    assert 0 < s.client.response_s < PATIENCE_S


def test_the_newest_request_wins_and_the_others_are_never_made(session):
    s = session()
    s.begin(start=Start("scene", scene=1100))
    for turn in range(0, 90, 10):
        s.client.ask(s.path(turn))
    s.wait(lambda: len(s.segments()) == 2 and s.client.state == "idle")
    assert np.allclose(s.segments()[-1].cameras[0].c2w, s.path(80)[0].c2w)


def test_a_cancelled_request_leaves_no_segment(session):
    s = session()
    s.begin(start=Start("scene", scene=1100))
    s.client.ask(s.path(0))
    s.wait(lambda: s.all(Progress))
    s.client.cancel()
    s.walk(50)
    assert [x.index for x in s.segments()] == [0, 1]
    assert np.allclose(s.segments()[1].cameras[0].c2w, s.path(50)[0].c2w)


def test_undo_sends_the_cloud_that_is_left(session):
    s = session()
    s.begin()
    s.walk(10)
    s.walk(20)
    s.client.undo()
    s.wait(lambda: s.all(CloudReset))
    reset = s.all(CloudReset)[-1]
    assert reset.segments == 2
    assert np.array_equal(
        reset.points_world, np.concatenate([x.points_world for x in s.segments()[:2]])
    )
    s.walk(30)
    assert s.segments()[-1].index == 2


def test_undo_at_the_start_says_so(session):
    s = session()
    s.begin()
    s.client.undo()
    s.wait(lambda: s.all(Failure))
    assert s.all(Failure)[0].user and "nothing to undo" in s.all(Failure)[0].text


def test_nothing_of_the_old_world_is_heard_in_the_new_one(session):
    s = session()
    s.begin(start=Start("scene", scene=1050))
    s.client.ask(s.path(0))
    s.events.clear()
    s.begin(seed=3)
    assert {e.epoch for e in s.events} == {s.client.epoch}
    assert [x.index for x in s.segments()] == [0]
    assert s.all(Ready)[-1].seed == 3


def test_a_saved_world_opens_with_all_its_segments(session, tmp_path):
    s = session()
    s.begin()
    s.walk(10)
    s.walk(20)
    s.client.save(tmp_path / "w.mirage")
    s.wait(lambda: s.all(Saved))
    first = s.segments()
    s.events.clear()
    s.client.open(tmp_path / "w.mirage", PRESET)
    s.wait(lambda: len(s.segments()) == 3)
    assert s.segments()[0].index == 2  # where the walk stood
    for a, b in zip(first, sorted(s.segments(), key=lambda x: x.index), strict=True):
        assert np.array_equal(a.frames, b.frames)
    assert len(s.all(CloudReset)[0].points_world) == first[-1].points
    s.walk(30)
    assert s.segments()[-1].index == 3


def test_a_world_that_cannot_be_opened_leaves_the_old_one(session, tmp_path):
    s = session()
    s.begin()
    s.walk(10)
    s.events.clear()
    s.client.open(tmp_path / "none.mirage", PRESET)
    s.wait(lambda: s.all(Failure) and len(s.segments()) == 2)
    assert s.all(Failure)[0].text.endswith("none.mirage: not a world")
    s.walk(20)
    assert s.segments()[-1].index == 2


def test_a_first_world_that_cannot_begin_is_a_failure_with_its_line(session):
    s = session()
    s.client.new_world(PRESET, 0, Start("prompt", prompt="a hall"))
    s.wait(lambda: s.client.state == "failed" and s.all(Failure))
    failure = s.all(Failure)[0]
    assert failure.user and failure.doing == "begin" and "takes no prompt" in failure.text


def test_a_kill_in_the_middle_of_a_segment_loses_nothing(session):
    s = session()
    s.begin(start=Start("scene", scene=1200))
    s.walk(10)
    old = s.client.pid
    s.client.ask(s.path(20))
    s.wait(lambda: s.client.state == "generating" and len(s.all(Progress)) >= 5)
    os.kill(old, signal.SIGKILL)
    s.wait(lambda: s.all(Restarted))
    assert s.client.state == "restarting"
    s.wait(lambda: len(s.segments()) == 3)
    assert s.client.pid not in (None, old)
    assert [x.index for x in s.segments()] == [0, 1, 2]
    assert np.allclose(s.segments()[2].cameras[0].c2w, s.path(20)[0].c2w)
    s.client.undo()
    s.wait(lambda: s.all(CloudReset))
    kept = np.concatenate([x.points_world for x in s.segments()[:2]])
    assert np.array_equal(s.all(CloudReset)[-1].points_world, kept)


def test_a_frozen_process_is_replaced(session):
    s = session(EngineSettings(engine=FAKE.engine, threads=1, beat_timeout_s=1.5))
    s.begin()
    os.kill(s.client.pid, signal.SIGSTOP)
    s.wait(lambda: s.all(Restarted))
    assert "silent" in s.all(Restarted)[0].why
    s.wait(lambda: s.client.state == "idle")
    s.walk(10)


def test_a_step_without_end_is_noticed_although_the_heart_beats(session):
    s = session(EngineSettings(engine=FAKE.engine, threads=1, step_timeout_s=1.0))
    s.begin(seed=fake_world.HANGS_AT_STEP)
    s.walk(10)
    s.client.ask(s.path(20))
    s.wait(lambda: len(s.all(Restarted)) == 2)
    assert "one step took" in s.all(Restarted)[0].why
    s.wait(lambda: s.client.state == "idle")
    assert s.client.asked is None  # it died over this request twice: not a third time


def test_a_request_that_breaks_is_reported_and_the_world_goes_on(session):
    s = session()
    s.begin(seed=fake_world.BREAKS)
    s.walk(10)
    s.client.ask(s.path(20))
    s.wait(lambda: s.all(Failure))
    failure = s.all(Failure)[0]
    assert not failure.user and failure.text == "RuntimeError: out of memory"
    s.wait(lambda: s.client.state == "idle")
    assert not s.all(Restarted)
    assert "Traceback" in (s.client.folder / "engine.log").read_text()


def test_three_failed_starts_are_enough(session):
    s = session()
    s.client.new_world(PRESET, fake_world.DIES_AT_LOAD, Start())
    s.wait(lambda: s.all(GaveUp))
    assert s.client.state == "failed"
    assert len(s.all(Restarted)) == 2
    assert "gave up after 3 starts" in s.all(GaveUp)[0].why


def test_an_edit_changes_memory_and_undo_takes_it_back(session):
    s = session()
    s.begin()
    s.walk(10)
    first, second = (x.point_ids for x in s.segments())
    s.client.change(Edit("hide", first[:50]))
    s.client.change(Edit("delete", first[40:90]))
    s.client.change(Edit("hide", first[:50]))  # those that are left are hidden already
    s.wait(lambda: len(s.all(Changed)) == 3)
    hidden, deleted, nothing = s.all(Changed)
    assert (hidden.kind, deleted.kind) == ("hide", "delete")
    assert np.array_equal(hidden.ids, first[:50]) and np.array_equal(deleted.ids, first[40:90])
    assert nothing.ids.size == 0 and not any(c.removed_ids.size for c in s.all(Changed))
    points = len(first) + len(second)
    assert (hidden.points, deleted.points) == (points, points - 50)
    assert deleted.nbytes < hidden.nbytes
    for edits, flagged, left in ((1, 50, points), (0, 0, points)):
        s.events.clear()
        s.client.undo()
        s.wait(lambda: s.all(CloudReset))
        reset = s.all(CloudReset)[-1]
        assert (reset.segments, reset.edits, len(reset.ids)) == (2, edits, left)
        assert np.count_nonzero(reset.flags & HIDDEN) == len(reset.gone_world) == flagged


def test_a_budget_tells_what_it_made_memory_forget(session):
    s = session()
    s.begin()
    before = s.segments()[0]
    s.client.change(Edit("budget", budget_mib=before.nbytes / 2**21))
    s.wait(lambda: s.all(Changed))
    changed = s.all(Changed)[0]
    assert len(changed.removed_ids) == before.points - changed.points > 0
    assert np.isin(changed.removed_ids, before.point_ids).all()
    assert changed.nbytes <= before.nbytes / 2
    s.walk(10)
    assert s.segments()[-1].points == changed.points and len(s.segments()[-1].removed_ids)


def test_an_edit_during_generation_is_not_lost(session):
    s = session()
    s.begin(start=Start("scene", scene=1200))
    ids = s.segments()[0].point_ids
    s.client.ask(s.path(20))
    s.wait(lambda: s.all(Progress))
    s.client.change(Edit("delete", ids[:20]))
    s.wait(lambda: s.all(Changed) and s.client.state == "idle")
    assert np.array_equal(s.all(Changed)[0].ids, ids[:20])
    assert len(s.segments()) == 1 and s.client.asked is None  # it was given up, like for an undo
    s.walk(20)
    assert s.segments()[-1].points == len(ids) - 20 + len(s.segments()[-1].point_ids)


def test_an_edit_survives_the_death_of_the_engine(session):
    s = session()
    s.begin()
    ids = s.segments()[0].point_ids
    s.client.change(Edit("hide", ids[:30]))
    s.wait(lambda: s.all(Changed))
    os.kill(s.client.pid, signal.SIGKILL)
    s.wait(lambda: s.all(CloudReset) and s.client.state == "idle")
    reset = s.all(CloudReset)[-1]
    assert np.array_equal(reset.ids, ids) and reset.edits == 1
    assert np.array_equal(reset.ids[reset.flags & HIDDEN > 0], ids[:30])


def test_a_look_tells_what_memory_answers_there(session):
    s = session()
    s.begin()
    camera = s.path(15)[0]
    s.client.look(camera)
    s.wait(lambda: s.all(Looked))
    view = s.all(Looked)[0].view
    world = fake_world.load_world(PRESET)
    world.begin(scene=0)
    wanted = world.look(camera)
    assert np.array_equal(view.camera.c2w, camera.c2w)
    for name in ("mask", "depth_m", "scale"):
        assert np.array_equal(getattr(view, name), getattr(wanted, name)), name
    rows = np.where(view.mask, view.point_ids - s.segments()[0].point_ids[0], -1)
    assert np.array_equal(rows, wanted.point_ids) and 0 < view.mask.mean() < 1


def test_an_xray_of_the_last_and_of_the_coming_segment(session):
    s = session()
    s.begin()
    s.client.inspect(())
    s.wait(lambda: s.all(Failure))
    failure = s.all(Failure)[0]
    assert (failure.doing, failure.user) == ("inspect", True)
    assert failure.text == "no segment was generated yet"
    s.client.inspect(s.path(10))
    s.wait(lambda: s.all(Inspected))
    s.walk(10)
    s.client.inspect(())
    s.wait(lambda: len(s.all(Inspected)) == 2)
    coming, last = (e.xray for e in s.all(Inspected))
    assert (coming.segment, coming.coming, last.segment, last.coming) == (1, True, 1, False)
    assert np.array_equal(coming.point_ids, last.point_ids)
    assert np.array_equal(last.cameras[1].c2w, s.path(10)[0].c2w)


def test_details_bring_the_features_of_newer_points_only(session):
    s = session()
    s.begin()
    s.walk(10)
    first, second = (x.point_ids for x in s.segments())
    s.client.details(int(first[-1]))
    s.client.details(-1)
    s.wait(lambda: len(s.all(DetailsReady)) == 2)
    some, every = (e.details for e in s.all(DetailsReady))
    assert np.array_equal(some.new_ids, second)
    assert np.array_equal(every.new_ids, every.ids) and len(every.ids) == len(first) + len(second)
    assert len(some.latents) == len(some.frame) == len(second)
    assert set(some.frame) == {0, 1, 2, 3}


def test_questions_wait_for_the_segment_and_only_the_newest_look_is_answered(session):
    s = session()
    s.begin(start=Start("scene", scene=1500))
    s.client.ask(s.path(0))
    s.wait(lambda: s.all(Progress))
    for turn in range(0, 100, 10):
        s.client.look(s.path(turn)[0])
        s.client.inspect(s.path(turn))
    s.wait(lambda: s.all(Looked) and s.all(Inspected))
    assert len(s.segments()) == 2  # the questions did not stop it
    s.client.details(-1)  # answered last
    s.wait(lambda: s.all(DetailsReady))
    assert [e.view.camera.c2w.tolist() for e in s.all(Looked)] == [s.path(90)[0].c2w.tolist()]
    assert [e.xray.segment for e in s.all(Inspected)] == [2]


def test_close_ends_the_process_and_leaves_no_files(session):
    s = session()
    s.begin(start=Start("scene", scene=1500))
    s.client.ask(s.path(0))
    s.wait(lambda: s.all(Progress))
    pid, folder = s.client.pid, s.client.folder
    s.client.close()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
