"""What is asked of the engine while somebody looks, and that nothing is otherwise."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from explorer.inquiry import Inquiry
from explorer.inspector import Inspector
from explorer.memory_table import MemoryTable
from mirage_engine import Camera, pinhole, pose

SIZE = (160, 256)


def camera(yaw_deg: float = 0.0) -> Camera:
    return Camera(pose([0, 0, 0], yaw_deg), pinhole(SIZE, 77.0), SIZE)


class Listener:
    """An engine that only listens."""

    state = "idle"

    def __init__(self) -> None:
        self.heard: list[tuple] = []

    def look(self, camera):
        self.heard.append(("look", camera))

    def inspect(self, path):
        self.heard.append(("inspect", tuple(path)))

    def details(self, since_id):
        self.heard.append(("details", since_id))


class Desk:
    def __init__(self) -> None:
        self.client, self.inspector = Listener(), Inspector()
        self.inquiry = Inquiry(self.client)
        self.known = SimpleNamespace(
            ready=object(),
            table=MemoryTable(),
            points_revision=1,
            newest=SimpleNamespace(index=3),
        )
        self.now_s = 0.0

    def think(self, seconds=3.0, open_=False, inset=False, tinted=False, walker=None):
        """Many display frames; returns what was asked in them."""
        self.client.heard.clear()
        for _ in range(round(seconds * 30)):
            self.now_s += 1 / 30
            self.inquiry.think(
                self.inspector,
                self.known,  # type: ignore[arg-type]
                open_=open_,
                inset=inset,
                tinted=tinted,
                walker=walker or camera(),
                path=lambda: [camera(90)],
                now_s=self.now_s,
            )
        return list(self.client.heard)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_nothing_is_asked_while_nobody_looks(desk):
    assert desk.think() == []
    desk.known.points_revision += 1
    assert desk.think() == []
    assert desk.think(inset=True) == [], "colours and births are known without asking"


def test_details_are_asked_once_for_each_change_of_memory(desk):
    assert desk.think(open_=True) == [("details", -1)]
    desk.known.points_revision += 1
    assert desk.think(open_=True) == [("details", -1)]
    assert desk.think(open_=True) == []


def test_only_new_features_are_asked_for(desk):
    desk.known.table.append(
        {
            "ids": np.arange(7),
            "points_world": np.ones((7, 4)),
            "colors": np.zeros((7, 3)),
            "footprints_m": np.ones(7),
            "born": np.zeros(7),
            "latents": np.ones((7, 3), np.float16),
        }
    )
    assert desk.think(open_=True) == [("details", 6)]


def test_an_inset_asks_only_where_its_colours_need_it(desk):
    desk.inspector.points.mode = 1
    assert desk.think(inset=True) == [("details", -1)]


def test_an_x_ray_is_asked_for_where_it_is_on_show_and_when_it_would_be_another(desk):
    desk.think(open_=True)
    assert desk.think(open_=True) == []
    desk.inspector.tab = "x-ray"
    assert desk.think(open_=True) == [("inspect", ())]
    desk.inspector.xray_coming = True
    asked = desk.think(open_=True)
    assert [kind for kind, _ in asked] == ["inspect"] and len(asked[0][1]) == 1
    desk.known.points_revision += 1
    assert [kind for kind, _ in desk.think(open_=True)] == ["details", "inspect"]


def test_there_is_no_last_segment_to_x_ray_at_the_start(desk):
    desk.known.newest = SimpleNamespace(index=0)
    desk.inspector.tab = "x-ray"
    desk.think(open_=True)
    assert desk.think(open_=True) == []


def test_a_view_is_asked_about_when_it_moved_and_forgotten_when_the_tint_goes(desk):
    assert [kind for kind, _ in desk.think(tinted=True)] == ["look"]
    assert desk.think(tinted=True) == []
    (_, seen), *rest = desk.think(tinted=True, walker=camera(5))
    assert not rest and np.allclose(seen.c2w, camera(5).c2w)
    desk.inquiry.tint = object()  # type: ignore[assignment]
    desk.think()
    assert desk.inquiry.tint is None


def test_a_new_engine_is_asked_again(desk):
    desk.think(open_=True, tinted=True)
    desk.inquiry.forget()
    asked = [kind for kind, _ in desk.think(open_=True, tinted=True)]
    assert sorted(asked) == ["details", "look"]


def test_an_engine_that_starts_is_left_alone(desk):
    desk.client.state = "starting"
    assert desk.think(open_=True, tinted=True) == []
