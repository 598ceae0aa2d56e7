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
from explorer.protocol import CloudReset, Failure, Progress, Ready, Saved, SegmentReady, Start
from mirage_engine import Preset, pose
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
