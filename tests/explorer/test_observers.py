"""Which frames saw a point: exact visibility in the ray-cast rooms is the truth."""

import numpy as np
import pytest

from explorer.observers import KeyframeIndex
from mirage_engine import Camera, Preset, Segment, pinhole, pose
from mirage_engine.rooms import Scene
from tests.explorer.fake_world import FakeWorld

SIZE = (160, 256)


def segment_of(index, cameras, depth_m):
    """A segment of which only cameras and depth matter."""
    empty = np.zeros((0, 4), np.float32)
    frames, keep = np.zeros((*depth_m.shape, 3), np.uint8), np.ones(depth_m.shape, bool)
    ids = np.zeros(0, np.int32)
    facts = 0.5, empty, empty[:, :3].astype(np.uint8), empty[:, 0], ids, ids, 0, 0, 0, 0.0, {}
    return Segment(index, frames, depth_m, keep, tuple(cameras), *facts)


@pytest.fixture
def world():
    return FakeWorld(Preset("pocket"), 0)


@pytest.mark.parametrize("seed", [950_000, 950_007])
def test_the_frames_that_saw_a_point_are_those_that_a_ray_reaches(seed):
    room, rng = Scene(seed), np.random.default_rng(0)
    cameras = [Camera(p, pinhole(SIZE, 77.0), SIZE) for p in room.walk(rng, 48)]
    depth = np.stack([room.depth(camera).numpy() for camera in cameras])
    index = KeyframeIndex()
    for start in range(0, 48, 4):
        index.add(segment_of(start // 4, cameras[start : start + 4], depth[start : start + 4]))
    points = []
    for frame, row, column in rng.integers(0, [48, 160, 256], (150, 3)):
        if np.isfinite(depth[frame, row, column]):
            ray = cameras[frame].rays()[row, column] * depth[frame, row, column]
            points.append(np.r_[cameras[frame].position + ray, 1])
    truth = [room.visible_from(np.stack(points)[:, :3], camera, 0.06) for camera in cameras]
    found = np.zeros((48, len(points)), bool)
    for i, point in enumerate(points):
        found[index.seen_by(point), i] = True
    assert np.sum(truth) > 1000
    assert (found & ~np.array(truth)).sum() / np.sum(truth) < 0.03
    assert (~found & np.array(truth)).sum() / np.sum(truth) < 0.03


def test_an_observer_says_where_it_stood_and_which_frame_it_was(world):
    index = KeyframeIndex()
    index.add(world.begin(scene=0))
    cameras = [world.camera.moved(pose([0, 0, 0], a)) for a in (20, 40, 60, 170)]
    index.add(world.advance(cameras))
    wall = index.seen_by(np.array([2.5, 0, 1.0, 1]))  # 68 degrees to the right
    seen = [(index.entry(i).segment, index.entry(i).frame) for i in wall]
    assert seen == [(1, 1), (1, 2)]  # at 40 and 60 degrees; half the view is 38.5
    assert np.array_equal(index.entry(wall[1]).camera.c2w, cameras[2].c2w)


def test_sky_is_seen_by_whoever_looks_that_way_and_has_sky_there():
    cameras = [
        Camera(pose([x, 0, 0], yaw), pinhole(SIZE, 77.0), SIZE)
        for x, yaw in ((0, 0), (9, 10), (0, 180), (0, 0), (0, 0))
    ]
    depth = np.full((5, *SIZE), np.inf, np.float32)
    depth[3], depth[4] = 7.0, 0.0
    index = KeyframeIndex()
    index.add(segment_of(0, cameras, depth))
    assert index.seen_by(np.array([0, -0.2, 1, 0])) == [0, 1]
    assert index.seen_by(np.array([0, 0, 7, 1])) == [3]
    assert index.seen_by(np.array([0, 0, 9, 1])) == []


def test_undone_frames_are_forgotten_and_others_stay(world):
    index, straight = KeyframeIndex(), np.array([0, 0, 4.0, 1])
    assert index.seen_by(straight) == []
    index.add(world.begin(scene=0))
    for _ in range(30):
        index.add(world.advance([world.camera] * 4))
    assert len(index) == 121 and len(index.seen_by(straight)) == 121
    index.forget_from(11)
    assert index.seen_by(straight) == list(range(41))
    index.add(world.segment(11))
    assert index.entry(-1).segment == 11 and len(index.seen_by(straight)) == 45
    index.clear()
    assert len(index) == 0 and index.seen_by(straight) == []


def test_depths_too_far_for_half_precision_are_far_and_not_sky():
    camera = Camera(pose([0, 0, 0]), pinhole(SIZE, 77.0), SIZE)
    index = KeyframeIndex()
    index.add(segment_of(0, [camera], np.full((1, *SIZE), 1e6, np.float32)))
    assert index.seen_by(np.array([0, 0, 1, 0])) == []
