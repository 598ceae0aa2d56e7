"""What the display holds after the engine's events."""

import math

import numpy as np
import pytest

from explorer.engine_events import Restarted, empty_cloud
from explorer.horizon import Horizon
from explorer.known_world import KnownWorld
from explorer.obstacles import Obstacles
from explorer.protocol import Changed, CloudReset, Ready, SegmentReady
from mirage_engine import Edit, Preset, pose
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

    def change(self, kind, ids):
        changed = self.world.edit(Edit(kind, np.asarray(ids, np.int32)))
        nothing = np.zeros(0, np.int32)
        world, epoch = self.world, self.epoch
        self.known.take(
            Changed(epoch, kind, changed, nothing, world.point_count, world.nbytes), 0.0
        )

    def drawn(self):
        return int(self.known.table.alive.sum())

    def right_wall(self):
        """The ids of the points of the wall at x = 2.5."""
        table = self.known.table
        return table["ids"][table.alive & (table["points_world"][:, 0] > 2.5 - 1e-3)]


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
    assert story.drawn() == story.world.point_count
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


def test_points_are_told_by_name_and_the_lost_ones_stay_for_the_past(story):
    story.world.budget_mib = story.world.nbytes * 1.5 / 2**20
    story.tell(story.world.advance([story.at(a) for a in (20, 40, 60, 80)]), request=1)
    table, held = story.known.table, story.world.points
    assert set(table["ids"][table.alive].tolist()) == set(held.ids.tolist())
    lost = table["died"] == 1
    assert lost.any() and (table["born"][lost] == 0).any()
    assert table.alive_at(0)[lost & (table["born"] == 0)].all()


@pytest.mark.parametrize("kind", ["delete", "hide"])
def test_what_surgery_takes_away_leaves_pictures_horizon_and_walls(story, kind):
    story.tell(story.world.advance([story.at(90)] * 4), request=1)
    known, ahead = story.known, np.array([1.0, 0, 0])
    assert known.obstacles.free_distance_m(story.at(90), ahead) < 2.5
    covered = known.horizon.coverage(story.at(90))
    story.change(kind, story.right_wall())
    assert known.horizon.coverage(story.at(90)) < covered - 0.3
    assert not known.horizon.known(story.at(90))
    assert known.obstacles.free_distance_m(story.at(90), ahead) > 2.5
    shows = next(k for k in known.timeline.keyframes if k.segment == 1)
    assert (shows.depth_m == 0).mean() > 0.3
    assert known.surgeries == 1 and known.unsaved
    story.world.undo()
    story.tell_cloud()
    assert known.horizon.coverage(story.at(90)) == pytest.approx(covered, abs=0.02)
    assert all((k.depth_m > 0).all() for k in known.timeline.keyframes)


def test_hidden_points_can_be_shown_again(story):
    before = story.known.horizon.coverage(story.at(45))
    story.change("hide", story.right_wall())
    hidden = story.known.table.alive & ~story.known.table.read
    assert hidden.sum() == len(story.right_wall()) > 0
    story.change("show", story.right_wall())
    assert story.known.table.read.sum() == story.drawn()
    assert story.known.horizon.coverage(story.at(45)) == pytest.approx(before, abs=0.02)
