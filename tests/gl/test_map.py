"""The inset, the map and its compass: what lies where, and when they are redrawn."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.render.canvas import WARNING
from explorer.render.cloud import PointCloud
from explorer.render.compass import INNER, OUTER
from explorer.render.flat import FlatPass, frustum_world, segments_px
from explorer.render.inset import Inset
from explorer.render.look import Look
from explorer.render.minimap import MapFacts, Minimap
from explorer.render.points import PointsPass
from explorer.render.targets import SmallPicture
from explorer.render.viewpoint import follow
from tests.gl import analytic
from tests.gl.tables import GREEN, RED, cloud_of, middle_of

gl = pytest.mark.gl
SIDE = 240
NOTHING = np.zeros((0, 3))


def facts(**some) -> MapFacts:
    blank = {
        "tiles_world": np.zeros((0, 2)),
        "tile_share": np.zeros(0),
        "headings": np.zeros(72),
        "threshold": 0.8,
        "ahead": NOTHING,
        "horizon": None,
        "frusta": (),
    }
    return MapFacts(**{**blank, **some})


@pytest.fixture
def map_of(ctx, canvas, look):
    """Draws a map of 12 m across; the picture, upper row first."""

    def draw(walker, cloud=None, path=(), map_facts=None, style=None):
        target, minimap = canvas((SIDE, SIDE)), Minimap(ctx, FlatPass(ctx), across_m=12)
        cloud = cloud or PointCloud(ctx)
        minimap.update(SIDE, walker, cloud, path, 0.0, style or Look(), map_facts)
        minimap.draw(target, (0, 0, SIDE, SIDE))
        return look(target).astype(int)

    return draw


def at(picture, walker, x, z) -> np.ndarray:
    """The pixel where a place of the world is."""
    column, row = SIDE / 2 + (x - walker.position[0]) * 20, SIDE / 2 - (z - walker.position[2]) * 20
    return picture[int(row), int(column)]


@gl
def test_the_inset_shows_the_walker_and_lies_where_it_was_put(ctx, canvas, look):
    floor = np.random.default_rng(0).uniform([-2, 1.4, -2, 1], [2, 1.5, 4, 1], (4000, 4))
    target = canvas((200, 320))
    inset = Inset(ctx, FlatPass(ctx))
    inset.update((160, 100), analytic.camera(), cloud_of(ctx, (floor, RED)), 0.0)
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
def test_outlines_run_where_they_are_told(ctx, canvas, look):
    target, flat = canvas((100, 160)), FlatPass(ctx)
    flat.rect(target, (20, 10, 60, 40), (1, 0, 0, 1), 2)
    flat.circle(target, (110, 50), 30, (0, 1, 0, 1), 3)
    picture = look(target)
    rows, columns = np.nonzero(picture[..., 0] > 200)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (19, 80, 9, 50)
    assert picture[12:48, 22:78].max() == 0
    rows, columns = np.nonzero(picture[..., 1] > 200)
    away = np.hypot(columns + 0.5 - 110, rows + 0.5 - 50)
    assert np.abs(away - 30).max() < 2
    assert len(np.unique(np.round(np.arctan2(rows - 50, columns - 110), 1))) > 55  # all around


@gl
def test_drawing_keeps_to_the_upper_left_of_a_window_that_was_resized(ctx, canvas, look):
    target = canvas((200, 320))
    target.viewport = (0, 0, 160, 100)  # the lower left, as OpenGL counts
    cloud, camera = cloud_of(ctx, ([0, 0, 2, 1], RED)), analytic.camera(size=(100, 160))
    PointsPass(ctx).draw(target, camera, cloud, camera, Look(size_px=(9, 9)))
    FlatPass(ctx).fill(target, np.array([[0, 0], [10, 0], [10, 10], [0, 10]]), (0, 1, 0, 1))
    picture = look(target)
    assert middle_of(picture, GREEN) == (5, 105)
    np.testing.assert_allclose(middle_of(picture, RED), (80, 150), atol=0.6)
    assert picture[:100].max() == picture[:, 160:].max() == 0


@gl
def test_the_map_has_the_path_and_what_lies_ahead_above_the_middle(ctx, map_of):
    ahead_and_above = ([0, 1.5, 3, 1], RED), ([0, -2.0, -3, 1], GREEN)  # the second is the ceiling
    walker = analytic.camera()
    path = [np.array([-4.0, 0, -2]), np.array([-4.0, 0, 2.0])]
    picture = map_of(walker, cloud_of(ctx, *ahead_and_above, footprint=0.3), path)
    assert not ((picture[..., 1] > 150) & (picture[..., 0] < 60)).any()
    assert at(picture, walker, 0, 3)[0] > 180
    assert at(picture, walker, 0, 3)[1] < 60
    warm = (picture[..., 0] > 150) & (picture[..., 1] > 100)
    assert warm[82:158, 38:43].any(1).mean() > 0.95  # the path, on the left


@gl
def test_floor_tiles_shine_by_the_share_that_is_remembered(map_of):
    walker = analytic.camera(x=1.1, z=-0.4, yaw_deg=200)
    corners, shares = np.array([[-1, -2], [0, -2], [2.5, -1.0]]), np.array([0.25, 1.0, 0.0])
    picture = map_of(walker, map_facts=facts(tiles_world=corners, tile_share=shares))
    empty = map_of(walker, map_facts=facts())
    quarter, whole, nothing = (at(picture - empty, walker, x + 0.25, z + 0.25) for x, z in corners)
    assert 5 < quarter[1] < 0.5 * whole[1]
    assert not nothing.any()
    tile = (picture - empty)[..., 1] > whole[1] / 2
    assert tile.sum() == pytest.approx((0.92 * 0.5 * 20) ** 2, rel=0.15)
    rows, columns = np.nonzero(tile)
    assert columns.mean() + 0.5 == pytest.approx(SIDE / 2 + (0.25 - 1.1) * 20, abs=0.5)
    assert rows.mean() + 0.5 == pytest.approx(SIDE / 2 - (-1.75 + 0.4) * 20, abs=0.5)


@gl
def test_each_arc_of_the_compass_is_as_long_as_its_heading_is_remembered(map_of):
    rng = np.random.default_rng(3)
    headings, threshold = rng.uniform(0.2, 1, 72), 0.8
    picture = map_of(analytic.camera(yaw_deg=33), map_facts=facts(headings=headings))
    for number, share in enumerate(headings):
        angle = np.radians(number * 5)
        steps = np.linspace(INNER, OUTER, 60)
        x, y = np.sin(angle) * steps, -np.cos(angle) * steps
        line = picture[(SIDE / 2 * (1 + y)).astype(int), (SIDE / 2 * (1 + x)).astype(int)]
        filled = line.max(1) > 130
        assert filled.mean() == pytest.approx(share, abs=0.14)
        inner = line[2:8].mean(0)
        assert (inner[0] > inner[1]) == (share < threshold), "warm colours where memory ends"


@gl
@pytest.mark.parametrize("horizon", [None, 1])
def test_a_bar_lies_across_the_path_ahead_where_memory_ends(map_of, horizon):
    walker = analytic.camera(yaw_deg=90)
    ahead = np.array([[1.0, 0, 0], [2.0, 0, 0], [3.0, 0, 0]])
    before = map_of(walker, map_facts=facts())
    picture = map_of(walker, map_facts=facts(ahead=ahead, horizon=horizon))
    pale = at(picture, walker, 2.6, 0.0)
    assert pale.min() > 120  # the path goes on behind it
    red = np.abs(picture - np.array(WARNING[:3]) * 255).max(-1) < 12
    red &= np.abs(picture - before).max(-1) > 0
    if horizon is None:
        assert not red.any()
    else:
        rows, columns = np.nonzero(red)
        assert abs(columns.mean() + 0.5 - (SIDE / 2 + 2 * 20)) < 0.6
        assert abs(rows.mean() + 0.5 - SIDE / 2) < 0.6
        assert np.ptp(rows) > 3 * np.ptp(columns)


@gl
def test_frusta_are_chevrons_and_of_close_ones_there_is_one(map_of):
    walker, empty = analytic.camera(), facts()
    there = analytic.camera(x=-3, z=-3)
    before = map_of(walker, map_facts=empty)
    one = np.abs(map_of(walker, map_facts=facts(frusta=[there])) - before).max(-1) > 30
    many = np.abs(map_of(walker, map_facts=facts(frusta=[there] * 9)) - before).max(-1) > 30
    assert np.array_equal(one, many)
    rows, columns = np.nonzero(one)
    assert np.hypot(columns.mean() - (SIDE / 2 - 60), rows.mean() - (SIDE / 2 + 58)) < 3


@gl
def test_the_map_shows_the_past_and_the_colours_of_a_look(ctx, map_of):
    cloud = cloud_of(ctx, ([0, 1.5, 3, 1], RED), footprint=0.3, born=4)
    walker = analytic.camera()
    assert at(map_of(walker, cloud, style=Look(shown=4)), walker, 0, 3)[0] > 180
    assert at(map_of(walker, cloud, style=Look(shown=3)), walker, 0, 3).max() < 40
    assert at(map_of(walker, cloud, style=Look(near_m=5.0)), walker, 0, 3)[0] > 180


@gl
def test_a_small_picture_is_redrawn_when_something_changed_and_not_too_often(ctx):
    small, drawn = SmallPicture(ctx, hz=10), []
    steps = [("a", 0.0), ("a", 5.0), ("b", 5.0), ("c", 5.05), ("d", 5.11), ("d", 9.0)]
    for state, now_s in steps:
        small.refresh(
            (8, 8), (state,), now_s, lambda target, s=state: drawn.append((s, target.size))
        )
    assert drawn == [("a", (8, 8)), ("b", (8, 8)), ("d", (8, 8))]
    small.refresh((4, 6), ("d",), 12.0, lambda target: drawn.append(("d", target.size)))
    assert drawn[-1] == ("d", (4, 6))
    assert small.picture.size == (4, 6)
