"""What the display holds after the engine's events."""

import math

import numpy as np
import pytest

from explorer.engine_events import Restarted, empty_cloud
from explorer.horizon import Horizon
from explorer.known_world import KnownWorld
from explorer.obstacles import Obstacles
from explorer.protocol import CloudReset, Ready, SegmentReady
from mirage_engine import Preset, pose
from tests.explorer.fake_world import FakeWorld


class Story:
    """A known world, and a world whose events it is told."""

    def __init__(self):
        self.world = FakeWorld(Preset("pocket"), 0)
        self.known = KnownWorld(Horizon(), Obstacles(0.25, 1.5, 0.35))
        self.epoch = 1

    def at(self, yaw_deg):
        return self.world.camera.moved(pose([0, 0, 0], yaw_deg))

    def tell(self, segment, request=-1):
        self.known.take(SegmentReady(self.epoch, segment, request), 0.0)

    def tell_cloud(self):
        gone_world, gone_footprints_m = self.world.gone
        reset = CloudReset(
            self.epoch,
            self.world.segments,
            **vars(self.world.points),
            gone_world=gone_world,
            gone_footprints_m=gone_footprints_m,
        )
        self.known.take(reset, 0.0)

    def drawn(self):
        return sum(len(c.points_world) for c in self.known.new_points)


@pytest.fixture
def story():
    story = Story()
    story.tell(story.world.begin(scene=0))
    return story


def test_segments_bring_keyframes_points_walls_and_the_start(story):
    known = story.known
    assert np.array_equal(known.start.c2w, story.at(0).c2w)
    assert not known.unsaved
    story.tell(story.world.advance([story.at(a) for a in (20, 40, 60, 80)]), request=1)
    assert len(known.timeline) == 5 and story.drawn() == known.newest.points
    assert known.unsaved
    # The wall of the room is 2.5 m to the right, and a body keeps a quarter of a metre.
    free = known.obstacles.free_distance_m(story.at(90), np.array([1.0, 0, 0]))
    assert 2.0 < free < 2.5
    assert known.obstacles.free_distance_m(story.at(180), np.array([0, 0, -1.0])) == math.inf


def test_undo_takes_away_what_the_segment_brought(story):
    story.tell(story.world.advance([story.at(a) for a in (20, 40, 60, 80)]), request=1)
    story.world.undo()
    story.tell_cloud()
    assert [k.segment for k in story.known.timeline.keyframes] == [0]
    assert story.drawn() == story.world.point_count and story.known.cloud_number == 2
    assert story.known.horizon.coverage(story.at(90)) < 0.2
    story.tell(story.world.advance([story.at(5)] * 4), request=2)
    assert story.drawn() == story.known.newest.points


def test_a_restored_world_has_every_point_once_and_stands_where_it_was_left():
    story = Story()
    story.world.begin(scene=0)
    for turn in (20, 40):
        story.world.advance([story.at(turn + i) for i in range(4)])
    story.tell_cloud()
    for index in (2, 0, 1):
        story.tell(story.world.segment(index))
    assert story.drawn() == story.world.segment(2).points
    assert np.array_equal(story.known.start.c2w, story.at(43).c2w)
    assert len(story.known.timeline) == 9 and not story.known.unsaved
    assert story.known.newest.index == 2


def test_another_world_replaces_the_old_one_only_when_it_shows(story):
    before, start = story.known.world_number, story.known.start
    story.known.take(Restarted(2, "x"), 0.0)
    assert len(story.known.timeline) == 1
    story.epoch, story.world = 2, FakeWorld(Preset("pocket"), 1)
    story.tell(story.world.begin(scene=1))
    assert story.known.world_number == before + 1 and story.known.start is not start
    assert len(story.known.timeline) == 1 and story.drawn() == story.known.newest.points
    assert story.known.ready is None
    story.known.take(Ready(2, 1, story.at(0), 4, 1, Preset("pocket")), 0.0)
    assert story.known.ready.seed == 1


def test_a_world_that_begins_again_is_empty_first(story):
    story.known.take(empty_cloud(1), 0.0)
    assert len(story.known.timeline) == 0 and story.drawn() == 0
    story.tell(story.world.segment(0))
    assert story.drawn() == len(story.world.segment(0).points_world)
