"""What is asked for, and when."""

import pytest

from explorer.asker import Asker
from explorer.horizon import Horizon
from mirage_engine import Preset, pose
from tests.explorer.fake_world import FakeWorld

HERE = (0.0, 0.0, 0.0)


class Desk:
    """An asker, and an engine that answers when told to."""

    def __init__(self):
        self.world, self.horizon = FakeWorld(Preset("pocket"), 0), Horizon()
        self.horizon.add(self.world.begin(scene=0))
        self.state, self.asked, self.asks = "idle", None, 0
        self.asker = Asker(self, self.horizon)

    def ask(self, path):
        self.asked, self.state, self.asks = tuple(path), "generating", self.asks + 1

    def answer(self):
        self.horizon.add(self.world.advance(self.asked))
        self.asked, self.state = None, "idle"

    def think(self, degrees, now_s):
        self.asker.think(lambda: self.turned(degrees), 4, now_s)

    def turned(self, degrees):
        return [self.world.camera.moved(pose(HERE, degrees))]


@pytest.fixture
def desk():
    return Desk()


def test_known_ground_is_not_asked_for(desk):
    for i in range(50):
        desk.think(i % 3, i * 0.1)
    assert desk.asks == 0 and not desk.asker.waiting


def test_what_is_unknown_is_asked_for_until_it_is_known(desk):
    now_s = 0.0
    while now_s < 20 and (now_s == 0 or desk.asker.waiting):
        desk.think(60, now_s)
        if desk.asked:
            desk.answer()
        now_s += 0.2
    assert desk.horizon.coverage(desk.turned(60)[0]) > 0.85
    assert 1 < desk.asks < 6


def test_nothing_is_asked_of_an_engine_that_is_not_there(desk):
    for state in ("starting", "restarting", "failed"):
        desk.state = state
        desk.think(90, 0.0)
    assert desk.asks == 0


def test_while_one_request_runs_the_same_is_not_asked_again(desk):
    for i in range(100):
        desk.think(60, i * 0.1)
    assert desk.asks == 1


def test_a_walker_who_turned_away_gets_what_it_needs_now_but_not_ten_times_a_second(desk):
    for i in range(3):
        desk.think(60, i * 0.1)
    for i in range(30):
        desk.think(-60 if i % 2 else 60, 1 + i * 0.11)
    assert 2 <= desk.asks <= 8


def test_a_pause_asks_for_nothing_but_a_single_segment(desk):
    desk.asker.paused = True
    desk.think(90, 0.0)
    assert desk.asks == 0
    desk.asker.once(desk.horizon.ask_for(desk.turned(2), 4))
    desk.think(90, 0.1)
    desk.answer()
    desk.think(90, 0.3)
    assert desk.asks == 1


def test_a_new_world_wants_nothing_of_the_old_one(desk):
    desk.asker.once(desk.turned(5) * 4)
    desk.asker.forget()
    desk.think(0, 0.0)
    assert desk.asks == 0
