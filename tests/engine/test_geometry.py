"""Laws of projection, z-buffer, voxels and depth alignment."""

import numpy as np
import pytest
import torch

from mirage_engine.camera import Camera, pinhole, pose
from mirage_engine.geometry import (
    align_depth,
    cell_rays,
    fit_depth,
    flat_cells,
    footprint_edge,
    least_depth,
    nearest_per_cell,
    project,
    unproject,
    voxel_keys,
)

SIZE = (20, 32)


def matrices(camera: Camera) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """World rays, position and world-to-cell of one camera, each with a leading 1."""
    rays = torch.from_numpy(camera.rays()).float()[None]
    position = torch.from_numpy(camera.position).float()[None]
    world_to_cell = torch.from_numpy(camera.intrinsics @ camera.w2c[:3]).float()[None]
    return rays, position, world_to_cell


def camera(position=(0.0, 0.0, 0.0), yaw=0.0, pitch=0.0) -> Camera:
    return Camera(pose(position, yaw, pitch), pinhole(SIZE, 70.0), SIZE)


def nearest_by_loop(cell, depth, cells):
    best = [-1] * cells
    for i, (c, d) in enumerate(zip(cell.tolist(), depth.tolist(), strict=True)):
        if best[c] < 0 or d < float(depth[best[c]]):
            best[c] = i
    return torch.tensor(best)


@pytest.mark.parametrize("seed", range(5))
def test_projecting_what_was_unprojected_gives_the_cell_centres_back(seed):
    rng = np.random.default_rng(seed)
    view = camera(rng.normal(size=3), rng.uniform(-180, 180), rng.uniform(-80, 80))
    rays, position, world_to_cell = matrices(view)
    depth = torch.from_numpy(rng.uniform(0.3, 30, (1, *SIZE))).float()
    points = unproject(depth, rays, position).view(-1, 4)
    hits = project(points, world_to_cell, SIZE)
    assert torch.equal(hits.point, torch.arange(SIZE[0] * SIZE[1]))
    assert torch.equal(flat_cells(hits, SIZE), hits.point)
    assert torch.allclose(hits.x % 1, torch.tensor(0.5), atol=1e-3)
    assert torch.allclose(hits.depth, depth.flatten(), rtol=1e-4)


def test_rays_of_a_grid_are_the_camera_s_rays():
    view = camera()
    rays = cell_rays(torch.from_numpy(view.intrinsics).float()[None], SIZE)
    assert torch.allclose(rays[0], torch.from_numpy(view.rays()).float(), atol=1e-6)


def test_moving_world_and_camera_together_changes_nothing():
    rng = np.random.default_rng(3)
    points = np.concatenate([rng.normal(0, 3, (500, 3)), np.ones((500, 1))], 1)
    points[::7, 3] = 0
    shift = pose((4.0, -2.0, 1.0), 77.0, 13.0)
    here, there = camera((0.3, 0, 0), 20), camera().moved(shift @ camera((0.3, 0, 0), 20).c2w)
    before = project(torch.from_numpy(points).float(), matrices(here)[2], SIZE)
    moved = torch.from_numpy(points @ shift.T).float()
    after = project(moved, matrices(there)[2], SIZE)
    assert torch.equal(before.point, after.point)
    assert torch.allclose(before.x, after.x, atol=1e-3)
    assert torch.allclose(before.depth, after.depth, rtol=1e-4)


def test_walking_towards_a_wall_keeps_its_points_in_place():
    far, near = camera(), camera((0.0, 0.0, 2.0))
    rays, position, _ = matrices(far)
    points = unproject(torch.full((1, *SIZE), 4.0), rays, position).view(-1, 4)
    hits = project(points, matrices(near)[2], SIZE)
    # At half the distance everything is twice as far from the middle of the picture.
    column = (hits.point % SIZE[1]).float() + 0.5
    assert torch.allclose(hits.x - SIZE[1] / 2, 2 * (column - SIZE[1] / 2), atol=1e-4)


def test_sky_turns_with_the_camera_but_never_comes_closer():
    rays, position, world_to_cell = matrices(camera())
    sky = unproject(torch.full((1, *SIZE), torch.inf), rays, position).view(-1, 4)
    assert torch.allclose(sky[:, :3].norm(dim=1), torch.tensor(1.0))
    here = project(sky, world_to_cell, SIZE)
    walked = project(sky, matrices(camera((5.0, 1.0, 9.0)))[2], SIZE)
    turned = project(sky, matrices(camera(yaw=20))[2], SIZE)
    assert torch.isinf(here.depth).all()
    assert torch.equal(here.point, walked.point)
    assert torch.allclose(here.x, walked.x, atol=1e-4)
    assert len(turned.point) < len(here.point)


def test_points_behind_outside_or_broken_are_left_out_before_any_division():
    good = [0.1, 0.1, 2.0, 1.0]
    bad = [
        [0.0, 0.0, 0.0, 1.0],
        [0.0, 0.0, -2.0, 1.0],
        [0.0, 0.0, -1.0, 0.0],
        [9.0, 0.0, 2.0, 1.0],
        [0.0, -9.0, 2.0, 1.0],
        [torch.nan, 0.0, 2.0, 1.0],
        [0.0, 0.0, torch.inf, 1.0],
        [torch.inf, 0.0, 2.0, 1.0],
        [0.0, 0.0, torch.nan, 1.0],
    ]
    hits = project(torch.tensor([*bad, good]), matrices(camera())[2], SIZE)
    assert hits.point.tolist() == [len(bad)]


def test_no_point_on_the_border_leaves_the_grid():
    rng = np.random.default_rng(0)
    z = torch.from_numpy(rng.uniform(0.01, 50, 200_000)).float()
    world_to_cell = matrices(camera())[2]
    focal, right = world_to_cell[0, 0, 0], SIZE[1] / 2
    x = torch.nextafter(z * right / focal, torch.zeros(()))
    points = torch.stack([x, torch.zeros_like(z), z, torch.ones_like(z)], 1)
    hits = project(points, world_to_cell, SIZE)
    cells = flat_cells(hits, SIZE)
    assert len(cells) > 0
    assert (cells % SIZE[1] == SIZE[1] - 1).all()


@pytest.mark.parametrize("count", [0, 1, 10, 5000])
def test_the_z_buffer_matches_the_loop_ties_and_sky_included(count):
    generator = torch.Generator().manual_seed(count)
    cell = torch.randint(0, 64, (count,), generator=generator)
    depth = torch.randint(1, 9, (count,), generator=generator).float()
    depth[depth == 8] = torch.inf
    best = nearest_per_cell(cell, depth, 64)
    assert torch.equal(best, nearest_by_loop(cell, depth, 64))
    front = torch.where(
        best >= 0, depth[best.clamp(min=0)] if count else torch.zeros(64), torch.inf
    )
    assert torch.equal(least_depth(cell, depth, 64), front)


def test_the_z_buffer_does_not_depend_on_the_order_of_points():
    generator = torch.Generator().manual_seed(1)
    cell = torch.randint(0, 100, (20_000,), generator=generator)
    depth = torch.rand(20_000, generator=generator) + 0.1
    order = torch.randperm(20_000, generator=generator)
    one = nearest_per_cell(cell, depth, 100)
    other = nearest_per_cell(cell[order], depth[order], 100)
    assert torch.equal(one, order[other])


def test_voxel_keys_are_equal_exactly_where_voxels_are():
    rng = np.random.default_rng(0)
    points = rng.normal(0, 0.5, (3000, 3))
    keys = voxel_keys(torch.from_numpy(points), 0.1).tolist()
    voxels = [tuple(v) for v in np.floor(points / 0.1).astype(int).tolist()]
    assert len(set(keys)) == len(set(voxels)) == len(set(zip(keys, voxels, strict=True)))


def test_voxels_of_different_sizes_never_share_a_key():
    points = torch.zeros(4, 3) + 0.01
    edges = footprint_edge(torch.tensor([0.06, 0.12, 0.13, 3.0]))
    assert edges.tolist() == [0.03125, 0.0625, 0.125, 2.0]
    assert len(set(voxel_keys(points, edges).tolist())) == 4


@pytest.mark.parametrize("outliers", [0.0, 0.3])
def test_alignment_finds_scale_and_shift_whatever_a_third_of_the_cells_say(outliers):
    generator = torch.Generator().manual_seed(0)
    reference = torch.rand(40, 64, generator=generator) * 6 + 1
    predicted = 1 / ((1 / reference - 0.05) / 1.3)
    wrong = torch.rand(40, 64, generator=generator) < outliers
    measured = torch.where(wrong, reference * 0.4, reference)
    aligned, residual = align_depth(predicted, measured, torch.ones(40, 64, dtype=torch.bool))
    assert torch.allclose(aligned, reference, rtol=0.01)
    assert residual < 0.01


def test_alignment_leaves_sky_and_unknown_alone_and_ignores_them():
    reference = torch.linspace(1, 5, 400).view(20, 20)
    predicted = reference * 2
    predicted[0], predicted[1] = 0.0, torch.inf
    reference = reference.clone()
    reference[2], reference[3] = 0.0, torch.inf
    aligned, _ = align_depth(predicted, reference, torch.ones(20, 20, dtype=torch.bool))
    assert (aligned[0] == 0).all()
    assert torch.isinf(aligned[1]).all()
    assert torch.allclose(aligned[2:], predicted[2:] / 2, rtol=1e-3)


def test_alignment_on_a_flat_wall_is_a_change_of_scale():
    fit = fit_depth(torch.full((100,), 4.0), torch.full((100,), 2.0), torch.ones(100) > 0)
    assert np.isclose(fit.scale, 2.0)
    assert np.isclose(fit.shift, 0.0, atol=1e-6)


@pytest.mark.parametrize(("cells", "factor"), [(0, 2.0), (31, 2.0), (400, 9.0)])
def test_alignment_does_nothing_on_too_little_or_absurd_evidence(cells, factor):
    predicted = torch.rand(500) + 1
    valid = torch.arange(500) < cells
    aligned, _ = align_depth(predicted, predicted * factor, valid)
    assert torch.equal(aligned, predicted) or torch.allclose(aligned, predicted, rtol=1e-6)
