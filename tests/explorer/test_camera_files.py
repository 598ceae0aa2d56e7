"""Camera files: round trips, axes by hand, and what a wrong line is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from explorer.camera_files import (
    fit_intrinsics,
    read_cameras,
    write_cameras,
    write_nerfstudio,
    write_re10k,
)
from mirage_engine import Camera, ConfigError, pinhole, pose

SIZE = (160, 256)
LENS = pinhole(SIZE, 77.0)
OTHER = np.array([[180.0, 0, 120.0], [0, 180.0, 90.0], [0, 0, 1]])
URL = "https://www.youtube.com/watch?v=none"


@pytest.fixture
def walk() -> list[Camera]:
    rng = np.random.default_rng(0)
    poses = [np.eye(4), *(pose(rng.normal(0, 2, 3), *rng.uniform(-60, 60, 2)) for _ in range(5))]
    return [Camera(c2w, OTHER, SIZE) for c2w in poses]


def assert_same(got: list[Camera], wanted: list[Camera]) -> None:
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        assert np.allclose(a.c2w, b.c2w, atol=1e-9)
        assert np.allclose(a.intrinsics, b.intrinsics, atol=1e-6)
        assert a.size == b.size


@pytest.mark.parametrize(
    ("write", "name"),
    [(write_re10k, "a.txt"), (write_nerfstudio, "transforms.json"), (write_cameras, "a.json")],
)
def test_what_is_written_is_read_again(tmp_path, walk, write, name):
    write(tmp_path / name, walk)
    assert_same(read_cameras(tmp_path / name, SIZE, LENS), walk)
    assert [p.name for p in tmp_path.iterdir()] == [name], "no temporary file stays"


@pytest.mark.parametrize(
    ("write", "name"),
    [(write_re10k, "a.txt"), (write_nerfstudio, "transforms.json"), (write_cameras, "a.json")],
)
def test_the_world_is_the_first_cameras_frame(tmp_path, walk, write, name):
    elsewhere = pose((5.0, -3.0, 2.0), 110.0, 25.0)
    write(tmp_path / name, [camera.moved(elsewhere @ camera.c2w) for camera in walk])
    got = read_cameras(tmp_path / name, SIZE, LENS)
    assert np.array_equal(got[0].c2w, np.eye(4))
    assert_same(got, walk)


def re10k_line(w2c: list[float], lens: str = "0.5 0.8 0.5 0.5") -> str:
    return f"0 {lens} 0 0 " + " ".join(map(str, w2c))


def test_re10k_by_hand(tmp_path):
    """The second camera is one metre ahead and looks right: its x axis is the world's -z."""
    first = re10k_line([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0])
    second = re10k_line([0, 0, -1, 1, 0, 1, 0, 0, 1, 0, 0, 0])
    path = tmp_path / "clip.txt"
    path.write_text(f"{URL}\n{first}\n{second}\n")
    _, camera = read_cameras(path, SIZE, LENS)
    assert np.allclose(camera.position, [0, 0, 1])
    assert np.allclose(camera.forward, [1, 0, 0])
    # 16:10 shares on a 16:10 lens: no crop.
    assert np.allclose(camera.intrinsics, [[128, 0, 128], [0, 128, 80], [0, 0, 1]])


def test_nerfstudio_by_hand(tmp_path):
    """OpenGL: the camera looks along its -z, y is up. One step ahead is -z, one up is +y."""
    ahead_and_up = np.eye(4)
    ahead_and_up[:3, 3] = [0, 1, -1]
    data = {
        **{"fl_x": 256, "fl_y": 256, "cx": 256, "cy": 160, "w": 512, "h": 320},
        "frames": [
            {"transform_matrix": np.eye(4).tolist()},
            {"transform_matrix": ahead_and_up.tolist()},
        ],
    }
    path = tmp_path / "transforms.json"
    path.write_text(json.dumps(data))
    _, camera = read_cameras(path, SIZE, LENS)
    assert np.allclose(camera.c2w, pose((0, -1, 1)))
    assert np.allclose(camera.intrinsics, [[128, 0, 128], [0, 128, 80], [0, 0, 1]])


def write_spatia(folder: Path, rows: list[np.ndarray], lens: str | None) -> Path:
    (folder / "w2c.txt").write_text("".join(f"{json.dumps(m.tolist())}\n" for m in rows))
    if lens is not None:
        (folder / "intrinsics.txt").write_text(lens)
    return folder / "w2c.txt"


def test_spatia_poses_and_the_intrinsics_beside_them(tmp_path, walk):
    rows = [camera.w2c for camera in walk]
    path = write_spatia(tmp_path, rows, "[0.703125 1.125 0.46875 0.5625]")
    assert_same(read_cameras(path, SIZE, LENS), walk)


def test_a_file_without_intrinsics_takes_the_lens(tmp_path, walk):
    path = write_spatia(tmp_path, [camera.w2c for camera in walk], None)
    assert all(np.array_equal(c.intrinsics, LENS) for c in read_cameras(path, SIZE, LENS))


def test_rounded_rotations_are_made_orthonormal(tmp_path):
    rows = [np.round(np.linalg.inv(pose((0, 0, k), 31.0 * k, 7.0)), 4) for k in range(3)]
    for camera in read_cameras(write_spatia(tmp_path, rows, None), SIZE, LENS):
        rotation = camera.c2w[:3, :3]
        assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)


def test_a_wider_source_is_cropped_at_the_sides():
    """1000x400 covers 256x160 at scale 0.4: 400 px wide, of which 72 go on each side."""
    source = np.array([[500.0, 0, 500], [0, 500, 200], [0, 0, 1]])
    fitted = fit_intrinsics(source, (400, 1000), SIZE)
    assert np.allclose(fitted, [[200, 0, 128], [0, 200, 80], [0, 0, 1]])


def test_a_taller_source_is_cropped_above_and_below():
    source = np.array([[512.0, 0, 250], [0, 512, 520], [0, 0, 1]])
    fitted = fit_intrinsics(source, (1024, 512), SIZE)
    assert np.allclose(fitted, [[256, 0, 125], [0, 256, 260 - 176], [0, 0, 1]])


def test_distortion_is_left_out_and_said(tmp_path, caplog):
    path = tmp_path / "clip.txt"
    row = re10k_line([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]).split()
    row[5] = "0.1"
    path.write_text(f"{URL}\n{' '.join(row)}\n")
    assert len(read_cameras(path, SIZE, LENS)) == 1
    assert "distortion" in caplog.text


GOOD = re10k_line([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0])
EYE = "[[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", f"{URL}\n{GOOD}\n{GOOD} 7\n", ["line 3", "20 columns", "19"]),
        ("a.txt", "0 0.5 0.8 0.5\n", ["line 1", "4 columns"]),
        ("a.txt", f"{URL}\n{GOOD.replace('0.8', 'x')}\n", ["line 2", "'x' is not a number"]),
        ("a.txt", f"{URL}\n{GOOD.replace('0.8', 'nan')}\n", ["line 2", "not finite"]),
        ("a.txt", f"{URL}\n{GOOD.replace('0.8', '-0.8')}\n", ["line 2", "focal"]),
        (
            "a.txt",
            f"{URL}\n{re10k_line([2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0])}\n",
            ["line 2", "rotation"],
        ),
        ("a.txt", f"{URL}\n", ["no cameras"]),
        ("a.txt", "", ["no cameras"]),
        ("w2c.txt", f"{EYE}\n[[1,0,0,0],[0,1,0,0]]\n", ["line 2", "4x4", "[2, 4]"]),
        ("w2c.txt", f"{EYE}\n{EYE[:-1]}\n", ["line 2", "not a JSON list"]),
        ("w2c.txt", f'{EYE}\n[["a"]]\n', ["line 2", "4x4 numbers"]),
        ("a.json", '{"frames": [}', ["line 1", "not valid JSON"]),
        ("a.json", "[1, 2]", ["neither nerfstudio"]),
        ("a.json", '{"frames": []}', ["no cameras"]),
        ("a.json", '{"frames": [{"file_path": "x"}]}', ["frames[0]", "transform_matrix"]),
        (
            "a.json",
            f'{{"fl_x": 3, "w": 9, "frames": [{{"transform_matrix": {EYE}}}]}}',
            ["frames[0]", "'h'"],
        ),
        ("a.json", '{"format": "mirage-cameras-1", "axes": "OpenGL"}', ["axes", "OpenGL"]),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ConfigError) as error:
        read_cameras(path, SIZE, LENS)
    message = str(error.value)
    assert "\n" not in message
    for word in [name, *words]:
        assert word in message


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        read_cameras(tmp_path / "none.txt", SIZE, LENS)
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_cameras(tmp_path / "bytes.txt", SIZE, LENS)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_cameras(tmp_path, SIZE, LENS)
