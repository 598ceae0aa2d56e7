"""Points of memory from any camera: places, sizes, colours, and which of them are drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explorer.memory_table import MemoryTable
from explorer.render.canvas import ACCENT
from explorer.render.cloud import PointCloud
from explorer.render.colormaps import colormap_rgb
from explorer.render.look import (
    BIRTH,
    DEPTH,
    FEATURES,
    FOOTPRINT,
    NIGHT,
    PAPER,
    PLAIN,
    SEEN,
    Look,
    mode_values,
)
from explorer.render.points import PointsPass
from explorer.render.targets import Layer
from mirage_engine import HIDDEN
from tests.gl import analytic
from tests.gl.tables import GREEN, RED, add, cloud_of, middle_of

pytestmark = pytest.mark.gl

GRID = (40, 64)  # latent cells of a picture
FLAT = Look(depth_shade=0.0, size_px=(1, 1))  # a pixel for a point, in its very colour


@pytest.fixture
def draw(ctx, look):
    def points(cloud, camera, style=PLAIN, walker=None):
        target = Layer(ctx, (camera.size[1], camera.size[0])).target
        PointsPass(ctx).draw(target, camera, cloud, walker or camera, style)
        return look(target)

    return points


def pixel_of(camera, point) -> np.ndarray:
    seen = camera.w2c @ point
    return (camera.intrinsics @ seen[:3])[:2] / seen[2]


def count_of(picture, color) -> int:
    return int((picture == np.uint8(color)).all(-1).sum())


def numbered(table: MemoryTable, points, **columns) -> None:
    """Points whose colours are their numbers."""
    number = len(table) + np.arange(len(points))
    colors = np.stack([128 + number // 256, number % 256, np.full(len(points), 77)], 1)
    add(table, points, colors, **columns)


def numbers_in(picture) -> set[int]:
    red, green = picture[..., 0].astype(int), picture[..., 1].astype(int)
    return set(((red - 128) * 256 + green)[picture[..., 2] == 77].tolist())


@pytest.mark.parametrize("place", [(0, 0, 2), (0.7, 0.4, 3), (-1.2, -0.5, 4)])
def test_points_land_where_the_projection_says(ctx, draw, place):
    camera = analytic.camera(x=0.1, yaw_deg=5)
    picture = draw(cloud_of(ctx, ([*place, 1], RED), footprint=0.08), camera)
    np.testing.assert_allclose(middle_of(picture, RED), pixel_of(camera, [*place, 1]), atol=0.6)


def test_the_overlay_lies_on_the_surfaces_of_the_picture(ctx, draw):
    """Points of one view, drawn through another: each pixel's point is the surface there."""
    table, cloud = MemoryTable(), PointCloud(ctx)
    writer, walker = analytic.camera(), analytic.camera(x=0.3, z=0.6, yaw_deg=8)
    cells = writer.resized(GRID)
    depth_m = analytic.shoot(cells).depth_m
    known = np.isfinite(depth_m)
    surfaces = cells.position + (cells.rays() * np.where(known, depth_m, 1)[..., None])
    points = np.concatenate([surfaces[known], np.ones((known.sum(), 1))], 1)
    numbered(table, points, footprints_m=depth_m[known] / cells.intrinsics[0, 0])
    cloud.sync(table)
    picture = draw(cloud, walker, Look(depth_shade=0.0, size_px=(1, 50))).astype(int)
    drawn = picture[..., 2] == 77
    number = (picture[..., 0] - 128) * 256 + picture[..., 1]
    order = np.argsort(table["ids"])
    truth = analytic.shoot(walker)
    drawn &= np.isfinite(truth.depth_m)
    there = walker.position + walker.rays()[drawn] * truth.depth_m[drawn][:, None]
    ours = table["points_world"][order][number[drawn]][:, :3]
    away = [_cells(cells, place) for place in (there, ours)]
    gap = away[1] - away[0]
    assert drawn.mean() > 0.5
    assert np.median(np.linalg.norm(gap, axis=1)) < 0.6
    assert np.abs(np.median(gap, 0)).max() < 0.15, "the overlay is shifted"


def _cells(cells, places_world) -> np.ndarray:
    """[N, 2] where places are on the grid of the view that wrote them."""
    seen = places_world @ cells.w2c[:3, :3].T + cells.w2c[:3, 3]
    pixels = seen @ cells.intrinsics.T
    return pixels[:, :2] / pixels[:, 2:]


@pytest.mark.parametrize("size_m", [None, 0.2])
def test_a_point_is_as_large_as_its_footprint_or_as_it_is_told(ctx, draw, size_m):
    camera = analytic.camera()
    cloud = cloud_of(ctx, ([0, 0, 2, 1], RED), footprint=0.1)
    count = count_of(draw(cloud, camera, Look(size_px=(1, 50), size_m=size_m, size=1.5)), RED)
    across = 1.5 * (size_m or 1.3 * 0.1) * camera.intrinsics[0, 0] / 2
    assert count == pytest.approx(np.pi / 4 * across**2, rel=0.2)


def test_the_nearer_point_wins(ctx, draw):
    cloud = cloud_of(ctx, ([0, 0, 4, 1], GREEN), ([0, 0, 2, 1], RED), footprint=0.2)
    picture = draw(cloud, analytic.camera(), Look(size_m=0.1))
    assert not count_of(picture, GREEN)
    assert count_of(picture, RED)


def test_nothing_nearer_than_the_near_plane_is_drawn(ctx, draw):
    camera = analytic.camera(yaw_deg=30)
    places = [camera.position + camera.forward * z for z in (0.8, 1.9, 2.1, 5)]
    table, cloud = MemoryTable(), PointCloud(ctx)
    places = np.array(places) + camera.c2w[:3, 0] * np.array([[-0.3], [-0.2], [0.3], [1.2]])
    numbered(table, np.c_[places, np.ones(4)])
    cloud.sync(table)
    assert numbers_in(draw(cloud, camera, FLAT)) == {0, 1, 2, 3}
    assert numbers_in(draw(cloud, camera, replace(FLAT, near_m=2.0))) == {2, 3}


def test_the_dome_turns_but_never_comes_nearer(ctx, draw):
    cloud = cloud_of(ctx, ([0.3, -0.2, 1, 0], RED), footprint=0.06)
    here = draw(cloud, analytic.camera())
    there = draw(cloud, analytic.camera(x=5, z=9))
    assert count_of(here, RED) == count_of(there, RED) > 20
    np.testing.assert_allclose(middle_of(here, RED), middle_of(there, RED), atol=0.05)
    turned = middle_of(draw(cloud, analytic.camera(yaw_deg=8)), RED)
    expected = pixel_of(analytic.camera(yaw_deg=8), [0.3, -0.2, 1, 0])
    np.testing.assert_allclose(turned, expected, atol=0.6)


def test_the_dome_stands_around_the_walker_or_is_left_out(ctx, draw):
    cloud, walker = cloud_of(ctx, ([0, 0, 1, 0], RED), footprint=0.1), analytic.camera(x=-2)
    outside = analytic.camera(x=-4, z=-6, yaw_deg=3)
    picture = draw(cloud, outside, Look(dome_m=10.0), walker)
    expected = pixel_of(outside, [-2, 0, 10, 1])
    np.testing.assert_allclose(middle_of(picture, RED), expected, atol=0.6)
    assert not count_of(draw(cloud, outside, Look(dome=False), walker), RED)


def test_the_ceiling_can_be_taken_away(ctx, draw):
    cloud = cloud_of(ctx, ([0, -1, 3, 1], RED), ([0, 0.5, 3, 1], GREEN))
    picture = draw(cloud, analytic.camera(), Look(cut_above_m=0.4))
    assert not count_of(picture, RED)
    assert count_of(picture, GREEN)


@pytest.fixture
def history() -> MemoryTable:
    """Points on a lattice before the camera: of all ages, some dead, some hidden."""
    table, rng = MemoryTable(), np.random.default_rng(2)
    x, y = np.meshgrid(np.linspace(-1, 1, 40), np.linspace(-0.6, 0.6, 20))
    lattice = np.stack([x, y, np.full_like(x, 2), np.ones_like(x)], -1).reshape(-1, 4)
    for born, points in enumerate(np.array_split(lattice, 8)):
        numbered(table, points, born=born)
        table.kill(rng.choice(table["ids"], 40, replace=False), born)
    table.flag(rng.choice(table["ids"], 80, replace=False), HIDDEN, True)
    return table


def test_the_past_is_shown_as_it_was(ctx, draw, history):
    cloud = PointCloud(ctx)
    cloud.sync(history)
    visible = history["flags"] & HIDDEN == 0
    camera = analytic.camera()
    for segment in (0, 3, 6, 7, 50):
        seen = numbers_in(draw(cloud, camera, replace(FLAT, shown=segment)))
        assert seen == set(history["ids"][history.alive_at(segment) & visible].tolist())
    seen = numbers_in(draw(cloud, camera, FLAT))
    assert seen == set(history["ids"][history.read].tolist())


def test_of_too_many_points_a_fair_part_is_drawn(ctx, draw, history):
    cloud = PointCloud(ctx)
    cloud.sync(history)
    all_of_them = numbers_in(draw(cloud, analytic.camera(), FLAT))
    few = numbers_in(draw(cloud, analytic.camera(), replace(FLAT, most=200)))
    assert few < all_of_them
    assert len(few) == pytest.approx(len(all_of_them) / 4, rel=0.25)
    assert {int(history["born"][history.rows([i])[0]]) for i in few} == set(range(8))


def test_a_pass_goes_on_drawing_a_cloud_that_outgrew_its_buffer(ctx, look):
    table, cloud, camera, points = (
        MemoryTable(),
        PointCloud(ctx),
        analytic.camera(),
        PointsPass(ctx),
    )
    target, crowd = Layer(ctx, (256, 160)).target, np.tile([0.5, 0.5, 4, 1], (9000, 1))
    for born, place in enumerate(([-0.4, 0, 2, 1], [0, 0, 2, 1], [0.4, 0, 2, 1])):
        add(table, place, GREEN, born=born)
        cloud.sync(table)
        for style in (FLAT, replace(FLAT, most=len(table))):
            points.draw(target, camera, cloud, camera, style)
            assert count_of(look(target), GREEN) == born + 1
        add(table, crowd, RED, born=born)


def test_hidden_points_are_left_out_or_dimmed(ctx, draw):
    table, cloud = MemoryTable(), PointCloud(ctx)
    table.flag(add(table, [0, 0, 2, 1], RED), HIDDEN, True)
    cloud.sync(table)
    camera = analytic.camera()
    empty = draw(PointCloud(ctx), camera)
    assert np.array_equal(draw(cloud, camera), empty)
    dim = draw(cloud, camera, Look(hidden=0.5))[80, 128]
    expected = 0.5 * np.array(RED) + 0.5 * 255 * np.mean(NIGHT, 0)
    assert np.abs(dim - expected).max() <= 1


def test_selected_points_stand_out_and_are_a_little_larger(ctx, draw):
    cloud = cloud_of(ctx, ([0, 0, 2, 1], RED), footprint=0.15)
    plain = draw(cloud, analytic.camera(), Look(depth_shade=0))
    cloud.select(np.ones(1, bool))
    chosen = draw(cloud, analytic.camera(), Look(depth_shade=0))
    accent = np.round(np.array(ACCENT[:3]) * 255).astype(np.uint8)
    assert count_of(plain, RED) < count_of(chosen, accent) < 1.8 * count_of(plain, RED)
    assert not count_of(chosen, RED)
    off = draw(cloud, analytic.camera(), Look(depth_shade=0, highlight=False))
    assert np.array_equal(off, plain)


@pytest.mark.parametrize(
    "style",
    [
        Look(BIRTH),
        Look(BIRTH, low=2, high=4, colormap="twilight"),
        Look(DEPTH),
        Look(DEPTH, height=True),
        Look(FOOTPRINT),
        Look(FOOTPRINT, low=0.1, high=0.2),
        Look(SEEN),
    ],
    ids=lambda style: f"{style.facts.name} {style.low}..{style.high}",
)
def test_the_shader_draws_the_values_that_numpy_gives(ctx, draw, style):
    """Each point's colour is the map's at its value, one of 256 steps more or less."""
    table, cloud, camera = MemoryTable(), PointCloud(ctx), analytic.camera(x=0.4, yaw_deg=6)
    rng, places = np.random.default_rng(5), []
    for i, (column, row) in enumerate(np.ndindex(6, 4)):
        ray = camera.rays()[20 + 35 * row, 22 + 42 * column]
        sky = i % 8 == 7
        places.append([*ray, 0] if sky else [*(camera.position + ray * rng.uniform(1, 9)), 1])
        footprint = 0.06 if sky else float(2 ** rng.uniform(-6, 0))
        add(table, places[-1], born=i // 4, seen=2 ** (i % 9), footprint=footprint)
    cloud.sync(table)
    picture = draw(cloud, camera, replace(style, size_px=(9, 9))).astype(int)
    low, high = style.range(newest=5)
    rows = colormap_rgb(style.colormap or style.facts.colormap).astype(int)
    values = mode_values(table, style.mode, camera, style.height)
    spread = np.log2 if style.facts.log else np.asarray
    for place, value in zip(places, values, strict=True):
        share = (spread(value) - spread(low)) / (spread(high) - spread(low))
        step = int(np.clip(share, 0, 1) * 255 + 0.5)
        column, row = pixel_of(camera, place).astype(int)
        near = rows[max(0, step - 1) : step + 2]
        assert np.abs(near - picture[row, column]).max(1).min() <= 1


def test_the_own_colours_are_drawn_as_they_are(ctx, draw):
    table, cloud = MemoryTable(), PointCloud(ctx)
    rows = table.rows(add(table, [0, 0, 2, 1], (10, 200, 30), footprint=0.2))
    table.tint(rows, np.uint8([[250, 120, 5]]))
    cloud.sync(table)
    camera = analytic.camera()
    assert draw(cloud, camera)[80, 128].tolist() == [10, 200, 30]
    assert draw(cloud, camera, Look(FEATURES))[80, 128].tolist() == [250, 120, 5]


def test_older_points_fade_towards_the_background(ctx, draw):
    table, cloud = MemoryTable(), PointCloud(ctx)
    for i, born in enumerate((0, 40, 80)):
        add(table, [i - 1, 0, 3, 1], RED, footprint=0.2, born=born)
    cloud.sync(table)
    reds = draw(cloud, analytic.camera(), Look(age_fade=0.8))[80, [75, 128, 181], 0]
    assert reds[0] < reds[1] < reds[2] == 255


def test_an_edge_is_darker_where_it_stands_before_something_nearer(ctx, draw):
    far, near = np.mgrid[-1:1:90j, -1:1:90j].reshape(2, -1).T, [0.0, 0.0]
    wall = np.c_[far, np.full((len(far), 1), 3.0), np.ones(len(far))]
    cloud = cloud_of(ctx, (wall, (200,) * 3), ([*near, 2, 1], RED), footprint=0.03)
    camera, big = analytic.camera(), Look(size_px=(1, 30), size_m=0.3)
    for strength in (0.0, 1.0):
        picture = draw(cloud, camera, replace(big, depth_shade=strength)).astype(int)
        red = (picture[..., 0] > 90) & (picture[..., 1] < 40)
        beside = np.zeros_like(red)
        beside[1:, 1:] |= red[:-1, :-1]
        beside[:-1, :-1] |= red[1:, 1:]
        rim = picture[..., 1][beside & ~red]
        assert (rim < 170).mean() > 0.9 if strength else (rim == 200).all()


def test_an_empty_cloud_is_only_background(ctx, draw):
    for background in (NIGHT, PAPER):
        picture = draw(PointCloud(ctx), analytic.camera(), Look(background=background)) / 255
        top, bottom = np.array(background)
        assert np.abs(picture[0] - top).max() < 0.01
        assert np.abs(picture[-1] - bottom).max() < 0.01


def test_the_points_leave_their_depth_in_the_target(ctx):
    camera = analytic.camera()
    cloud = cloud_of(ctx, ([0, 0, 2.5, 1], RED), footprint=0.3)
    layer = Layer(ctx, (256, 160))
    PointsPass(ctx).draw(layer.target, camera, cloud, camera)
    depth = np.frombuffer(layer.depths.read(), np.float32).reshape(160, 256)[80, 128]
    clip = camera.projection_gl(0.05, 1e4) @ camera.view_matrix_gl() @ [0, 0, 2.5, 1]
    assert depth == pytest.approx(clip[2] / clip[3] / 2 + 0.5, abs=1e-5)
