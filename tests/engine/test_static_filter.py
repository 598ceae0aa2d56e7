"""Static filters, judged by ray-cast rooms in which a ball and a cube move."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mirage_engine.camera import Camera, pinhole, pose
from mirage_engine.config import ConfigError, MemoryConfig, StaticFilterConfig
from mirage_engine.memory import LatentMemory
from mirage_engine.parts import Decoded, Sight
from mirage_engine.rooms import RoomView, Scene
from mirage_engine.static_filter import CodecFilter, KeepAll, ResidualFilter, load_filter
from mirage_engine.static_filter.concepts import concepts_in, without
from mirage_engine.static_filter.once import Once
from mirage_engine.static_filter.residual import seen_through, thinned
from tests.engine.tiny_engine import CHANNELS, linear_codec, tiny_world, walk

SIZE = (160, 256)
SCENES = range(900_000, 900_006)
FRAMES = 16
SECONDS = 2.0


def residual(step_px: int = 1) -> ResidualFilter:
    return ResidualFilter(StaticFilterConfig(kind="residual", step_px=step_px))


def stroll(begin: int = 0, count: int = FRAMES) -> list[Camera]:
    """Ahead, to the right, and turning: every static surface shifts in the picture."""
    return [
        Camera(pose((0.02 * i, 0, 0.03 * i), 0.5 * i), pinhole(SIZE, 77.0), SIZE)
        for i in range(begin, begin + count)
    ]


@cache
def filmed(seed: int) -> RoomView:
    times = np.linspace(0, SECONDS, FRAMES)
    return Scene(seed, moving=True).render(stroll(), times.tolist())


def flickering(depth_m: torch.Tensor, noise: float, seed: int) -> torch.Tensor:
    """Depth as estimators say it: wrong by smooth factors that change from frame to frame."""
    chance = torch.Generator().manual_seed(seed)
    low = torch.randn(len(depth_m), 1, 5, 8, generator=chance)
    return depth_m * (1 + noise * F.interpolate(low, SIZE, mode="bilinear")[:, 0])


def score(found: list[torch.Tensor], truth: list[torch.Tensor]) -> tuple[float, float]:
    """(recall, precision) over all pixels of all scenes."""
    hit = sum(int((f & t).sum()) for f, t in zip(found, truth, strict=True))
    return hit / sum(int(t.sum()) for t in truth), hit / sum(int(f.sum()) for f in found)


@pytest.mark.parametrize(
    ("step_px", "noise", "recall", "precision"),
    [(1, 0.0, 0.9, 0.995), (2, 0.0, 0.9, 0.99), (2, 0.03, 0.87, 0.98)],
)
def test_what_moves_is_found_and_what_stands_still_is_not(step_px, noise, recall, precision):
    """Against the exact masks of six rooms; what is missed stayed within its own outline."""
    found = [
        residual(step_px).moving(flickering(filmed(s).depth_m, noise, s), Sight(stroll()))
        for s in SCENES
    ]
    got = score(found, [filmed(s).moving for s in SCENES])
    assert got[0] > recall, got
    assert got[1] > precision, got


def test_in_a_room_where_nothing_moves_everything_is_kept():
    for seed in list(SCENES)[:3]:
        view = Scene(seed).render(stroll())
        moving = residual().moving(view.depth_m, Sight(stroll()))
        assert moving.float().mean() < 1e-3


def test_unknown_depth_is_never_kept_and_the_codecs_own_doubt_counts():
    view = filmed(SCENES[0])
    depth = view.depth_m.clone()
    depth[:, :40] = 0
    doubt = torch.rand(depth.shape) > 0.5
    keep = residual()(Decoded(view.frames.numpy(), keep=doubt), depth, Sight(stroll()))
    assert not keep[:, :40].any()
    assert not (keep & ~doubt).any()
    assert keep[:, 40:].float().mean() > 0.4


def test_a_single_picture_has_no_witness_and_is_kept():
    view = filmed(SCENES[0])
    keep = residual()(
        Decoded(view.frames[:1].numpy()), view.depth_m[:1], Sight(stroll()[:1], start=True)
    )
    assert keep.all()


def thing_that_comes(seed: int, when_s: float) -> tuple[RoomView, LatentMemory, list[Camera]]:
    """(frames in which all stands still, memory of an earlier time, the cameras of then)."""
    scene, codec = Scene(seed, moving=True), linear_codec()
    earlier = stroll(0, 6)
    before = scene.render(earlier, 0.0)
    memory = LatentMemory(CHANNELS, MemoryConfig())
    latents = codec.encode(before.frames, before.depth_m)
    memory.write(latents, before.depth_m, earlier, ~before.moving, 0)
    return scene.render(stroll(6, 6), when_s), memory, earlier


def sight_of(view: RoomView, memory: LatentMemory, earlier: list[Camera]) -> Sight:
    cameras = stroll(6, 6)
    latents = linear_codec().encode(view.frames, view.depth_m)
    grid = (latents.shape[2], latents.shape[3])
    return Sight(cameras, latents, memory.read(cameras, grid), memory, earlier)


def test_what_came_while_nobody_looked_is_found_by_what_memory_saw_there():
    """Within the segment it stands still, so only earlier cameras can tell."""
    found, truth, alone = [], [], []
    for seed in SCENES:
        view, memory, earlier = thing_that_comes(seed, 1.2)
        found.append(residual().moving(view.depth_m, sight_of(view, memory, earlier)))
        alone.append(residual().moving(view.depth_m, Sight(stroll(6, 6))))
        truth.append(view.moving)
    recall, precision = score(found, truth)
    assert recall > 0.75, (recall, precision)
    assert precision > 0.97, (recall, precision)
    assert sum(int(a.sum()) for a in alone) < 0.02 * sum(int(t.sum()) for t in truth)


def test_what_nobody_saw_behind_may_be_new_and_is_kept():
    """A wall that comes into view as one turns stands before remembered ones, yet is no mover."""
    scene, codec = Scene(SCENES[1]), linear_codec()
    earlier = stroll(0, 4)
    before = scene.render(earlier)
    memory = LatentMemory(CHANNELS, MemoryConfig())
    memory.write(
        codec.encode(before.frames, before.depth_m),
        before.depth_m,
        earlier,
        torch.ones_like(before.moving),
        0,
    )
    lens = pinhole(SIZE, 77.0)
    cameras = [Camera(pose((0, 0, 0.05 * i), 20.0 + 10 * i), lens, SIZE) for i in range(6)]
    view = scene.render(cameras)
    latents = codec.encode(view.frames, view.depth_m)
    seen = memory.read(cameras, (latents.shape[2], latents.shape[3]))
    moving = residual().moving(view.depth_m, Sight(cameras, latents, seen, memory, earlier))
    assert moving.float().mean() < 2e-3


def test_remembered_cells_that_one_sees_through_are_told():
    """Movers were remembered and went away: cells that showed nothing else are gone, few others."""
    gone, left, whole = [], [], []
    for seed in SCENES:
        scene, codec, here = Scene(seed, moving=True), linear_codec(), stroll(0, 1)
        before, after = scene.render(here, 0.0), scene.render(here, 1.2)
        memory = LatentMemory(CHANNELS, MemoryConfig())
        latents = codec.encode(before.frames, before.depth_m)
        memory.write(latents, before.depth_m, here, torch.ones_like(before.moving), 0)
        now = codec.encode(after.frames, after.depth_m)
        seen = memory.read(here, (now.shape[2], now.shape[3]))
        gone.append(seen_through(seen, after.depth_m, now, 0.05, 0.3))
        away = (before.moving & ~after.moving)[:, None].float()
        left.append(F.max_pool2d(away, 4)[:, 0] > 0)
        whole.append(seen.mask & (F.avg_pool2d(away, 4)[:, 0] == 1))
    recall, precision = score(gone, whole)[0], score(gone, left)[1]
    assert recall > 0.9, (recall, precision)
    assert precision > 0.95, (recall, precision)


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_a_thinned_depth_map_has_the_lens_that_sees_just_those_pixels(step):
    camera = stroll(3, 1)[0]
    depth = torch.from_numpy(2.0 / (camera.rays() @ np.array([0.1, 0.2, 1.0]))).float()[None]
    points = thinned(depth, [camera], step).points()[0]
    wall = (points - torch.from_numpy(camera.position).float()) @ torch.tensor([0.1, 0.2, 1.0])
    assert torch.allclose(wall, torch.full_like(wall, 2.0), atol=1e-4)
    own = points.double().numpy() @ camera.w2c[:3, :3].T + camera.w2c[:3, 3]
    pixels = own @ camera.intrinsics.T
    at = pixels[..., :2] / pixels[..., 2:]
    rows, columns = np.meshgrid(
        np.arange(step // 2, SIZE[0], step) + 0.5,
        np.arange(step // 2, SIZE[1], step) + 0.5,
        indexing="ij",
    )
    assert np.abs(at - np.stack([columns, rows], -1)).max() < 1e-3


class Counting:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, decoded: Decoded, depth_m: torch.Tensor, sight: Sight) -> torch.Tensor:
        self.calls += 1
        return depth_m > 0.5


def test_a_segment_that_is_shown_again_is_not_judged_again():
    ask, view = Counting(), filmed(SCENES[0])
    once = Once(ask)
    decoded, depth = Decoded(view.frames.numpy()), torch.rand(FRAMES, 7, 9)
    first = once(decoded, depth, Sight(stroll()))
    again = once(Decoded(decoded.frames.copy()), depth, Sight(stroll()))
    assert torch.equal(first, again)
    assert torch.equal(first, depth > 0.5)
    assert ask.calls == 1
    once(decoded, depth, Sight(stroll(1)))
    once(Decoded(255 - decoded.frames), depth, Sight(stroll()))
    assert ask.calls == 3


def test_concepts_are_left_out_but_sky_at_infinity_stays():
    keep = torch.ones(1, 2, 3, dtype=torch.bool)
    depth = torch.tensor([[[1.0, torch.inf, 2.0], [torch.inf, 3.0, 4.0]]])
    person = torch.tensor([[[True, False, False], [False, False, True]]])
    sky = torch.tensor([[[False, True, True], [False, False, False]]])
    left = without(keep, depth, {"person": person, "sky": sky})
    assert left.tolist() == [[[False, True, False], [True, True, False]]]


@pytest.mark.parametrize(
    ("answer", "concepts"),
    [
        ("People, cars, a dog.", ("people", "cars", "a dog")),
        ("- Water\n- Flags\n- water", ("water", "flags")),
        ("1. smoke\n2) birds", ("smoke", "birds")),
        ("None.", ()),
        ("There is nothing in this picture that could move, sorry", ("sorry",)),
    ],
)
def test_a_list_of_concepts_is_read_from_an_answer(answer, concepts):
    assert concepts_in(answer) == concepts


def test_every_kind_of_filter_is_built_or_says_what_it_lacks(monkeypatch):
    assert isinstance(load_filter(StaticFilterConfig("none")), KeepAll)
    assert isinstance(load_filter(StaticFilterConfig("codec")), CodecFilter)
    assert isinstance(load_filter(StaticFilterConfig("residual")), Once)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="SAM 3 needs torchvision") as error:
        load_filter(StaticFilterConfig("concepts"))
    assert "\n" not in str(error.value)


def test_a_world_asks_with_all_that_it_knows_and_shows_the_same_answer_again():
    world = tiny_world(correction=0.0)
    world.parts = replace(world.parts, static_filter=load_filter(StaticFilterConfig("residual")))
    world.begin(scene=900_003)
    made = world.advance(walk())
    assert made.keep.mean() > 0.9  # nothing moves in there
    assert made.points_added > 0
    assert np.array_equal(world.segment(1).keep, made.keep)
