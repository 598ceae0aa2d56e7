"""Where knowledge ends, and what is asked for there. The room of the fake world is the truth."""

import itertools

import numpy as np
import pytest

from explorer.gone import Gone
from explorer.horizon import GRID, Horizon, Spacing, walked
from mirage_engine import Preset, pose
from tests.explorer.fake_world import FakeWorld

HERE = (0.0, 0.0, 0.0)


@pytest.fixture
def walk():
    return Walk()


class Walk:
    """A world and the horizon that listens to it."""

    def __init__(self):
        self.world, self.horizon = FakeWorld(Preset("pocket"), 0), Horizon()
        self.horizon.add(self.world.begin(scene=0))

    def at(self, position=HERE, yaw_deg=0.0, pitch_deg=0.0):
        return self.world.camera.moved(pose(position, yaw_deg, pitch_deg))

    def turning(self, start_deg, end_deg, step_deg=3.0):
        return [self.at(yaw_deg=a) for a in np.arange(start_deg, end_deg + 0.1, step_deg)]

    def fulfil(self, path):
        self.horizon.add(self.world.advance(path))


def test_the_view_of_the_start_image_is_known_and_the_back_is_not(walk):
    assert walk.horizon.coverage(walk.at()) > 0.99
    assert walk.horizon.coverage(walk.at(yaw_deg=180)) == 0.0


@pytest.mark.parametrize("turn_deg", [10, 20, 30, -25])
def test_coverage_after_a_turn_is_the_overlap_of_the_views(walk, turn_deg):
    turned = walk.at(yaw_deg=turn_deg)
    rays = turned.resized((80, 128)).rays()
    first = walk.world.camera
    pixel = rays @ first.w2c[:3, :3].T @ first.intrinsics.T
    x, y = pixel[..., 0] / pixel[..., 2], pixel[..., 1] / pixel[..., 2]
    truth = ((pixel[..., 2] > 0) & (x > 0) & (x < 256) & (y > 0) & (y < 160)).mean()
    assert walk.horizon.coverage(turned) == pytest.approx(truth, abs=0.05)


def test_the_coverage_map_equals_a_plain_loop(walk):
    camera = walk.at((0.3, -0.1, 1.2), 20, 5).resized(GRID)
    truth = np.zeros(GRID, bool)
    edges = walk.horizon._edges
    for point, edge in zip(walk.horizon.points_world, edges, strict=True):
        x, y, z = camera.intrinsics @ (camera.w2c @ point)[:3]
        if z <= 0.05:
            continue
        row, column = int(np.floor(y / z)), int(np.floor(x / z))
        reach = 1 if edge * camera.intrinsics[0, 0] / z > 1 else 0
        if not (-1 <= row <= GRID[0] and -1 <= column <= GRID[1]):
            continue
        top, left = max(0, row - reach), max(0, column - reach)
        truth[top : max(0, row + reach + 1), left : max(0, column + reach + 1)] = True
    assert (walk.horizon.coverage_map(walk.at((0.3, -0.1, 1.2), 20, 5)) != truth).mean() < 0.002


def test_sky_turns_with_the_view_but_does_not_come_closer(walk):
    sky = np.array([[0, -0.2, 1, 0]], np.float32)
    horizon = Horizon()
    horizon.reset(1, sky, np.array([0.02], np.float32))
    here = np.argwhere(horizon.coverage_map(walk.at()))
    far = np.argwhere(horizon.coverage_map(walk.at((0.5, 0.2, 30))))
    assert len(here) and np.array_equal(here, far)
    assert horizon.coverage(walk.at(yaw_deg=120)) == 0


def test_standing_and_going_back_over_known_ground_asks_for_nothing(walk):
    assert walk.horizon.path_ahead([walk.at()] * 10, 4) is None
    for _ in range(40):
        path = walk.horizon.path_ahead(walk.turning(0, 60), 4)
        if path is None:
            break
        walk.fulfil(path)
    assert path is None
    assert walk.horizon.path_ahead(walk.turning(0, 60)[::-1], 4) is None


def test_a_path_leads_on_from_the_nearest_generated_frame(walk):
    path = walk.horizon.path_ahead(walk.turning(0, 60), 4)
    assert path is not None and len(path) == 4
    yaw = [np.degrees(np.arctan2(c.forward[0], c.forward[2])) for c in path]
    assert np.allclose(yaw, [7.5, 15, 22.5, 30], atol=1e-6)


def test_a_view_in_fog_is_led_to_in_pieces(walk):
    lost = walk.at((0, 0, 0), 90)
    asked = []
    for _ in range(10):
        path = walk.horizon.path_ahead([lost], 4)
        if path is None:
            break
        asked += path
        walk.fulfil(path)
    assert path is None
    assert walk.horizon.coverage(lost) >= 0.85
    everywhere = [walk.at(), *asked]
    gaps = [Spacing().steps(a, b) for a, b in zip(everywhere, asked, strict=False)]
    assert max(gaps) < 1.01


def test_a_short_way_is_shared_by_all_the_frames(walk):
    path = walk.horizon.path_ahead([walk.at(yaw_deg=16)], 4)
    assert path is not None
    yaw = [np.degrees(np.arctan2(c.forward[0], c.forward[2])) for c in path]
    assert np.allclose(yaw, [4, 8, 12, 16], atol=1e-6)


def test_a_generated_view_is_not_asked_for_again_though_little_was_remembered(walk):
    looking = [walk.at(yaw_deg=40)]
    for _ in range(20):
        path = walk.horizon.path_ahead(looking, 4)
        if path is None:
            break
        segment = walk.world.advance(path)
        object.__setattr__(segment, "points_world", segment.points_world[:0])
        object.__setattr__(segment, "footprints_m", segment.footprints_m[:0])
        walk.horizon.add(segment)
    assert path is None
    assert walk.horizon.coverage(looking[0]) < 0.85


def test_once_asking_it_goes_on_a_little_beyond_the_threshold(walk):
    edge = next(a for a in np.arange(5, 12, 0.5) if walk.horizon.coverage(walk.at(yaw_deg=a)) < 0.9)
    assert walk.horizon.coverage(walk.at(yaw_deg=edge)) > 0.85
    assert walk.horizon.path_ahead([walk.at(yaw_deg=edge)], 4) is None
    assert walk.horizon.path_ahead([walk.at(yaw_deg=40)], 4) is not None
    assert walk.horizon.path_ahead([walk.at(yaw_deg=edge)], 4) is not None


def test_after_an_undo_the_view_is_unknown_again(walk):
    walk.fulfil([walk.at(yaw_deg=a) for a in (20, 40, 60, 80)])
    assert walk.horizon.known(walk.at(yaw_deg=80))
    walk.world.undo()
    points = walk.world.points
    walk.horizon.reset(1, points.points_world, points.footprints_m)
    assert not walk.horizon.known(walk.at(yaw_deg=80))
    assert walk.horizon.coverage(walk.at()) > 0.99


def test_seeing_the_same_again_adds_no_points(walk):
    walk.fulfil([walk.at(yaw_deg=a) for a in (2, 4, 6, 8)])
    before = len(walk.horizon)
    walk.fulfil([walk.at(yaw_deg=a) for a in (2, 4, 6, 8)])
    assert len(walk.horizon) == before


def test_every_voxel_of_a_seen_surface_keeps_a_point(walk):
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.uniform(-5, 5, (4000, 3)), np.ones((4000, 1))], 1)
    points[:2000, 0] = 2.5  # a wall, where voxels differ in two numbers only
    points[3000:, :3] /= np.linalg.norm(points[3000:, :3], axis=1, keepdims=True)
    points[3000:, 3] = 0
    footprints = np.exp2(rng.integers(-6, -2, 4000) - 0.7)
    horizon = Horizon()
    horizon.reset(1, points.astype(np.float32), footprints.astype(np.float32))
    edges = np.exp2(np.ceil(np.log2(footprints * 1.5)))
    voxels = {
        (*np.floor(point[:3].astype(np.float32) / edge).tolist(), edge, point[3])
        for point, edge in zip(points, edges, strict=True)
    }
    assert len(horizon) == len(voxels)


def test_steps_along_a_way_are_evenly_spaced(walk):
    way = [walk.at(), walk.at((0, 0, 0.33)), walk.at((0.5, 0, 0.33)), walk.at((0.5, 0, 0.33), 30)]
    steps = walked(way, Spacing(0.1, 7.5))
    assert len(steps) == 1 + int((0.33 + 0.5) / 0.1 + 30 / 7.5)
    gaps = [Spacing(0.1, 7.5).steps(a, b) for a, b in itertools.pairwise(steps)]
    assert max(gaps) < 1.01


def test_a_view_whose_wall_was_taken_away_is_asked_for_once_more(walk):
    walk.fulfil([walk.at(yaw_deg=a) for a in (20, 40, 60, 80)])
    points_world, footprints_m = walk.world.points.points_world, walk.world.points.footprints_m
    wall = points_world[:, 0] > 2.5 - 1e-3
    gone = Gone(points_world[wall], footprints_m[wall], np.full(wall.sum(), 1))
    rest = points_world[~wall], footprints_m[~wall]
    walk.horizon.reset(2, *rest, gone)
    assert not walk.horizon.known(walk.at(yaw_deg=80))
    assert walk.horizon.known(walk.at(yaw_deg=-5)), "that view never showed the wall"
    path = walk.horizon.path_ahead([walk.at(yaw_deg=80)], 4)
    assert path is not None
    assert Spacing().steps(path[0], walk.at(yaw_deg=80)) < 1, "it still leads from what was made"
    segment = walk.world.advance([walk.at(yaw_deg=80)] * 4)
    object.__setattr__(segment, "points_world", segment.points_world[:0])  # the model was unsure
    object.__setattr__(segment, "footprints_m", segment.footprints_m[:0])
    walk.horizon.add(segment)
    assert walk.horizon.known(walk.at(yaw_deg=80))
    walk.horizon.reset(3, *rest, gone)
    assert walk.horizon.known(walk.at(yaw_deg=80)), "made after the wall went"
    walk.horizon.reset(2, points_world, footprints_m)
    assert walk.horizon.known(walk.at(yaw_deg=80))
