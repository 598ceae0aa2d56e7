"""Rooms against independent truth: closed forms, a plain ray caster, and reprojection."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch

from mirage_engine.camera import Camera, pinhole, pose
from mirage_engine.rooms import SPLITS, Scene
from mirage_engine.rooms.parts import BALL, BOX

SIZE = (80, 128)
LENS = pinhole(SIZE, 77.0)
SEEDS = (0, 950_000, 950_007)


@cache
def scene(seed: int, moving: bool = False) -> Scene:
    return Scene(seed, moving)


def camera(c2w: np.ndarray, size: tuple[int, int] = SIZE) -> Camera:
    return Camera(c2w, pinhole(size, 77.0), size)


def walk_cameras(seed: int, count: int = 4) -> list[Camera]:
    path = scene(seed).walk(np.random.default_rng(seed), 3 * count)
    return [camera(p) for p in path[::3]]


def plain_depth(room: Scene, view: Camera) -> np.ndarray:
    """[H, W] z-depth by testing every ray against every solid in double precision."""
    rays = view.rays() @ room.plan_from_world[:3, :3].T
    eye = room.plan_from_world[:3, :3] @ view.position + room.plan_from_world[:3, 3]
    best = np.full(view.size, np.inf)
    for (low, high), shape in zip(room.solids.box_array(), room.solids.shapes, strict=True):
        if shape == BOX:
            depth = _plain_box(eye, rays, low, high)
        else:
            depth = _plain_round(eye, rays, (low + high) / 2, (high - low) / 2, shape == BALL)
        best = np.minimum(best, depth)
    return best


def _plain_box(eye: np.ndarray, rays: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    rays = np.where(rays == 0, 1e-12, rays)
    ends = np.stack([(low - eye) / rays, (high - eye) / rays])
    enter, leave = ends.min(0).max(-1), ends.max(0).min(-1)
    return np.where((enter <= leave) & (enter > 0.02), enter, np.inf)


def _plain_round(
    eye: np.ndarray, rays: np.ndarray, center: np.ndarray, half: np.ndarray, ball: bool
) -> np.ndarray:
    o, d = (eye - center) / half, rays / half
    axes = [0, 1, 2] if ball else [0, 2]
    a = (d[..., axes] ** 2).sum(-1)
    b = (o[axes] * d[..., axes]).sum(-1)
    root = b**2 - a * ((o[axes] ** 2).sum() - 1)
    side = np.sqrt(np.maximum(root, 0))
    enter, leave = (-b - side) / a, (-b + side) / a
    if not ball:
        d = np.where(d == 0, 1e-12, d)
        caps = np.stack([(-1 - o[1]) / d[..., 1], (1 - o[1]) / d[..., 1]])
        enter, leave = np.maximum(enter, caps.min(0)), np.minimum(leave, caps.max(0))
    return np.where((root > 0) & (enter <= leave) & (enter > 0.02), enter, np.inf)


def test_the_same_seed_gives_the_same_picture() -> None:
    first, second = (Scene(7).render([camera(np.eye(4))]) for _ in range(2))
    other = scene(8).render([camera(np.eye(4))])
    assert torch.equal(first.frames, second.frames)
    assert torch.equal(first.depth_m, second.depth_m)
    assert not torch.equal(first.frames, other.frames)


def test_a_batch_equals_its_pictures_one_by_one() -> None:
    cameras = walk_cameras(0, 5)
    batch = scene(0).render(cameras)
    for k, view in enumerate(cameras):
        alone = scene(0).render([view])
        assert torch.equal(batch.depth_m[k], alone.depth_m[0])
        assert (batch.frames[k].int() - alone.frames[0].int()).abs().max() <= 1


@pytest.mark.parametrize("seed", SEEDS)
def test_looking_straight_down_sees_the_floor_at_eye_height(seed: int) -> None:
    down = camera(pose((0, 0, 0), 0.0, -90.0), (3, 3))
    depth = float(scene(seed).render([down]).depth_m[0, 1, 1])
    # Bare floor, or a rug of one or two layers.
    assert min(abs(depth - floor) for floor in (1.5, 1.495, 1.491)) < 1e-4


@pytest.mark.parametrize("seed", SEEDS)
def test_depth_equals_a_plain_ray_caster(seed: int) -> None:
    for view in walk_cameras(seed, 3):
        room = scene(seed).render([view])
        truth = plain_depth(scene(seed), view)
        got = room.depth_m[0].numpy()
        assert (np.isinf(got) == np.isinf(truth)).mean() > 0.999
        both = np.isfinite(got) & np.isfinite(truth) & (truth < 60)
        error = np.abs(got[both] - truth[both]) / truth[both]
        assert np.median(error) < 1e-5
        assert (error < 1e-3).mean() > 0.998  # the rest grazes an edge


def test_pictures_need_not_be_whole_tiles() -> None:
    view = Camera(np.eye(4), pinhole((37, 53), 77.0), (37, 53))
    room = scene(0).render([view])
    assert room.frames.shape == (1, 37, 53, 3)
    solid = ~room.sky[0].numpy()
    error = room.depth_m[0].numpy()[solid] / plain_depth(scene(0), view)[solid] - 1
    assert (np.abs(error) < 1e-3).mean() > 0.998


def test_sky_is_infinitely_far_and_nothing_else_is() -> None:
    seen = 0
    for seed in range(950_000, 950_006):
        room = scene(seed).render([camera(pose((0, 0, 0), yaw, 8)) for yaw in (0, 120, 240)])
        assert torch.equal(room.sky, torch.isinf(room.depth_m))
        assert (room.depth_m > 0).all()
        seen += int(room.sky.sum())
    assert seen > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_surface_keeps_its_colour_when_the_camera_moves(seed: int) -> None:
    size = (160, 256)
    here = camera(np.eye(4), size)
    there = camera(pose((0.1, 0.02, 0.25), 4.0, 1.0), size)
    room = scene(seed).render([here, there])
    first, second = room.frames.float().numpy()
    depth = room.depth_m.numpy()
    points = here.rays() * np.where(np.isfinite(depth[0]), depth[0], 1.0)[..., None]
    local = points @ there.w2c[:3, :3].T + there.w2c[:3, 3]
    x, y, z = np.moveaxis(local @ there.intrinsics.T, -1, 0)
    j, i = np.floor(x / z).astype(int), np.floor(y / z).astype(int)
    inside = (j >= 0) & (j < size[1]) & (i >= 0) & (i < size[0]) & np.isfinite(depth[0])
    j, i = j.clip(0, size[1] - 1), i.clip(0, size[0] - 1)
    same = inside & (np.abs(depth[1][i, j] - local[..., 2]) < 0.02 * local[..., 2])
    assert same.mean() > 0.4
    error = np.abs(first[same] - second[i[same], j[same]]).mean(-1)
    assert np.median(error) < 1.5
    assert 10 * np.log10(255**2 / (error**2).mean()) > 30


def test_visible_points_are_those_in_front_of_the_depth_map() -> None:
    view = camera(np.eye(4))
    depth = scene(0).render([view]).depth_m[0].numpy().astype(np.float64)
    near = np.isfinite(depth) & (depth < 8)
    surface = (view.rays() * np.where(near, depth, 1.0)[..., None])[near]
    assert scene(0).visible_from(surface, view).mean() > 0.999
    assert not scene(0).visible_from(surface * 1.2, view).any()
    assert not scene(0).visible_from(-surface, view).any()
    assert not scene(0).visible_from(np.full((2, 3), np.inf), view).any()


@pytest.mark.parametrize("seed", (*SEEDS, 1, 2))
def test_walks_stay_in_free_space_and_within_their_steps(seed: int) -> None:
    room = scene(seed)
    path = room.walk(np.random.default_rng(5), 60, step_m=0.2, step_deg=7.5)
    assert len(path) == 60
    at = np.stack([p[:3, 3] for p in path])
    assert np.asarray(room.is_free(at, 0.25)).all()
    between = (at[1:] + at[:-1]) / 2
    assert np.asarray(room.is_free(between, 0.2)).all()
    assert np.linalg.norm(np.diff(at, axis=0), axis=1).max() <= 0.2 + 1e-9
    forward = np.stack([p[:3, 2] for p in path])
    turns = np.degrees(np.arccos(np.clip((forward[1:] * forward[:-1]).sum(1), -1, 1)))
    assert turns.max() < 13  # a turn and a glance together


def test_walks_turn_and_move_and_start_where_asked() -> None:
    path = scene(0).walk(np.random.default_rng(1), 120, from_start=True)
    assert np.allclose(path[0], np.eye(4), atol=1e-9)
    at = np.stack([p[:3, 3] for p in path])
    assert np.linalg.norm(at - at[0], axis=1).max() > 1.0
    again = scene(0).walk(np.random.default_rng(1), 120, from_start=True)
    assert np.array_equal(path, again)


def test_walls_are_not_free() -> None:
    view = camera(np.eye(4))
    depth = scene(0).render([view]).depth_m[0].numpy()
    row = SIZE[0] // 2
    points = (view.rays() * depth[..., None])[row][np.isfinite(depth[row]) & (depth[row] < 6)]
    assert not np.asarray(scene(0).is_free(points)).any()


def test_forty_test_scenes_start_with_space_and_depth_ahead() -> None:
    for seed in range(950_000, 950_040):
        room = scene(seed)
        assert np.array_equal(room.start, np.eye(4))
        ahead = np.linspace(0, 2.2, 12)[:, None] * np.array([0.0, 0.0, 1.0])
        assert np.asarray(room.is_free(ahead)).all(), seed
        depth = room.depth(camera(np.eye(4), (20, 32)))
        assert 3.0 <= float(depth[6:14, 10:22].median()) <= 8.0, seed
        assert float(depth.min()) > 0.5, seed


def test_only_moving_objects_are_marked_as_moving() -> None:
    view = camera(np.eye(4))
    still = scene(950_001).render([view, view], [0.0, 1.0])
    assert not still.moving.any()
    assert torch.equal(still.frames[0], still.frames[1])
    alive = scene(950_001, True).render([view, view], [0.0, 1.0])
    changed = (alive.depth_m[0] != alive.depth_m[1]) & ~still.sky[0]
    assert alive.moving.any()
    assert changed.any()
    assert not (changed & ~alive.moving[0] & ~alive.moving[1]).any()
    background = ~alive.moving[0]
    assert torch.equal(alive.depth_m[0][background], still.depth_m[0][background])


def test_the_splits_share_no_seed() -> None:
    assert [len(s) for s in SPLITS.values()] == [900_000, 50_000, 50_000]
    ends = sorted((s.start, s.stop) for s in SPLITS.values())
    assert all(a[1] <= b[0] for a, b in pairwise(ends))


def test_wrong_requests_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="seed"):
        Scene(-1)
    with pytest.raises(ValueError, match="camera"):
        scene(0).render([])
    with pytest.raises(ValueError, match="times"):
        scene(0).render([camera(np.eye(4))], [0.0, 1.0])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_draws_the_same_picture() -> None:
    cameras = walk_cameras(0)
    cpu, cuda = scene(0).render(cameras), scene(0).render(cameras, device="cuda")
    assert (cpu.frames.int() - cuda.frames.cpu().int()).abs().float().mean() < 0.5
    close = torch.isclose(cpu.depth_m, cuda.depth_m.cpu(), rtol=1e-3)
    assert close.float().mean() > 0.998
