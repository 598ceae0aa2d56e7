"""Surgery in a real window, by a real mouse, on a world that the shipped model generates.

Needs Xvfb, xdotool, OpenGL and the shipped weights; starts everything itself.
"""

from __future__ import annotations

import time

import numpy as np
import pytest

from explorer.render.panels import MARGIN, RIGHT_WIDTH
from tests.explorer.test_window import Desk, pytestmark  # noqa: F401  (the same needs)

SIZE = (960, 600)
LEFT = SIZE[0] - RIGHT_WIDTH - MARGIN + 12  # of what stands in the right panel
WALL = (240, 50), (635, 500)  # corners of a box over what is ahead, between the panels
SURGERY_TAB, BOX = (LEFT + 141, MARGIN + 20), (LEFT + 141, MARGIN + 51)


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path, ["--scene", "950019", "--size", f"{SIZE[0]}x{SIZE[1]}"])
    yield desk
    desk.close()


def press(desk, key):
    """A key, and the frame in which the program has heard of it."""
    heard = len(desk.lines("input"))
    desk.hands("key", key)
    desk.wait(lambda: len(desk.lines("input")) > heard, key)


def move(desk, at):
    """The mouse to a place in the window, whose corner is the screen's."""
    desk.hands("mousemove", *(int(v) for v in at))


def click(desk, at):
    move(desk, at)
    time.sleep(0.2)
    desk.hands("mousedown", 1)
    time.sleep(0.2)
    desk.hands("mouseup", 1)
    time.sleep(0.2)


def drag(desk, start, stop):
    move(desk, start)
    time.sleep(0.2)
    desk.hands("mousedown", 1)
    for share in (0.3, 0.6, 1.0):
        move(desk, np.add(start, np.subtract(stop, start) * share))
        time.sleep(0.15)
    desk.hands("mouseup", 1)
    time.sleep(0.2)


def calm(desk):
    """The picture when notes and cross-fades are gone; the wall's part of it."""
    time.sleep(5.0)
    (left, top), (right, bottom) = WALL
    return desk.screenshot()[top:bottom, left:right]


def test_a_deleted_wall_is_invented_anew_and_undo_brings_the_old_one_back(desk):
    desk.wait_for_state("idle")
    press(desk, "p")
    first = calm(desk)

    press(desk, "e")
    press(desk, "e")
    click(desk, SURGERY_TAB)
    click(desk, BOX)
    drag(desk, *WALL)
    press(desk, "Delete")
    (deleted,) = desk.wait(lambda: desk.lines("memory"), "the surgery")
    assert deleted["what"] == "delete" and deleted["changed"] > 100
    press(desk, "Tab")
    fog = calm(desk)
    assert np.abs(fog - first).mean() > 8, "the wall is gone from the picture"

    press(desk, "p")
    desk.wait(lambda: [x for x in desk.lines("segment") if x["index"] >= 1], "another wall")
    desk.wait_for_state("idle")
    made = desk.lines("segment")[-1]
    assert made["points"] > deleted["points"], "what was invented is remembered"
    press(desk, "p")
    anew = calm(desk)
    assert np.abs(anew - first).mean() > 3 and np.abs(anew - fog).mean() > 3

    points = deleted["points"] + deleted["changed"]
    for _ in range(made["index"] + 1):
        told = len(desk.lines("memory"))
        press(desk, "z")
        desk.wait(lambda told=told: len(desk.lines("memory")) > told, "an undo")
    back = desk.lines("memory")[-1]
    assert (back["what"], back["points"], back["segments"]) == ("reset", points, 1)
    assert np.abs(calm(desk) - first).mean() < 1.5, "the old wall is back"
