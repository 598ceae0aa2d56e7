"""Pilots against arithmetic done by hand, and the laws of motion."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from explorer.config import PilotConfig
from explorer.obstacles import Obstacles
from explorer.pilot import Controls, KeyboardPilot, TourPilot
from mirage_engine import Camera, TourStop, pinhole, pose, pose_distance

CONFIG = PilotConfig()
START = Camera(np.eye(4), pinhole((160, 256), 77.0), (160, 256))
WALK = Controls(forward=1.0)


def wall_ahead(z_m: float) -> Obstacles:
    """A wall of points 5 cm apart at z = z_m, from the floor to above the head."""
    x, y = np.meshgrid(np.arange(-4, 4, 0.05), np.arange(-1.0, 1.5, 0.05))
    obstacles = Obstacles(CONFIG.body_m, CONFIG.eye_height_m, CONFIG.step_m)
    obstacles.see(np.stack([x.ravel(), y.ravel(), np.full(x.size, z_m)], 1))
    return obstacles


def hold(pilot: KeyboardPilot, controls: Controls, seconds: float, hz: int = 60) -> Camera:
    for _ in range(round(seconds * hz)):
        pilot.fly(controls, 1 / hz)
    return pilot.camera


def test_walking_speeds_up_smoothly_to_its_speed_and_stops_smoothly():
    pilot = KeyboardPilot(START, CONFIG)
    speeds = []
    for _ in range(60):
        pilot.fly(WALK, 1 / 60)
        speeds.append(pilot.speed_m_s)
    assert np.all(np.diff(speeds) > 0)
    assert speeds[0] < 0.3 * CONFIG.walk_m_s
    assert speeds[-1] == pytest.approx(CONFIG.walk_m_s, rel=0.01)
    pilot.fly(Controls(), 1 / 60)
    assert 0.5 * CONFIG.walk_m_s < pilot.speed_m_s < CONFIG.walk_m_s
    hold(pilot, Controls(), 2.0)
    assert pilot.speed_m_s < 1e-3


def test_the_way_is_that_of_a_first_order_lag():
    pilot = KeyboardPilot(START, CONFIG)
    z = hold(pilot, WALK, 2.0).position[2]
    lag = CONFIG.ease_s * (1 - math.exp(-2.0 / CONFIG.ease_s))
    assert z == pytest.approx(CONFIG.walk_m_s * (2.0 - lag), abs=1e-9)


@pytest.mark.parametrize(
    ("controls", "speed"),
    [
        (Controls(forward=1.0, fast=True), CONFIG.run_m_s),
        (Controls(forward=1.0, slow=True), CONFIG.slow_m_s),
        (Controls(forward=1.0, right=1.0), CONFIG.walk_m_s),  # no faster in the diagonal
        (Controls(forward=0.5), 0.5 * CONFIG.walk_m_s),
    ],
)
def test_each_gait_has_its_speed(controls, speed):
    pilot = KeyboardPilot(START, CONFIG)
    hold(pilot, controls, 2.0)
    assert pilot.speed_m_s == pytest.approx(speed, rel=1e-3)


@pytest.mark.parametrize(
    ("controls", "axis"),
    [
        (Controls(forward=1.0), (0, 0, 1)),
        (Controls(forward=-1.0), (0, 0, -1)),
        (Controls(right=1.0), (1, 0, 0)),
        (Controls(right=-1.0), (-1, 0, 0)),
    ],
)
def test_directions_by_hand(controls, axis):
    moved = hold(KeyboardPilot(START, CONFIG), controls, 1.0).position
    assert np.allclose(moved / np.linalg.norm(moved), axis)


def test_turning_right_looks_along_plus_x_and_looking_up_along_minus_y():
    right = KeyboardPilot(START, CONFIG).fly(Controls(turn_deg=90.0), 1 / 60)
    assert np.allclose(right.forward, [1, 0, 0], atol=1e-12)
    up = KeyboardPilot(START, CONFIG).fly(Controls(look_deg=30.0), 1 / 60)
    assert np.allclose(up.forward, [0, -0.5, math.sqrt(0.75)])


def test_pitch_stops_short_of_straight_up_and_down():
    pilot = KeyboardPilot(START, CONFIG)
    steepest = math.sin(math.radians(CONFIG.max_pitch_deg))
    assert pilot.fly(Controls(look_deg=500.0), 0.1).forward[1] == pytest.approx(-steepest)
    assert pilot.fly(Controls(look_deg=-900.0), 0.1).forward[1] == pytest.approx(steepest)


def test_walking_stays_level_whatever_the_look():
    pilot = KeyboardPilot(START, CONFIG)
    pilot.fly(Controls(look_deg=60.0), 1 / 60)
    camera = hold(pilot, Controls(forward=1.0, up=1.0), 1.0)
    assert camera.position[1] == 0.0
    assert camera.position[2] > 1.0


def test_flying_follows_the_look_and_coming_down_ends_at_eye_height():
    pilot = KeyboardPilot(START, CONFIG)
    pilot.fly(Controls(look_deg=45.0, toggle_fly=True), 1 / 60)
    assert pilot.flying
    x, y, z = hold(pilot, WALK, 1.0).position
    assert (x, -y) == pytest.approx((0.0, z))
    higher = hold(pilot, Controls(up=1.0), 1.0).position[1]
    assert higher < y - 0.5 * CONFIG.walk_m_s
    pilot.fly(Controls(toggle_fly=True), 1 / 60)
    assert hold(pilot, Controls(), 3.0).position[1] == pytest.approx(0.0, abs=1e-3)


def curve(t_s: float) -> Controls:
    """A walk with corners: held keys and turning at some of the times."""
    forward = 1.0 if t_s < 2 or 3 <= t_s < 5 else 0.0
    return Controls(forward=forward, right=1.0 if 1 <= t_s < 4 else 0.0, fast=3 <= t_s < 4)


@pytest.mark.parametrize("flying", [False, True])
def test_the_same_hands_end_at_the_same_place_at_any_frame_rate(flying):
    ends = []
    for hz in (20, 30, 60, 120):
        pilot = KeyboardPilot(START, CONFIG)
        for i in range(6 * hz):
            controls = curve(i / hz)
            turn = 70 / hz if 1 <= i / hz < 5 else 0.0
            up = 10 / hz if i / hz < 3 else 0.0
            start = flying and i == 0
            pilot.fly(replace(controls, turn_deg=turn, look_deg=up, toggle_fly=start), 1 / hz)
        ends.append(pilot.camera)
    for end in ends[:-1]:
        metres, degrees = pose_distance(end.c2w, ends[-1].c2w)
        assert metres < 0.01
        assert degrees < 1e-3


def test_a_long_hang_does_not_throw_the_walker_far():
    pilot = KeyboardPilot(START, CONFIG)
    pilot.fly(WALK, 30.0)
    assert pilot.camera.position[2] < 0.5


def test_a_start_pose_is_kept_as_it_is():
    start = START.moved(pose((1.0, -0.5, 2.0), 130.0, -20.0))
    pilot = KeyboardPilot(start, CONFIG)
    assert np.allclose(pilot.camera.c2w, start.c2w, atol=1e-12)
    assert np.allclose(pilot.fly(Controls(), 1 / 60).c2w, start.c2w, atol=1e-12)


def test_a_wall_stops_the_body_before_it():
    pilot = KeyboardPilot(START, CONFIG, wall_ahead(2.0).free_distance_m)
    z = hold(pilot, Controls(forward=1.0, fast=True), 4.0).position[2]
    assert 2.0 - CONFIG.body_m - 0.06 < z <= 2.0 - CONFIG.body_m + 0.01


@pytest.mark.parametrize("yaw_deg", [30.0, 60.0, -45.0, 80.0])
def test_a_slanted_walk_slides_along_the_wall(yaw_deg):
    pilot = KeyboardPilot(START, CONFIG, wall_ahead(1.0).free_distance_m)
    pilot.fly(Controls(turn_deg=yaw_deg), 1 / 60)
    depths = []
    for _ in range(120):
        depths.append(pilot.fly(WALK, 1 / 60).position[2])
    x = pilot.camera.position[0]
    free = CONFIG.walk_m_s * 1.9 * math.sin(math.radians(yaw_deg))
    assert x / free > 0.85, "most of the way along the wall is kept"
    assert max(depths) < 1.0 - CONFIG.body_m + 0.02


def test_walls_do_not_hold_back_who_flies_or_turns_away():
    pilot = KeyboardPilot(START, CONFIG, wall_ahead(1.0).free_distance_m)
    hold(pilot, WALK, 2.0)
    back = hold(pilot, Controls(forward=-1.0), 1.0).position[2]
    assert back < -0.2
    pilot.fly(Controls(toggle_fly=True), 1 / 60)
    assert hold(pilot, WALK, 3.0).position[2] > 2.0


def test_stray_points_sills_and_sky_are_no_walls():
    obstacles = Obstacles(CONFIG.body_m, CONFIG.eye_height_m, CONFIG.step_m)
    stray = np.array([[0.0, 0.5, 1.0], [0.05, 0.2, 1.0]])
    sill = np.stack([np.linspace(-1, 1, 50), np.full(50, 1.3), np.full(50, 1.0)], 1)
    solid = np.concatenate([stray, sill])
    sky = np.zeros((50, 4))
    sky[:, 2] = 1.0
    obstacles.see(np.concatenate([np.c_[solid, np.ones(len(solid))], sky]))
    assert obstacles.free_distance_m(START, np.array([0.0, 0.0, 1.0])) == math.inf


def test_walking_home_retraces_the_way_to_the_very_start():
    pilot = KeyboardPilot(START, CONFIG)
    way = []
    for i in range(240):
        controls = Controls(forward=1.0, turn_deg=1.0 if 60 <= i < 150 else 0.0)
        way.append(pilot.fly(controls, 1 / 60).position)
    pilot.fly(Controls(go_home=True), 1 / 60)
    for _ in range(1200):
        if not pilot.going_home:
            break
        here = pilot.fly(Controls(), 1 / 60).position
        assert np.linalg.norm(np.array(way) - here, axis=1).min() < 0.03
    assert not pilot.going_home
    assert np.array_equal(pilot.camera.c2w, START.c2w)


def test_moving_the_hands_ends_the_way_home():
    pilot = KeyboardPilot(START, CONFIG)
    hold(pilot, WALK, 2.0)
    pilot.fly(Controls(go_home=True), 1 / 60)
    assert pilot.going_home
    pilot.fly(WALK, 1 / 60)
    assert not pilot.going_home


def test_prediction_of_a_steady_walk_is_where_it_leads():
    pilot = KeyboardPilot(START, CONFIG)
    hold(pilot, WALK, 2.0)
    ahead = pilot.predict(1.0)
    assert np.array_equal(ahead[0].c2w, pilot.camera.c2w)
    there = hold(pilot, WALK, 1.0)
    metres, degrees = pose_distance(ahead[-1].c2w, there.c2w)
    assert metres < 1e-6
    assert degrees < 1e-3


def test_prediction_turns_with_the_hands_and_does_not_move_the_pilot():
    pilot = KeyboardPilot(START, CONFIG)
    for _ in range(60):
        pilot.fly(Controls(turn_deg=1.0), 1 / 60)
    before = pilot.camera.c2w
    turned = pose_distance(before, pilot.predict(0.3)[-1].c2w)[1]
    assert 10.0 < turned <= 18.0
    assert np.array_equal(pilot.camera.c2w, before)


def test_prediction_ends_at_a_wall_and_stands_still_when_the_walker_does():
    pilot = KeyboardPilot(START, CONFIG, wall_ahead(2.0).free_distance_m)
    assert all(np.array_equal(c.c2w, START.c2w) for c in pilot.predict(1.5))
    hold(pilot, WALK, 0.5)
    assert pilot.predict(5.0)[-1].position[2] < 2.0 - CONFIG.body_m + 0.02


def test_prediction_on_the_way_home_leads_back():
    pilot = KeyboardPilot(START, CONFIG)
    hold(pilot, WALK, 2.0)
    pilot.fly(Controls(go_home=True), 1 / 60)
    ahead = [camera.position[2] for camera in pilot.predict(5.0)]
    assert np.all(np.diff(ahead) <= 0)
    assert ahead[-1] == 0.0


def test_a_tour_is_played_at_walking_pace_and_passes_every_stop_exactly():
    a, b = START, START.moved(pose((0, 0, 1.4)))
    c = START.moved(pose((0, 0, 1.4), 75.0))
    pilot = TourPilot([TourStop(a), TourStop(b, "there", wait_s=0.5), TourStop(c)], CONFIG)
    assert np.allclose(pilot.fly(0.5).position, [0, 0, 0.7])
    assert pilot.stop.caption == ""
    assert np.array_equal(pilot.fly(0.5).c2w, b.c2w)
    assert pilot.stop.caption == "there"
    assert np.array_equal(pilot.fly(0.45).c2w, b.c2w), "it waits"
    assert not pilot.done
    assert [camera is c for camera in pilot.predict(0.1)] == [False, True]
    assert np.array_equal(pilot.fly(2.0).c2w, c.c2w)
    assert pilot.done
    assert len(pilot.predict(1.0)) == 1
