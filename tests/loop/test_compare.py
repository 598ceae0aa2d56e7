"""A comparison from flags to files, with the preset that ships."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import pytest
from PIL import Image

from explorer.cli import main
from tests.loop.test_headless import KEYS

TOUR = """
summary = "a turn to what is not known, and back to the start"
steps = [{ turn = 75 }, { return = true }]
"""
FRAMES = 21  # the start image, ten there and ten back
FILES = {"latent.mp4", "none.mp4", "compare.mp4", "compare.png", "report.json"}


def walk(place: Path, out: str, *more: str) -> Path:
    argv = ["--headless", "--tour", place / "turn.toml", "--scene", "950000", "--seed", "3"]
    argv += ["--device", "cpu", "--out", place / out, *more]
    assert main([str(word) for word in argv]) == 0
    return place / out


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("compared")
    (place / "turn.toml").write_text(TOUR)
    return place


@pytest.fixture(scope="module")
def folder(place) -> Path:
    """One comparison for all the tests."""
    return walk(place, "both", "--compare", "none,latent")


@pytest.fixture(scope="module")
def report(folder) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text())


def test_the_folder_holds_the_promised_files_and_nothing_else(folder):
    assert {path.name for path in folder.iterdir()} == FILES


def test_each_memory_has_its_whole_report_and_the_figures_stand_side_by_side(report):
    assert report["memories"] == ["none", "latent"]
    for memory in report["memories"]:
        own = report["walks"][memory]
        assert set(own) == KEYS
        assert (own["memory_kind"], own["seed"], own["frames"]) == (memory, 3, FRAMES - 1)
        assert report["revisit"][memory] == own["revisit"]
        assert own["revisit"]["pairs"] > 0 and report["start_revisit"][memory]["pairs"] == 1


def test_latent_memory_finds_the_place_again_and_none_does_not(report):
    for figure in ("revisit", "start_revisit"):
        made = report[figure]
        assert made["latent"]["psnr_db"] > made["none"]["psnr_db"] + 5
        assert made["latent"]["ssim"] > made["none"]["ssim"]


def test_a_walk_of_the_comparison_is_the_walk_that_one_gets_alone(place, folder, report):
    """The first walk leaves nothing behind that the second one could notice."""
    alone = walk(place, "alone", "--memory", "latent")
    assert (alone / "video.mp4").read_bytes() == (folder / "latent.mp4").read_bytes()
    own = json.loads((alone / "report.json").read_text())
    for key in ("revisit", "truth", "memory"):
        assert own[key] == report["walks"]["latent"][key]


def test_the_videos_begin_alike_and_end_apart(folder):
    names = ("latent", "none", "compare")
    latent, none, both = (
        imageio.imread(folder / f"{name}.mp4", plugin="FFMPEG").astype(float) for name in names
    )
    assert len(latent) == len(none) == len(both) == FRAMES
    assert both.shape[2] > 2 * latent.shape[2]
    gaps = np.abs(latent - none).mean((1, 2, 3))
    assert gaps[0] < 1 and gaps[-1] > 10


def test_the_sheet_shows_something(folder):
    picture = Image.open(folder / "compare.png")
    assert picture.info["Title"] == "Mirage Explorer: turn with none and latent"
    assert np.asarray(picture.convert("RGB"), np.float64).std() > 10
