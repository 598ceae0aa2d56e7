"""Laws of the latent memory: what was written comes back, once, from wherever one looks."""

import numpy as np
import pytest
import torch

from mirage_engine.config import MemoryConfig
from mirage_engine.memory import LatentMemory, NoMemory
from tests.engine.memory_scenes import (
    GRID,
    POST,
    SIZE,
    camera_at,
    everywhere,
    latents_like,
    post_depth,
    room_depth,
)


def remember(memory, cameras, segment=0, seed=0, post=False, roof=True):
    """Writes exact room views in one call and returns the points added."""
    depth = torch.stack([room_depth(c, post, roof) for c in cameras])
    latents = latents_like(len(cameras), memory.channels, seed)
    return memory.write(latents, depth, cameras, everywhere(depth), segment)


def turnaround(memory, first_segment):
    """A full turn in steps of 7.5 degrees, four frames a segment."""
    cameras = [camera_at(yaw_deg=7.5 * i) for i in range(48)]
    segments = [cameras[i : i + 4] for i in range(0, 48, 4)]
    return sum(remember(memory, s, first_segment + i) for i, s in enumerate(segments))


@pytest.fixture
def memory():
    return LatentMemory(11, MemoryConfig())


@pytest.mark.parametrize("roof", [True, False])
def test_reading_where_you_wrote_returns_what_you_wrote(memory, roof):
    camera = camera_at((0.5, 0.2, -1.0), 25.0)
    remember(memory, [camera], roof=roof)
    view = memory.read([camera], GRID)
    mask = view.mask[0]
    assert mask.float().mean() > 0.9
    assert torch.equal(view.latents[0][:, mask], latents_like(1)[0][:, mask])
    assert view.offset.abs().max() < 1e-3
    assert view.scale.abs().max() < 1e-3
    assert (view.source[0][mask].diff() > 0).all()
    middle = room_depth(camera, roof=roof)[2::4, 2::4]
    assert torch.equal(torch.isinf(view.depth_m[0][mask]), torch.isinf(middle[mask]))
    finite = mask & torch.isfinite(middle)
    assert torch.allclose(view.depth_m[0][finite], middle[finite], rtol=0.03)


def test_empty_cells_are_zero_everywhere(memory):
    remember(memory, [camera_at()])
    view = memory.read([camera_at(yaw_deg=50)], GRID)
    empty = ~view.mask
    assert 0.1 < empty.float().mean() < 0.9
    assert (view.latents.movedim(1, -1)[empty] == 0).all()
    assert (view.depth_m[empty] == 0).all()
    assert (view.scale[empty] == 0).all()
    assert (view.offset.movedim(1, -1)[empty] == 0).all()
    assert (view.source[empty] == -1).all()


@pytest.mark.parametrize("mode", ["adaptive", "paper"])
def test_an_empty_memory_and_a_read_of_no_views_are_fine(mode):
    memory = LatentMemory(11, MemoryConfig(mode=mode))
    assert not memory.read([camera_at()], GRID).mask.any()
    assert memory.coverage(camera_at(), GRID) == 0
    remember(memory, [camera_at()])
    assert memory.read([], GRID).latents.shape == (0, 11, *GRID)


def test_writing_twice_equals_writing_once(memory):
    camera = camera_at()
    first = remember(memory, [camera], 0)
    before = memory.read([camera], GRID)
    assert remember(memory, [camera], 1, seed=9) == 0
    assert len(memory) == first
    assert torch.equal(memory.read([camera], GRID).latents, before.latents)
    assert (memory.cloud()["seen"] == 2).all()


def test_the_frames_of_one_call_do_not_repeat_one_another():
    together, apart = LatentMemory(11), LatentMemory(11)
    cameras = [camera_at(yaw_deg=5.0 * i) for i in range(4)]
    depth = torch.stack([room_depth(c) for c in cameras])
    latents = latents_like(4)
    together.write(latents, depth, cameras, everywhere(depth), 0)
    for i in range(4):
        one = slice(i, i + 1)
        apart.write(latents[one], depth[one], cameras[one], everywhere(depth[one]), 0)
    assert len(together) < 1.5 * GRID[0] * GRID[1]
    one, other = together.cloud(), apart.cloud()
    assert set(one.pop("frame")) == {0, 1, 2, 3} and set(other.pop("frame")) == {0}
    for name, column in one.items():
        assert np.array_equal(column, other[name]), name


def test_turning_around_twice_adds_next_to_nothing(memory):
    first = turnaround(memory, 0)
    assert turnaround(memory, 12) < 0.1 * first


def test_turning_around_twice_with_wavering_depth_adds_little(memory):
    generator = torch.Generator().manual_seed(0)
    added = []
    for lap in range(2):
        before = len(memory)
        for i in range(48):
            camera = camera_at(yaw_deg=7.5 * i + 3 * lap)
            depth = room_depth(camera, post=True)[None]
            depth = depth * (1 + 0.015 * torch.randn(depth.shape, generator=generator))
            latents = latents_like(1)
            memory.write(latents, depth, [camera], everywhere(depth), lap * 48 + i)
        added.append(len(memory) - before)
    assert added[1] < 0.1 * added[0]


def test_sky_is_remembered_once_and_stays_at_infinity(memory):
    assert remember(memory, [camera_at(pitch_deg=40)], roof=False) > 0
    assert (memory.cloud()["points_world"][:, 3] == 0).any()
    walked = camera_at((1.0, 0.5, 1.0), pitch_deg=40)
    view = memory.read([walked], GRID)
    true_sky = torch.isinf(room_depth(walked, roof=False)[2::4, 2::4])
    shown = torch.isinf(view.depth_m[0])
    assert (shown & true_sky).sum() > 0.6 * true_sky.sum()
    before = len(memory)
    assert remember(memory, [camera_at(pitch_deg=40)], 1, roof=False) == 0
    assert len(memory) == before


def test_what_is_not_kept_unknown_or_broken_is_never_written(memory):
    camera = camera_at()
    depth, latents = room_depth(camera)[None], latents_like(1)
    keep = everywhere(depth)
    keep[:, :80] = False
    depth[:, 80:120] = 0
    depth[:, 120:124] = torch.nan
    latents[0, 3, 35] = torch.nan
    memory.write(latents, depth, [camera], keep, 0)
    rows = memory.read([camera], GRID).mask[0].any(1).nonzero().squeeze(1).tolist()
    assert rows == [31, 32, 33, 34, 36, 37, 38, 39]


def test_no_point_floats_between_surfaces(memory):
    camera = camera_at((0.03, 0.0, 0.0), 3.0)
    remember(memory, [camera], post=True)
    depth = room_depth(camera, post=True)
    sides = depth.unfold(0, 4, 4).unfold(1, 4, 4).flatten(2)
    view = memory.read([camera], GRID)
    mask = view.mask[0]
    assert 0.9 < mask.float().mean() < 1  # the post's edges are dropped
    gap = (sides / view.depth_m[0][..., None] - 1).abs()
    assert gap[mask].amin(-1).max() < 0.02
    assert gap[mask].median(-1).values.max() < 0.05


def test_a_floor_at_a_grazing_angle_is_not_taken_for_an_edge(memory):
    camera = camera_at((0.0, 1.2, -3.9))
    remember(memory, [camera])
    assert memory.coverage(camera, GRID) > 0.97


def test_walking_forward_tears_no_holes(memory):
    remember(memory, [camera_at((0.0, 0.2, -2.0))], post=False)
    for step in range(1, 30):
        walker = camera_at((0.0, 0.2, -2.0 + 0.1 * step))
        assert memory.coverage(walker, GRID) > 0.99


def test_what_is_behind_does_not_shine_through_a_near_surface(memory):
    remember(memory, [camera_at((0, 0, -2.5)), camera_at((2.0, 0, 0.0), -30)], post=True)
    near = camera_at((0, 0, 0.2))
    view = memory.read([near], GRID)
    inner = torch.isfinite(post_depth(near)).unfold(0, 4, 4).unfold(1, 4, 4).flatten(2).all(-1)
    # The cells on the post's edges were dropped, and are four times as wide from here.
    inner = torch.nn.functional.max_pool2d(1.0 - inner[None].float(), (1, 9), 1, (0, 4))[0] == 0
    shown = inner & view.mask[0]
    assert shown.sum() > 0.99 * inner.sum() > 100
    assert (view.depth_m[0][shown] < POST[1][2]).float().mean() > 0.99


def test_a_silhouette_grows_by_no_more_than_half_a_footprint(memory):
    far = camera_at((0, 0, -1.3))
    depth = post_depth(far)[None]
    memory.write(latents_like(1), depth, [far], torch.isfinite(depth), 0)
    for z in (-1.0, -0.5, 0.0):
        near = camera_at((0, 0, z))
        truth = torch.isfinite(post_depth(near))[2::4, 2::4]
        shown = memory.read([near], GRID).mask[0]
        footprint = (1.2 - -1.3) / (1.2 - z)
        grown = (shown & ~truth).sum(1).max()
        assert grown <= 2 * np.ceil(footprint / 2)
        assert (shown & truth).sum() > 0.9 * truth.sum() - 2 * GRID[0]


def test_a_clearly_finer_look_replaces_and_a_coarser_one_does_not(memory):
    far, near = camera_at((0, 0, -2.0)), camera_at((0, 0, 1.0))
    remember(memory, [far], 0)
    assert remember(memory, [camera_at((0, 0, -3.0))], 1) < 2 * GRID[0] * GRID[1] * 0.4
    before = len(memory)
    added = remember(memory, [near], 2)
    assert added > 0.5 * GRID[0] * GRID[1]
    assert len(memory) < before + added
    view = memory.read([near], GRID)
    assert view.scale[view.mask].max() < np.log2(1 / 0.7) + 0.05


def test_undo_restores_exactly_what_was_there_replaced_points_included(memory):
    remember(memory, [camera_at((0, 0, -2.0)), camera_at((0, 0, -2.0), 40)], 0)
    before = memory.cloud()
    remember(memory, [camera_at((0, 0, 0.0))], 1)
    remember(memory, [camera_at((0, 0, 1.5)), camera_at((0, 0, 1.5), 180)], 2)
    assert not set(memory.cloud()["footprints_m"]) >= set(before["footprints_m"])
    memory.undo(1)
    after = memory.cloud()
    for name in ("points_world", "latents", "footprints_m", "born"):
        assert np.array_equal(before[name], after[name]), name
    memory.undo(0)
    assert len(memory) == 0
    assert memory.nbytes == 0


def test_replaced_points_are_let_go_after_a_while(memory):
    remember(memory, [camera_at((0, 0, -2.0))], 0)
    remember(memory, [camera_at((0, 0, 1.5))], 1)
    kept_for_undo = memory.nbytes
    remember(memory, [camera_at((0, 0, 1.5))], 40)
    assert memory.nbytes < kept_for_undo


def test_the_cloud_of_a_segment_is_what_that_segment_added(memory):
    remember(memory, [camera_at()], 0)
    added = remember(memory, [camera_at(yaw_deg=60)], 1)
    cloud = memory.cloud(since=1)
    assert len(cloud["born"]) == added
    assert set(cloud["born"].tolist()) == {1}
    assert cloud["points_world"].shape == (added, 4)
    assert cloud["latents"].shape == (added, 11)


def test_sources_are_positions_in_the_cloud(memory):
    remember(memory, [camera_at((0, 0, -2.0))], 0)
    remember(memory, [camera_at((0, 0, 1.5))], 1)
    view = memory.read([camera_at((0, 0, -2.0))], GRID)
    rows = view.source[view.mask].numpy()
    latents = view.latents.movedim(1, -1)[view.mask].numpy()
    assert np.array_equal(memory.cloud()["latents"][rows], latents)


def test_a_read_does_not_depend_on_which_other_views_are_read_with_it(memory):
    turnaround(memory, 0)
    cameras = [camera_at((0.3, 0.1, 0.2), 20.0 * i) for i in range(5)]
    together = memory.read(cameras, GRID)
    for i, camera in enumerate(cameras):
        alone = memory.read([camera], GRID)
        assert torch.equal(alone.source[0], together.source[i])
        assert torch.equal(alone.latents[0], together.latents[i])
        assert np.isclose(memory.coverage(camera, GRID), float(alone.mask.float().mean()))


def test_paper_mode_keeps_every_point():
    memory = LatentMemory(11, MemoryConfig(mode="paper"))
    for segment in range(3):
        assert remember(memory, [camera_at()], segment, roof=False) < GRID[0] * GRID[1]
    assert (memory.cloud()["points_world"][:, 3] == 1).all()
    once = len(memory) // 3
    assert [int((memory.cloud()["born"] == s).sum()) for s in range(3)] == [once] * 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latents": torch.zeros(1, 12, *GRID)}, "latents"),
        ({"depth_m": torch.zeros(1, 8, 8)}, "depth"),
        ({"cameras": []}, "cameras"),
    ],
)
def test_arguments_that_do_not_fit_together_are_named(memory, change, message):
    depth = torch.ones(1, *SIZE)
    fine = {
        "latents": latents_like(1),
        "depth_m": depth,
        "cameras": [camera_at()],
        "keep": everywhere(depth),
        "segment": 0,
    }
    with pytest.raises(ValueError, match=message):
        memory.write(**(fine | change))


def test_no_memory_is_blank_whatever_is_written(tmp_path):
    memory = NoMemory(11)
    assert remember(memory, [camera_at()]) == 0
    view = memory.read([camera_at(), camera_at()], GRID)
    assert view.latents.shape == (2, 11, *GRID)
    assert not view.mask.any()
    assert len(memory) == memory.nbytes == memory.coverage(camera_at(), GRID) == 0
    assert memory.cloud().keys() == LatentMemory(11).cloud().keys()
    memory.save(tmp_path / "nothing")
    memory.load(tmp_path / "nothing")
    memory.undo(0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_cuda_device_remembers_and_reads_what_the_cpu_does():
    cpu, cuda = LatentMemory(11), LatentMemory(11, device="cuda")
    for memory in (cpu, cuda):
        remember(memory, [camera_at((0, 0, -1.0), 20.0 * i) for i in range(4)], post=True)
    cameras = [camera_at((0.1, 0, 0.0), 15.0 * i) for i in range(4)]
    one, other = cpu.read(cameras, GRID), cuda.read(cameras, GRID)
    # Rounding differs between devices where a projection falls on a cell's border.
    assert (one.source == other.source.cpu()).float().mean() > 0.999
    assert abs(len(cpu) - len(cuda)) <= 5
