"""Picking against a loop over every point, and what hides what against the ray-cast rooms."""

import math

import numpy as np
import pytest

from explorer.picking import in_brush, in_rect, pick
from mirage_engine import Camera, pinhole, pose
from mirage_engine.rooms import Scene

SIZE = (160, 256)
WHOLE = (0.0, 0.0, 256.0, 160.0)


def camera_at(position=(0.0, 0.0, 0.0), yaw_deg=0.0, pitch_deg=0.0, size=SIZE):
    return Camera(pose(position, yaw_deg, pitch_deg), pinhole(size, 77.0), size)


def scatter(rng, count):
    """Points all around, some of them sky, some of them dead."""
    points = np.c_[rng.uniform(-3, 3, (count, 3)), rng.random(count) < 0.9].astype(np.float32)
    sky = points[:, 3] == 0
    points[sky, :3] /= np.linalg.norm(points[sky, :3], axis=1, keepdims=True)
    footprints = np.exp2(rng.uniform(-6, -1, count)).astype(np.float32)
    return points, footprints, rng.random(count) < 0.8


def sprites(points, footprints, alive, camera):
    """(row, x, y, radius, depth) of every point ahead, in plain double precision."""
    found = []
    for row in np.flatnonzero(alive).tolist():
        x, y, z = (camera.w2c @ points[row].astype(np.float64))[:3]
        sky = points[row, 3] == 0
        if z <= (1e-6 if sky else 0.05):
            continue
        focal = camera.intrinsics[1, 1]
        at = focal * x / z + camera.intrinsics[0, 2], focal * y / z + camera.intrinsics[1, 2]
        radius = max(0.65 * float(footprints[row]) * focal / z, 2.0)
        found.append((row, *at, radius, math.inf if sky else z))
    return found


def test_picking_finds_what_a_loop_over_all_points_finds():
    rng, checked, hits = np.random.default_rng(0), 0, 0
    for _ in range(50):
        points, footprints, alive = scatter(rng, 600)
        camera = camera_at(rng.uniform(-1, 1, 3), rng.uniform(0, 360), rng.uniform(-60, 60))
        drawn = sprites(points, footprints, alive, camera)
        for _ in range(60):
            x, y = rng.uniform(0, 256), rng.uniform(0, 160)
            away = [(math.hypot(px - x, py - y), r) for _, px, py, r, _ in drawn]
            if any(abs(d - r) < 1e-2 for d, r in away):
                continue  # on an edge, where rounding decides
            under = [
                (sprite[4], d, sprite[0])
                for sprite, (d, r) in zip(drawn, away, strict=True)
                if d < r
            ]
            truth = min(under)[2] if under else -1
            assert pick(points, footprints, alive, camera, (x, y)) == truth
            checked, hits = checked + 1, hits + (truth >= 0)
    assert checked > 2500 and 1000 < hits < checked


@pytest.mark.parametrize("count", [0, 1])
def test_where_nothing_is_nothing_is_picked(count):
    points = np.tile(np.float32([0, 0, -2, 1]), (count, 1))  # behind
    facts = np.full(count, 0.1, np.float32), np.ones(count, bool)
    assert pick(points, *facts, camera_at(), (128, 80)) == -1
    assert not in_rect(points, *facts, camera_at(), WHOLE).any()
    assert not in_brush(points, *facts, camera_at(), (128, 80), 30).any()


def test_boxes_and_brushes_take_the_centres_inside_them():
    rng = np.random.default_rng(1)
    points, footprints, alive = scatter(rng, 400)
    camera = camera_at(yaw_deg=30)
    drawn = sprites(points, footprints, alive, camera)
    for _ in range(20):
        x, y, wide, high = rng.uniform([-20, -20, 5, 5], [200, 120, 120, 90])
        box = {r for r, px, py, *_ in drawn if x <= px <= x + wide and y <= py <= y + high}
        for rect in ((x, y, wide, high), (x + wide, y + high, -wide, -high)):
            found = in_rect(points, footprints, alive, camera, rect, visible_only=False)
            assert set(np.flatnonzero(found).tolist()) == box
        brush = {r for r, px, py, *_ in drawn if math.hypot(px - x, py - y) <= wide}
        found = in_brush(points, footprints, alive, camera, (x, y), wide, visible_only=False)
        assert set(np.flatnonzero(found).tolist()) == brush


def test_only_what_lies_under_a_nearer_sprite_is_hidden():
    rng, counts = np.random.default_rng(2), [0, 0]
    for _ in range(20):
        near = np.c_[rng.uniform(-1, 1, (25, 2)), rng.uniform(1.2, 3, 25), np.ones(25)]
        far = np.c_[rng.uniform(-8, 8, (500, 2)), rng.uniform(7, 9, 500), np.ones(500)]
        points = np.concatenate([near, far]).astype(np.float32)
        footprints = np.r_[rng.uniform(0.2, 0.6, 25), np.full(500, 1e-3)].astype(np.float32)
        alive = np.ones(525, bool)
        drawn = sprites(points, footprints, alive, camera_at())
        chosen = in_rect(points, footprints, alive, camera_at(), WHOLE)
        for row, x, y, _, depth in drawn[25:]:
            if not (4 < x < 252 and 4 < y < 156):
                continue
            gap = min(math.hypot(x - other[1], y - other[2]) - other[3] for other in drawn[:25])
            hidden_by_far = any(
                abs(x - o[1]) < 8 and abs(y - o[2]) < 8 and o[4] < depth for o in drawn[25:]
            )
            if gap < -3:  # half the diagonal of a cell of the depth buffer
                assert not chosen[row]
                counts[0] += 1
            elif gap > 3 and not hidden_by_far:
                assert chosen[row]
                counts[1] += 1
    assert min(counts) > 500


def wall(depth_m, spacing_m, half_m=(3.0, 2.0)):
    """A wall of points across the view."""
    x, y = np.meshgrid(*[np.arange(-h, h, spacing_m) for h in half_m])
    points = np.stack([x.ravel(), y.ravel(), np.full(x.size, depth_m), np.ones(x.size)], 1)
    return points.astype(np.float32), np.full(x.size, spacing_m, np.float32)


@pytest.mark.parametrize("spacing_m", [0.02, 0.05, 0.1])
def test_a_wall_hides_the_wall_and_the_sky_behind_it_unless_it_is_dead(spacing_m):
    near, near_m = wall(2.0, spacing_m, (1.0, 0.8))
    far, far_m = wall(4.0, 0.1)
    sky = np.float32([[0.02, 0.02, 1, 0], [0, -0.9, 1, 0]])
    points, footprints = np.concatenate([near, far, sky]), np.r_[near_m, far_m, 0.02, 0.02]
    footprints, alive = footprints.astype(np.float32), np.ones(len(points), bool)
    chosen = in_rect(points, footprints, alive, camera_at(), WHOLE)
    seen_far = points[chosen & (points[:, 2] == 4)]
    # Seen through the far wall's place, the near one ends at twice its size, less a sprite.
    covered = (np.abs(seen_far[:, 0]) < 2 - spacing_m * 2) & (
        np.abs(seen_far[:, 1]) < 1.6 - spacing_m * 2
    )
    assert not covered.any() and len(seen_far) > 100
    inside = (np.abs(near[:, 0]) < 0.99) & (np.abs(near[:, 1]) < 0.79)
    assert chosen[: len(near)][inside].all()
    assert chosen[-2:].tolist() == [False, False]
    alive[: len(near)] = False
    chosen = in_brush(points, footprints, alive, camera_at(), (128, 80), 20)
    assert not chosen[: len(near)].any()
    assert (np.abs(points[chosen][:, 0]) <= 4 * 20 / 160.9).all() and chosen.sum() > 20
    alive[:-2] = False
    assert in_rect(points, footprints, alive, camera_at(), WHOLE)[-2:].tolist() == [True, False]


@pytest.mark.parametrize("seed", [950_000, 950_004])
def test_in_a_real_room_the_visible_points_are_those_that_a_ray_reaches(seed):
    room = Scene(seed)
    path = [Camera(p, pinhole(SIZE, 77.0), SIZE) for p in room.walk(np.random.default_rng(1), 40)]
    points, footprints = [], []
    for camera in path[::4]:  # memory's points: one for each 4x4 pixels
        depth = room.depth(camera).numpy()[2::4, 2::4]
        known = np.isfinite(depth)
        at = camera.position + camera.rays()[2::4, 2::4] * np.where(known, depth, 0)[..., None]
        points.append(np.c_[at[known], np.ones(known.sum())])
        footprints.append(depth[known] * 4 / camera.intrinsics[0, 0])
    points = np.concatenate(points).astype(np.float32)
    footprints, alive = np.concatenate(footprints).astype(np.float32), np.ones(len(points), bool)
    agree, total = 0, 0
    for camera in path[2::12]:
        everything = in_rect(points, footprints, alive, camera, WHOLE, visible_only=False)
        chosen = in_rect(points, footprints, alive, camera, WHOLE)
        truth = room.visible_from(points[:, :3], camera, 0.03)
        assert not (chosen & ~everything).any()
        agree += (chosen == truth)[everything].sum()
        total += everything.sum()
    assert total > 5000 and agree / total > 0.94
