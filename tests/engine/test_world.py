"""The loop with real parts at a small size: what a walk changes, and what it must not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mirage_engine.camera import Camera
from mirage_engine.config import ConfigError
from mirage_engine.parts import Cancelled
from mirage_engine.rooms import Scene
from mirage_engine.segment import Segment
from mirage_engine.world import World
from tests.engine.tiny_engine import SIZE, camera_at, tiny_world, walk

SCENE = 900_003
AWAY = camera_at((0, 0, 0), 150)


def begun(**kind: object) -> World:
    world = tiny_world(**kind)
    world.begin(scene=SCENE)
    return world


def same(one: Segment, other: Segment) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("frames", "depth_m", "keep", "points_world", "colors")
    )


def cloud(world: World) -> dict[str, np.ndarray]:
    columns = world.parts.memory.cloud()
    del columns["seen"]  # how often a point was seen is not taken back
    return columns


def unchanged(world: World, before: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(column, before[name]) for name, column in cloud(world).items())


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.square(a.astype(float) - b.astype(float)).mean()
    return float(10 * np.log10(255**2 / error))


def test_a_world_begins_as_the_scene_is():
    world = tiny_world()
    start = world.begin(scene=SCENE)
    truth = Scene(SCENE).render([world.camera])
    assert np.array_equal(start.frames, truth.frames.numpy())
    assert np.array_equal(start.depth_m, truth.depth_m.numpy())
    assert (start.index, start.coverage, world.segments, world.scene) == (0, 0.0, 1, SCENE)
    assert start.points == start.points_added == len(start.points_world) > 0


def test_points_of_the_start_lie_on_the_surfaces_that_it_shows():
    start = begun().segment(0)
    solid = start.points_world[start.points_world[:, 3] == 1]
    camera = start.cameras[0]
    pixel = solid[:, :3] / solid[:, 2:3] @ camera.intrinsics.T
    depth = Scene(SCENE).render([camera]).depth_m[0].numpy()
    seen = depth[pixel[:, 1].astype(int), pixel[:, 0].astype(int)]
    assert np.median(np.abs(solid[:, 2] / seen - 1)) < 0.01


def test_a_segment_has_the_promised_shapes_and_types():
    world = begun()
    made = world.advance(walk())
    points, pictures = len(made.points_world), (4, *SIZE)
    for name, shape, dtype in (
        ("frames", (*pictures, 3), np.uint8),
        ("depth_m", pictures, np.float32),
        ("keep", pictures, np.bool_),
        ("points_world", (points, 4), np.float32),
        ("colors", (points, 3), np.uint8),
        ("footprints_m", (points,), np.float32),
    ):
        array = getattr(made, name)
        assert isinstance(array, np.ndarray), name
        assert (array.shape, array.dtype) == (shape, dtype), name
    assert made.index == 1 and len(made.cameras) == 4
    assert 0 < made.coverage <= 1
    assert set(made.seconds) == {
        "read",
        "denoise",
        "decode",
        "depth",
        "filter",
        "write",
        "total",
    }


def test_memory_grows_by_what_is_reported():
    world = begun()
    before = len(world.parts.memory)
    made = world.advance(walk(turn_deg=20))
    assert made.points_added > 0
    assert before < made.points == len(world.parts.memory) <= before + made.points_added
    assert made.nbytes == world.parts.memory.nbytes > 0
    assert len(made.points_world) <= made.points_added


def test_points_come_with_a_colour_a_size_and_a_birth():
    world = begun()
    world.advance(walk(turn_deg=20))
    points = world.points
    assert {len(column) for column in vars(points).values()} == {len(world.parts.memory)}
    assert points.colors.dtype == np.uint8 and set(points.born) == {0, 1}


def test_what_was_seen_is_known_afterwards():
    world = begun()
    before = world.coverage(AWAY)
    assert before < 0.05
    for i in range(5):
        world.advance([camera_at((0, 0, 0), 30.0 * i + 7.5 * j) for j in range(1, 5)])
    assert world.coverage(AWAY) > 0.7


def test_the_start_is_known_at_once():
    world = begun()
    assert world.coverage(world.camera) > 0.75  # all but the edges of things


@pytest.mark.parametrize("stop", [0, 1])
def test_a_segment_that_was_given_up_changes_nothing(stop):
    world, quiet = begun(), begun()
    before = cloud(world)
    with pytest.raises(Cancelled):
        world.advance(walk(), lambda step, total: step < stop)
    assert world.segments == 1
    assert unchanged(world, before)
    assert same(world.advance(walk()), quiet.advance(walk()))


def test_undo_restores_memory_exactly_and_the_next_segment_is_the_same():
    world = begun()
    world.advance(walk())
    before = cloud(world)
    onward = [camera_at((0, 0, 0.4), 30.0 + 10 * i) for i in range(1, 5)]
    first = world.advance(onward)
    assert world.undo()
    assert world.segments == 2
    assert unchanged(world, before)
    assert same(world.advance(onward), first)


def test_the_start_cannot_be_undone():
    world = begun()
    assert not world.undo()
    assert world.segments == 1 and len(world.parts.memory) > 0


def test_beginning_again_forgets_the_first_world():
    world, fresh = begun(), tiny_world()
    world.advance(walk())
    assert same(world.begin(scene=SCENE + 1), fresh.begin(scene=SCENE + 1))
    assert world.segments == 1 and world.scene == SCENE + 1
    assert unchanged(world, cloud(fresh))
    assert same(world.advance(walk()), fresh.advance(walk()))


def test_the_same_walk_with_the_same_seed_gives_the_same_bytes():
    paths = [walk(), walk(2, begin=5)]
    one, other = begun(seed=4), begun(seed=4)
    for path in paths:
        assert same(one.advance(path), other.advance(path))


def test_another_seed_gives_another_world():
    one, other = begun(seed=4).advance(walk()), begun(seed=5).advance(walk())
    assert not np.array_equal(one.frames, other.frames)


def test_a_past_segment_looks_as_it_did():
    world = begun()
    first, second = world.advance(walk()), world.advance(walk(begin=5))
    for made in (first, second):
        again = world.segment(made.index)
        assert np.array_equal(again.frames, made.frames)
        assert np.array_equal(again.depth_m, made.depth_m)
        assert np.array_equal(again.keep, made.keep)
        assert again.cameras == made.cameras and again.points == made.points


@pytest.mark.parametrize("count", [0, 5])
def test_a_path_of_the_wrong_length_is_refused_and_changes_nothing(count):
    world = begun()
    before = cloud(world)
    with pytest.raises(ValueError, match="1 to 4 new cameras"):
        world.advance(walk(count))
    assert world.segments == 1 and unchanged(world, before)


@pytest.mark.parametrize("count", [1, 3])
def test_a_short_path_gives_a_short_segment(count):
    assert len(begun().advance(walk(count)).frames) == count


def test_a_world_that_has_not_begun_cannot_be_walked():
    with pytest.raises(ValueError, match="not begun"):
        tiny_world().advance(walk())


@pytest.mark.parametrize("number", [-1, 1_000_000])
def test_a_scene_that_does_not_exist_is_refused_and_changes_nothing(number):
    world = begun()
    with pytest.raises(ConfigError, match="--scene"):
        world.begin(scene=number)
    assert (world.scene, world.segments) == (SCENE, 1)


def test_words_alone_begin_no_world():
    with pytest.raises(ConfigError, match="words alone"):
        tiny_world().begin(prompt="a quiet courtyard")


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)


def test_a_picture_begins_a_world_in_a_plain_room():
    world = begun()
    start = world.begin(image=picture())
    assert np.array_equal(start.frames[0], picture())
    assert world.scene is None
    # Straight down is the floor, 1.5 m below the eye: depth times slope of the ray.
    slope = world.camera.rays()[-1, SIZE[1] // 2, 1]
    assert start.depth_m[0, -1, SIZE[1] // 2] == pytest.approx(1.5 / slope, rel=1e-4)
    assert start.depth_m.max() == pytest.approx(4.3)
    assert len(world.advance(walk()).frames) == 4


@pytest.mark.parametrize(
    "image",
    [picture()[:-1], picture().astype(float), picture()[..., 0]],
    ids=["size", "type", "grey"],
)
def test_a_picture_of_the_wrong_kind_is_refused(image):
    with pytest.raises(ValueError, match="uint8"):
        tiny_world().begin(image=image)


def out_and_back() -> list[list[Camera]]:
    """Turns 64 degrees away and back; the last camera is the start."""
    out = [camera_at((0, 0, 0), 8.0 * i) for i in range(1, 9)]
    back = [*reversed(out[:-1]), camera_at()]
    path = out + back
    return [path[i : i + 4] for i in range(0, len(path), 4)]


def returned(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """(the start picture, the picture from the same place after the walk)."""
    world = begun(kind=kind, correction=0.02)
    start = world.segment(0).frames[-1]
    return start, [world.advance(path) for path in out_and_back()][-1].frames[-1]


def test_who_comes_back_finds_the_place_as_it_was_because_of_memory():
    assert psnr(*returned("latent")) > psnr(*returned("none")) + 3


def test_a_copy_shows_what_memory_knows_again_and_learns_nothing():
    start, back = returned("copy")
    world = begun(kind="copy")
    known = world.parts.memory.read([world.camera], world.grid).mask[0].numpy()
    pixels = known.repeat(4, 0).repeat(4, 1)
    assert np.array_equal(start[pixels], back[pixels])
    before = cloud(world)
    assert world.advance(walk()).points_added == 0
    assert unchanged(world, before)


def test_a_world_without_memory_knows_nothing():
    world = begun(kind="none")
    made = world.advance(walk())
    assert (made.coverage, made.points, world.coverage(world.camera)) == (0.0, 0, 0.0)
    assert np.isfinite(world.entries[-1].residual)


@pytest.mark.parametrize(("kind", "segment", "frame"), [("latent", 0, 0), ("none", 2, 3)])
def test_only_memory_lets_a_segment_start_from_a_frame_of_long_ago(kind, segment, frame):
    world, firsts = begun(kind=kind), []
    make = world.parts.generator

    def listening(context, noise, on_step):
        firsts.append(context.first)
        return make(context, noise, on_step)

    for i in range(2):
        world.advance([camera_at((0, 0, 0), 32.0 * i + 8 * j) for j in range(1, 5)])
    world.parts = replace(world.parts, generator=listening)
    world.advance([camera_at((0, 0, 0), 1.0)])
    assert torch.equal(firsts[0], world.entries[segment].latents[frame].float())
