"""The border of all conventions: axes, pixel centres, OpenGL."""

import numpy as np
import pytest

from mirage_engine.camera import Camera, interpolate, pinhole, pose, pose_distance


@pytest.fixture
def camera():
    intrinsics = pinhole((160, 256), 77.0)
    intrinsics[0, 2] += 3.0
    return Camera(pose((1.0, -0.5, 2.0), 30.0, -10.0), intrinsics, (160, 256))


def test_resizing_there_and_back_changes_nothing(camera):
    back = camera.resized((40, 64)).resized((160, 256))
    assert np.allclose(back.intrinsics, camera.intrinsics)
    assert back.size == camera.size


def test_the_same_ray_passes_through_the_same_relative_place_after_resizing(camera):
    fine = camera.rays()
    coarse = camera.resized((40, 64)).rays()
    assert np.allclose(fine.reshape(40, 4, 64, 4, 3).mean((1, 3)), coarse)


def test_w2c_undoes_c2w(camera):
    assert np.allclose(camera.w2c @ camera.c2w, np.eye(4))


def test_opengl_sees_what_is_ahead_at_negative_z_and_down_at_negative_y(camera):
    ahead = np.append(camera.position + 2 * camera.forward, 1.0)
    assert np.allclose((camera.view_matrix_gl() @ ahead)[:3], [0, 0, -2])
    below = np.append(camera.position + camera.c2w[:3, 1], 1.0)
    assert np.allclose((camera.view_matrix_gl() @ below)[:3], [0, -1, 0])


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 255), (159, 0), (80, 100)])
def test_opengl_draws_a_pixel_where_the_picture_has_it(camera, row, column):
    point = np.append(camera.position + 3.0 * camera.rays()[row, column], 1.0)
    clip = camera.projection_gl() @ camera.view_matrix_gl() @ point
    x, y = clip[:2] / clip[3]
    assert np.isclose((x + 1) / 2 * 256, column + 0.5)
    assert np.isclose((1 - y) / 2 * 160, row + 0.5)


def test_positive_yaw_turns_right_and_positive_pitch_looks_up():
    assert np.allclose(pose((0, 0, 0), yaw_deg=90)[:3, 2], [1, 0, 0])
    assert np.allclose(pose((0, 0, 0), pitch_deg=90)[:3, 2], [0, -1, 0])


def test_the_horizontal_field_of_view_is_what_was_asked_for():
    rays = Camera(np.eye(4), pinhole((160, 256), 77.0), (160, 256)).rays()
    half_pixel = 1 / pinhole((160, 256), 77.0)[0, 0] / 2
    assert np.isclose(rays[0, -1, 0] + half_pixel, np.tan(np.radians(77 / 2)))


@pytest.mark.parametrize("turn", [0.0, 40.0, 179.0])
def test_interpolation_meets_both_ends_and_halves_the_turn(turn):
    a, b = pose((0, 0, 0)), pose((1, 0, 2), turn, 0)
    assert np.allclose(interpolate(a, b, 0.0), a)
    assert np.allclose(interpolate(a, b, 1.0), b)
    metres, degrees = pose_distance(a, interpolate(a, b, 0.5))
    assert np.isclose(metres, np.sqrt(5) / 2)
    assert np.isclose(degrees, turn / 2, atol=1e-4)


@pytest.mark.parametrize(
    "c2w",
    [
        np.eye(3),
        np.diag([1.0, 1.0, -1.0, 1.0]),
        np.diag([2.0, 1.0, 1.0, 1.0]),
        np.full((4, 4), np.nan),
    ],
)
def test_what_is_no_pose_is_refused(c2w):
    with pytest.raises(ValueError, match="c2w"):
        Camera(c2w, pinhole((160, 256), 77.0), (160, 256))
