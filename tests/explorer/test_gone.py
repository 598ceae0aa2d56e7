"""Which pixels show what is gone: the ray-cast rooms are the truth, a closed form for the sky."""

import numpy as np
import pytest

from explorer.gone import NOTHING, Gone, pixels_showing
from mirage_engine import Camera, pinhole, pose
from mirage_engine.rooms import Scene

SIZE = (160, 256)
RADIUS_M, EDGE_M = 1.2, 0.15


def camera_at(position=(0.0, 0.0, 0.0), yaw_deg=0.0):
    return Camera(pose(position, yaw_deg), pinhole(SIZE, 77.0), SIZE)


def surface(camera, depth_m):
    """[H, W, 3] where each pixel's surface is; far away where there is sky."""
    return camera.position + camera.rays() * np.where(np.isfinite(depth_m), depth_m, 1e3)[..., None]


def taken(points_world, footprints_m):
    died = np.zeros(len(points_world), int)
    return Gone(np.array(points_world, np.float32), np.array(footprints_m, np.float32), died)


@pytest.mark.parametrize("seed", [950_000, 950_007])
def test_a_ball_of_a_room_is_found_in_every_picture_of_it_and_nothing_else(seed):
    room = Scene(seed)
    walk = room.walk(np.random.default_rng(1), 60)[::4]
    cameras = [camera_at().moved(c2w) for c2w in walk]
    depths = [room.depth(camera).numpy() for camera in cameras]
    points, footprints = [], []
    for camera, depth in zip(cameras, depths, strict=True):  # one for each 4x4 pixels
        points.append(surface(camera, depth)[2::4, 2::4].reshape(-1, 3))
        footprints.append(depth[2::4, 2::4].ravel() * 4 / camera.intrinsics[0, 0])
    points, footprints = np.concatenate(points), np.concatenate(footprints)
    middle = surface(cameras[0], depths[0])[80, 128]
    ball = np.linalg.norm(points - middle, axis=1) < RADIUS_M
    gone = taken(np.c_[points[ball], np.ones(ball.sum())], footprints[ball])
    missed = inside = wrong = outside = 0
    for camera, depth in zip(cameras, depths, strict=True):
        shown = pixels_showing(gone, camera, depth)
        away = np.linalg.norm(surface(camera, depth) - middle, axis=-1)
        missed += (~shown & (away < RADIUS_M - EDGE_M)).sum()
        inside += (away < RADIUS_M - EDGE_M).sum()
        wrong += (shown & (away > RADIUS_M + EDGE_M)).sum()
        outside += (away > RADIUS_M + EDGE_M).sum()
    assert inside > 20_000 and missed / inside < 0.02
    assert outside > 100_000 and wrong / outside < 1e-4


def test_sky_is_shown_by_sky_alone_from_any_place():
    sky = taken([[0.1, -0.2, 1, 0]], [0.1])
    depth = np.full(SIZE, np.inf, np.float32)
    for position in ((0, 0, 0), (3, -1, 20)):
        camera = camera_at(position)
        shown = pixels_showing(sky, camera, depth)
        rays = camera.rays()
        truth = np.abs(rays[..., :2] - [0.1, -0.2]).max(-1) <= 0.65 * 0.1
        assert truth.sum() > 100 and np.array_equal(shown, truth)
    assert not pixels_showing(sky, camera_at(yaw_deg=180), depth).any()
    assert not pixels_showing(sky, camera_at(), np.full(SIZE, 9, np.float32)).any()
    assert not pixels_showing(sky, camera_at(), np.zeros(SIZE, np.float32)).any()


def test_a_surface_in_front_or_behind_is_not_the_one_that_is_gone():
    point = taken([[0, 0, 3, 1]], [0.2])
    for depth_m, same in ((2.7, False), (2.9, True), (3.1, True), (3.3, False)):
        depth = np.full(SIZE, depth_m, np.float32)
        assert pixels_showing(point, camera_at(), depth).any() == same
    assert not pixels_showing(point, camera_at((0, 0, 3.5)), depth).any()
    assert not pixels_showing(NOTHING, camera_at(), depth).any()


def test_a_picture_made_after_a_point_went_does_not_show_it():
    gone = Gone(np.ones((4, 4), np.float32), np.ones(4, np.float32), np.array([0, 2, 3, 5]))
    assert gone.shown_by(3).died.tolist() == [3, 5]
    assert len(gone.shown_by(0).points_world) == 4 and len(gone.shown_by(6).footprints_m) == 0
