"""Keyframes seen from other cameras, against exact pictures of an analytic room."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explorer.render.fog import FogPass
from explorer.render.reproject import ReprojectPass
from explorer.timeline import Keyframe
from mirage_engine import Camera, pinhole, pose
from tests.gl import analytic

pytestmark = pytest.mark.gl

BIG_S = 100.0  # long after every fade


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


@pytest.fixture
def show(ctx, canvas, look):
    """(picture, known 0..1) of keyframes from a camera, with every fade over."""

    def draw(camera, keyframes, passes=None, **fog):
        reproject = passes or ReprojectPass(ctx, scale=4.0)
        reproject.draw(camera, keyframes, 0.0)
        reproject.draw(camera, keyframes, BIG_S)
        target = canvas(camera.size)
        FogPass(ctx).draw(target, reproject.picture, reproject.mean_color(), BIG_S, **fog)
        alpha = np.frombuffer(target.read(components=4), np.uint8).reshape(*camera.size, 4)
        return look(target), alpha[::-1, :, 3] / 255

    return draw


def wall(depth_m: float, size=(160, 256), key=0) -> Keyframe:
    """A wall straight ahead with smooth stripes whose middle one is white."""
    height, width = size
    x = np.arange(width) + 0.5 - width / 2
    stripe = 40 + 200 * np.exp(-((x / 6) ** 2))
    frame = np.broadcast_to(stripe[None, :, None], (height, width, 3)).astype(np.uint8)
    camera = Camera(pose((0, 0, 0)), pinhole(size, 77), size)
    return Keyframe(frame, np.full(size, depth_m, np.float32), camera, 0, 0.0, key)


def stripe_px(picture: np.ndarray) -> float:
    """Column of the bright stripe, from its centre of mass."""
    light = np.maximum(picture[70:90, :, 0].astype(np.float64).mean(0) - 60, 0)
    light[np.abs(np.arange(len(light)) - light.argmax()) > 20] = 0  # fog is bright too
    return float((light * (np.arange(len(light)) + 0.5)).sum() / light.sum())


def test_the_keyframes_own_camera_sees_the_keyframe(show):
    shot = analytic.shoot(analytic.camera())
    picture, known = show(shot.camera, [shot])
    assert psnr(picture, shot.frame) > 38
    assert known.min() == 1


@pytest.mark.parametrize("step_m", [-0.4, 0.1, 0.5])
def test_a_wall_moves_by_focal_times_step_over_depth(show, step_m):
    shot = wall(depth_m=2.5)
    moved = shot.camera.moved(pose((step_m, 0, 0)))
    picture, _ = show(moved, [shot])
    shift = -shot.camera.intrinsics[0, 0] * step_m / 2.5
    assert stripe_px(picture) - stripe_px(shot.frame) == pytest.approx(shift, abs=0.35)


def test_a_step_between_keyframes_agrees_with_the_exact_picture(show):
    shots = [analytic.shoot(analytic.camera(z=z), k) for k, z in enumerate((0.0, 0.4))]
    between = analytic.camera(x=0.05, z=0.2)
    picture, known = show(between, shots)
    sure = known > 0.99
    assert sure.mean() > 0.97
    assert psnr(picture[sure], analytic.shoot(between).frame[sure]) > 23


def test_a_near_surface_slides_over_the_far_one_with_a_sharp_edge(show):
    shot = wall(depth_m=6.0)
    depth = shot.depth_m.copy()
    depth[:, 128:] = 1.5  # the right half stands nearer
    frame = np.zeros_like(shot.frame)
    frame[:, 128:, 0], frame[:, :128, 2] = 255, 255
    moved = shot.camera.moved(pose((0.3, 0, 0)))
    covered, _ = show(moved, [replace(shot, depth_m=depth, frame=frame)], style=1)
    focal = shot.camera.intrinsics[0, 0]
    edge = 128 - focal * 0.3 / 1.5, 128 - focal * 0.3 / 6.0  # of near and far surface
    assert edge[1] - edge[0] > 20
    row = covered[80].astype(int)
    left, right = round(edge[0]), round(edge[1])
    assert (row[left + 3 : right, 0] > 240).all()
    assert (row[left - 15 : left - 3, 2] > 240).all()


def test_a_depth_edge_opens_a_hole_and_no_rubber_sheet(show):
    shot = wall(depth_m=6.0)
    depth = shot.depth_m.copy()
    depth[:, 128:] = 1.5
    moved = shot.camera.moved(pose((-0.3, 0, 0)))  # looks behind the near half
    _, known = show(moved, [replace(shot, depth_m=depth)])
    focal = shot.camera.intrinsics[0, 0]
    far, near = 128 + focal * 0.3 / 6.0, 128 + focal * 0.3 / 1.5
    assert known[80, round(far) + 8 : round(near) - 8].max() < 0.02
    assert known[80, 20 : round(far) - 8].min() > 0.98
    assert known[80, round(near) + 8 : 250].min() > 0.98


def test_one_pixel_gaps_are_closed(show):
    shot = wall(depth_m=2.0)
    depth = shot.depth_m.copy()
    depth[:, 100] = 0
    _, known = show(shot.camera, [replace(shot, depth_m=depth)])
    assert known[:, 95:106].min() > 0.8


def test_sky_turns_but_never_comes_closer(show):
    shot = wall(depth_m=2.0)
    sky = replace(shot, depth_m=np.full_like(shot.depth_m, np.inf))
    walked, _ = show(shot.camera.moved(pose((1.0, -0.5, 3.0))), [sky])
    assert stripe_px(walked) == pytest.approx(stripe_px(shot.frame), abs=0.1)
    turned, _ = show(shot.camera.moved(pose((0, 0, 0), yaw_deg=10)), [sky])
    expected = 128 - shot.camera.intrinsics[0, 0] * np.tan(np.radians(10))
    assert stripe_px(turned) == pytest.approx(expected, abs=0.5)


def test_a_wall_is_not_seen_through_its_back(show):
    shot = wall(depth_m=2.0)
    behind = shot.camera.moved(pose((0, 0, 5), yaw_deg=180))
    _, known = show(behind, [shot])
    assert known.max() == 0


def test_the_nearer_surface_hides_the_better_placed_keyframe(show):
    far, near = wall(depth_m=5.0, key=0), wall(depth_m=2.0, key=1)
    far = replace(far, frame=np.full_like(far.frame, 30))
    near = replace(
        near,
        frame=np.full_like(near.frame, 220),
        camera=near.camera.moved(pose((0.2, 0, 0))),
    )
    picture, _ = show(far.camera, [far, near])
    assert picture[80, 128].min() > 210


def test_a_new_keyframe_fades_in_over_the_old_one(ctx, canvas, look):
    dark, light = wall(2.0, key=0), wall(2.0, key=1)
    dark = replace(
        dark, frame=np.full_like(dark.frame, 40), camera=dark.camera.moved(pose((0.2, 0, 0)))
    )
    light = replace(light, frame=np.full_like(light.frame, 200))
    reproject, target = ReprojectPass(ctx, scale=4.0), canvas(light.camera.size)

    def middle(now_s, keyframes):
        reproject.draw(light.camera, keyframes, now_s)
        FogPass(ctx).draw(target, reproject.picture, reproject.mean_color(), now_s)
        return int(look(target)[80, 128, 0])

    middle(0.0, [dark])
    before = middle(1.0, [dark])
    steps = [middle(2.0 + t, [dark, light]) for t in (0.0, 0.1, 0.2, 0.31)]
    assert before == pytest.approx(40, abs=2)
    assert steps == sorted(steps)
    assert steps[0] < 60
    assert 70 < steps[1] < 170
    assert steps[-1] == pytest.approx(200, abs=2)


def test_nothing_is_drawn_again_when_nothing_changed(ctx):
    shot = wall(2.0)
    reproject = ReprojectPass(ctx)
    assert reproject.draw(shot.camera, [shot], 0.0)
    assert reproject.draw(shot.camera, [shot], 5.0)
    assert not reproject.draw(shot.camera, [shot], 6.0)
    assert reproject.draw(shot.camera.moved(pose((0.01, 0, 0))), [shot], 6.0)


def test_no_keyframe_gives_fog_that_is_smooth_and_unknown(show):
    picture, known = show(analytic.camera(), [])
    assert known.max() == 0
    assert np.abs(np.diff(picture.astype(int), axis=1)).max() <= 6


def test_the_known_share_is_what_the_picture_shows(ctx):
    shot = analytic.shoot(analytic.camera())
    reproject = ReprojectPass(ctx)
    reproject.draw(shot.camera, [shot], 0.0)
    reproject.draw(shot.camera, [shot], 9.0)
    assert reproject.known_share() == pytest.approx(1.0, abs=0.01)
    behind = analytic.camera(yaw_deg=180)
    reproject.draw(behind, [shot], 9.0)
    assert reproject.known_share() < 0.02


def test_old_meshes_leave_the_graphics_card(ctx):
    reproject = ReprojectPass(ctx, cached=3)
    for key in range(8):
        shot = wall(2.0, size=(16, 24), key=key)
        reproject.draw(shot.camera, [shot], float(key))
    assert len(reproject._meshes) == 3
