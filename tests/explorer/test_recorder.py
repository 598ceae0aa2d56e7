"""Files as other programs read them back."""

from __future__ import annotations

from pathlib import Path

import imageio_ffmpeg
import numpy as np
import psutil
import pytest
from PIL import Image

from explorer.recorder import VideoRecorder, replacing, write_ply, write_png, write_video
from mirage_engine import ConfigError


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """[H, W, 3] uint8, smooth enough to survive a codec."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / 9 + seed), np.cos(y / 7 - seed), np.sin((x + y) / 11)]
    return (127 + 100 * np.stack(waves, -1)).astype(np.uint8)


def read_video(path: Path) -> tuple[dict, np.ndarray]:
    reader = imageio_ffmpeg.read_frames(str(path))
    about = next(reader)
    width, height = about["size"]
    frames = [np.frombuffer(raw, np.uint8).reshape(height, width, 3) for raw in reader]
    return about, np.stack(frames)


def test_a_video_holds_the_frames_that_were_written(tmp_path):
    frames = [picture(80, 128, i) for i in range(6)]
    assert write_video(tmp_path / "a.mp4", iter(frames), 16) == 6
    about, read = read_video(tmp_path / "a.mp4")
    assert about["fps"] == 16
    assert about["codec"] == "h264"
    assert "yuv420p" in about["pix_fmt"]
    assert read.shape == (6, 80, 128, 3)
    assert np.abs(read.astype(float) - np.stack(frames)).mean() < 6


def test_a_video_can_play_before_it_is_loaded(tmp_path):
    write_video(tmp_path / "a.mp4", [picture(32, 32)] * 3, 30)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_odd_sizes_get_one_more_row_and_column(tmp_path):
    write_video(tmp_path / "a.mp4", [picture(33, 51)] * 2, 30)
    assert read_video(tmp_path / "a.mp4")[1].shape == (2, 34, 52, 3)


def test_a_failed_recording_leaves_nothing_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="walker fell"), VideoRecorder(path, 30) as video:
        video.add(picture(32, 32))
        raise RuntimeError("the walker fell")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_frame_of_another_size_or_type_is_refused(tmp_path):
    with VideoRecorder(tmp_path / "a.mp4", 30) as video:
        video.add(picture(32, 32))
        with pytest.raises(ValueError, match=r"\(32, 32\).*\(32, 34\)"):
            video.add(picture(32, 34))
        with pytest.raises(ValueError, match="float64"):
            video.add(picture(32, 32) / 255)
        video.add(picture(32, 32))
    assert len(read_video(tmp_path / "a.mp4")[1]) == 2


def test_a_video_without_frames_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="at least one frame"):
        write_video(tmp_path / "a.mp4", [], 30)
    assert not list(tmp_path.iterdir())


def test_closing_twice_is_closing_once(tmp_path):
    video = VideoRecorder(tmp_path / "a.mp4", 30)
    video.add(picture(32, 32))
    video.close()
    video.close()
    video.abort()
    assert (tmp_path / "a.mp4").stat().st_size > 0


def test_a_place_that_cannot_be_written_is_named_before_any_work(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match=r"a\.mp4: cannot be written"):
        VideoRecorder(tmp_path / "file" / "a.mp4", 30)
    with pytest.raises(ConfigError, match=r"a\.png: cannot be written"):
        write_png(tmp_path / "file" / "a.png", picture(8, 8))


def test_a_picture_keeps_its_pixels_and_its_words(tmp_path):
    image = picture(21, 34)
    write_png(tmp_path / "a.png", image, {"seed": 7, "pose": "1 0 0", "Title": "ein Flur – still"})
    with Image.open(tmp_path / "a.png") as read:
        assert np.array_equal(np.asarray(read), image)
        assert read.info["seed"] == "7"
        assert read.info["Title"] == "ein Flur – still"


def test_half_a_file_never_takes_the_place_of_a_whole_one(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("whole")
    with pytest.raises(KeyError), replacing(path) as part:
        part.write_text("ha")
        raise KeyError
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_a_point_cloud_is_read_back_by_its_own_header(tmp_path):
    rng = np.random.default_rng(0)
    points = np.c_[rng.normal(size=(5, 3)), [1, 1, 0, 1, 1]].astype(np.float32)
    colors = rng.integers(0, 255, (5, 3), np.uint8)
    scalars = {"footprint_m": rng.random(5), "born": np.arange(5)}
    assert write_ply(tmp_path / "a.ply", points, colors, scalars) == 4
    head, body = (tmp_path / "a.ply").read_bytes().split(b"end_header\n", 1)
    lines = head.decode().splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    assert "element vertex 4" in lines
    kinds = {"float": "<f4", "int": "<i4", "uchar": "u1"}
    columns = [line.split()[1:] for line in lines if line.startswith("property")]
    table = np.frombuffer(body, [(name, kinds[kind]) for kind, name in columns])
    solid = [0, 1, 3, 4]  # the third is sky
    assert np.array_equal(np.stack([table[axis] for axis in "xyz"], 1), points[solid, :3])
    rgb = np.stack([table[c] for c in ("red", "green", "blue")], 1)
    assert np.array_equal(rgb, colors[solid])
    assert np.allclose(table["footprint_m"], scalars["footprint_m"][solid])
    assert np.array_equal(table["born"], solid)


def test_no_encoder_is_left_running(tmp_path):
    video = VideoRecorder(tmp_path / "a.mp4", 30)
    video.add(picture(32, 32))
    video.abort()
    assert not psutil.Process().children()
