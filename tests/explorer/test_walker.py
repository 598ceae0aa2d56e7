"""Tours hand the camera back, and the way home leads along them."""

import numpy as np
import pytest

from explorer.config import PilotConfig
from explorer.pilot import Controls
from explorer.walker import Walker
from mirage_engine import Camera, TourStop, load_tour, pinhole, pose, pose_distance, tour_cameras

START = Camera(np.eye(4), pinhole((160, 256), 77.0), (160, 256))
NOTHING = Controls()


def move(walker, controls, seconds):
    for _ in range(round(seconds * 30)):
        walker.move(controls, 1 / 30, held=False)


def play_to_the_end(walker, stops):
    walker.play(stops)
    while walker.mode == "tour":
        move(walker, NOTHING, 1 / 30)


def distance(a, b):
    return pose_distance(a.c2w, b.c2w)


def test_after_a_tour_the_hands_go_on_where_it_ended():
    walker = Walker(START, PilotConfig(), None)
    stops = tour_cameras(load_tour("there-and-back"), START)[:15]
    play_to_the_end(walker, stops)
    assert distance(walker.camera, stops[-1].camera) == pytest.approx((0, 0), abs=1e-6)
    move(walker, Controls(forward=1.0), 1.0)
    ahead = walker.camera.position - stops[-1].camera.position
    assert ahead @ stops[-1].camera.forward > 0.9


def test_home_is_where_the_world_began_and_not_where_the_tour_ended():
    walker = Walker(START, PilotConfig(), None)
    move(walker, Controls(forward=1.0), 1.0)
    play_to_the_end(walker, tour_cameras(load_tour("there-and-back"), walker.camera)[:15])
    assert distance(walker.camera, START)[0] > 2
    walker.move(Controls(go_home=True), 1 / 30, held=False)
    move(walker, NOTHING, 20.0)
    assert walker.mode == "walk"
    assert distance(walker.camera, START) == pytest.approx((0, 0), abs=1e-6)


def test_a_tour_past_due_south_is_turned_back_without_spinning():
    walker = Walker(START, PilotConfig(), None)
    stops = [TourStop(START.moved(pose((0, 0, 0), yaw))) for yaw in (0, 60, 120, 170, 190, 240)]
    play_to_the_end(walker, stops)
    walker.move(Controls(go_home=True), 1 / 30, held=False)
    turned = 0.0
    while walker.mode == "walking home":
        before = walker.camera
        move(walker, NOTHING, 1 / 30)
        turned += distance(before, walker.camera)[1]
    assert turned == pytest.approx(240, abs=10)
