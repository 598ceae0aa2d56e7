"""The program in a real window, with the preset that ships: a walk by keys, and its replays.

Needs Xvfb, xdotool, OpenGL and the shipped weights; starts everything itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest

from tests.desk import MISSING, PATIENCE_S, ROOT, Desk, start_x_server

pytestmark = [
    pytest.mark.gl,
    pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)}"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Of a walk: a few steps, a look to the left, an undo, and away."""
    folder = tmp_path_factory.mktemp("walk")
    flags = ("--size", "320x200", "--scene", "950000", "--device", "cpu")
    desk = Desk(folder, (*flags, "--record-frames", str(folder / "frames.mp4")))
    try:
        desk.wait_for_state("idle")
        for key in ("w", "Left"):
            made = len(desk.lines("segment"))
            desk.hands("keydown", key)
            desk.wait(lambda made=made: len(desk.lines("segment")) > made, "a segment")
            desk.hands("keyup", key)
        desk.hands("key", "z")
        desk.wait(lambda: desk.lines("memory"), "an undo")
        made = len(desk.lines("segment"))
        desk.hands("key", "p")
        # Further round: where the walker stands, what is left of memory may be enough.
        desk.hands("keydown", "Left")
        desk.wait(lambda: len(desk.lines("segment")) > made, "a segment after the undo")
        desk.hands("keyup", "Left")
        desk.hands("key", "Escape")
        desk.hands("key", "Escape")
        desk.app.wait(PATIENCE_S)
    finally:
        desk.close()
    assert desk.app.returncode == 0
    return folder


def again(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    server, display = start_x_server(folder)
    env = {**os.environ, "DISPLAY": display, "SDL_VIDEODRIVER": "x11"}
    words = [sys.executable, str(ROOT / "run_explorer.py"), "--replay", str(folder / "log.ndjson")]
    try:
        return subprocess.run(
            [*words, "--device", "cpu", *flags],
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
    finally:
        server.terminate()
        server.wait(10)


def generated(folder: Path) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "log.ndjson").read_text().splitlines()]
    return [x for x in lines if x["type"] == "engine" and x["what"] in ("shown", "segment")]


def test_a_walk_by_keys_is_the_same_walk_again(folder):
    run = again(folder, "--size", "320x200", "--record-frames", str(folder / "again.mp4"))
    assert run.returncode == 0, run.stderr
    made = generated(folder)
    assert f"{len(made)} segments, all as they were" in run.stderr
    # The encoder is exact too: equal frames in equal order make equal files.
    assert (folder / "again.mp4").read_bytes() == (folder / "frames.mp4").read_bytes()
    film = imageio.imread(folder / "frames.mp4", plugin="FFMPEG")
    assert len(film) == 1 + sum(len(x["poses"]) for x in made if x["what"] == "segment")


def test_its_world_is_made_again_without_a_window(folder):
    run = again(folder, "--headless", "--out", str(folder / "out"))
    assert run.returncode == 0, run.stderr
    assert "not what they were" not in run.stderr
    report = json.loads((folder / "out" / "report.json").read_text())
    standing = {x.get("index", 0): x for x in generated(folder)}  # the last of each number
    assert report["segments"] == max(standing)
    assert (report["tour"], report["seed"]) == ("log", 0)
    film = imageio.imread(folder / "out" / "video.mp4", plugin="FFMPEG")
    assert len(film) == report["frames"] + 1
    assert np.isfinite(report["revisit"]["pairs"])


def test_a_log_grows_by_some_hundred_kilobytes_a_minute(folder):
    lines = (folder / "log.ndjson").read_text().splitlines()
    seconds = sum(json.loads(x)["dt_s"] for x in lines if json.loads(x)["type"] == "frame")
    assert sum(map(len, lines)) / seconds < 10_000
