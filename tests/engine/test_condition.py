"""What the side branch sees, by hand."""

from __future__ import annotations

import numpy as np
import torch

from mirage_engine.camera import Camera, pinhole, pose
from mirage_engine.generator.condition import (
    EXTRA_CHANNELS,
    plucker_rays,
    pocket_condition,
    style_tokens,
    wan_condition,
)
from mirage_engine.holes import fill_holes
from mirage_engine.parts import MemoryView

GRID = (10, 16)
SIZE = (40, 64)


def camera(position=(0.0, 0.0, 0.0), yaw_deg: float = 0.0, pitch_deg: float = 0.0) -> Camera:
    return Camera(pose(position, yaw_deg, pitch_deg), pinhole(SIZE, 90.0), SIZE)


def view(mask: torch.Tensor, depth_m: float = 3.0) -> MemoryView:
    known = mask.float()
    chance = torch.Generator().manual_seed(1)
    shape = mask.shape
    return MemoryView(
        latents=torch.randn(shape[0], 11, *shape[1:], generator=chance) * known[:, None],
        mask=mask,
        depth_m=depth_m * known,
        source=torch.where(mask, 0, -1),
        offset=torch.rand(shape[0], 2, *shape[1:], generator=chance) - 0.5,
        scale=2 * known,
    )


def some_mask(frames: int, share: float = 0.3, grid: tuple[int, int] = GRID) -> torch.Tensor:
    return torch.rand(frames, *grid, generator=torch.Generator().manual_seed(2)) < share


def test_ray_directions_have_unit_length_and_point_where_the_cell_looks():
    rays = plucker_rays([camera()], SIZE).double().numpy()[0]
    assert np.allclose(np.linalg.norm(rays[:3], axis=0), 1, atol=1e-6)
    # 90 degrees across 64 pixels: a focal length of 32, the centre at (32, 20).
    wanted = np.array([(50 + 0.5 - 32) / 32, (7 + 0.5 - 20) / 32, 1.0])
    assert np.allclose(rays[:3, 7, 50], wanted / np.linalg.norm(wanted), atol=1e-6)


def test_moments_are_height_and_way_walked_across_the_direction():
    cameras = [camera((5.0, -1.2, 3.0)), camera((5.5, -1.2, 5.0))]
    rays = plucker_rays(cameras, SIZE).double().numpy()
    for ray, origin in zip(rays, ([0, -1.2, 0], [0.5, -1.2, 2.0]), strict=True):
        wanted = np.cross(origin, ray[:3].reshape(3, -1).T).T.reshape(3, *SIZE)
        assert np.allclose(ray[3:], wanted, atol=1e-5)


def test_rays_do_not_depend_on_where_the_world_began_or_how_it_is_turned():
    """The whole rig moved over the ground and turned about the vertical."""
    rig = [camera((0.2, -0.3, 0), 10, -5), camera((0.4, -0.3, 1.0), 35, 8)]
    turned = pose((7.0, 0.0, -3.0), 110.0)
    moved = [c.moved(turned @ c.c2w) for c in rig]
    assert torch.allclose(plucker_rays(rig, GRID), plucker_rays(moved, GRID), atol=1e-5)


def test_rays_do_depend_on_height_and_tilt():
    flat, high, tilted = camera(), camera((0, -1.0, 0)), camera(pitch_deg=20)
    rays = [plucker_rays([c], GRID) for c in (flat, high, tilted)]
    assert not torch.allclose(rays[0][:, 3:], rays[1][:, 3:], atol=0.1)
    assert torch.allclose(rays[0][:, :3], rays[1][:, :3])
    assert not torch.allclose(rays[0][:, :3], rays[2][:, :3], atol=0.1)


def test_channels_stand_in_the_stated_order():
    mask = some_mask(3)
    seen = view(mask)
    cameras = [camera((0, 0, 0.2 * i)) for i in range(3)]
    made = pocket_condition(seen, cameras)
    assert made.shape == (11 + EXTRA_CHANNELS, 3, *GRID)
    known = mask.float()
    assert torch.equal(made[:11], fill_holes(seen.latents, mask).transpose(0, 1))
    assert torch.equal(made[11], known)
    assert torch.equal(made[12:14], seen.offset.transpose(0, 1) * known)
    assert torch.allclose(made[14], (np.log(3.0) - 1) * known)
    assert torch.equal(made[15], known)  # footprints of 2^2 cells, halved
    assert torch.equal(made[16:], plucker_rays(cameras, GRID).transpose(0, 1))


def test_sky_and_empty_views_give_finite_channels():
    everywhere = torch.ones(1, *GRID, dtype=torch.bool)
    sky = view(everywhere)
    sky.depth_m.fill_(torch.inf)
    for seen in (sky, view(~everywhere)):
        assert torch.isfinite(pocket_condition(seen, [camera()])).all()
    assert torch.allclose(
        pocket_condition(sky, [camera()])[14], torch.full((1, *GRID), np.log(100.0) - 1)
    )


def test_the_large_preset_sees_the_read_out_with_target_frames_first_and_preceding_after():
    target, before = view(some_mask(3)), view(some_mask(2, 0.7))
    made = wan_condition(
        [target, before], lambda frames, size: torch.full((11, frames, *size), 4.0)
    )
    assert made.shape == (22, 5, *GRID)
    assert torch.equal(made[:11, :3], target.latents.transpose(0, 1))
    assert torch.equal(made[:11, 3:], before.latents.transpose(0, 1))
    assert (made[11:] == 4).all()


def test_the_variant_without_a_score_marks_its_holes():
    mask = some_mask(3)
    made = wan_condition([view(mask)], None)
    assert torch.equal(made[11], 1.0 - mask.float())
    assert (made[:11, ~mask] == 0).all()


def test_style_is_a_token_for_each_eight_by_eight_cells():
    start = torch.randn(11, 40, 64)
    tokens = style_tokens(start)
    assert tokens.shape == (5 * 8, 4 * 11)
    # The first token: channel by channel, the means of its four 4x4 blocks.
    corners = [(y, x) for y in (0, 4) for x in (0, 4)]
    wanted = [start[c, y : y + 4, x : x + 4].mean() for c in range(11) for y, x in corners]
    assert torch.allclose(tokens[0], torch.stack(wanted), atol=1e-5)


def test_style_does_not_see_details():
    start = torch.randn(11, 16, 24)
    blocks = start.unflatten(1, (4, 4)).unflatten(3, (6, 4))
    shuffled = blocks.flip(2, 4).flatten(3, 4).flatten(1, 2)
    assert not torch.equal(shuffled, start)
    assert torch.allclose(style_tokens(shuffled), style_tokens(start), atol=1e-5)
