"""The whole way once: flags to files, with the preset that ships."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import pytest
from PIL import Image

from explorer.camera_files import read_cameras
from explorer.cli import main
from mirage_engine import pinhole

TOUR = """
summary = "one step aside and back"
steps = [{ mark = "start" }, { strafe = 0.6 }, { turn = 30 }, { return = true }]
"""
FILES = {"video.mp4", "contact_sheet.png", "memory.png", "memory.ply", "coverage.csv"}
FILES |= {"report.json"}
KEYS = {
    "version",
    "config",
    "seed",
    "device",
    "memory_kind",
    "tour",
    "frames",
    "segments",
    "frames_per_second",
    "seconds",
    "segments_log",
    "memory",
    "revisit",
    "truth",
}
STAGES = {"read", "denoise", "decode", "depth", "filter", "write", "total"}
ENTRY = {"index", "frames", "coverage", "points_added", "points", "bytes", "seconds"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """One walk for all the tests: 7 frames there, 7 back."""
    place = tmp_path_factory.mktemp("walk")
    (place / "aside.toml").write_text(TOUR)
    argv = ["--headless", "--tour", place / "aside.toml", "--scene", "950000", "--device", "cpu"]
    argv += [
        "--cameras",
        place / "transforms.json",
        "--out",
        place / "out",
        "--log",
        place / "log.ndjson",
        "--record",
        place / "r.mp4",
    ]
    assert main([str(word) for word in argv]) == 0
    return place


@pytest.fixture(scope="module")
def report(folder) -> dict[str, Any]:
    return json.loads((folder / "out" / "report.json").read_text())


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [n for item in value.values() for n in numbers(item)]
    if isinstance(value, list):
        return [n for item in value for n in numbers(item)]
    return [value] if isinstance(value, (int, float)) else []


def test_the_folder_holds_the_promised_files_and_nothing_else(folder):
    assert {path.name for path in (folder / "out").iterdir()} == FILES
    assert all(path.stat().st_size > 500 for path in (folder / "out").iterdir())


def test_the_report_has_exactly_the_promised_keys(report):
    assert set(report) == KEYS
    assert set(report["seconds"]) == STAGES
    assert set(report["memory"]) == {"points", "bytes", "bytes_per_segment"}
    assert set(report["revisit"]) == {"pairs", "psnr_db", "ssim", "worst_psnr_db"}
    assert set(report["truth"]) == {"psnr_db_seen", "psnr_db_all", "depth_abs_rel"}
    for entry in report["segments_log"]:
        assert set(entry) == ENTRY and set(entry["seconds"]) == STAGES


def test_every_number_in_the_report_is_finite(report):
    assert all(math.isfinite(number) for number in numbers(report))
    assert report["revisit"]["psnr_db"] is not None


def test_the_report_adds_up(report):
    log = report["segments_log"]
    assert report["frames"] == sum(entry["frames"] for entry in log) == 14
    assert report["segments"] == len(log) == len(report["memory"]["bytes_per_segment"])
    assert report["memory"]["points"] == log[-1]["points"]
    assert (
        report["memory"]["bytes"] == log[-1]["bytes"] == report["memory"]["bytes_per_segment"][-1]
    )
    total_s = sum(entry["seconds"]["total"] for entry in log)
    assert report["frames_per_second"] == pytest.approx(14 / total_s)
    assert (report["config"], report["tour"], report["seed"]) == ("pocket", "aside", 0)
    assert (report["memory_kind"], report["device"]) == ("latent", "cpu")


def test_the_way_back_is_known_and_compared(report):
    assert report["revisit"]["pairs"] >= 3
    assert report["segments_log"][-1]["coverage"] > 0.9


def test_the_video_shows_the_start_and_every_frame(folder, report):
    frames = imageio.imread(folder / "out" / "video.mp4", plugin="FFMPEG")
    assert frames.shape == (report["frames"] + 1, 160, 256, 3)
    assert (folder / "r.mp4").read_bytes() == (folder / "out" / "video.mp4").read_bytes()


def test_the_poses_are_kept_from_the_start_to_the_way_back(folder, report):
    cameras = read_cameras(folder / "transforms.json", (160, 256), np.eye(3))
    assert len(cameras) == report["frames"] + 1
    assert np.allclose(cameras[0].intrinsics, pinhole((160, 256), 77.0))
    assert np.allclose(cameras[-1].c2w, cameras[0].c2w, atol=1e-6)
    assert max(camera.position[0] for camera in cameras) == pytest.approx(0.6)


def test_the_pictures_show_something(folder):
    for name in ("contact_sheet.png", "memory.png"):
        picture = np.asarray(Image.open(folder / "out" / name).convert("RGB"), np.float64)
        assert picture.std() > 10, name


def test_the_point_cloud_has_a_vertex_for_every_surface_point(folder, report):
    head = (folder / "out" / "memory.ply").read_bytes()[:2000].split(b"end_header")[0].decode()
    count = int(head.split("element vertex ")[1].split()[0])
    assert 0 < count <= report["memory"]["points"]
    names = [line.split()[-1] for line in head.splitlines() if line.startswith("property")]
    assert names[-4:] == ["footprint_m", "born", "seen", "id"]


def test_the_table_of_coverage_says_what_the_report_says(folder, report):
    with (folder / "out" / "coverage.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["segment"]) for row in rows] == list(range(report["segments"] + 1))
    for row, entry in zip(rows[1:], report["segments_log"], strict=True):
        assert float(row["coverage"]) == pytest.approx(entry["coverage"], abs=1e-6)
        assert float(row["coverage"]) + float(row["hole_rate"]) == pytest.approx(1, abs=1e-5)
        assert int(row["points"]) == entry["points"] and int(row["bytes"]) == entry["bytes"]
        assert int(row["points_added"]) == entry["points_added"]
        for stage, seconds in entry["seconds"].items():
            assert float(row[f"{stage}_s"]) == pytest.approx(seconds, abs=1e-6)


def test_the_log_is_one_json_object_for_each_segment(folder, report):
    lines = [json.loads(line) for line in (folder / "log.ndjson").read_text().splitlines()]
    assert [line.pop("type") for line in lines] == ["segment"] * report["segments"]
    assert lines == report["segments_log"]
