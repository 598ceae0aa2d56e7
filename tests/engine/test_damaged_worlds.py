"""A hundred and more damaged world folders: each is refused in one line that names the part."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mirage_engine.config import ConfigError
from mirage_engine.seal import UNSEALED, seal
from tests.engine.tiny_engine import tiny_world, walk

Harm = Callable[[Path], None]
SCENE = 900_003
FLIPS, CUTS = 70, 28  # over all files, in turn


@pytest.fixture(scope="module")
def worlds(tmp_path_factory) -> Path:
    """A folder with whole.mirage in it."""
    world = tiny_world()
    world.begin(scene=SCENE)
    for i in range(2):
        world.advance(walk(begin=1 + 4 * i))
    folder = tmp_path_factory.mktemp("worlds")
    world.save(folder / "whole.mirage")
    return folder


@pytest.fixture(scope="module")
def reader():
    """A world that goes on living while it is asked to become broken ones."""
    world = tiny_world(seed=3)
    world.begin(scene=SCENE + 1)
    return world


@pytest.fixture
def place(worlds, tmp_path) -> Path:
    """A copy to harm, with a neighbour that a path could lead to."""
    shutil.copytree(worlds / "whole.mirage", tmp_path / "other.mirage")
    return shutil.copytree(worlds / "whole.mirage", tmp_path / "place.mirage")


def parts(place: Path) -> list[Path]:
    """Every file of a world, whatever there are."""
    return sorted(path for path in place.rglob("*") if path.is_file())


def everything(folder: Path) -> dict[str, bytes | None]:
    """All that lies below, links as such."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def refused(reader, place: Path, name: str) -> str:
    """Loads `place`, which must fail with one line that names `name`, and touch nothing."""
    before, points = everything(place.parent), len(reader.parts.memory)
    with pytest.raises(ConfigError) as error:
        reader.load(place)
    line = str(error.value)
    assert str(place) in line and name in line and "\n" not in line, line
    assert everything(place.parent) == before
    assert (reader.seed, reader.segments, len(reader.parts.memory)) == (3, 1, points)
    return line


def test_the_same_world_unharmed_is_read(place):
    world = tiny_world(seed=3)
    world.load(place)
    assert (world.seed, world.scene, world.segments) == (0, SCENE, 3)


@pytest.mark.parametrize("chance", range(FLIPS))
def test_a_flipped_bit_is_found(reader, place, chance):
    file = parts(place)[chance % len(parts(place))]
    data, rng = bytearray(file.read_bytes()), np.random.default_rng(chance)
    # Heads are small beside what they rule: half of the flips go there.
    at = rng.integers(len(data) if rng.random() < 0.5 else min(len(data), 300))
    data[at] ^= 1 << rng.integers(8)
    file.write_bytes(data)
    refused(reader, place, file.name)


@pytest.mark.parametrize("chance", range(CUTS))
def test_a_file_that_ends_early_is_found(reader, place, chance):
    file = parts(place)[chance % len(parts(place))]
    data = file.read_bytes()
    file.write_bytes(data[: np.random.default_rng(chance).integers(len(data))])
    refused(reader, place, file.name)


def missing(file: Path) -> None:
    file.unlink()


def empty(file: Path) -> None:
    file.write_bytes(b"")


def shorter(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def longer(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\x00")


def zeros(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def a_link(file: Path) -> None:
    """To the file itself, whole, but elsewhere."""
    place = next(folder for folder in file.parents if folder.suffix == ".mirage")
    file.symlink_to(shutil.move(file, place.with_name("elsewhere")))


@pytest.mark.parametrize("harm", [missing, empty, shorter, longer, zeros, a_folder, a_link])
def test_what_is_missing_or_not_the_file_is_found(reader, place, tmp_path, harm):
    for number, whole in enumerate(parts(place)):
        harmed = shutil.copytree(place, tmp_path / str(number) / "place.mirage")
        file = harmed / whole.relative_to(place)
        harm(file)
        refused(reader, harmed, file.name)


def test_latents_in_each_others_place_are_found(reader, place):
    _, first, second = sorted((place / "latents").iterdir())
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)
    assert "another segment" in refused(reader, place, first.name)


def test_a_latents_folder_that_is_gone_or_a_link_is_found(reader, place):
    shutil.rmtree(place / "latents")
    refused(reader, place, "latents/000000-")
    (place / "latents").symlink_to(place.with_name("other.mirage") / "latents")
    assert "a link" in refused(reader, place, "latents/000000-")


def forge(place: Path, change: Callable[[dict], object]) -> None:
    """Edits world.json and seals it again, as somebody with bad intent would."""
    data = json.loads((place / "world.json").read_text())
    change(data)
    (place / "world.json").write_text(json.dumps({**UNSEALED, **data, **UNSEALED}))
    seal(place / "world.json")


@pytest.mark.parametrize("version", [0, 1, 3, 99, "2", 2.5, None, [2], {}])
def test_another_version_is_named(reader, place, version):
    forge(place, lambda data: data.update(format=version))
    assert "format 2" in refused(reader, place, "world.json")


OUTSIDE = [
    "../other.mirage/latents/000001-00000000.safetensors",
    "latents/../../other.mirage/memory.safetensors",
    "/etc/passwd",
    "latents/000001-00000000.safetensors/../../memory.safetensors",
    "latents\\000001-00000000.safetensors",
    "C:\\world.safetensors",
    "latents/000001-00000000.safetensors\n",
    "",
    ".",
    7,
    None,
    ["latents"],
]


@pytest.mark.parametrize("name", OUTSIDE, ids=repr)
def test_a_path_that_leads_elsewhere_is_not_followed(reader, place, name):
    forge(place, lambda data: data["segments"][1].update(latents=name))
    assert "segment 1" in refused(reader, place, "world.json")


@pytest.mark.parametrize("name", ["../other.mirage/start.png", "/etc/passwd", "a/../b.png", 7])
def test_a_part_that_lies_elsewhere_is_not_read(reader, place, name):
    forge(place, lambda data: data["files"].append(name))
    refused(reader, place, repr(name))


def test_brackets_without_end_are_refused(reader, place):
    (place / "world.json").write_text("[" * 100_000)
    refused(reader, place, "world.json")


def test_saving_follows_no_link_out_of_the_folder(worlds, tmp_path):
    outside, place = tmp_path / "outside", tmp_path / "place.mirage"
    outside.mkdir()
    (outside / "000009-00000000.safetensors").write_text("mine")
    place.mkdir()
    (place / "memory.safetensors.part").symlink_to(outside / "000009-00000000.safetensors")
    world = tiny_world()
    world.load(worlds / "whole.mirage")
    world.save(place)
    shutil.rmtree(place / "latents")
    (place / "latents").symlink_to(outside)
    with pytest.raises(ConfigError, match="latents is a link"):
        world.save(place)
    assert [path.read_text() for path in outside.iterdir()] == ["mine"]
