"""Tours: the bundled ones, their signs, and what a wrong file is told."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mirage_engine import Camera, ConfigError, pinhole, pose, pose_distance
from mirage_engine.tour import TourStop, list_tours, load_tour, tour_cameras

START = Camera(np.eye(4), pinhole((160, 256), 77.0), (160, 256))
BUNDLED = ("long-walk", "square", "there-and-back", "turnaround")


def stops_of(folder: Path, steps: str, head: str = "", start: Camera = START) -> list[TourStop]:
    path = folder / "my.toml"
    path.write_text(f"{head}\nsteps = [{steps}]", "utf-8")
    return tour_cameras(load_tour(path), start)


def test_the_bundled_tours_are_listed_with_a_summary():
    tours = list_tours()
    assert tuple(tours) == BUNDLED
    assert all(tours.values())


@pytest.mark.parametrize("name", BUNDLED)
@pytest.mark.parametrize("start", [START, START.moved(pose((3.0, -0.2, -1.0), 200.0, 12.0))])
def test_every_bundled_tour_begins_at_the_start_and_comes_back_to_it(name, start):
    stops = tour_cameras(load_tour(name), start)
    assert np.array_equal(stops[0].camera.c2w, start.c2w)
    assert np.allclose(stops[-1].camera.c2w, start.c2w, atol=1e-9)


@pytest.mark.parametrize("name", BUNDLED)
def test_no_step_of_a_tour_is_wider_than_its_spacing_or_leaves_the_eye_height(name):
    tour = load_tour(name)
    cameras = [stop.camera for stop in tour_cameras(tour, START)]
    for a, b in pairwise(cameras):
        metres, degrees = pose_distance(a.c2w, b.c2w)
        assert metres <= tour.spacing_m + 1e-9
        assert degrees <= tour.spacing_deg + 1e-6
        assert b.position[1] == 0.0


def test_turnaround_sees_every_direction_from_one_place():
    cameras = [stop.camera for stop in tour_cameras(load_tour("turnaround"), START)]
    assert len(cameras) == 1 + 48
    assert all(np.allclose(camera.position, 0) for camera in cameras)
    yaws = {
        round(math.degrees(math.atan2(c.forward[0], c.forward[2])) * 1000) % 360_000
        for c in cameras
    }
    assert len(yaws) == 48


def test_there_and_back_walks_two_metres_turns_left_and_returns_over_the_same_poses():
    cameras = [stop.camera for stop in tour_cameras(load_tour("there-and-back"), START)]
    assert len(cameras) == 1 + 10 + 12 + 22
    assert np.allclose(cameras[10].position, [0, 0, 2.0])
    assert np.allclose(cameras[22].forward, [-1, 0, 0], atol=1e-12), "left is -x"
    for there, back in zip(cameras[:23], reversed(cameras[22:]), strict=True):
        assert np.array_equal(there.c2w, back.c2w)


def test_square_is_a_closed_loop_to_the_left():
    positions = np.array([s.camera.position for s in tour_cameras(load_tour("square"), START)])
    assert np.allclose(positions.min(0), [-1.2, 0, 0], atol=1e-9)
    assert np.allclose(positions.max(0), [0, 0, 1.2], atol=1e-9)


def test_long_walk_is_about_500_frames_near_the_start():
    positions = np.array([s.camera.position for s in tour_cameras(load_tour("long-walk"), START)])
    assert 450 <= len(positions) <= 550
    assert np.abs(positions).max() <= 2.5


@pytest.mark.parametrize(
    ("step", "position", "forward"),
    [
        ("forward = 1.0", (0, 0, 1), (0, 0, 1)),
        ("back = 1.0", (0, 0, -1), (0, 0, 1)),
        ("strafe = 1.0", (1, 0, 0), (0, 0, 1)),
        ("up = 1.0", (0, -1, 0), (0, 0, 1)),
        ("turn = 90", (0, 0, 0), (1, 0, 0)),
        ("turn = -90", (0, 0, 0), (-1, 0, 0)),
        ("look = 30", (0, 0, 0), (0, -0.5, math.sqrt(0.75))),
    ],
)
def test_signs_by_hand(tmp_path, step, position, forward):
    end = stops_of(tmp_path, f"{{ {step} }}")[-1].camera
    assert np.allclose(end.position, position)
    assert np.allclose(end.forward, forward)


def test_moves_go_by_the_heading_and_stay_level_under_a_tilted_look(tmp_path):
    stops = stops_of(tmp_path, "{ look = 40 }, { turn = 90 }, { forward = 1 }, { strafe = 0.5 }")
    assert np.allclose(stops[-1].camera.position, [1.0, 0, -0.5])


def test_a_turning_walk_is_a_circle(tmp_path):
    quarter = math.pi / 2  # of the circle of radius 1 about (1, 0, 0)
    cameras = [stop.camera for stop in stops_of(tmp_path, f"{{ forward = {quarter}, turn = 90 }}")]
    radii = [np.linalg.norm(camera.position - [1, 0, 0]) for camera in cameras]
    assert np.allclose(radii, 1.0, atol=2e-3)
    assert np.allclose(cameras[-1].position, [1, 0, 1], atol=2e-3)
    assert np.allclose(cameras[-1].forward, [1, 0, 0])


def test_the_spacing_of_the_file_sets_the_number_of_stops(tmp_path):
    assert len(stops_of(tmp_path, "{ forward = 1 }", "spacing_m = 0.1")) == 1 + 10
    assert len(stops_of(tmp_path, "{ forward = 1.01 }", "spacing_m = 0.1")) == 1 + 11
    assert len(stops_of(tmp_path, "{ turn = 90 }", "spacing_deg = 30")) == 1 + 3


def test_captions_marks_and_waits_stand_where_they_were_written(tmp_path):
    steps = (
        '{ say = "a" }, { forward = 0.4, say = "b" }, { mark = "m" }, { wait = 2 }, { back = 0.2 }'
    )
    stops = stops_of(tmp_path, steps)
    assert [stop.caption for stop in stops] == ["b", "b", "b", "b"]
    assert [stop.mark for stop in stops] == ["", "", "m", ""]
    assert [stop.wait_s for stop in stops] == [0, 0, 2, 0]


def test_return_goes_to_the_last_mark_or_a_named_one_and_leaves_out_detours(tmp_path):
    one = '{ mark = "a" }, { forward = 0.4 }, { mark = "b" }, { turn = 15 }, { return = true }'
    stops = stops_of(tmp_path, one)
    assert np.array_equal(stops[-1].camera.c2w, stops[2].camera.c2w)
    assert len(stops) == 1 + 2 + 2 + 2
    both = stops_of(tmp_path, one + ', { return = "a" }')
    assert len(both) == len(stops) + 2, "the turn was walked back already"
    assert np.array_equal(both[-1].camera.c2w, START.c2w)


def test_return_without_a_mark_goes_to_the_start(tmp_path):
    stops = stops_of(tmp_path, "{ forward = 0.4 }, { return = true }, { return = true }")
    assert [round(stop.camera.position[2], 9) for stop in stops] == [0, 0.2, 0.4, 0.2, 0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("steps = [{ forwrd = 2.0 }]", ["step 1", "forwrd", "did you mean 'forward'"]),
        ('steps = [{ turn = 1 }, { turn = "left" }]', ["step 2", "turn must be a number", "left"]),
        ("steps = [{ forward = nan }]", ["step 1", "forward", "nan"]),
        ("steps = [{ forward = inf }]", ["step 1", "forward", "inf"]),
        ("steps = [{ forward = true }]", ["step 1", "must be a number"]),
        ("steps = [{ wait = -1 }]", ["step 1", "wait", "-1"]),
        ("steps = [{ say = 3 }]", ["step 1", "say", "3"]),
        ("steps = [{ return = false }]", ["step 1", "return"]),
        ('steps = [{ mark = "start" }, { return = "strat" }]', ["step 2", "did you mean 'start'"]),
        ('steps = [{ mark = "a" }, { mark = "a" }]', ["step 2", "'a'"]),
        ("steps = [{ return = true, turn = 3 }]", ["step 1", "return"]),
        ("steps = [{}]", ["step 1", "empty"]),
        ("steps = []", ["steps is empty"]),
        ("steps = [3]", ["steps[0]", "3"]),
        ("spacing_m = 0.0\nsteps = [{ turn = 1 }]", ["spacing_m", "0.0"]),
        ("spacing_deg = nan\nsteps = [{ turn = 1 }]", ["spacing_deg", "nan"]),
        ("spacing = 1\nsteps = [{ turn = 1 }]", ["unknown key 'spacing'"]),
        ("steps = [", ["not valid TOML"]),
        ("", ["'steps' is missing"]),
    ],
)
def test_a_mistake_is_named_in_one_line(tmp_path, content, words):
    path = tmp_path / "wrong.toml"
    path.write_text(content, "utf-8")
    with pytest.raises(ConfigError) as error:
        load_tour(path)
    message = str(error.value)
    assert "\n" not in message
    for word in ["wrong.toml", *words]:
        assert word in message


def test_an_unknown_tour_is_told_the_nearest_name():
    with pytest.raises(ConfigError, match="did you mean 'there-and-back'"):
        load_tour("there-and-bakc")
    with pytest.raises(ConfigError, match="turnaround"):
        load_tour("q")


def test_a_walk_without_end_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="step 2 makes more than 20000 stops"):
        stops_of(tmp_path, "{ turn = 1 }, { forward = 1e9 }")
