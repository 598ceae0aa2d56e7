"""Frames seen from elsewhere, against planes whose colour is a formula of the place."""

import numpy as np
import pytest

from explorer.warp import Sight, likeness, warp
from mirage_engine import Camera, pinhole, pose
from tests.explorer.fake_world import look

SIZE = (80, 128)
FIRST = Camera(pose([0, 0, 0]), pinhole(SIZE, 77.0), SIZE)
SLANTED = np.array([0.3, 0.4, 1.0]), 2.0  # normal . place = this


def painted(camera, normal=SLANTED[0], offset=SLANTED[1]):
    """(frame, depth_m) of a plane whose colours change slowly along it."""
    rays = camera.rays()
    depth = (offset - normal @ camera.position) / (rays @ normal)
    place = camera.position + rays * depth[..., None]
    waves = 128 + 100 * np.sin(
        place @ np.array([[1.5, 0.2, 0.7], [0.4, 1.9, 0.3], [0.9, 0.8, 1.1]])
    )
    return np.round(waves).astype(np.uint8), depth.astype(np.float32)


def sight(camera, frame, depth_m, keep=None):
    return Sight(frame, depth_m, np.ones(SIZE, bool) if keep is None else keep, camera)


@pytest.mark.parametrize(
    "moved", [([0.2, 0, 0.1], 8, 2), ([-0.1, 0.1, 0.2], -10, -3), ([0, 0, -0.3], 0, 0)]
)
def test_a_plane_seen_from_elsewhere_is_exact(moved):
    there = FIRST.moved(pose(*moved))
    warped, known = warp(*painted(FIRST), FIRST, there)
    truth, depth_m = painted(there)
    assert np.abs(warped.astype(int) - truth)[known].max() <= 2
    place = there.position + there.rays() * depth_m[..., None]
    x, y, z = np.moveaxis((place - FIRST.position) @ FIRST.intrinsics.T, -1, 0)
    inside = (abs(x / z - 64) <= 63) & (abs(y / z - 40) <= 39)
    assert known[inside].mean() > 0.999 and not known[abs(x / z - 64) > 64].any()


def test_the_sky_turns_with_the_camera_and_does_not_move_with_it():
    frame = painted(FIRST)[0]
    endless = np.full(SIZE, np.inf, np.float32)
    stepped, known = warp(frame, endless, FIRST, FIRST.moved(pose([0.5, 0, 0])))
    assert known.all() and np.array_equal(stepped, frame)
    assert 0.6 < warp(frame, endless, FIRST, FIRST.moved(pose([0, 0, 0], 20)))[1].mean() < 0.8


def test_what_was_hidden_behind_a_nearer_thing_is_not_known():
    frame, depth_m = np.full((*SIZE, 3), 200, np.uint8), np.full(SIZE, 4.0, np.float32)
    frame[30:50, 54:74], depth_m[30:50, 54:74] = 40, 1.0
    aside = FIRST.moved(pose([0.25, 0, 0]))
    warped, known = warp(frame, depth_m, FIRST, aside)
    shift = FIRST.intrinsics[0, 0] * 0.25 * (1 - 1 / 4)  # px between near and far
    uncovered = int((~known[32:48, 20:110]).sum()) / 16
    assert uncovered == pytest.approx(shift, abs=3)
    assert set(np.unique(warped[34:46, 20:110][known[34:46, 20:110]])) >= {40, 200}


def test_the_same_view_twice_is_equal_and_every_pixel_counts():
    here = sight(FIRST, *painted(FIRST))
    found = likeness(here, here)
    assert (found.psnr_db, found.share, found.pixels) == (99.0, 1.0, 80 * 128)
    assert found.ssim == pytest.approx(1.0)


def test_a_wall_that_is_another_one_is_less_alike_wherever_it_stands():
    there = FIRST.moved(pose([0.1, 0, 0.1], 5))
    then, now = sight(FIRST, *look(FIRST)), sight(there, *look(there))
    same = likeness(then, now)
    repainted = sight(there, now.frame[..., ::-1].copy(), now.depth_m)
    nearer = sight(there, now.frame[..., ::-1].copy(), now.depth_m * 0.5)
    changed, also_moved = likeness(then, repainted), likeness(then, nearer)
    assert same.psnr_db > 25 and same.ssim > 0.9
    assert changed.psnr_db < same.psnr_db - 8 and changed.ssim < same.ssim - 0.05
    assert also_moved.psnr_db == changed.psnr_db and also_moved.pixels == same.pixels


def test_what_moves_does_not_count_in_either_frame():
    frame, depth_m = painted(FIRST)
    left, upper = np.ones(SIZE, bool), np.ones(SIZE, bool)
    left[:, :64] = upper[:40] = False
    other = frame.copy()
    other[~(left & upper)] = 0
    found = likeness(sight(FIRST, other, depth_m, left), sight(FIRST, frame, depth_m, upper))
    assert found.psnr_db == 99.0 and found.ssim == pytest.approx(1.0)
    assert 40 * 63 <= found.pixels <= 40 * 64  # beside the unknown nothing can be drawn between


def test_views_with_nothing_in_common_get_no_number():
    behind = FIRST.moved(pose([0, 0, 0], 180))
    found = likeness(sight(FIRST, *look(FIRST)), sight(behind, *look(behind)))
    assert found.pixels == 0 and np.isnan([found.psnr_db, found.ssim]).all()
