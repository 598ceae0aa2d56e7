"""Exported files as other programs read them back: by their own header, without pickle."""

import numpy as np
import pytest

from explorer.exports import export_npz, export_ply
from explorer.memory_table import COLUMNS, HIDDEN, MemoryTable
from mirage_engine import ConfigError

KINDS = {"float": "<f4", "int": "<i4", "uchar": "u1"}


@pytest.fixture
def table():
    """Sixty points of three segments: some sky, some dead, some hidden, some with features."""
    rng, table = np.random.default_rng(0), MemoryTable()
    for segment in range(3):
        points = np.c_[rng.normal(size=(20, 3)), rng.random(20) < 0.8].astype(np.float32)
        columns = {
            "ids": np.arange(20) + 20 * segment,
            "points_world": points,
            "colors": rng.integers(0, 256, (20, 3), np.uint8),
            "footprints_m": rng.random(20).astype(np.float32),
            "born": np.full(20, segment),
            "tints": rng.integers(0, 256, (20, 3), np.uint8),
            "frame": rng.integers(0, 4, 20),
            "seen": rng.integers(1, 300, 20),
        }
        if segment:
            columns["latents"] = rng.normal(size=(20, 5)).astype(np.float16)
        table.append(columns)
    table.kill(np.arange(3, 60, 7), 2)
    table.flag(np.arange(0, 60, 5), HIDDEN, True)
    return table


def read_ply(path):
    head, body = path.read_bytes().split(b"end_header\n", 1)
    columns = [line.split()[1:] for line in head.decode().splitlines() if "property" in line]
    return np.frombuffer(body, [(name, KINDS[kind]) for kind, name in columns])


def test_a_point_cloud_has_every_living_surface_point_with_all_that_is_known(table, tmp_path):
    count = export_ply(tmp_path / "memory.ply", table)
    cloud = read_ply(tmp_path / "memory.ply")
    wanted = table.alive & (table["points_world"][:, 3] > 0)
    assert count == len(cloud) == wanted.sum() < 60 and "died" not in cloud.dtype.names
    assert np.array_equal(cloud["id"], table["ids"][wanted])
    for name in ("born", "frame", "seen", "flags"):
        assert np.array_equal(cloud[name], table[name][wanted]), name
    assert np.array_equal(cloud["footprint_m"], table["footprints_m"][wanted])
    for i, axis in enumerate("xyz"):
        assert np.array_equal(cloud[axis], table["points_world"][wanted, i])
    for i, name in enumerate(("red", "green", "blue")):
        assert np.array_equal(cloud[name], table["colors"][wanted, i])
        assert np.array_equal(cloud[f"pca_{name}"], table["tints"][wanted, i])
    assert cloud.dtype["pca_red"] == cloud.dtype["flags"] == np.uint8


def test_arrays_hold_the_past_too_and_load_without_pickle(table, tmp_path):
    export_npz(tmp_path / "memory.npz", table)
    with np.load(tmp_path / "memory.npz", allow_pickle=False) as arrays:
        assert set(arrays.files) == {*COLUMNS, "latents"}
        for name in set(COLUMNS) - {"died"}:
            assert np.array_equal(arrays[name], table[name]), name
            assert arrays[name].dtype == table[name].dtype
        assert np.array_equal(arrays["died"] == -1, table.alive)
        assert np.array_equal(arrays["died"][~table.alive], table["died"][~table.alive])
        assert np.array_equal(arrays["latents"], table.latents, equal_nan=True)
        assert np.isnan(arrays["latents"]).any() and arrays["latents"].dtype == np.float16


def test_an_empty_memory_is_an_empty_file(tmp_path):
    assert export_ply(tmp_path / "a.ply", MemoryTable()) == 0
    assert len(read_ply(tmp_path / "a.ply")) == 0
    export_npz(tmp_path / "a.npz", MemoryTable())
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert all(len(arrays[name]) == 0 for name in arrays.files)


@pytest.mark.parametrize("export", [export_ply, export_npz])
def test_a_place_that_cannot_be_written_is_named(table, tmp_path, export):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match=r"memory\.x: cannot be written"):
        export(tmp_path / "file" / "memory.x", table)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_only_the_file_itself_is_left(table, tmp_path):
    export_npz(tmp_path / "memory.bin", table)
    assert [p.name for p in tmp_path.iterdir()] == ["memory.bin"]
