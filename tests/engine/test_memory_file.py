"""Saving and loading a memory: whole or not at all, and every fault has a name."""

import json
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mirage_engine.config import ConfigError, MemoryConfig
from mirage_engine.memory import LatentMemory
from tests.engine.memory_scenes import GRID, camera_at, everywhere, latents_like, room_depth


def remember(memory, camera, segment):
    depth = room_depth(camera)[None]
    latents = latents_like(1, memory.channels, segment)
    return memory.write(latents, depth, [camera], everywhere(depth), segment)


@pytest.fixture
def memory():
    memory = LatentMemory(11)
    remember(memory, camera_at((0, 0, -2.0)), 0)
    remember(memory, camera_at((0, 0, 1.5)), 1)
    return memory


@pytest.fixture
def saved(memory, tmp_path):
    path = tmp_path / "memory.safetensors"
    memory.save(path)
    return path


def metadata_of(path):
    with path.open("rb") as file:
        return json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))["__metadata__"]


def same(a, b):
    return all(np.array_equal(column, b.cloud()[name]) for name, column in a.cloud().items())


def test_a_loaded_memory_reads_undoes_and_goes_on_like_the_saved_one(memory, saved):
    loaded = LatentMemory(11)
    loaded.load(saved)
    cameras = [camera_at((0.2, 0, -1.0), 30.0 * i) for i in range(3)]
    one, other = memory.read(cameras, GRID), loaded.read(cameras, GRID)
    assert torch.equal(one.latents, other.latents)
    assert torch.equal(one.source, other.source)
    for m in (memory, loaded):
        remember(m, camera_at((0, 0, 0.0), 90), 2)
        m.undo(1)
    assert same(memory, loaded)


@pytest.mark.parametrize("mode", ["adaptive", "paper"])
def test_an_empty_memory_survives_its_file(tmp_path, mode):
    empty = LatentMemory(11, MemoryConfig(mode=mode))
    empty.save(tmp_path / "m.safetensors")
    loaded = LatentMemory(11, MemoryConfig(mode=mode))
    remember(loaded, camera_at(), 0)
    loaded.load(tmp_path / "m.safetensors")
    assert len(loaded) == 0


def test_saving_leaves_one_file_and_replaces_the_old_one(memory, saved):
    before = saved.stat().st_size
    remember(memory, camera_at(yaw_deg=180), 2)
    memory.save(saved)
    assert saved.stat().st_size > before
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]


def test_a_folder_that_cannot_be_written_is_named(memory, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        memory.save(tmp_path / "file" / "memory.safetensors")


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-1000])


def garbage(path):
    path.write_bytes(b"not a memory")


def lost(path):
    path.unlink()


def without_births(path):
    tensors, metadata = load_file(path), metadata_of(path)
    del tensors["live.born"]
    save_file(tensors, path, metadata)


def with_more(path):
    save_file(load_file(path) | {"live.mood": torch.zeros(1)}, path, metadata_of(path))


def misshapen(path):
    tensors, metadata = load_file(path), metadata_of(path)
    tensors["live.latents"] = tensors["live.latents"][:-1].clone()
    save_file(tensors, path, metadata)


def broken_numbers(path):
    tensors, metadata = load_file(path), metadata_of(path)
    tensors["live.points"][5] = torch.nan
    save_file(tensors, path, metadata)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (cut_short, "damaged"),
        (garbage, "damaged"),
        (lost, "no such memory file"),
        (without_births, "'live.born' is missing"),
        (with_more, "'live.mood' is unknown"),
        (misshapen, "'live.latents' is"),
        (broken_numbers, "'live.points' holds broken numbers"),
    ],
)
def test_a_damaged_file_is_refused_by_name_and_nothing_changes(memory, saved, harm, words):
    harm(saved)
    other = LatentMemory(11)
    remember(other, camera_at(yaw_deg=70), 0)
    before = other.cloud()
    with pytest.raises(ConfigError, match=words) as error:
        other.load(saved)
    assert str(saved) in str(error.value)
    assert "\n" not in str(error.value)
    assert np.array_equal(other.cloud()["points_world"], before["points_world"])


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (LatentMemory(48), "channels 11"),
        (LatentMemory(11, MemoryConfig(mode="paper")), "mode adaptive"),
    ],
)
def test_a_memory_of_another_kind_is_refused(saved, other, words):
    with pytest.raises(ConfigError, match=words):
        other.load(saved)
