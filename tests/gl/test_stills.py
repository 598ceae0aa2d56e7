"""Clouds drawn to arrays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explorer.render.flat import FlatPass
from explorer.render.look import PAPER, Look
from explorer.render.points import PointsPass
from explorer.render.stills import render_cloud, render_clouds
from explorer.render.targets import Layer
from tests.gl import analytic
from tests.gl.tables import RED, cloud_of

pytestmark = pytest.mark.gl

SIZE = (120, 192)
CAMERA = analytic.camera(size=SIZE)


@pytest.fixture
def cloud(ctx):
    rng = np.random.default_rng(0)
    points = rng.uniform([-2, -1, 2, 1], [2, 1, 5, 1], (300, 4))
    return cloud_of(ctx, (points, rng.integers(0, 256, (300, 3))), footprint=0.1)


def test_a_still_is_the_picture_of_the_window_with_smooth_edges(ctx, cloud, look):
    style = Look(size_px=(3, 8))
    still = render_cloud(ctx, cloud, CAMERA, CAMERA, style, SIZE)
    target = Layer(ctx, (SIZE[1], SIZE[0])).target
    PointsPass(ctx).draw(target, CAMERA, cloud, CAMERA, style)
    window = look(target)
    assert still.shape == window.shape
    away = np.abs(still.astype(int) - window).max(-1)
    assert np.median(away) == 0
    assert (away > 60).mean() < 0.1  # only at the rims of sprites
    colors = {len(np.unique(picture.reshape(-1, 3), axis=0)) for picture in (window, still)}
    assert max(colors) > 2 * min(colors), "edges are mixed"


def test_a_larger_still_shows_the_same(ctx, cloud):
    style = Look(size_px=(3, 8), depth_shade=0)
    small = render_cloud(ctx, cloud, CAMERA, CAMERA, style, SIZE)
    double = replace(style, size_px=(6, 16))
    large = render_cloud(ctx, cloud, CAMERA, CAMERA, double, (2 * SIZE[0], 2 * SIZE[1]))
    shrunk = large.reshape(SIZE[0], 2, SIZE[1], 2, 3).mean((1, 3))
    assert np.abs(shrunk - small).mean() < 2


def test_figures_stand_on_paper(ctx, cloud):
    style = Look(background=PAPER, size_px=(3, 8))
    still = render_cloud(ctx, cloud, CAMERA, CAMERA, style, SIZE)
    corners = still[[0, 0, -1, -1], [0, -1, 0, -1]] / 255
    expected = np.array(PAPER)[[0, 0, 1, 1]]
    assert np.abs(corners - expected).max() < 0.02


def test_a_turntable_is_one_picture_from_each_camera_with_what_is_drawn_over_it(ctx, cloud):
    flat, cameras = FlatPass(ctx), [analytic.camera(yaw_deg=a, size=SIZE) for a in (0, 20, 0)]

    def corner(target, camera):
        assert (camera.size[1], camera.size[0]) == target.size
        flat.fill(target, np.array([[0, 0], [20, 0], [20, 20], [0, 20]]), (1, 0, 0, 1))

    style = Look(size_px=(3, 8))
    pictures = list(render_clouds(ctx, cloud, cameras, CAMERA, style, SIZE, corner))
    assert len(pictures) == 3
    assert all((picture[:10, :10] == RED).all() for picture in pictures)
    assert np.array_equal(pictures[0], pictures[2])
    plain = render_cloud(ctx, cloud, cameras[1], CAMERA, style, SIZE)
    assert np.array_equal(pictures[1][12:], plain[12:])
    assert not np.array_equal(pictures[1], pictures[0])
