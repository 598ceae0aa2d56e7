"""Which generated frames show a view best. The fake world's room is the truth."""

import numpy as np
import pytest

from explorer.gone import NOTHING, Gone
from explorer.timeline import Timeline
from mirage_engine import Preset, pose
from tests.explorer.fake_world import FakeWorld

HERE = (0.0, 0.0, 0.0)


class Album:
    """A world, a timeline, and frames taken on demand."""

    def __init__(self, limit=240):
        self.world, self.timeline = FakeWorld(Preset("pocket"), 0), Timeline(limit)
        self.timeline.add(self.world.begin(scene=0))

    def at(self, position=HERE, yaw_deg=0.0):
        return self.world.camera.moved(pose(position, yaw_deg))

    def take(self, *cameras):
        for start in range(0, len(cameras), 4):
            self.timeline.add(self.world.advance(cameras[start : start + 4]), now_s=5.0)

    def yaws(self, keyframes):
        ahead = [k.camera.forward for k in keyframes]
        return [round(float(np.degrees(np.arctan2(f[0], f[2])))) for f in ahead]


def test_the_frame_taken_here_comes_first():
    album = Album()
    album.take(*[album.at(yaw_deg=a) for a in range(10, 130, 10)])
    for turn in (0, 30, 70, 120):
        assert album.yaws(album.timeline.keyframes_for(album.at(yaw_deg=turn), 2))[0] == turn


def test_the_second_frame_shows_what_the_first_does_not():
    album = Album()
    album.take(*[album.at(yaw_deg=a) for a in (1, 2, 3, 60)])
    chosen = album.yaws(album.timeline.keyframes_for(album.at(yaw_deg=20), 2))
    assert 60 in chosen and len(set(chosen) & {0, 1, 2, 3}) == 1


def test_nothing_is_shown_of_what_no_frame_saw():
    album = Album()
    assert album.timeline.keyframes_for(album.at(yaw_deg=180), 3) == []
    assert Timeline().keyframes_for(album.at(), 3) == []


def test_a_closer_frame_wins_over_one_from_far_away():
    album = Album()
    album.take(album.at((0, 0, 1.0)), album.at((0, 0, 2.0)))
    (best,) = album.timeline.keyframes_for(album.at((0, 0, 2.1)), 1)
    assert best.camera.position[2] == 2.0


def test_a_surface_behind_another_one_does_not_count():
    album = Album()
    hall = album.at((0, 0, -40))  # the room as a stranger sees it from far outside
    near = album.timeline.keyframes[0]
    behind = album.world.advance([hall])
    wall = np.full_like(behind.depth_m, 60.0)  # a surface twenty metres behind the room
    object.__setattr__(behind, "depth_m", wall)
    album.timeline.add(behind)
    assert album.timeline.keyframes_for(album.at(), 1) == [near]


def test_frames_beyond_the_limit_go_where_they_are_most_alike():
    album = Album(limit=24)
    album.take(*[album.at(yaw_deg=a) for a in np.linspace(5, 360, 72, endpoint=False)])
    assert len(album.timeline) <= 24
    yaws = sorted(a % 360 for a in album.yaws(album.timeline.keyframes))
    assert 0 in yaws
    gaps = np.diff([*yaws, yaws[0] + 360])
    assert gaps.max() <= 30


def test_undone_segments_are_forgotten_and_keys_never_return():
    album = Album()
    album.take(*[album.at(yaw_deg=a) for a in (10, 20, 30, 40, 50, 60, 70, 80)])
    before, keys = album.timeline.revision, {k.key for k in album.timeline.keyframes}
    album.timeline.forget_from(2)
    assert album.timeline.revision > before
    assert {k.segment for k in album.timeline.keyframes} == {0, 1}
    album.take(album.at(yaw_deg=50))
    assert album.timeline.keyframes[-1].key not in keys
    assert album.timeline.keyframes[-1].generated_at_s == 5.0


@pytest.mark.parametrize("value", [0.0, np.inf])
def test_unknown_and_endless_depths_are_taken_as_they_are(value):
    album = Album()
    segment = album.world.advance([album.at()])
    object.__setattr__(segment, "depth_m", np.full_like(segment.depth_m, value))
    timeline = Timeline()
    timeline.add(segment)
    assert len(timeline.keyframes_for(album.at((0, 0, 1)), 1)) == (1 if value else 0)


def wall_points(album, died):
    """The right wall of the room (x = 2.5), as memory has it."""
    points, footprints = album.world.points.points_world, album.world.points.footprints_m
    wall = points[:, 0] > 2.5 - 1e-3
    return Gone(points[wall], footprints[wall], np.full(wall.sum(), died))


def test_a_wall_that_is_gone_is_taken_out_of_the_pictures_that_show_it():
    album = Album()
    album.take(*[album.at(yaw_deg=a) for a in (10, 20, 30, 40, -10, -20, -30, -60)])
    before = list(album.timeline.keyframes)
    album.timeline.hide_points(wall_points(album, died=2))
    for old, new in zip(before, album.timeline.keyframes, strict=True):
        hit = old.camera.position + old.camera.rays() * old.depth_m[..., None]
        wall = hit[..., 0] > 2.5 - 1e-3
        assert (new.key != old.key) == wall.any()
        assert not wall.any() or (new.depth_m[wall] == 0).mean() > 0.999
        near = np.abs(hit[..., 0] - 2.5) > 0.2
        assert np.array_equal(new.depth_m[near], old.depth_m[near])
    assert len({k.key for k in [*before, *album.timeline.keyframes]}) > len(before)
    ahead = album.timeline.keyframes_for(album.at((1.5, 0, 1), 90), 3)
    album.timeline.hide_points(NOTHING)
    assert album.timeline.keyframes == before  # with their keys: nothing to be drawn anew
    assert ahead == [] and album.timeline.keyframes_for(album.at((1.5, 0, 1), 90), 3)


def test_frames_made_after_an_edit_show_the_wall_that_was_invented_anew():
    album = Album()
    album.take(*[album.at(yaw_deg=a) for a in (20, 40, 60, 80)])
    gone = wall_points(album, died=1)
    album.timeline.hide_points(gone)
    hidden = album.timeline.keyframes[-1]
    album.take(*[album.at(yaw_deg=a) for a in (20, 40, 60, 80)])
    again = album.timeline.keyframes[-1]
    album.timeline.hide_points(gone)
    assert album.timeline.keyframes[-1] is again and (again.depth_m > 0).all()
    assert album.timeline.keyframes[4] is hidden, "what did not change keeps its key"
    (best,) = album.timeline.keyframes_for(album.at(yaw_deg=80), 1)
    assert best is again


def test_pictures_without_a_wall_are_thinned_and_forgotten_like_others():
    album = Album(limit=6)
    album.take(*[album.at(yaw_deg=a) for a in (20, 40, 60, 80)])
    album.timeline.hide_points(wall_points(album, died=1))
    album.take(*[album.at(yaw_deg=a) for a in (85, 90, 95, 100)])
    assert len(album.timeline) == 6
    album.timeline.forget_from(2)
    assert any((k.depth_m == 0).any() for k in album.timeline.keyframes)
    album.timeline.hide_points(NOTHING)
    assert all((k.depth_m > 0).all() for k in album.timeline.keyframes)


def test_a_frame_is_found_by_its_segment_and_its_number_there():
    album = Album(limit=6)
    album.take(*[album.at(yaw_deg=a) for a in (10, 20, 30, 40)])
    found = album.timeline.frame_of(1, 2)
    assert found is not None and round(np.degrees(np.arcsin(found.camera.forward[0]))) == 30
    assert album.timeline.frame_of(2, 0) is None
