"""Coverage by heading and floor tile. A box room, whose every ray is known, is the truth."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from explorer.coverage import HEADINGS, MapFacts, floor_tiles, headings, map_facts, path_coverage
from explorer.coverage import states as states_of
from explorer.horizon import Horizon
from mirage_engine import Preset, pose
from tests.explorer.fake_world import HIGH, LOW, FakeWorld

VFOV_DEG = 50.0
EYE_M = 1.5  # the floor of the room is at y = 1.5


@pytest.fixture
def walk():
    world, horizon = FakeWorld(Preset("pocket"), 0), Horizon()
    horizon.add(world.begin(scene=0))
    return SimpleNamespace(world=world, horizon=horizon)


def turned(walk, yaw_deg, position=(0.0, 0.0, 0.0)):
    return walk.world.camera.moved(pose(position, yaw_deg))


def was_seen(points, cameras):
    """[...] whether a place on the walls of the (convex) room is in one of the pictures."""
    seen = np.zeros(points.shape[:-1], bool)
    for camera in cameras:
        local = points @ camera.w2c[:3, :3].T + camera.w2c[:3, 3]
        z = np.where(local[..., 2] > 0.01, local[..., 2], np.nan)
        x, y = (local @ camera.intrinsics.T)[..., 0] / z, (local @ camera.intrinsics.T)[..., 1] / z
        seen |= (x >= 0) & (x < 256) & (y >= 0) & (y < 160)
    return seen


@pytest.mark.parametrize("position", [(0.0, 0.0, 0.0), (0.8, -0.2, 1.5), (-1.0, 0.3, -0.5)])
def test_a_heading_is_as_known_as_the_rays_that_hit_what_was_seen(walk, position):
    walk.horizon.add(walk.world.advance([turned(walk, 100)] * 4))
    eye = np.array(position)
    yaw = np.radians(np.arange(-2.375, 357.5, 0.25))
    rise = np.radians(np.linspace(-VFOV_DEG / 2, VFOV_DEG / 2, 60))
    yaw, rise = np.meshgrid(yaw, rise)
    rays = np.stack([np.sin(yaw) * np.cos(rise), -np.sin(rise), np.cos(yaw) * np.cos(rise)], -1)
    reach = np.where(rays > 0, HIGH - eye, LOW - eye) / np.where(rays == 0, 1e-9, rays)
    hit = eye + rays * reach.min(-1, keepdims=True)
    seen = was_seen(hit, [turned(walk, 0), turned(walk, 100)])
    truth = seen.reshape(60, HEADINGS, 20).mean((0, 2))
    found = headings(walk.horizon.points_world, walk.horizon.edges_m, eye, VFOV_DEG)
    assert found.shape == (HEADINGS,) and truth.max() > 0.7 and truth.min() < 0.05
    assert np.abs(found - truth).mean() < 0.04
    assert np.abs(found - truth).max() < 0.5  # at a border half a heading may be filled
    around = np.stack([np.roll(truth, i) for i in (-1, 0, 1)])
    assert (found[around.max(0) == 0] == 0).all()
    assert (found[around.min(0) > 0.99] > 0.9).all()


def test_headings_run_clockwise_from_z_towards_x():
    for yaw_deg in (0, 45, 90, 200, 355):
        yaw = math.radians(yaw_deg)
        point = np.float32([[3 * math.sin(yaw), 0, 3 * math.cos(yaw), 1]])
        found = headings(point, np.float32([0.01]), np.zeros(3), VFOV_DEG)
        assert np.flatnonzero(found).tolist() == [yaw_deg // 5]


def test_sky_is_known_from_everywhere_and_nothing_is_nowhere():
    sky = np.float32([[1, -0.1, 0, 0]])
    for eye in ([0, 0, 0], [9, 1, -4]):
        found = headings(sky, np.float32([0.02]), np.array(eye), VFOV_DEG)
        assert np.flatnonzero(found).tolist() == [18]
    assert not headings(sky[:0], np.zeros(0, np.float32), np.zeros(3), VFOV_DEG).any()


def test_a_tile_is_as_known_as_the_part_of_it_that_was_seen(walk):
    cameras = [turned(walk, 0), turned(walk, 130, (0, 0, 2.0))]
    walk.horizon.add(walk.world.advance([cameras[1]] * 4))
    tiles, share = floor_tiles(walk.horizon.points_world, walk.horizon.edges_m, 0.0, EYE_M)
    found = {
        (round(2 * x), round(2 * z)): s for (x, z), s in zip(tiles.tolist(), share, strict=True)
    }
    assert len(found) == len(tiles) and share.max() <= 1 and share.min() > 0
    errors, known = [], 0
    for column in range(-5, 5):
        for row in range(-4, 8):
            inside = (np.arange(20) + 0.5) / 40
            x, z = np.meshgrid(column / 2 + inside, row / 2 + inside)
            truth = was_seen(np.stack([x, np.full_like(x, 1.5), z], -1), cameras).mean()
            errors.append(abs(found.pop((column, row), 0.0) - truth))
            known += truth
    assert 20 < known < 100 and np.mean(errors) < 0.02 and max(errors) < 0.15
    # The foot of a wall counts as floor, so tiles just behind it are filled in part.
    assert all(-6 <= x <= 5 and -5 <= z <= 8 and s <= 0.5 for (x, z), s in found.items())


def test_what_is_not_floor_is_no_tile():
    heights = np.arange(-2, 4, 0.1)
    points = np.stack([heights * 0, heights, heights * 0 + 1, heights * 0 + 1], 1)
    points = np.concatenate([points, [[0, 1.5, 5, 0]]]).astype(np.float32)  # and a piece of sky
    for eye_y in (0.0, 1.0):
        tiles, share = floor_tiles(points, np.full(61, 0.01, np.float32), eye_y, EYE_M)
        assert tiles.tolist() == [[0, 1]] and share.tolist() == [1 / 16]
    tiles, share = floor_tiles(points, np.full(61, 0.01, np.float32), 40.0, EYE_M)
    assert tiles.shape == (0, 2) and share.shape == (0,)


def test_a_view_s_cells_are_unseen_remembered_or_stale():
    mask = np.array([[False, True, True, True, False]])
    scale = np.array([[0.0, 0.0, 1.0, 1.5, 3.0]], np.float32)
    assert states_of(SimpleNamespace(mask=mask, scale=scale)).tolist() == [[0, 1, 1, 2, 0]]


def test_a_path_is_as_known_as_its_views_on_average(walk):
    half = walk.horizon.coverage(turned(walk, 40))
    assert 0.3 < half < 0.7
    path = [turned(walk, a) for a in (0, 40, 180)]
    assert path_coverage(walk.horizon, path) == pytest.approx((1 + half + 0) / 3, abs=0.02)


def test_the_map_says_where_memory_ends_on_the_way_ahead(walk):
    walk.horizon.add(walk.world.advance([turned(walk, a) for a in (5, 10, 15, 20)]))
    path = [turned(walk, a, (0, 0, a / 100)) for a in range(0, 91)]
    facts = map_facts(walk, path[0], path, EYE_M)
    assert np.allclose(facts.ahead[:, :2], 0) and len(facts.ahead) == 10
    assert facts.horizon is not None
    yaws = np.arange(1, 11) * 7.5
    known = [walk.horizon.known(turned(walk, a, (0, 0, a / 100))) for a in yaws]
    assert known.index(False) == facts.horizon
    assert [c.c2w[0, 2] for c in facts.frusta] == [0.0, pytest.approx(math.sin(math.radians(20)))]
    assert facts.headings[0] > 0.9 and facts.headings[36] == 0
    assert len(facts.tiles_world) == len(facts.tile_share) > 10
    still = map_facts(walk, path[0], [path[0]], EYE_M)
    assert still.horizon is None and still.ahead.shape == (0, 3)


def test_a_map_of_nothing_can_be_drawn():
    facts = MapFacts()
    assert facts.tiles_world.shape == (0, 2) and facts.headings.shape == (HEADINGS,)
