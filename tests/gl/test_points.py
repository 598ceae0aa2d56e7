"""Points of memory, the inset, the map and the picture from outside."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.render.flat import FlatPass, frustum_world, segments_px
from explorer.render.memory_picture import render_memory_picture
from explorer.render.minimap import Minimap
from explorer.render.points import (
    BACKGROUND,
    Inset,
    Look,
    PointCloud,
    PointsPass,
    follow,
    make_target,
)
from tests.gl import analytic

gl = pytest.mark.gl
RED, GREEN = (255, 0, 0), (0, 255, 0)


def add(cloud, points, color=RED, footprint=0.05, born=0):
    points = np.asarray(points, np.float32).reshape(-1, 4)
    colors = np.broadcast_to(np.uint8(color), (len(points), 3))
    cloud.append(points, colors, np.full(len(points), footprint, np.float32), born)


def middle_of(picture: np.ndarray, color) -> tuple[float, float]:
    """(x, y) of the mean place of a colour."""
    rows, columns = np.nonzero((picture == np.uint8(color)).all(-1))
    assert len(rows), "the colour is nowhere"
    return columns.mean() + 0.5, rows.mean() + 0.5


@pytest.fixture
def draw(ctx, look):
    def points(cloud, camera, style=None):
        _, target = make_target(ctx, (camera.size[1], camera.size[0]))
        PointsPass(ctx).draw(target, camera, cloud, camera, style or Look())
        return look(target)

    return points


@gl
@pytest.mark.parametrize("place", [(0, 0, 2), (0.7, 0.4, 3), (-1.2, -0.5, 4)])
def test_points_land_where_the_projection_says(ctx, draw, place):
    camera = analytic.camera(x=0.1, yaw_deg=5)
    cloud = PointCloud(ctx)
    add(cloud, [*place, 1], footprint=0.08)
    seen = camera.w2c @ [*place, 1]
    expected = (camera.intrinsics @ seen[:3])[:2] / seen[2]
    np.testing.assert_allclose(middle_of(draw(cloud, camera), RED), expected, atol=0.6)


@gl
def test_a_point_is_as_large_as_its_footprint(ctx, draw):
    camera = analytic.camera()
    cloud = PointCloud(ctx)
    add(cloud, [0, 0, 2, 1], footprint=0.1)
    count = (draw(cloud, camera, Look(size_px=(1, 50))) == np.uint8(RED)).all(-1).sum()
    across = 1.3 * 0.1 * camera.intrinsics[0, 0] / 2
    assert count == pytest.approx(np.pi / 4 * across**2, rel=0.25)


@gl
def test_the_nearer_point_wins(ctx, draw):
    cloud = PointCloud(ctx)
    add(cloud, [0, 0, 2, 1], RED)
    add(cloud, [0, 0, 4, 1], GREEN, footprint=0.01)
    assert not (draw(cloud, analytic.camera()) == np.uint8(GREEN)).all(-1).any()


@gl
def test_sky_points_do_not_move_when_the_walker_does(ctx, draw):
    cloud = PointCloud(ctx)
    add(cloud, [0.3, -0.2, 1, 0], footprint=0.02)
    here = middle_of(draw(cloud, analytic.camera()), RED)
    there = middle_of(draw(cloud, analytic.camera(x=5, z=9)), RED)
    np.testing.assert_allclose(here, there, atol=0.5)


@gl
def test_undo_takes_away_what_a_segment_added(ctx, draw):
    cloud = PointCloud(ctx)
    for born in range(4):
        add(cloud, np.tile([0.2 * born, 0, 2, 1], (3000, 1)), (50 * born + 50, 0, 0), born=born)
    before = draw(cloud, analytic.camera())
    cloud.trim(2)
    after = draw(cloud, analytic.camera())
    assert len(cloud) == 6000
    assert set(np.unique(before[..., 0])) >= {50, 100, 150, 200}
    assert not np.isin(after[..., 0], (150, 200)).any()
    add(cloud, [0, 0, 2, 1], GREEN, born=2)
    assert len(cloud) == 6001
    assert cloud.newest == 2


@gl
def test_one_append_may_hold_several_segments(ctx):
    cloud = PointCloud(ctx)
    add(cloud, np.tile([0, 0, 2, 1], (5, 1)), born=np.array([0, 0, 1, 3, 3]))
    cloud.trim(3)
    assert len(cloud) == 3
    cloud.trim(1)
    assert len(cloud) == 2


@gl
def test_the_ceiling_can_be_taken_away(ctx, draw):
    cloud = PointCloud(ctx)
    add(cloud, [0, -1, 3, 1], RED)
    add(cloud, [0, 0.5, 3, 1], GREEN)
    picture = draw(cloud, analytic.camera(), Look(cut_above_m=0.4))
    assert not (picture == np.uint8(RED)).all(-1).any()
    assert (picture == np.uint8(GREEN)).all(-1).any()


@gl
@pytest.mark.parametrize("mode", [1, 2])
def test_birth_and_footprint_have_colours_of_their_own(ctx, draw, mode):
    cloud = PointCloud(ctx)
    add(cloud, [-0.5, 0, 2, 1], footprint=0.02, born=0)
    add(cloud, [0.5, 0, 2, 1], footprint=0.2, born=9)
    picture = draw(cloud, analytic.camera(), Look(mode=mode)).astype(int)
    left, right = picture[80, 88], picture[80, 168]
    assert np.abs(left - right).max() > 60


@gl
def test_an_empty_cloud_is_only_background(ctx, draw):
    picture = draw(PointCloud(ctx), analytic.camera())
    assert np.abs(picture / 255 - BACKGROUND).max() < 0.01


@gl
def test_the_inset_shows_the_walker_and_lies_where_it_was_put(ctx, canvas, look):
    cloud = PointCloud(ctx)
    add(cloud, np.random.default_rng(0).uniform([-2, 1.4, -2, 1], [2, 1.5, 4, 1], (4000, 4)))
    target = canvas((200, 320))
    inset = Inset(ctx, FlatPass(ctx))
    inset.update((160, 100), analytic.camera(), cloud, 0.0)
    inset.draw(target, (100, 50, 160, 100))
    picture = look(target)
    inside = picture[50:150, 100:260]
    assert (inside[..., 0] > 150).sum() > 200
    outside = picture.copy()
    outside[50:150, 100:260] = 0
    assert outside.max() == 0
    assert inside[0, 0].max() == 0  # round corner


def test_the_follower_has_the_walker_in_view_even_looking_straight_up():
    for pitch in (0, 80, 90):
        walker = analytic.camera(x=2, yaw_deg=40, pitch_deg=pitch)
        camera = follow(walker, (200, 320))
        seen = camera.w2c @ [*walker.position, 1]
        pixel = (camera.intrinsics @ seen[:3])[:2] / seen[2]
        assert (np.abs(pixel - [160, 100]) < [60, 60]).all()


def test_lines_are_cut_at_the_near_plane():
    camera = analytic.camera()
    ends = np.array([[[0, 0, -1], [0, 0, 4.0]], [[0, 0, -2], [0, 0, -1.0]]])
    pixels = segments_px(camera, ends)
    assert np.isfinite(pixels[0]).all()
    assert np.isnan(pixels[1]).all()
    assert frustum_world(camera).shape == (8, 2, 3)


@gl
def test_the_map_has_the_path_and_what_lies_ahead_above_the_middle(ctx, canvas, look):
    cloud = PointCloud(ctx)
    add(cloud, [0, 1.5, 3, 1], RED, footprint=0.3)
    add(cloud, [0, -2.0, -3, 1], GREEN, footprint=0.3)  # ceiling
    target, minimap = canvas((120, 120)), Minimap(ctx, FlatPass(ctx), across_m=12)
    walker = analytic.camera()
    path = [np.array([-4.0, 0, -2]), np.array([-4.0, 0, 2.0])]
    minimap.update(120, walker, cloud, path, 0.0)
    minimap.draw(target, (0, 0, 120, 120))
    picture = look(target).astype(int)
    assert not ((picture[..., 1] > 150) & (picture[..., 0] < 60)).any()
    x, y = minimap.to_map_px(np.array([[0, 1.5, 3]]), walker, 120)[0]
    assert (x, y) == (60, 30)
    assert picture[30, 60, 0] > 180
    assert picture[30, 60, 1] < 60
    warm = (picture[..., 0] > 150) & (picture[..., 1] > 100)
    assert warm[42:78, 18:23].any(1).mean() > 0.95  # the path, on the left


def test_memory_from_outside_fills_the_picture_and_shows_the_path():
    shots = [analytic.shoot(analytic.camera(z=z, yaw_deg=a)) for z, a in ((0, 0), (0.8, 30))]
    points, colors = [], []
    for shot in shots:
        at = (
            shot.camera.position
            + shot.camera.rays() * np.where(np.isfinite(shot.depth_m), shot.depth_m, 1e9)[..., None]
        )
        w = np.isfinite(shot.depth_m)[..., None]
        points.append(np.concatenate([at, w], -1)[::4, ::4].reshape(-1, 4))
        colors.append(shot.frame[::4, ::4].reshape(-1, 3))
    cameras = [shot.camera for shot in shots]
    cloud = np.concatenate(points).astype(np.float32)
    picture = render_memory_picture(cloud, np.concatenate(colors), cameras, (150, 240))
    assert picture.shape == (150, 240, 3)
    paper = np.abs(picture.astype(int) - picture[0, 0]).max(-1) < 25
    rows, columns = np.nonzero(~paper)
    assert max(np.ptp(rows) / 150, np.ptp(columns) / 240) > 0.75
    orange = (picture[..., 0] > 180) & (picture[..., 1] < 150) & (picture[..., 2] < 110)
    assert orange.any()


@pytest.mark.parametrize("count", [0, 1, 5])
def test_memory_from_outside_can_be_nearly_empty(count):
    points = np.tile(np.float32([0, 1, 3, 1]), (count, 1))
    colors = np.full((count, 3), 200, np.uint8)
    picture = render_memory_picture(points, colors, [analytic.camera()], (60, 90))
    assert picture.shape == (60, 90, 3)
