"""The inspector's camera: what stays in place, what comes back, and what no hand can break."""

import numpy as np
import pytest

from explorer.orbit import FLIGHT_S, OrbitCamera
from explorer.pilot import Controls
from mirage_engine import Camera, pinhole, pose
from mirage_engine.rooms import Scene

SIZE = (600, 960)


def to_px(camera, point_world):
    """[2] where a point is in the picture."""
    x = camera.intrinsics @ (camera.w2c @ np.append(point_world, 1.0))[:3]
    return x[:2] / x[2]


@pytest.fixture
def orbit():
    orbit = OrbitCamera()
    orbit.aim, orbit.yaw_deg, orbit.pitch_deg = np.array([1.0, -0.5, 3.0]), 25.0, -20.0
    return orbit


def test_the_aim_stays_in_the_middle_and_as_far_away_however_it_turns(orbit):
    for _ in range(30):
        orbit.turn(37, 23, SIZE[0])
        camera = orbit.camera(SIZE)
        assert np.allclose(to_px(camera, orbit.aim), [480, 300])
        assert np.linalg.norm(camera.position - orbit.aim) == pytest.approx(6.0)


def test_what_is_nearer_than_the_aim_follows_the_hand_that_turns(orbit):
    camera = orbit.camera(SIZE)
    near = orbit.aim - camera.forward * 2
    orbit.turn(20, 15, SIZE[0])
    x, y = to_px(orbit.camera(SIZE), near)
    assert x > 490 and y > 305


@pytest.mark.parametrize("size", [(600, 960), (400, 1600), (900, 500)])
def test_panning_keeps_what_lies_at_the_aim_under_the_hand(orbit, size):
    camera = orbit.camera(size)
    beside = orbit.aim + camera.c2w[:3, 0] * 0.7
    before = [to_px(camera, p) for p in (orbit.aim, beside)]
    places = [orbit.aim, beside]
    orbit.pan(31, -18, size[0])
    after = [to_px(orbit.camera(size), p) for p in places]
    assert np.allclose(np.array(after) - before, [31, -18])


def test_the_wheel_goes_on_by_shares_and_comes_back(orbit):
    eyes = [orbit.camera(SIZE).position]
    for _ in range(5):
        orbit.dolly(1)
        eyes.append(orbit.camera(SIZE).position)
    left = [np.linalg.norm(eye - orbit.aim) for eye in eyes]
    assert np.allclose(np.diff(np.log(left)), np.log(left[1] / left[0])) and left[5] < left[0] / 2
    orbit.dolly(-5)
    assert np.allclose(orbit.camera(SIZE).position, eyes[0])
    orbit.dolly(500)
    assert 0 < orbit.distance_m < 1
    orbit.dolly(-900)
    assert orbit.distance_m < 1000


def flown(fps, seconds=1.2, **controls):
    """Where a flight ends; turns are per second here."""
    orbit = OrbitCamera()
    frames = round(seconds * fps)
    turns = {k: controls.pop(k, 0.0) / fps for k in ("turn_deg", "look_deg")}
    for _ in range(frames):
        orbit.fly(Controls(**controls, **turns), 1 / fps)
    return orbit


@pytest.mark.parametrize(
    "controls",
    [
        {"forward": 1.0},
        {"forward": -0.4, "right": 1.0, "up": 1.0, "fast": True},
        {"forward": 1.0, "turn_deg": 60.0, "look_deg": 20.0},
        {"right": 1.0, "turn_deg": -90.0, "slow": True},
    ],
)
def test_a_flight_ends_at_the_same_place_at_any_frame_rate(controls):
    places = [flown(fps, **controls).camera(SIZE) for fps in (240, 60, 15, 5)]
    for other in places[1:]:
        assert np.allclose(other.c2w[:3, 3], places[0].c2w[:3, 3], atol=0.01)
        assert np.allclose(other.c2w[:3, :3], places[0].c2w[:3, :3], atol=1e-9)
    assert np.linalg.norm(places[0].position - OrbitCamera().camera(SIZE).position) > 0.3


def test_flying_goes_along_the_camera_s_own_axes_and_up_is_up():
    start = OrbitCamera().camera(SIZE)
    for controls, axis in (
        ({"forward": 1.0}, start.forward),
        ({"right": -1.0}, -start.c2w[:3, 0]),
        ({"up": 1.0}, np.array([0.0, -1.0, 0.0])),
    ):
        moved = flown(60, **controls).camera(SIZE).position - start.position
        assert np.allclose(moved / np.linalg.norm(moved), axis)


def test_a_flight_to_a_point_takes_its_time_whoever_looks_on(orbit):
    point, ends = np.array([4.0, 1.0, -2.0]), []
    for times in ([0.2, 0.31], [0.31], np.linspace(0, 0.31, 50)):
        fresh = OrbitCamera()
        fresh.fly_to(point, 10.0)
        for at in times:
            fresh.glide(10.0 + at)
        ends.append(fresh.camera(SIZE).c2w)
    assert np.allclose(ends[0], ends[1]) and np.allclose(ends[0], ends[2])
    orbit.fly_to(point, 0.0)
    away = []
    for at in np.linspace(0, FLIGHT_S, 40):
        orbit.glide(at)
        away.append(np.linalg.norm(orbit.aim - point))
    steps = -np.diff(away)
    assert (steps >= 0).all() and steps[0] < steps[20] / 4 and steps[-1] < steps[20] / 4
    orbit.glide(99.0)
    assert np.allclose(to_px(orbit.camera(SIZE), point), [480, 300]) and orbit.distance_m <= 3


@pytest.mark.parametrize("hand", ["pan", "dolly", "fly"])
def test_hands_end_a_flight(orbit, hand):
    orbit.fly_to(np.array([50.0, 0, 0]), 0.0)
    orbit.glide(0.1)
    {
        "pan": lambda: orbit.pan(1, 1, 600),
        "dolly": lambda: orbit.dolly(1),
        "fly": lambda: orbit.fly(Controls(forward=1.0), 0.01),
    }[hand]()
    aim = orbit.aim
    orbit.glide(5.0)
    assert orbit.aim is aim


def test_no_hand_turns_it_upside_down_or_makes_it_lose_its_place():
    rng, orbit = np.random.default_rng(0), OrbitCamera()
    for step in range(400):
        match rng.integers(5):
            case 0:
                orbit.turn(*rng.normal(0, 900, 2), 600)
            case 1:
                orbit.pan(*rng.normal(0, 300, 2), 600)
            case 2:
                orbit.dolly(rng.normal(0, 20))
            case 3:
                turns = dict(zip(("turn_deg", "look_deg"), rng.normal(0, 200, 2), strict=True))
                orbit.fly(Controls(forward=1.0, right=rng.normal(), **turns), 9.0)
            case _:
                orbit.fly_to(orbit.camera(SIZE).position, step)
                orbit.glide(step + rng.uniform(0, 1))
        camera = orbit.camera(SIZE)
        assert np.isfinite(camera.c2w).all()
        assert camera.c2w[1, 1] > 0.01, "its down is the world's down"
        assert abs(camera.c2w[1, 0]) < 1e-9, "its right is level"


@pytest.mark.parametrize("yaw_deg", [0, 140])
def test_a_first_view_holds_the_walker_and_nearly_all_of_a_room(yaw_deg):
    room = Scene(950_000)
    walker = Camera(pose((0, 0, 0), yaw_deg), pinhole((160, 256), 77.0), (160, 256))
    depth = room.depth(walker).numpy()
    at = walker.position + walker.rays() * np.where(np.isinf(depth), 0, depth)[..., None]
    points = np.concatenate([at[np.isfinite(depth)][::7], [[900, 0, 900], [-900, 5, 80]]])
    orbit = OrbitCamera()
    orbit.frame(points, walker)
    camera = orbit.camera(SIZE)
    pixels = np.stack([to_px(camera, p) for p in points[:-2]])
    square = np.abs(pixels - [480, 300]).max(1) < 300
    ahead = (points[:-2] - camera.position) @ camera.forward > 0
    assert (square & ahead).mean() > 0.9
    assert np.abs(to_px(camera, walker.position) - [480, 300]).max() < 300
    assert orbit.distance_m < 30, "strays do not send it away"
    across = np.ptp(np.quantile(pixels, [0.03, 0.97], axis=0), 0).max()
    assert across > 200, "and it is not lost in the distance"


def test_with_nothing_remembered_it_looks_at_the_walker():
    orbit = OrbitCamera()
    walker = Camera(pose((3, 0, 2), 60, 90), pinhole((160, 256), 77.0), (160, 256))
    orbit.frame(np.zeros((0, 3), np.float32), walker)
    assert np.allclose(orbit.aim, [3, 0, 2]) and 1 < orbit.distance_m < 5


def test_a_turntable_goes_once_around(orbit):
    eyes = np.stack([orbit.camera(SIZE, a).position for a in range(0, 360, 10)])
    assert np.allclose(eyes.mean(0)[[0, 2]], orbit.aim[[0, 2]])
    assert np.allclose(orbit.camera(SIZE, 360).c2w, orbit.camera(SIZE).c2w)
