"""Saved worlds: they go on as if nothing had happened, and every fault has a name."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from mirage_engine.checkpoints import save_state, save_weights
from mirage_engine.config import CodecConfig, ConfigError, GeneratorConfig, Preset
from mirage_engine.inspection import LOCKED, Edit
from mirage_engine.loading import load_world, open_world
from mirage_engine.seal import UNSEALED, seal
from mirage_engine.world import World
from tests.engine.tiny_engine import LENS, camera_at, linear_codec, tiny_network, tiny_world, walk

SCENE = 900_003


def walked(segments: int = 2, **kind: object) -> World:
    world = tiny_world(**kind)
    world.begin(scene=SCENE)
    for i in range(segments):
        world.advance(walk(begin=1 + 4 * i))
    return world


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    walked().save(folder)
    return folder


@pytest.fixture
def saved(template, tmp_path) -> Path:
    """A folder of two segments and the start, for this test alone."""
    return shutil.copytree(template, tmp_path / "place.mirage")


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """(when it was written, bytes) of every file."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file()]
    return {p.relative_to(folder).as_posix(): (p.stat().st_mtime_ns, p.read_bytes()) for p in files}


def reopened(folder: Path, **kind: object) -> World:
    world = tiny_world(**kind)
    world.load(folder)
    return world


def next_frames(world: World) -> np.ndarray:
    return world.advance(walk(turn_deg=-12.0, begin=3)).frames


@pytest.mark.parametrize("kind", ["latent", "none", "copy"])
def test_a_reopened_world_goes_on_like_the_one_that_was_saved(tmp_path, kind):
    world = walked(kind=kind, seed=7)
    world.save(tmp_path)
    again = reopened(tmp_path, kind=kind)
    assert (again.seed, again.scene, again.segments) == (7, SCENE, 3)
    for index in range(3):
        assert np.array_equal(again.segment(index).frames, world.segment(index).frames)
    assert np.array_equal(next_frames(again), next_frames(world))


def test_a_reopened_world_can_be_undone(saved):
    world, again = walked(), reopened(saved)
    for w in (world, again):
        assert w.undo()
    assert np.array_equal(next_frames(again), next_frames(world))


def edited(world: World) -> World:
    """Each kind of edit, and a segment after it."""
    ids = world.points.ids
    world.edit(Edit("lock", ids[:150]))
    world.edit(Edit("hide", ids[100:260]))
    world.edit(Edit("delete", ids[200:420]))
    world.advance(walk(begin=9))
    world.edit(Edit("budget", budget_mib=0.08))
    world.edit(Edit("unlock", ids[:50]))
    return world


def test_an_edited_world_goes_on_and_is_undone_as_if_it_had_never_been_closed(tmp_path):
    world = edited(walked())
    world.save(tmp_path)
    again = reopened(tmp_path)
    assert again.edits == world.edits and len(again.edits) == 5
    assert np.array_equal(next_frames(again), next_frames(world))
    while again.undo():
        assert world.undo()
        for name, column in vars(world.points).items():
            assert np.array_equal(getattr(again.points, name), column), name
    assert not world.undo() and not again.edits


def test_an_edit_after_opening_has_a_number_of_its_own(tmp_path):
    edited(walked()).save(tmp_path)
    again = reopened(tmp_path)
    again.edit(Edit("show", again.points.ids))
    assert [edit.number for edit in again.edits] == [1, 2, 3, 4, 5, 6]


def test_a_world_is_opened_with_the_preset_that_it_was_made_with(tmp_path):
    save_weights(linear_codec(), tmp_path / "codec.safetensors", {})
    network = tiny_network(0.05)
    sizes = {k: v for k, v in network.config.items() if not k.startswith("_")}
    keep = {"image_dim", "added_kv_proj_dim", "pos_embed_seq_len"}
    sizes = {k: v for k, v in sizes.items() if k not in keep}
    save_weights(network, tmp_path / "generator.safetensors", {"network": sizes})
    preset = Preset(
        "mine",
        lens=LENS,
        codec=CodecConfig(weights=str(tmp_path / "codec.safetensors")),
        generator=GeneratorConfig(weights=str(tmp_path / "generator.safetensors"), steps=2),
    )
    stages: list[str] = []
    world = load_world(preset, 3, "cpu", stages.append)
    assert stages == ["loading the codec", "loading the generator"]
    world.begin(scene=SCENE)
    world.advance(walk())
    world.save(tmp_path / "place.mirage")
    again = open_world(tmp_path / "place.mirage", "cpu")
    assert again.preset == preset and again.seed == 3
    assert np.array_equal(next_frames(again), next_frames(world))


def test_a_saved_world_shows_its_first_and_its_last_picture(saved):
    world = walked()
    for name, index in (("start.png", 0), ("thumbnail.png", 2)):
        shown = np.asarray(Image.open(saved / name))
        assert np.array_equal(shown, world.segment(index).frames[-1])


def test_saving_again_writes_only_what_is_new(tmp_path):
    world = walked()
    world.save(tmp_path)
    before = contents(tmp_path)
    world.advance(walk(begin=9))
    world.save(tmp_path)
    after = contents(tmp_path)
    new = {name for name in after if after[name] != before.get(name)}
    latents = {name for name in new if name.startswith("latents/")}
    assert len(latents) == 1 and next(iter(latents)).startswith("latents/000003-")
    assert new - latents == {
        "world.json",
        "memory.safetensors",
        "colors.safetensors",
        "thumbnail.png",
    }


def test_what_was_undone_leaves_the_folder(tmp_path):
    world = walked()
    world.save(tmp_path)
    world.undo()
    world.save(tmp_path)
    assert len(list((tmp_path / "latents").iterdir())) == 2
    assert reopened(tmp_path).segments == 2


def test_another_world_in_the_same_folder_replaces_all_of_the_first(saved):
    world = tiny_world()
    start = world.begin(scene=SCENE + 1)
    world.save(saved)
    again = reopened(saved)
    assert (again.scene, again.segments) == (SCENE + 1, 1)
    shown = np.asarray(Image.open(saved / "start.png")).astype(float)
    error = np.square(shown - start.frames[0]).mean()
    assert error < np.square(shown - walked(0).segment(0).frames[0]).mean() / 4


def test_nothing_half_written_stays(saved):
    assert not [p for p in saved.rglob("*") if p.suffix in (".part", ".tmp")]


def edit(path: Path, change) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps({**data, **UNSEALED}))
    seal(path)


def lost(path: Path) -> None:
    path.unlink()


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garbage(path: Path) -> None:
    path.write_bytes(b"\x00\xffnothing of the kind")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def no_table(path: Path) -> None:
    path.write_text("[]")


def other_format(path: Path) -> None:
    edit(path, lambda data: data.update(format=99))


def without_seed(path: Path) -> None:
    edit(path, lambda data: data.pop("seed"))


def without_segments(path: Path) -> None:
    edit(path, lambda data: data.update(segments=[]))


def broken_seed(path: Path) -> None:
    edit(path, lambda data: data.update(seed="seven"))


def no_preset(path: Path) -> None:
    edit(path, lambda data: data.update(preset=None))


def unknown_preset_key(path: Path) -> None:
    edit(path, lambda data: data["preset"]["memory"].update(mood=1))


def without_poses(path: Path) -> None:
    edit(path, lambda data: data["segments"][1].pop("c2w"))


def no_pose(path: Path) -> None:
    edit(path, lambda data: data["segments"][1].update(c2w=[[[0.0] * 4] * 4] * 4))


def without_numbers(path: Path) -> None:
    edit(path, lambda data: data["segments"][1].pop("points"))


def no_segment(path: Path) -> None:
    edit(path, lambda data: data["segments"].append("three"))


def without_edits(path: Path) -> None:
    edit(path, lambda data: data.pop("edits"))


def broken_edits(path: Path) -> None:
    edit(path, lambda data: data.update(edits=[{"number": 1, "kind": "hide"}]))


def edits_of_the_future(path: Path) -> None:
    late = {"number": 1, "kind": "hide", "after": 9, "points": 3}
    edit(path, lambda data: data.update(edits=[late]))


def without_latents(path: Path) -> None:
    save_state({"other": load_file(path)["latents"]}, path, {})


def other_channels(path: Path) -> None:
    save_state({"latents": load_file(path)["latents"][:, :5].contiguous()}, path, {})


def too_many_frames(path: Path) -> None:
    save_state({"latents": load_file(path)["latents"].repeat(2, 1, 1, 1)}, path, {})


def of_another_world(path: Path) -> None:
    other = tiny_world()
    other.begin(scene=SCENE + 4)
    other.parts.memory.save(path)


FILES = {"world": "world.json", "memory": "memory.safetensors", "latents": "latents/000001-*"}
HARMS = [
    *[(part, harm) for part in FILES for harm in (lost, cut_short, garbage, empty)],
    *[("world", harm) for harm in (no_table, other_format, without_seed, without_segments)],
    *[("world", harm) for harm in (broken_seed, no_preset, unknown_preset_key, no_segment)],
    *[("world", harm) for harm in (without_poses, no_pose, without_numbers)],
    *[("world", harm) for harm in (without_edits, broken_edits, edits_of_the_future)],
    *[("latents", harm) for harm in (without_latents, other_channels, too_many_frames)],
    ("memory", of_another_world),
]


@pytest.mark.parametrize(
    ("part", "harm"), HARMS, ids=[f"{part}-{harm.__name__}" for part, harm in HARMS]
)
def test_a_damaged_part_is_named_in_one_line_and_nothing_changes(saved, part, harm):
    file = next(iter(saved.glob(FILES[part])))
    harm(file)
    folder = contents(saved)
    world = tiny_world(seed=3)
    world.begin(image=np.zeros((LENS.height, LENS.width, 3), np.uint8))
    points = world.points.points_world
    with pytest.raises(ConfigError) as error:
        world.load(saved)
    line = str(error.value)
    assert file.name in line and str(saved) in line and "\n" not in line
    assert (world.seed, world.scene, world.segments) == (3, None, 1)
    assert np.array_equal(world.points.points_world, points)
    assert contents(saved) == folder


def test_a_folder_that_is_no_world_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="not a world folder"):
        open_world(tmp_path)


def test_a_crash_before_the_last_rename_loses_one_segment_only(tmp_path):
    """Latents and memory are new, world.json is still the old one."""
    world = walked()
    world.save(tmp_path)
    shutil.copy(tmp_path / "world.json", tmp_path / "old")
    world.advance(walk(begin=9))
    world.save(tmp_path)
    (tmp_path / "old").rename(tmp_path / "world.json")
    again = reopened(tmp_path)
    assert again.segments == 3
    assert len(again.parts.memory) == again.entries[-1].points
    assert np.array_equal(next_frames(again), next_frames(walked()))


def test_a_crash_after_an_undo_goes_back_to_what_both_files_know(tmp_path):
    """Memory has another third segment than world.json: the first two are common."""
    world = walked()
    world.save(tmp_path)
    kept = tmp_path / "kept"
    shutil.copytree(tmp_path, kept, ignore=shutil.ignore_patterns("kept"))
    world.undo()
    world.advance(walk(turn_deg=25.0))
    world.parts.memory.save(kept / "memory.safetensors")
    again, common = reopened(kept), walked(1)
    assert again.segments == 2
    assert np.array_equal(next_frames(again), next_frames(common))


def cut_short_save(world: World, folder: Path) -> World:
    """What is found after a crash between memory and world.json, which stayed as it was."""
    world.parts.memory.save(folder / "memory.safetensors")
    return reopened(folder)


def same_points(world: World, other: World) -> bool:
    columns = [{k: v for k, v in vars(w.points).items() if k != "seen"} for w in (world, other)]
    return all(np.array_equal(column, columns[1][name]) for name, column in columns[0].items())


def test_a_crash_after_edits_loses_them_only(tmp_path):
    world = walked()
    world.save(tmp_path)
    again = cut_short_save(edited(world), tmp_path)
    assert again.segments == 3 and again.edits == []
    unlimited = {tuple(p) for p in walked().points.points_world.tolist()}
    # What the budget forgot is lost; all the rest is as it was.
    assert {tuple(p) for p in again.points.points_world.tolist()} <= unlimited
    assert not again.points.flags.any() and again.parts.memory.budget_mib == 0


def test_a_crash_after_an_undone_edit_goes_back_to_what_both_files_know(tmp_path):
    world = walked(1)
    world.edit(Edit("hide", world.points.ids[:100]))
    one = tmp_path / "one"
    world.edit(Edit("delete", world.points.ids[50:150]))
    world.advance(walk(begin=5))
    world.edit(Edit("lock", world.points.ids[:9]))
    world.save(one)
    for _ in range(3):
        world.undo()
    again = cut_short_save(world, one)  # memory is behind world.json
    assert (again.segments, [e.kind for e in again.edits]) == (2, ["hide"])
    assert same_points(again, world)
    assert np.array_equal(next_frames(again), next_frames(world))


def test_a_segment_made_under_a_lost_edit_is_lost_with_it(tmp_path):
    world = walked(0)
    world.edit(Edit("lock", world.points.ids[:1]))
    made = world.advance(walk())
    world.save(tmp_path)
    world.undo()
    world.undo()
    assert world.advance(walk()).points_added == made.points_added  # it only looks the same
    again = cut_short_save(world, tmp_path)
    assert (again.segments, again.edits) == (1, [])


def test_flags_are_taken_back_from_points_that_were_replaced_since(tmp_path):
    world = walked(0, correction=0.0)
    world.edit(Edit("lock", world.points.ids))
    world.save(tmp_path)
    world.edit(Edit("unlock", world.points.ids))
    nearer = [camera_at((0.0, 0.0, 0.3 * i)) for i in range(1, 5)]
    assert len(world.advance(nearer).removed_ids) > 20
    again = cut_short_save(world, tmp_path)
    assert again.segments == 1 and (again.points.flags == LOCKED).all()


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="cannot be written"):
        walked(0).save(tmp_path / "file" / "place.mirage")


@pytest.mark.parametrize(
    "name", ["memory.safetensors", "colors.safetensors", "start.png", "world.json"]
)
def test_a_file_that_cannot_be_written_is_refused(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "in the way").touch()
    with pytest.raises(ConfigError, match="cannot be written"):
        walked(0).save(tmp_path)


def test_latents_that_cannot_be_written_are_refused(tmp_path):
    world = walked(0)
    world.save(tmp_path / "first")
    latents = next((tmp_path / "first" / "latents").iterdir()).name
    (tmp_path / "second" / "latents" / f"{latents}.part").mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot be written"):
        world.save(tmp_path / "second")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write it")
def test_a_read_only_folder_is_refused(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o555)
    with pytest.raises(ConfigError, match="cannot be written"):
        walked(0).save(tmp_path / "locked" / "place.mirage")
