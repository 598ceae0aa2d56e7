"""Cells of the picture, tinted by what memory knows of them."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.render.tint import STATES, TintPass
from explorer.screen import window_camera
from tests.gl import analytic

gl = pytest.mark.gl
GRID = (10, 16)  # cells
THEN = analytic.camera(yaw_deg=20, pitch_deg=-5)


@pytest.fixture
def tinted(ctx, canvas, look):
    """The state drawn at each pixel, -1 where none is: over black, a tint keeps its hue."""

    def draw(now, states, size=None):
        target = canvas(size or now.size)
        TintPass(ctx).draw(target, now, THEN, states)
        picture = look(target).astype(float)
        hues = np.array([state.color[:3] for state in STATES])
        bright = picture / np.maximum(picture.max(-1, keepdims=True), 1)
        gaps = np.abs(bright[..., None, :] - hues / hues.max(-1, keepdims=True)).max(-1)
        assert gaps.min(-1)[picture.max(-1) > 0].max(initial=0) < 0.05, "some other colour"
        return np.where(picture.max(-1) > 0, gaps.argmin(-1), -1)

    return draw


@gl
def test_each_cell_has_its_colour_exactly_where_it_is(tinted):
    states = np.random.default_rng(0).integers(0, 3, GRID).astype(np.uint8)
    shown = tinted(THEN, states)
    expected = np.kron(states, np.ones((16, 16), int))  # a cell is 16 pixels wide in 256 x 160
    assert np.array_equal(shown, expected)


@gl
def test_in_a_window_of_another_shape_the_cells_lie_on_the_same_picture(tinted):
    states = np.random.default_rng(1).integers(0, 3, GRID).astype(np.uint8)
    window = window_camera(THEN, (300, 300))  # the sides are cut away
    shown = tinted(window, states)
    scale = 300 / 160
    rows, columns = np.mgrid[0:300, 0:300] + 0.5
    row = np.floor(rows / scale / 16).astype(int)
    column = np.floor(((columns - 150) / scale + 128) / 16).astype(int)
    assert (shown == states[row, column]).mean() > 0.995  # all but rounding at the edges of cells


@gl
def test_after_a_turn_each_cell_stays_on_its_direction(tinted):
    states = np.zeros(GRID, np.uint8)
    states[3, 11] = 2
    now = analytic.camera(x=9, yaw_deg=38, pitch_deg=7)  # a step is not made up for
    shown = tinted(now, states)
    ray = THEN.c2w[:3, :3] @ np.linalg.inv(THEN.intrinsics) @ [11.5 * 16, 3.5 * 16, 1]
    seen = now.intrinsics @ now.c2w[:3, :3].T @ ray
    rows, columns = np.nonzero(shown == 2)
    middle = np.array([columns.mean(), rows.mean()]) + 0.5
    np.testing.assert_allclose(middle, seen[:2] / seen[2], atol=0.8)
    for row, column in ((20, 30), (150, 128), (60, 250), (100, 10)):  # the view of THEN, or not
        ray = now.c2w[:3, :3] @ np.linalg.inv(now.intrinsics) @ [column + 0.5, row + 0.5, 1]
        x, y, z = THEN.intrinsics @ THEN.c2w[:3, :3].T @ ray
        inside = z > 0 and 0 <= x / z < 256 and 0 <= y / z < 160
        assert (shown[row, column] >= 0) == inside


@gl
def test_nothing_is_tinted_behind_the_back(tinted):
    shown = tinted(analytic.camera(yaw_deg=200), np.zeros(GRID, np.uint8))
    assert (shown == -1).all()


@gl
def test_cells_have_thin_borders_and_the_picture_shines_through(ctx, canvas, look):
    target = canvas(THEN.size)
    target.clear(1, 1, 1, 1)
    TintPass(ctx).draw(target, THEN, THEN, np.ones(GRID, np.uint8))
    red = look(target)[..., 0].astype(int)
    inner, edges = red[8::16, 8::16], red[8::16, 16::16]
    assert np.ptp(inner) == 0
    assert 180 < inner.min() < 250
    assert (edges < inner.min() - 10).all()
    assert np.median(red) == inner.min()
