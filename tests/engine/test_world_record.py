"""World files without a model: what they tell is what the world that saved them knew."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from mirage_engine.config import ConfigError
from mirage_engine.inspection import NEVER, Edit
from mirage_engine.seal import UNSEALED, seal
from mirage_engine.world import World
from mirage_engine.world_record import read_record
from tests.engine.tiny_engine import camera_at, tiny_world, walk

ROOT = Path(__file__).parents[2]
SCENE = 900_003


def saved_world(folder: Path) -> World:
    world = tiny_world(seed=4, correction=0.0)  # its depth agrees with itself: points replace
    world.begin(scene=SCENE)
    for begin in (1, 5, 9):
        world.advance([camera_at((0, 0, 0.3 * i)) for i in range(begin, begin + 4)])
    world.edit(Edit("hide", world.points.ids[:40]))
    world.edit(Edit("delete", world.points.ids[60:90]))
    world.save(folder)
    return world


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> tuple[World, Path]:
    folder = tmp_path_factory.mktemp("record")
    return saved_world(folder), folder


@pytest.fixture
def saved(template, tmp_path) -> Path:
    return shutil.copytree(template[1], tmp_path / "place.mirage")


def test_a_record_agrees_with_the_world_that_saved_it(template):
    world, folder = template
    record, points = read_record(folder), world.points
    assert (record.preset, record.seed, record.scene) == ("tiny", 4, SCENE)
    assert list(record.edits) == world.edits
    living = record.points.died == NEVER
    assert living[: len(points.ids)].all() and not living[len(points.ids) :].any()
    for name, column in vars(points).items():
        told = getattr(record.points, name)
        assert told.dtype == column.dtype and np.array_equal(told[living], column), name
    details = world.details()
    assert np.array_equal(record.points.latents[living], details.latents)
    assert np.array_equal(record.points.frame[living], details.frame)
    for told, entry in zip(record.segments, world.entries, strict=True):
        for name in ("coverage", "points_added", "points", "nbytes", "residual", "seconds"):
            assert getattr(told, name) == getattr(entry, name), name
        for a, b in zip(told.cameras, entry.cameras, strict=True):
            assert np.array_equal(a.c2w, b.c2w) and a.size == b.size
    for told, index in ((record.start, 0), (record.thumbnail, 3)):
        assert np.array_equal(told, world.segment(index).frames[-1])


def test_the_replaced_points_of_a_record_are_those_that_segments_removed(tmp_path):
    world, removed = tiny_world(correction=0.0), {}
    world.begin(scene=SCENE)
    for begin in (1, 5, 9):
        before = {k: v.copy() for k, v in vars(world.points).items()}
        made = world.advance([camera_at((0, 0, 0.3 * i)) for i in range(begin, begin + 4)])
        rows = np.isin(before["ids"], made.removed_ids)
        facts = zip(before["ids"][rows], before["colors"][rows].tolist(), strict=True)
        removed |= {(point, made.index): color for point, color in facts}
    world.save(tmp_path)
    points = read_record(tmp_path).points
    dead = points.died != NEVER
    told = zip(points.ids[dead], points.died[dead], strict=True)
    known = {pair: c for pair, c in zip(told, points.colors[dead].tolist(), strict=True)}
    assert len(removed) > 50 and removed.items() <= known.items()
    # The others were born and replaced within one segment.
    others = [pair not in removed for pair in known]
    assert np.array_equal(points.born[dead][others], points.died[dead][others])


def test_a_record_is_read_without_torch(template):
    code = (
        "import sys, mirage_engine\n"
        f"record = mirage_engine.read_record({str(template[1])!r})\n"
        "assert 'torch' not in sys.modules\n"
        "print(len(record.points.ids), record.points.colors.sum(), len(record.segments))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    record = read_record(template[1])
    wanted = f"{len(record.points.ids)} {record.points.colors.sum()} {len(record.segments)}"
    assert (run.returncode, run.stdout.strip()) == (0, wanted), run.stderr


def test_a_world_without_memory_has_a_record_without_points(tmp_path):
    world = tiny_world(kind="none")
    world.begin(scene=SCENE)
    world.advance(walk())
    world.save(tmp_path)
    record = read_record(tmp_path)
    assert len(record.segments) == 2
    assert {len(column) for column in vars(record.points).values()} == {0}


def test_a_save_that_was_cut_short_shows_what_world_json_knows(template, saved):
    world, data = template[0], json.loads((saved / "world.json").read_text())
    data["segments"].pop()
    data["edits"] = []
    (saved / "world.json").write_text(json.dumps({**data, **UNSEALED}))
    seal(saved / "world.json")
    points = read_record(saved).points
    assert points.born.max() == 2 < world.points.born.max()
    assert points.died[points.died != NEVER].max() < 3


def lost(file: Path) -> None:
    file.unlink()


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def garbage(file: Path) -> None:
    file.write_bytes(b"\x00\xffnothing of the kind")


def of_fewer_points(file: Path) -> None:
    save_file({name: column[:-1] for name, column in load_file(file).items()}, file)


def of_other_pixels(file: Path) -> None:
    save_file({name: column.astype("i2") for name, column in load_file(file).items()}, file)


FILES = ("world.json", "memory.safetensors", "colors.safetensors", "start.png", "thumbnail.png")
HARMS = [
    *[(name, harm) for name in FILES for harm in (lost, cut_short, garbage)],
    ("colors.safetensors", of_fewer_points),
    ("colors.safetensors", of_other_pixels),
    ("memory.safetensors", of_fewer_points),  # and its format's name is lost
]


@pytest.mark.parametrize(("name", "harm"), HARMS, ids=[f"{n}-{h.__name__}" for n, h in HARMS])
def test_a_damaged_part_is_named_in_one_line(saved, name, harm):
    harm(saved / name)
    with pytest.raises(ConfigError) as error:
        read_record(saved)
    line = str(error.value)
    assert name in line and str(saved) in line and "\n" not in line


def test_pictures_are_those_beside_the_world(saved):
    Image.fromarray(np.full((8, 8, 3), 7, np.uint8)).save(saved / "thumbnail.png")
    assert (read_record(saved).thumbnail == 7).all()
