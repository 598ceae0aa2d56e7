"""A real window on a real X server, walked by synthetic hands, and an engine that is killed.

Needs Xvfb, xdotool, OpenGL and the shipped weights; starts everything itself.
"""

import os
import signal
import time

import numpy as np
import pytest
from PIL import Image

from tests import desk as real_desk

weights = real_desk.ROOT / "mirage_engine" / "pocket" / "generator.safetensors"
missing = " and ".join(real_desk.MISSING)
pytestmark = [
    pytest.mark.window,
    pytest.mark.gl,
    pytest.mark.skipif(bool(missing), reason=f"{missing} not installed"),
    pytest.mark.skipif(not weights.exists(), reason="no weights yet: train the pocket preset"),
]


class Desk(real_desk.Desk):
    def screenshot(self):
        before = set(self.pictures())
        self.hands("key", "F12")
        (path,) = self.wait(lambda: set(self.pictures()) - before, "a screenshot")
        return np.asarray(Image.open(path)).astype(int)

    def pictures(self):
        return list(self.folder.glob("out/*.png"))


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path, ["--scene", "950000", "--size", "640x400"])
    yield desk
    desk.close()


def matrix(line):
    return np.reshape(line["pose"], (4, 4))


def test_a_person_walks_looks_asks_for_help_and_the_engine_survives_a_kill(desk):
    ready = desk.wait_for_state("idle")
    first = desk.screenshot()
    start = matrix(ready)
    assert np.allclose(start, np.eye(4))

    walk(desk, start)
    look(desk)
    ask_for_help(desk)
    assert np.abs(desk.screenshot() - first).mean() > 2  # of 255: another picture
    grows_with_the_walk(desk)
    survives_a_kill(desk)

    desk.hands("key", "Escape")
    desk.hands("key", "Escape")
    assert desk.app.wait(20) == 0
    assert desk.lines("input")[-1]["action"] == "quit"


def walk(desk, start):
    desk.hands("keydown", "w")
    time.sleep(2)
    desk.hands("keyup", "w")
    here = matrix(desk.now())
    assert here[2, 3] - start[2, 3] > 0.3  # ahead is +z
    assert abs(here[1, 3]) < 1e-6  # and level
    assert np.allclose(here[:3, :3], start[:3, :3], atol=1e-6)


def look(desk):
    desk.hands("mousemove", 300, 200, "click", 1)
    time.sleep(0.5)
    before = matrix(desk.now())
    for _ in range(20):
        desk.hands("mousemove_relative", 25, 0)
        time.sleep(0.05)
    desk.now()
    turned = before[:3, :3].T @ matrix(desk.now())[:3, :3]
    yaw = np.degrees(np.arctan2(turned[0, 2], turned[2, 2]))
    assert yaw > 10  # the mouse to the right looks to the right


def ask_for_help(desk):
    desk.hands("key", "h")
    desk.wait(lambda: any(x.get("action") == "help" for x in desk.lines("input")), "help")
    with_help = desk.screenshot()
    desk.hands("key", "h")
    desk.now()
    assert np.abs(desk.screenshot() - with_help).mean() > 2


def grows_with_the_walk(desk):
    segments = desk.wait(lambda: desk.lines("segment")[1:], "a generated segment")
    points = [x["points"] for x in desk.lines("segment")]
    assert points[-1] > points[0] and sorted(points) == points
    assert [x["index"] for x in desk.lines("segment")][: len(segments)] == list(
        range(len(segments))
    )
    shown = desk.lines("display")
    assert max(x["coverage"] for x in shown) > 0.5


def survives_a_kill(desk):
    desk.hands("keydown", "Right")
    time.sleep(0.7)  # in the middle of a segment, most likely
    victim, known = desk.now()["engine_pid"], desk.lines("segment")[-1]
    os.kill(victim, signal.SIGKILL)
    frames = len(desk.lines("display"))
    restarting = desk.wait_for_state("restarting")
    assert restarting["fps"] > 1
    time.sleep(1)
    desk.hands("keyup", "Right")
    back = desk.wait_for_state("idle", "generating")
    assert back["engine_pid"] not in (victim, None)
    assert len(desk.lines("display")) > frames + 1
    before = [x for x in desk.lines("segment") if x["index"] <= known["index"]][-1]
    desk.hands("key", "g")
    after = desk.wait(
        lambda: [x for x in desk.lines("segment") if x["index"] > known["index"]],
        "a segment after the kill",
    )
    assert after[0]["index"] == known["index"] + 1  # nothing lost, nothing skipped
    assert after[0]["points"] >= before["points"] > 0
