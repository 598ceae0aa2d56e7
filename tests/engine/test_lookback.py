"""What of the past a segment is shown: the official choice, ours against loops, views as then."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from mirage_engine.config import ConfigError, MemoryConfig, PlannerConfig
from mirage_engine.inspection import Edit
from mirage_engine.lookback import LEAST_GAIN, by_overlap, keyframes, line_to, views_then
from mirage_engine.memory import LatentMemory
from mirage_engine.parts import CodecSpec
from mirage_engine.world import World
from mirage_engine.world_file import Entry
from tests.engine.golden_segments import iterations
from tests.engine.test_golden_memory import ours
from tests.engine.tiny_engine import GRID, camera_at, tiny_world, walk

SPEC = CodecSpec(48, 16, 4, 32, carries_depth=False)
RUNS = ["e2e_p0", "e2e_p8_fixed"]


def walked(**planner: int) -> World:
    """Ahead, to the right, and a look back to where it began; `planner` holds for what is next."""
    world = tiny_world()
    world.begin(scene=900_003)
    for begin in (1, 5, 9):
        world.advance(walk(turn_deg=15.0, begin=begin))
    world.preset = replace(world.preset, planner=PlannerConfig(**planner))
    return world


class Official:
    """The scripted loop of the golden data, written to a memory segment by segment."""

    def __init__(self, golden, run: str) -> None:
        self.data, self.given = np.load(golden / f"{run}.npz"), np.load(golden / "e2e_inputs.npz")
        self.cells = tuple(self.given["latent_hw"].tolist())
        self.memory = LatentMemory(48, MemoryConfig(mode="paper"))
        self.entries: list[Entry] = []
        self.out: list[torch.Tensor] = []

    def camera(self, pose: int, size: tuple[int, int]):
        height, width = self.given["frame0"].shape[:2]
        scale = np.diag([size[1] / width, size[0] / height, 1.0])
        return ours(
            self.given["poses_c2w"][pose], scale @ self.given["intrinsics"], size, self.cells
        )

    def write(self, depth: np.ndarray, poses: list[int], segment: int) -> None:
        depth_m = torch.from_numpy(depth)
        cameras = [self.camera(pose, depth.shape[1:]) for pose in poses]
        latents = torch.zeros(len(poses), 48, *self.cells)
        self.memory.write(latents, depth_m, cameras, torch.ones_like(depth_m).bool(), segment)

    def add(self, iteration: int) -> None:
        """What the official code knows after an iteration."""
        out = torch.from_numpy(self.data[f"it{iteration}/out"])[0].transpose(0, 1)
        scene = torch.from_numpy(self.data[f"it{iteration}/target_scene"]).transpose(0, 1)
        poses = self.data[f"it{iteration}/target_pose_indices"].tolist()
        if iteration == 0:
            self.write(self.given["depth0"][None], [0], 0)
            self.entries.append(self.entry([0], out[:1], None))
            self.write(self.given["depths"][:1], [0], 1)  # the first frame goes in twice
        self.write(self.given["depths"][[p // 4 for p in poses[1:]]], poses[1:], iteration + 1)
        seen = self.memory.read([self.camera(p, self.cells) for p in poses[1:]], self.cells)
        view = replace(seen, latents=scene[1:])
        every = list(range(poses[0] + 1, poses[-1] + 1))
        self.entries.append(self.entry(every, out[1:], view))

    def entry(self, poses: list[int], latents: torch.Tensor, view) -> Entry:
        cameras = tuple(self.camera(pose, self.cells) for pose in poses)
        return Entry(cameras, 0.0, 0, 0, 0, 0.0, {}, latents, view)


@pytest.mark.golden
@pytest.mark.parametrize("run", RUNS)
def test_the_official_references_are_chosen_wherever_they_are_decided(golden, run):
    official, compared = Official(golden, run), 0
    for iteration in range(iterations(official.data)):
        key = f"it{iteration}/"
        if iteration and bool(official.data[f"{key}selection_robust"]):
            poses = official.data[f"{key}target_pose_indices"].tolist()
            cameras = [official.camera(pose, official.cells) for pose in poses]
            found = keyframes(official.entries, SPEC)
            assert len(official.memory) == official.data[f"{key}n_valid_before"]
            chosen, worth = by_overlap(official.memory, cameras, found, official.cells, 4)
            wanted = official.data[f"{key}reference_indices"].tolist()
            assert [found.index(k) for k in chosen] == wanted
            overlaps = official.data[f"{key}iou"][wanted]
            # The room's walls lie on borders of voxels, where the last bit of a point decides.
            assert np.allclose(worth, overlaps, atol=0.05)
            compared += 1
        official.add(iteration)
    assert compared


@pytest.mark.golden
def test_the_official_preceding_frames_come_with_the_views_that_they_were_made_from(golden):
    official = Official(golden, "e2e_p8_fixed")
    for iteration in range(iterations(official.data)):
        key = f"it{iteration}/"
        if int(official.data[f"{key}num_preceding"]):
            newest = keyframes(official.entries, SPEC)[-1]
            before = line_to(newest, official.entries, SPEC, False, 3)[:-1]
            latents = torch.stack([official.entries[k.segment].latents[k.frame] for k in before])
            view = views_then(before, official.entries, official.memory, official.cells)
            wanted = official.data[f"{key}preceding_latents"][0].swapaxes(0, 1)
            assert np.array_equal(latents.numpy(), wanted)
            scene = official.data[f"{key}preceding_scene"].swapaxes(0, 1)
            assert np.array_equal(view.latents.numpy(), scene)
        official.add(iteration)


@pytest.mark.parametrize("most", [1, 4])
def test_references_are_the_frames_that_wrote_most_of_what_the_first_does_not_show(most):
    world = walked(preceding=2, references=most)
    path = [camera_at((0, 0, 0.1 * i), 150 - 25.0 * i) for i in range(4)]
    given = world._condition(path)
    ids, born, frame = given.origins.numpy()
    shown = set(ids[0].flatten().tolist())
    cells: Counter = Counter()
    for cell in np.ndindex(*ids[1:].shape):
        at = (cell[0] + 1, *cell[1:])
        if ids[at] >= 0 and ids[at] not in shown:
            cells[int(born[at]), int(frame[at])] += 1
    total = sum(cells.values())
    left_out = {(given.first.segment, given.first.frame)}
    left_out |= {(k.segment, k.frame) for k in line(world, given.first)[-3:-1]}
    rest = [n / total for pair, n in cells.most_common() if pair not in left_out]
    wanted = [share for share in rest if share >= LEAST_GAIN][:most]
    chosen = [(k.segment, k.frame) for k in given.references]
    assert len(chosen) == len(wanted) > 0 and not left_out & set(chosen)
    assert np.allclose(given.worth, wanted)
    assert np.allclose([cells[pair] / total for pair in chosen], wanted)
    for keyframe, latent in zip(given.references, given.reference_latents, strict=True):
        assert torch.equal(latent, world.entries[keyframe.segment].latents[keyframe.frame].float())


def line(world: World, first) -> list:
    return line_to(first, world.entries, world.parts.codec.spec, False, 9)


def test_the_line_follows_a_branch_back_to_the_start():
    world = walked()
    away = camera_at((0, 0, 0.6), 90.0)  # as the camera of segment 2, frame 1
    world.advance([away])
    branch = [(k.segment, k.frame) for k in line(world, keyframes(world.entries, CODEC)[-1])]
    assert branch == [(0, 0), *((1, f) for f in range(4)), (2, 0), (2, 1), (4, 0)]


CODEC = tiny_world().parts.codec.spec


def test_old_views_are_found_again_by_a_memory_that_forgets_what_came_since():
    world = tiny_world()
    world.begin(scene=900_003)
    told = [None]
    for begin in (1, 5, 9):
        path = walk(turn_deg=15.0, begin=begin)
        told.append(world._condition(path).view.after(0))
        world.advance(path)
    frames = [k for k in keyframes(world.entries, CODEC) if k.segment]
    entries = [replace(e, view=v) for e, v in zip(world.entries, told, strict=True)]
    kept = views_then(frames, entries, world.parts.memory, GRID)
    again = views_then(frames, world.entries, world.parts.memory, GRID)
    assert kept.mask.float().mean() > 0.3 and len(kept.mask) == 12
    assert torch.equal(again.mask, kept.mask)
    assert torch.equal(again.depth_m, kept.depth_m)
    now = world.parts.memory.read([k.camera for k in frames], GRID)
    assert not torch.equal(now.mask, kept.mask), "memory has learnt since"


def test_what_was_taken_away_comes_back_in_no_frame_of_the_past():
    world = walked(preceding=2, references=4)
    path = walk(begin=13)
    before = world._condition(path)
    ids = before.origins[0].unique()
    world.edit(Edit("delete", ids[ids >= 0].numpy()))
    after = world._condition(path)
    assert not torch.equal(before.preceding, after.preceding)
    assert after.preceding_view.mask.sum() < before.preceding_view.mask.sum()
    shown = set(world.parts.memory.cloud()["ids"].tolist())
    assert not shown & set(ids.tolist())


def test_a_world_of_few_frames_shows_what_there_is():
    world = tiny_world()
    world.preset = replace(world.preset, planner=PlannerConfig(preceding=2, references=4))
    world.begin(scene=900_003)
    given = world._condition(walk())
    assert len(given.preceding) == len(given.reference_latents) == 0
    assert given.preceding_view is None and not given.references


def test_a_count_below_zero_is_refused():
    with pytest.raises(ConfigError, match="preceding must be 0 or more, got -1"):
        PlannerConfig(preceding=-1)
