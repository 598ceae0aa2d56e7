"""A world that is edited and looked into: one line of history, and nothing comes back by itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from mirage_engine.config import ConfigError
from mirage_engine.inspection import HIDDEN, Edit
from mirage_engine.world import World
from tests.engine.tiny_engine import GRID, camera_at, tiny_world, walk

SCENE = 900_003
WALL_M = (4.15, 4.45)  # depth of the wall ahead of this scene's start
AHEAD = [camera_at((0.0, 0.0, 0.1 * i)) for i in range(1, 5)]


def begun(**kind: object) -> World:
    world = tiny_world(**kind)
    world.begin(scene=SCENE)
    return world


def wall(world: World) -> np.ndarray:
    """Ids of the points on the wall ahead."""
    points = world.points
    z = points.points_world[:, 2]
    chosen = points.ids[(z > WALL_M[0]) & (z < WALL_M[1])]
    assert len(chosen) > 100
    return chosen


def state(world: World) -> list[np.ndarray]:
    """Memory and its answers, but for how often points were seen."""
    points, view = vars(world.points).copy(), world.parts.memory.read(AHEAD, world.grid)
    del points["seen"]
    return [*points.values(), *(v.numpy() for v in vars(view).values())]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def listened(world: World) -> list[torch.Tensor]:
    """The clean first frames that the generator will get, as they come."""
    firsts, make = [], world.parts.generator

    def listening(context, noise, on_step):
        firsts.append(context.first)
        return make(context, noise, on_step)

    world.parts = replace(world.parts, generator=listening)
    return firsts


def test_a_deleted_wall_is_made_anew_and_undo_brings_the_old_one_back():
    world, untouched = begun(), begun()
    before = state(world)
    made = untouched.advance(AHEAD)
    seen = world.look(AHEAD[-1])
    chosen = wall(world)
    assert np.array_equal(world.edit(Edit("delete", chosen)), chosen)
    anew = world.advance(AHEAD)
    assert anew.coverage < made.coverage - 0.1
    on_wall = np.isin(seen.point_ids, chosen).repeat(4, 0).repeat(4, 1)
    off = np.abs(anew.frames[-1].astype(float) - made.frames[-1]).mean(-1)
    assert off[on_wall].mean() > 3 * off[~on_wall].mean()
    assert np.isin(chosen, world.points.ids).sum() == 0
    assert world.undo() and world.undo() and not world.undo()
    assert same(state(world), before)
    assert np.array_equal(world.advance(AHEAD).frames, made.frames)


@pytest.mark.parametrize("kind", ["hide", "delete"])
def test_the_clean_first_frame_does_not_smuggle_back_what_was_taken_away(kind):
    world = begun()
    firsts = listened(world)
    world.edit(Edit(kind, wall(world)))
    gone = torch.from_numpy(world.xray(AHEAD).gone_first)
    assert gone.sum() > 100
    world.advance(AHEAD)
    old = world.entries[0].latents[0].float()
    assert torch.equal(firsts[0][:, ~gone], old[:, ~gone])
    assert ((firsts[0] != old).all(0) == gone).all()
    # The frames just made never saw the wall: they are taken as they are.
    assert not world.xray([camera_at((0.0, 0.0, 0.45))]).gone_first.any()
    world.advance([camera_at((0.0, 0.0, 0.45))])
    assert torch.equal(firsts[1], world.entries[1].latents[-1].float())


def test_what_is_shown_again_is_no_longer_gone():
    world, untouched = begun(), begun()
    chosen = wall(world)
    world.edit(Edit("hide", chosen))
    world.edit(Edit("show", chosen))
    assert not world.xray(AHEAD).gone_first.any()
    assert np.array_equal(world.advance(AHEAD).frames, untouched.advance(AHEAD).frames)


def test_edits_and_segments_are_undone_in_the_order_in_which_they_came():
    world, states = begun(), []
    steps = [
        lambda: world.edit(Edit("hide", world.points.ids[:200])),
        lambda: world.advance(walk()),
        lambda: world.edit(Edit("lock", world.points.ids[-100:])),
        lambda: world.edit(Edit("delete", world.points.ids[100:400])),
        lambda: world.advance(walk(begin=5)),
        lambda: world.edit(Edit("show", world.points.ids[:50])),
    ]
    for step in steps:
        states.append((world.segments, state(world)))
        step()
    world.edit(Edit("show", world.points.ids[:50]))  # changes nothing and is not recorded
    for segments, before in reversed(states):
        assert world.undo()
        assert world.segments == segments
        assert same(state(world), before)
    assert not world.undo()


def test_a_new_beginning_has_no_edits():
    world, fresh = begun(), begun()
    world.edit(Edit("delete", wall(world)))
    world.edit(Edit("budget", budget_mib=0.01))
    world.begin(scene=SCENE)
    assert same(state(world), state(fresh)) and not world.undo()


def test_a_budget_shows_in_the_segment_that_it_cost():
    world = begun()
    world.edit(Edit("budget", budget_mib=world.parts.memory.nbytes / 2**20))
    for i in range(3):
        before = world.points.ids
        made = world.advance([camera_at((0, 0, 0), 32 * i + 8 * j) for j in range(1, 5)])
        after = world.points.ids
        assert np.array_equal(made.removed_ids, np.setdiff1d(before, after))
        assert np.array_equal(made.point_ids, after[world.points.born == made.index])
        assert made.nbytes <= world.entries[0].nbytes
        assert made.residual == world.entries[-1].residual
        assert world.segment(made.index).removed_ids.size == 0
    assert len(made.removed_ids)


def test_a_world_without_memory_refuses_edits_and_keeps_its_history():
    world = begun(kind="none")
    world.advance(walk())
    with pytest.raises(ConfigError, match="nothing to edit"):
        world.edit(Edit("budget", budget_mib=1.0))
    assert world.undo() and world.segments == 1


def test_points_and_details_agree_with_memory():
    world = begun()
    world.advance(walk(turn_deg=20))
    world.edit(Edit("hide", world.points.ids[5:9]))
    cloud, points = world.parts.memory.cloud(), world.points
    for name in ("points_world", "footprints_m", "born", "ids", "flags", "seen"):
        assert np.array_equal(getattr(points, name), cloud[name]), name
    assert np.flatnonzero(points.flags == HIDDEN).tolist() == [5, 6, 7, 8]
    since = int(cloud["ids"][cloud["born"] == 0].max())
    details, new = world.details(since), cloud["born"] == 1
    assert np.array_equal(details.ids, cloud["ids"])
    assert np.array_equal(details.seen, cloud["seen"])
    assert np.array_equal(details.new_ids, cloud["ids"][new]) and new.any()
    assert np.array_equal(details.frame, cloud["frame"][new])
    assert details.latents.dtype == np.float16
    assert np.array_equal(details.latents.astype("f4"), cloud["latents"][new])
    assert np.array_equal(world.details().new_ids, cloud["ids"])


def test_a_look_is_exactly_what_memory_reads():
    world = begun()
    world.advance(walk())
    camera = camera_at((0.1, 0.0, 0.5), 12.0, -4.0)
    seen, view = world.look(camera), world.parts.memory.read([camera], GRID)
    assert seen.camera is camera
    for name in ("mask", "depth_m", "scale"):
        assert np.array_equal(getattr(seen, name), getattr(view, name)[0].numpy()), name
    ids, source = world.points.ids, view.source[0].numpy()
    assert np.array_equal(seen.point_ids, np.where(source >= 0, ids[source], -1))
    assert seen.point_ids.dtype == np.int32 and 0 < seen.mask.mean() < 1


def test_an_xray_of_the_coming_segment_is_what_conditions_it():
    world = begun()
    world.advance(walk())
    path = walk(begin=5)
    coming = world.xray(path)
    made = world.advance(path)
    world.edit(Edit("delete", world.points.ids[::2]))  # the last one is shown as memory was then
    last = world.xray()
    assert (coming.segment, coming.coming, last.segment, last.coming) == (2, True, 2, False)
    assert np.isnan(coming.residual) and last.residual == made.residual
    for name in (
        "latents",
        "mask",
        "depth_m",
        "point_ids",
        "decoded",
        "source_frames",
        "source_shares",
    ):
        assert np.array_equal(getattr(coming, name), getattr(last, name)), name
    assert coming.first == last.first == (1, 3)
    assert [c.c2w.tolist() for c in coming.cameras[1:]] == [c.c2w.tolist() for c in path]
    assert last.mask[1:].mean() == pytest.approx(made.coverage)
    assert last.decoded.shape == (5, 80, 128, 3) and last.latents.shape == (5, 11, *GRID)


def test_the_sources_of_an_xray_are_counted_by_a_plain_loop():
    world = begun()
    for i in range(3):
        world.advance([camera_at((0, 0, 0), 32.0 * i + 8 * j) for j in range(1, 5)])
    shown, cloud = world.xray([camera_at((0, 0, 0), 60.0 - 10 * j) for j in range(1, 5)]), {}
    memory = world.parts.memory.cloud()
    for point, born, frame in zip(memory["ids"], memory["born"], memory["frame"], strict=True):
        cloud[point] = (int(born), int(frame))
    counts = Counter(cloud[i] for i in shown.point_ids[1:].ravel() if i >= 0)
    total = sum(counts.values())
    assert total == shown.mask[1:].sum() and len(counts) > 8
    found = {
        tuple(pair): share
        for pair, share in zip(shown.source_frames.tolist(), shown.source_shares, strict=True)
    }
    assert len(found) == 8 and (np.diff(shown.source_shares) <= 0).all()
    for pair, share in found.items():
        assert share == pytest.approx(counts[pair] / total)
    assert min(found.values()) * total >= sorted(counts.values())[-8] - 1e-3


def test_there_is_no_xray_before_a_segment_or_after_its_undo():
    world = begun()
    with pytest.raises(ConfigError, match="no segment was generated yet"):
        world.xray()
    world.advance(walk())
    world.xray()
    world.undo()
    with pytest.raises(ConfigError, match="no segment was generated yet"):
        world.xray()
    with pytest.raises(ValueError, match="1 to 4 new cameras"):
        world.xray(walk(5))


def test_an_xray_without_memory_names_no_points():
    world = begun(kind="none")
    world.advance(walk())
    shown = world.xray()
    assert shown.mask[1:].any() and (shown.point_ids == -1).all()
    assert shown.source_frames.shape == (0, 2) and shown.source_shares.shape == (0,)
