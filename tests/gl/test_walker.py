"""Cameras with their pictures, standing among the points."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.render.flat import FlatPass
from explorer.render.look import Look
from explorer.render.points import PointsPass
from explorer.render.targets import Layer
from explorer.render.walker import PICTURE_M, WALKER_M, WalkerPass
from tests.gl import analytic
from tests.gl.tables import RED, cloud_of

gl = pytest.mark.gl
WALKER = analytic.camera(z=1.0, yaw_deg=15)
OUTSIDE = analytic.camera(x=0.4, y=-0.2, z=-0.8, yaw_deg=-3, pitch_deg=-4, size=(320, 512))
QUARTERS = np.kron(np.array([[40, 90], [140, 200]]), np.ones((80, 128), int)).astype(np.uint8)
PICTURE = np.stack([np.zeros_like(QUARTERS), QUARTERS, QUARTERS], -1)  # upper row first


@pytest.fixture
def draw(ctx, look):
    def picture(points=(), live=None, pictures=()):
        target = Layer(ctx, (512, 320)).target
        cloud = cloud_of(ctx, *points, footprint=0.2)
        PointsPass(ctx).draw(target, OUTSIDE, cloud, WALKER, Look(depth_shade=0, size_px=(1, 99)))
        shots = [(camera, _texture(ctx, shot)) for camera, shot in pictures]
        own = None if live is None else _texture(ctx, live[::-1])
        WalkerPass(ctx, FlatPass(ctx)).draw(target, OUTSIDE, WALKER, own, pictures=shots)
        return look(target).astype(int)

    return picture


def _texture(ctx, picture):
    return ctx.texture((256, 160), 3, np.ascontiguousarray(picture), alignment=1)


def place(u: float, v: float, depth_m: float, camera=WALKER) -> tuple[int, int]:
    """(row, column) on the screen of a place on a camera's picture, 0..1 from its upper left."""
    pixel = np.array([u * camera.size[1], v * camera.size[0], 1])
    there = camera.c2w @ [*(np.linalg.inv(camera.intrinsics) @ pixel * depth_m), 1]
    x, y, z = OUTSIDE.intrinsics @ (OUTSIDE.w2c @ there)[:3]
    return int(y / z), int(x / z)


@gl
def test_the_live_picture_stands_upright_on_the_far_side_of_the_frustum(draw):
    picture = draw(live=PICTURE)
    for u, v, green in ((0.3, 0.2, 40), (0.7, 0.2, 90), (0.3, 0.8, 140), (0.7, 0.8, 200)):
        assert abs(picture[place(u, v, WALKER_M)][1] - green) <= 1
    for u, v in ((-0.06, 0.5), (1.06, 0.5), (0.5, -0.08), (0.5, 1.08)):
        assert picture[place(u, v, WALKER_M)].max() < 40
    for corner in ((0, 0), (1, 0), (0, 1), (1, 1)):
        row, column = place(*corner, WALKER_M)
        assert picture[row - 2 : row + 3, column - 2 : column + 3, 0].max() > 200  # an edge


@gl
def test_nearer_points_hide_the_picture_and_farther_ones_do_not(draw):
    to_middle = WALKER.position + WALKER.forward * WALKER_M - OUTSIDE.position
    near, far = (OUTSIDE.position + to_middle * reach for reach in (0.8, 1.3))
    row, column = place(0.5, 0.5, WALKER_M)
    assert draw([([*near, 1], RED)], PICTURE)[row + 3, column + 3].tolist() == [255, 0, 0]
    assert draw([([*far, 1], RED)], PICTURE)[row + 3, column + 3, 0] == 0
    assert draw([([*far, 1], RED)])[row + 3, column + 3].tolist() == [255, 0, 0]


@gl
def test_pictures_of_keyframes_are_smaller_and_dimmer_and_the_nearer_one_is_in_front(draw):
    behind, before = analytic.camera(x=-1.2, z=2), analytic.camera(x=-1.0, z=1.3)
    white = np.full_like(PICTURE, 255)
    green = white * np.uint8([0, 1, 0])
    for order in ((behind, white), (before, green)), ((before, green), (behind, white)):
        picture = draw(pictures=order)
        seen = picture[place(0.6, 0.6, PICTURE_M, before)]
        assert 100 < seen[1] < 255
        assert seen[1] > seen[0]
        alone = picture[place(0.93, 0.4, PICTURE_M, behind)]
        assert 100 < alone.min() <= alone.max() < 200
