"""Camera files: round trips, axes by hand, and what a wrong line is told."""

from __future__ import annotations

import json
import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from explorer.camera_files import check_name, read_cameras, write_cameras
from explorer.camera_files.lens import fit_intrinsics
from mirage_engine import Camera, ConfigError, pinhole, pose

SIZE = (160, 256)
LENS = pinhole(SIZE, 77.0)
OTHER = np.array([[180.0, 0, 120.0], [0, 180.0, 90.0], [0, 0, 1]])
URL = "https://www.youtube.com/watch?v=none"
NAMES = ("walk.txt", "w2c.txt", "transforms.json", "images.txt", "cameras.txt", "walk.json")
DATA = Path(os.environ.get("MIRAGE_DATA", Path(__file__).parents[2] / "../shared/data"))
SPATIA = DATA / "spatia_case_1" / "w2c.txt"


def turned(rng: np.random.Generator, angle: float) -> np.ndarray:
    """[4, 4] a rotation by `angle` about any axis (Rodrigues), somewhere within some metres."""
    x, y, z = axis = rng.normal(size=3)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) / np.linalg.norm(axis)
    c2w = np.eye(4)
    c2w[:3, :3] += np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    c2w[:3, 3] = rng.normal(0, 3, 3)
    return c2w


@pytest.fixture(params=range(3))
def walk(request) -> list[Camera]:
    """From the identity, with every kind of turn, half turns included."""
    rng = np.random.default_rng(request.param)
    angles = [*rng.uniform(-np.pi, np.pi, 12), np.pi, np.pi - 1e-7, 1e-9]
    return [Camera(c2w, OTHER, SIZE) for c2w in [np.eye(4), *(turned(rng, a) for a in angles)]]


def assert_same(got: list[Camera], wanted: list[Camera]) -> None:
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        assert np.allclose(a.c2w, b.c2w, atol=1e-6)
        assert np.allclose(a.intrinsics, b.intrinsics, atol=1e-6)
        assert a.size == b.size


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_read_again(tmp_path, walk, name):
    write_cameras(tmp_path / name, walk)
    assert_same(read_cameras(tmp_path / name, SIZE, LENS), walk)
    assert not list(tmp_path.glob("*.part")), "no temporary file stays"


@pytest.mark.parametrize("name", NAMES)
def test_the_world_is_the_first_cameras_frame(tmp_path, walk, name):
    elsewhere = pose((5.0, -3.0, 2.0), 110.0, 25.0)
    write_cameras(tmp_path / name, [camera.moved(elsewhere @ camera.c2w) for camera in walk])
    got = read_cameras(tmp_path / name, SIZE, LENS)
    assert np.array_equal(got[0].c2w, np.eye(4))
    assert_same(got, walk)


@pytest.mark.parametrize(("one", "other"), list(combinations(NAMES[:4], 2)))
def test_a_walk_passes_from_format_to_format(tmp_path, walk, one, other):
    write_cameras(tmp_path / one, walk)
    write_cameras(tmp_path / "on" / other, read_cameras(tmp_path / one, SIZE, LENS))
    assert_same(read_cameras(tmp_path / "on" / other, SIZE, LENS), walk)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("walk.txt", ["w2c", "OpenCV", "metres", "shares"]),
        ("transforms.json", ["c2w", "OpenGL", "metres"]),
        ("images.txt", ["w2c", "OpenCV", "metres"]),
        ("walk.json", ["c2w", "OpenCV", "metres"]),
    ],
)
def test_axes_and_direction_stand_at_the_head(tmp_path, walk, name, words):
    write_cameras(tmp_path / name, walk)
    head = (tmp_path / name).read_text()[:300]
    assert all(word in head for word in words)


@pytest.mark.parametrize("name", ["transforms.json", "images.txt", "walk.json"])
def test_pixels_need_not_be_square_where_the_size_is_known(tmp_path, name):
    lens = np.array([[200.0, 0, 130], [0, 170, 70], [0, 0, 1]])
    walk = [Camera(np.eye(4), lens, SIZE), Camera(pose((1, 2, 3)), LENS, SIZE)]
    write_cameras(tmp_path / name, walk)
    assert_same(read_cameras(tmp_path / name, SIZE, LENS), walk)


def test_spatia_has_one_lens_for_all(tmp_path):
    walk = [Camera(np.eye(4), OTHER, SIZE), Camera(np.eye(4), LENS, SIZE)]
    with pytest.raises(ConfigError, match=r"one lens for all.*\.json"):
        write_cameras(tmp_path / "w2c.txt", walk)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["walk.csv", "walk", "w2c.npy"])
def test_a_name_of_no_format_is_refused_with_those_that_are(name):
    with pytest.raises(ConfigError) as error:
        check_name(Path(name))
    for word in [name, "w2c.txt", "transforms.json", "images.txt", ".txt", ".json"]:
        assert word in str(error.value)


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


def write_colmap(folder: Path, cameras: str, images: str) -> Path:
    (folder / "cameras.txt").write_text(cameras)
    (folder / "images.txt").write_text(images)
    return folder


COLMAP_LENSES = (
    "# by hand\n1 PINHOLE 512 320 256 256 256 160\n7 SIMPLE_PINHOLE 256 160 128 128 80\n"
)


def test_colmap_by_hand(tmp_path):
    """w2c: the second picture, by name, stands one metre ahead and looks right."""
    half = np.sqrt(0.5)  # a quarter turn left about y, in w2c
    images = (
        f"# by hand\n1 {half} 0 {-half} 0 1 0 0 7 frame10.png\n4.5 3 -1 8 9 2\n"
        "2 1 0 0 0 0 0 0 1 frame9.png\n\n"
    )
    first, camera = read_cameras(write_colmap(tmp_path, COLMAP_LENSES, images), SIZE, LENS)
    assert np.array_equal(first.c2w, np.eye(4))
    assert np.allclose(camera.position, [0, 0, 1])
    assert np.allclose(camera.forward, [1, 0, 0])
    for each in (first, camera):
        assert np.allclose(each.intrinsics, [[128, 0, 128], [0, 128, 80], [0, 0, 1]])


def test_colmaps_folder_and_both_its_files_name_the_same_walk(tmp_path, walk):
    write_cameras(tmp_path / "images.txt", walk)
    for name in (".", "images.txt", "cameras.txt"):
        assert_same(read_cameras(tmp_path / name, SIZE, LENS), walk)


@pytest.mark.parametrize(
    ("cameras", "images", "words"),
    [
        (COLMAP_LENSES, None, ["images.txt", "missing", "cameras.txt"]),
        (None, "", ["cameras.txt", "missing"]),
        (COLMAP_LENSES, "# none\n", ["no cameras"]),
        ("1 OPENCV 9 9 1 1 1 1 0 0 0 0\n", "", ["cameras.txt, line 1", "OPENCV", "PINHOLE"]),
        ("1 PINHOLE 9 9 1 1 1\n", "", ["cameras.txt, line 1", "7 columns", "8"]),
        ("1 PINHOLE 9 x 1 1 1 1\n", "", ["cameras.txt, line 1", "'x' is not a number"]),
        ("1 PINHOLE 9 9 1 0 1 1\n", "", ["cameras.txt, line 1", "focal"]),
        (COLMAP_LENSES, "1 1 0 0 0 0 0 0 1\n", ["images.txt, line 1", "9 columns", "QW"]),
        (COLMAP_LENSES, "1 1 0 0 0 0 0 0 3 a\n", ["images.txt, line 1", "no camera 3"]),
        (COLMAP_LENSES, "1 2 0 0 0 0 0 0 1 a\n", ["images.txt, line 1", "length 1", "2"]),
        (COLMAP_LENSES, "1 1 0 0 0 inf 0 0 1 a\n", ["images.txt, line 1", "not finite"]),
        (COLMAP_LENSES, "1 1 0 0 0 0 0 0 1 a\n" * 2, ["images.txt, line 2", "threes", "empty"]),
    ],
)
def test_a_mistake_in_colmaps_files_is_named(tmp_path, cameras, images, words):
    for name, content in (("cameras.txt", cameras), ("images.txt", images)):
        if content is not None:
            (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError) as error:
        read_cameras(tmp_path, SIZE, LENS)
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.skipif(not SPATIA.exists(), reason=f"no camera file at {SPATIA} (MIRAGE_DATA)")
def test_a_real_spatia_walk_passes_through_every_format(tmp_path):
    """Its first line is not quite the identity; that frame becomes the world's."""
    rows = [json.loads(line) for line in SPATIA.read_text().splitlines()]
    got = read_cameras(SPATIA, SIZE, LENS)
    assert len(got) == len(rows)
    w2c = np.array(rows[-1]) @ np.linalg.inv(np.array(rows[0]))
    assert np.allclose(got[-1].w2c, w2c, atol=1e-5)
    lens = SPATIA.with_name("intrinsics.txt").read_text().strip("[] \n").split()
    fx, fy = float(lens[0]), float(lens[1])
    assert np.allclose(got[0].intrinsics[:2, :2], np.eye(2) * fx * max(256, 160 * fy / fx), atol=1)
    for name in NAMES:
        write_cameras(tmp_path / name, got)
        assert_same(read_cameras(tmp_path / name, SIZE, LENS), got)


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
        (
            "a.json",
            f'{{"camera_model": "OPENCV_FISHEYE", "frames": [{{"transform_matrix": {EYE}}}]}}',
            ["frames[0]", "OPENCV_FISHEYE", "PINHOLE"],
        ),
        ("a.json", "[" * 100_000, ["not valid JSON"]),
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
    with pytest.raises(ConfigError, match=r"cameras\.txt: missing"):
        read_cameras(tmp_path, SIZE, LENS)
