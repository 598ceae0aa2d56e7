"""Memory changed by hand: what is hidden, locked or deleted, and taken back again exactly."""

import numpy as np
import pytest
import torch

from mirage_engine.config import ConfigError, MemoryConfig
from mirage_engine.inspection import HIDDEN, LOCKED, Edit
from mirage_engine.memory import LatentMemory, NoMemory
from tests.engine.memory_scenes import (
    GRID,
    camera_at,
    everywhere,
    latents_like,
    post_depth,
    room_depth,
)

FRONT_M = 4.0  # of the wall ahead of the start


def remember(memory, cameras, segment=0, seed=0, post=False, roof=True):
    depth = torch.stack([room_depth(c, post, roof) for c in cameras])
    latents = latents_like(len(cameras), memory.channels, seed)
    return memory.write(latents, depth, cameras, everywhere(depth), segment)


def ids_where(memory, choose):
    """Ids of the points whose (x, y, z) columns `choose` picks."""
    cloud = memory.cloud()
    return cloud["ids"][choose(*cloud["points_world"][:, :3].T)]


def front_wall(x, y, z):
    return z > FRONT_M - 0.1


def snapshot(memory, cameras):
    """All that can be seen of a memory from outside, but for how often points were seen."""
    cloud, view = memory.cloud(), vars(memory.read(cameras, GRID))
    del cloud["seen"]
    return [*cloud.values(), *(v.numpy() for v in view.values()), *memory.gone(), memory.budget_mib]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture(params=["adaptive", "paper"])
def memory(request):
    memory = LatentMemory(11, MemoryConfig(mode=request.param))
    remember(memory, [camera_at(), camera_at(yaw_deg=40)])
    return memory


@pytest.mark.parametrize("kind", ["hide", "delete"])
def test_points_taken_away_are_not_read_and_come_back_bit_for_bit(memory, kind):
    cameras = [camera_at(), camera_at((0.5, 0.1, 0.3), 15.0)]
    before, covered = snapshot(memory, cameras), memory.coverage(cameras[0], GRID)
    wall = ids_where(memory, front_wall)
    assert np.array_equal(memory.edit(Edit(kind, wall), 1), wall)
    view = memory.read(cameras, GRID)
    shown = memory.origins(view.source)[0][view.mask].numpy()
    assert len(shown) and not np.isin(shown, wall).any()
    assert memory.coverage(cameras[0], GRID) == view.mask[0].float().mean() < covered - 0.1
    memory.revert(1)
    assert same(snapshot(memory, cameras), before)


def test_what_was_behind_a_hidden_thing_shows():
    memory, camera = LatentMemory(11), camera_at()
    remember(memory, [camera_at((1.5, 0, 0)), camera_at((-1.5, 0, 0))])
    remember(memory, [camera], 1, post=True)
    post = ids_where(memory, lambda x, y, z: (np.abs(x) < 0.31) & (z < 1.51) & (z > 1.1))
    behind = torch.isfinite(post_depth(camera))[2::4, 2::4] & memory.read([camera], GRID).mask[0]
    assert (memory.read([camera], GRID).depth_m[0][behind] < 1.6).all()
    memory.edit(Edit("hide", post), 1)
    view = memory.read([camera], GRID)
    assert (view.depth_m[0][behind & view.mask[0]] > 2.5).all()
    assert (behind & view.mask[0]).sum() > 0.8 * behind.sum()


def test_hidden_points_do_not_count_as_known_and_stay(memory):
    camera, alone = camera_at(), LatentMemory(11, memory.config)
    first = memory.cloud()["ids"]
    memory.edit(Edit("hide", first), 1)
    assert remember(memory, [camera], 1, seed=3) == remember(alone, [camera], 1, seed=3)
    view, wanted = memory.read([camera], GRID), alone.read([camera], GRID)
    assert torch.equal(view.latents, wanted.latents)
    assert np.isin(first, memory.cloud()["ids"]).all()


def test_flags_say_what_was_done_and_only_changes_are_told(memory):
    ids = memory.cloud()["ids"]
    assert np.array_equal(memory.edit(Edit("hide", ids[:6]), 1), ids[:6])
    assert np.array_equal(memory.edit(Edit("lock", ids[4:8]), 2), ids[4:8])
    assert np.array_equal(memory.edit(Edit("hide", ids[:9]), 3), ids[6:9])
    assert memory.edit(Edit("show", ids[20:]), 4).size == 0
    assert memory.edit(Edit("delete", np.array([10**6, -1], np.int32)), 5).size == 0
    assert memory.edits == (1, 2, 3)
    flags = memory.cloud()["flags"]
    assert flags[:10].tolist() == [HIDDEN] * 4 + [HIDDEN | LOCKED] * 4 + [HIDDEN, 0]
    memory.revert(3)
    memory.revert(2)
    assert np.flatnonzero(memory.cloud()["flags"]).tolist() == list(range(6))


def test_locked_points_survive_deletion(memory):
    ids = memory.cloud()["ids"]
    memory.edit(Edit("lock", ids[::2]), 1)
    assert np.array_equal(memory.edit(Edit("delete", ids), 2), ids[1::2])
    assert np.array_equal(memory.cloud()["ids"], ids[::2])


def test_locked_points_survive_finer_looks_and_still_answer():
    far, near = camera_at((0, 0, -2.0)), camera_at((0, 0, 1.0))
    memory, free = LatentMemory(11), LatentMemory(11)
    for m in (memory, free):
        remember(m, [far])
    ids = memory.cloud()["ids"]
    memory.edit(Edit("lock", ids), 1)
    locked = memory.read([near], GRID)
    for m in (memory, free):
        remember(m, [near], 1, seed=5)
    assert not np.isin(ids, free.cloud()["ids"]).all()
    assert np.isin(ids, memory.cloud()["ids"]).all() and memory.removed.size == 0
    view = memory.read([near], GRID)
    assert torch.equal(
        view.latents.movedim(1, -1)[locked.mask], locked.latents.movedim(1, -1)[locked.mask]
    )
    memory.revert(1)
    remember(memory, [near], 2, seed=6)
    assert not np.isin(ids, memory.cloud()["ids"]).all()


def test_removed_is_what_a_write_took_from_the_living():
    memory = LatentMemory(11)
    for segment, z in enumerate((-2.0, -1.0, 0.5, 1.5)):
        before = memory.cloud()["ids"]
        remember(memory, [camera_at((0, 0, z)), camera_at((0, 0, z + 0.4), 5.0)], segment)
        gone = np.setdiff1d(before, memory.cloud()["ids"])
        assert np.array_equal(memory.removed, gone)
    assert len(gone)


def test_origins_are_what_the_cloud_says_of_the_winners(memory):
    remember(memory, [camera_at((0, 0, 1.0)), camera_at((0, 0, 1.2), 80), camera_at()], 1)
    view, cloud = memory.read([camera_at(), camera_at(yaw_deg=60)], GRID), memory.cloud()
    origins = memory.origins(view.source)
    rows = view.source[view.mask].numpy()
    for found, name in zip(origins, ("ids", "born", "frame"), strict=True):
        assert np.array_equal(found[view.mask].numpy(), cloud[name][rows])
        assert (found[~view.mask] == -1).all()
    assert set(cloud["frame"][cloud["born"] == 1]) == ({1} if memory.adaptive else {0, 1, 2})


@pytest.mark.parametrize("seed", range(4))
def test_a_mixed_history_is_taken_back_step_by_step(seed):
    rng, memory = np.random.default_rng(seed), LatentMemory(11)
    views = [camera_at(), camera_at((0, 0, 0.5), 20), camera_at((0, 0, 1.0), 190)]
    remember(memory, views[:1])
    past, segments = [], 1
    for number in range(1, 15):
        before = snapshot(memory, views)
        kind = str(rng.choice(["write", "hide", "show", "lock", "unlock", "delete"]))
        if kind == "write":
            somewhere = camera_at((0, 0, rng.uniform(-2, 2)), rng.uniform(-180, 180))
            remember(memory, [somewhere], segments, seed=number, post=True)
            past.append((before, lambda s=segments: memory.undo(s)))
            segments += 1
        else:
            ids = memory.cloud()["ids"]
            memory.edit(Edit(kind, rng.choice(ids, len(ids) // 3, replace=False)), number)
            past.append((before, lambda n=number: memory.revert(n)))
    for before, take_back in reversed(past):
        take_back()
        assert same(snapshot(memory, views), before)


def test_a_deleted_point_of_an_undone_segment_never_comes_back():
    memory = LatentMemory(11)
    remember(memory, [camera_at()])
    first = memory.cloud()["ids"]
    remember(memory, [camera_at(yaw_deg=90)], 1)
    memory.edit(Edit("delete", memory.cloud()["ids"]), 1)
    memory.undo(1)
    memory.revert(1)
    assert np.array_equal(memory.cloud()["ids"], first)
    assert len(memory.gone()[0]) == 0
    memory.undo(0)
    assert (len(memory), memory.nbytes, memory.edits) == (0, 0, ())


def test_ids_are_never_used_twice(tmp_path):
    memory = LatentMemory(11)
    remember(memory, [camera_at()])
    remember(memory, [camera_at(yaw_deg=90)], 1)
    used = memory.cloud()["ids"]
    memory.undo(1)
    memory.save(tmp_path / "m")
    again = LatentMemory(11)
    again.load(tmp_path / "m")
    for m in (memory, again):
        remember(m, [camera_at(yaw_deg=120)], 1)
        assert m.cloud(1)["ids"].min() > used.max()


def test_edits_go_on_from_a_file_as_if_never_closed(memory, tmp_path):
    views = [camera_at(), camera_at(yaw_deg=30)]
    ids, before = memory.cloud()["ids"], snapshot(memory, views)
    memory.edit(Edit("lock", ids[:50]), 1)
    memory.edit(Edit("hide", ids[40:200]), 2)
    memory.edit(Edit("delete", ids), 3)
    memory.edit(Edit("budget", budget_mib=64.0), 4)
    memory.save(tmp_path / "m")
    again = LatentMemory(11, memory.config)
    again.load(tmp_path / "m")
    assert again.edits == (1, 2, 3, 4)
    for number in (4, 3, 2, 1):
        assert same(snapshot(again, views), snapshot(memory, views))
        for m in (memory, again):
            m.revert(number)
    assert same(snapshot(again, views), before)


def wall_cells(camera, low, high, margin):
    """[h, w] bool: cells whose centres look at x `low` to `high` of the wall, `margin` m inside."""
    lens = camera.resized(GRID)
    rays = lens.rays()
    hit = lens.position + rays * ((FRONT_M - lens.position[2]) / rays[..., 2:])
    inside = (hit[..., 0] > low + margin) & (hit[..., 0] < high - margin)
    return torch.from_numpy(inside & (np.abs(hit[..., 1]) < 1.5 - margin))


@pytest.mark.parametrize("kind", ["hide", "delete"])
def test_the_gone_mask_is_the_piece_of_wall_that_was_taken_away(memory, kind):
    memory.edit(Edit(kind, ids_where(memory, lambda x, y, z: front_wall(x, y, z) & (x > 0))), 1)
    memory.edit(Edit("hide", ids_where(memory, lambda x, y, z: front_wall(x, y, z) & (x < -1))), 2)
    for camera in (camera_at(), camera_at((0.4, 0.2, 0.0), 10.0)):
        mask = memory.gone_mask([camera], GRID)[0]
        known = LatentMemory(11, memory.config)  # a cell that nothing was written to has no wall
        remember(known, [camera_at(), camera_at(yaw_deg=40)])
        written = known.read([camera], GRID).mask[0]
        footprint_m = FRONT_M / 40  # a cell of 1 / 40 rad: 64 cells over 77 degrees
        for low, high in ((0.0, 3.0), (-3.0, -1.0)):
            inner = wall_cells(camera, low, high, footprint_m) & written
            assert inner.sum() > 20 and mask[inner].all()
        near = wall_cells(camera, 0.0, 3.0, -footprint_m) | wall_cells(
            camera, -3.0, -1.0, -footprint_m
        )
        assert not mask[~near].any()
        late = memory.gone_mask([camera], GRID, since=2)[0]
        assert late.any() and not late[~wall_cells(camera, -3.0, -1.0, -footprint_m)].any()


def test_what_lies_behind_the_living_is_not_missed():
    memory, camera = LatentMemory(11), camera_at()
    remember(memory, [camera])
    remember(memory, [camera], 1, post=True)
    post = torch.isfinite(post_depth(camera))[2::4, 2::4]
    memory.edit(Edit("delete", ids_where(memory, front_wall)), 1)
    mask, view = memory.gone_mask([camera], GRID)[0], memory.read([camera], GRID)
    assert mask.any() and not mask[post & view.mask[0]].any()
    assert not (mask & view.mask[0]).any()
    remember(memory, [camera], 2)  # another wall in the same place
    assert not memory.gone_mask([camera], GRID).any()


def test_gone_points_are_those_deleted_and_hidden(memory):
    cloud = memory.cloud()
    memory.edit(Edit("delete", cloud["ids"][:30]), 1)
    memory.edit(Edit("hide", cloud["ids"][50:60]), 2)
    points, footprints = memory.gone()
    rows = [*range(30), *range(50, 60)]
    assert np.array_equal(points, cloud["points_world"][rows])
    assert np.array_equal(footprints, cloud["footprints_m"][rows])


def test_a_memory_that_holds_nothing_cannot_be_edited():
    memory = NoMemory(11)
    with pytest.raises(ConfigError, match="this memory holds nothing to edit"):
        memory.edit(Edit("hide"), 1)
    memory.revert(1)
    assert memory.edits == () and not memory.gone_mask([camera_at()], GRID).any()


@pytest.mark.parametrize("budget_mib", [-1.0, np.inf, np.nan])
def test_a_budget_that_is_no_size_is_refused(budget_mib):
    for make in (MemoryConfig, lambda **size: Edit("budget", **size)):
        with pytest.raises(ConfigError, match="budget_mib must be"):
            make(budget_mib=float(budget_mib))
