"""Returns to places in a room whose pictures are exact, and how alike they are found."""

import time
from dataclasses import replace

import numpy as np
import pytest

from explorer.engine_events import empty_cloud
from explorer.places import NEAR_M
from explorer.protocol import SegmentReady
from explorer.revisits import SHOW_S, Revisits
from mirage_engine import pose
from tests.explorer.test_known_world import Story

STEP_S = 0.1
PATIENCE_S = 20.0


class Walk:
    """A walk through the fake world with the meter running; a step is 0.1 s."""

    def __init__(self):
        self.story, self.meter, self.now_s = Story(), Revisits(), 0.0
        self.known = self.story.known
        self.tell(self.story.world.begin(scene=7))
        self.lens = self.story.world.camera

    def tell(self, segment):
        self.story.tell(segment)
        event = SegmentReady(self.story.epoch, segment, segment.index)
        self.meter.hear(event, self.known, self.now_s)

    def undo(self):
        self.story.world.undo()
        self.story.tell_cloud()
        event = empty_cloud(self.story.epoch)  # of its points the meter wants nothing
        segments = self.story.world.segments
        self.meter.hear(replace(event, segments=segments), self.known, self.now_s)

    def at(self, x=0.0, z=0.0, yaw_deg=0.0):
        return self.lens.moved(pose([x, 0, z], yaw_deg))

    def go(self, *cameras):
        for camera in cameras:
            self.now_s += STEP_S
            self.meter.think(self.known, camera, self.now_s)

    def walk(self, start, stop, steps=20):
        """In a straight line; (x, z, yaw) each."""
        shares = np.linspace(0, 1, steps + 1)[:, None]
        self.go(*(self.at(*place) for place in start + np.subtract(stop, start) * shares))

    def make(self, camera, repaint=False):
        segment = self.story.world.advance([camera])
        if repaint:
            segment = replace(segment, frames=segment.frames[..., ::-1].copy())
        self.tell(segment)

    def settle(self, camera):
        end = time.monotonic() + PATIENCE_S
        self.go(camera)
        while self.meter._work is not None:
            assert time.monotonic() < end
            time.sleep(0.005)
            self.go(camera)


@pytest.fixture
def walk():
    return Walk()


def test_away_and_back_is_one_return_and_tells_for_how_long(walk):
    walk.walk((0, 0, 0), (0, 0.9, 0))
    walk.walk((0, 0.9, 0), (0, 0, 0))
    assert not walk.meter.all, "it was never away"
    walk.walk((0, 0, 0), (0, 1.4, 0), 14)
    last_near_s = walk.now_s - 12 * STEP_S
    walk.walk((0, 1.4, 0), (0, 0, 0), 14)
    (revisit,) = walk.meter.all
    assert revisit.then == (0, 0) and revisit.now is None and not revisit.measured
    assert revisit.metres <= NEAR_M and revisit.degrees < 1e-3
    came_s = revisit.at_s
    assert revisit.ago_s == pytest.approx(came_s - last_near_s, abs=1.5 * STEP_S)
    assert revisit.walked_m == pytest.approx(1.8 + 1.4 + 1.2, abs=1e-6)
    walk.go(*[walk.at()] * 40)
    assert len(walk.meter.all) == 1, "to stay is no return"


def test_a_look_aside_is_being_away_and_the_wrong_direction_is_no_return(walk):
    walk.walk((0, 0, 0), (0, 0, 35))
    walk.walk((0, 0, 35), (0, 0, 0))
    assert not walk.meter.all
    walk.walk((0, 0, 0), (0, 0, 60))
    walk.walk((0, 0, 60), (0, 0, 12))
    assert not walk.meter.all
    walk.walk((0, 0, 12), (0, 0, 5))
    assert len(walk.meter.all) == 1


def test_a_frame_generated_ahead_is_not_returned_to_on_the_first_visit(walk):
    walk.make(walk.at(0, 1.5))
    walk.walk((0, 0, 0), (0, 1.5, 0))
    walk.go(walk.at(0, 1.5))
    assert not walk.meter.all
    walk.walk((0, 1.5, 0), (0, 0, 0))
    walk.walk((0, 0, 0), (0, 1.5, 0))
    assert [r.then for r in walk.meter.all] == [(0, 0), (1, 0)]


def test_the_way_back_along_a_corridor_is_a_return_every_metre(walk):
    for z in np.arange(0.2, 3.01, 0.2):
        walk.make(walk.at(0, z))
    walk.walk((0, 0, 0), (0, 3.0, 0), 60)
    walk.walk((0, 3.0, 0), (0, 3.0, 90))
    walk.walk((0, 3.0, 90), (0, 3.0, 0))
    walk.walk((0, 3.0, 0), (0, 0, 0), 60)
    assert 3 <= len(walk.meter.all) <= 4


def test_what_is_generated_after_the_return_is_measured_against_what_was_there(walk):
    walk.make(walk.at(0.05, 0, 2))
    walk.walk((0, 0, 0), (0, 2, 0))
    walk.walk((0, 2, 0), (0, 0, 0))
    walk.settle(walk.at())
    assert not walk.meter.all[0].measured, "what was generated before leaving proves nothing"
    walk.make(walk.at(0.1, 0.1, 4))
    walk.settle(walk.at())
    (same,) = walk.meter.all
    assert same.now == (2, 0) and same.share > 0.7 and same.pixels > 0.7 * 160 * 256
    assert same.psnr_db > 25 and same.ssim > 0.9
    assert walk.meter.compared is same and walk.meter.likeness.psnr_db == same.psnr_db
    walk.make(walk.at(0.1, 0.1, 4), repaint=True)
    walk.settle(walk.at())
    (other,) = walk.meter.all
    assert other.now == (3, 0), "the newest counts"
    assert other.psnr_db < same.psnr_db - 8 and other.ssim < same.ssim - 0.05


def test_what_was_generated_on_the_way_back_is_measured_on_arrival(walk):
    walk.walk((0, 0, 0), (0, 2, 0))
    walk.make(walk.at())
    walk.walk((0, 2, 0), (0, 0, 0))
    walk.settle(walk.at())
    (revisit,) = walk.meter.all
    assert (revisit.psnr_db, revisit.share, revisit.now) == (99.0, 1.0, (1, 0))


def test_a_card_is_news_for_a_while(walk):
    walk.walk((0, 0, 0), (0, 2, 0))
    assert walk.meter.card(walk.now_s) is None
    walk.walk((0, 2, 0), (0, 0, 0))
    assert walk.meter.card(walk.now_s) is walk.meter.all[0]
    assert walk.meter.card(walk.now_s + SHOW_S) is None


def test_an_undo_takes_places_back_and_another_world_has_its_own_scoreboard(walk):
    walk.make(walk.at(0, 2))
    walk.walk((0, 0, 0), (0, 2, 0))
    walk.undo()
    walk.walk((0, 2, 0), (0, 0, 0))
    walk.walk((0, 0, 0), (0, 2, 0))
    assert [r.then for r in walk.meter.all] == [(0, 0)]
    walk.story.epoch += 1
    walk.tell(walk.story.world.segment(0))
    assert not walk.meter.all and walk.meter.walked_m == 0
    walk.walk((0, 0, 0), (0, 2, 0))
    assert not walk.meter.all


def test_places_are_thinned_and_the_newest_stays(monkeypatch, walk):
    monkeypatch.setattr("explorer.places.MOST_PLACES", 8)
    for z in np.arange(0.2, 3.01, 0.2):
        walk.make(walk.at(0, z))
    assert len(walk.meter._places) <= 8
    walk.walk((0, 3, 0), (0, 3, 90))
    walk.walk((0, 3, 90), (0, 3, 0))
    assert walk.meter.all[-1].then[0] == 15
