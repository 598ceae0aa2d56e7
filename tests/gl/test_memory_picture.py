"""The picture of memory from outside."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.render.memory_picture import render_memory_picture
from tests.gl import analytic


def test_memory_from_outside_fills_the_picture_and_shows_the_path():
    shots = [analytic.shoot(analytic.camera(z=z, yaw_deg=a)) for z, a in ((0, 0), (0.8, 30))]
    points, colors = [], []
    for shot in shots:
        at = (
            shot.camera.position
            + shot.camera.rays() * np.where(np.isfinite(shot.depth_m), shot.depth_m, 1e9)[..., None]
        )
        w = np.isfinite(shot.depth_m)[..., None]
        points.append(np.concatenate([at, w], -1)[::4, ::4].reshape(-1, 4))
        colors.append(shot.frame[::4, ::4].reshape(-1, 3))
    cameras = [shot.camera for shot in shots]
    cloud = np.concatenate(points).astype(np.float32)
    picture = render_memory_picture(cloud, np.concatenate(colors), cameras, (150, 240))
    assert picture.shape == (150, 240, 3)
    paper = np.abs(picture.astype(int) - picture[0, 0]).max(-1) < 25
    rows, columns = np.nonzero(~paper)
    assert max(np.ptp(rows) / 150, np.ptp(columns) / 240) > 0.75
    orange = (picture[..., 0] > 180) & (picture[..., 1] < 150) & (picture[..., 2] < 110)
    assert orange.any()


@pytest.mark.parametrize("count", [0, 1, 5])
def test_memory_from_outside_can_be_nearly_empty(count):
    points = np.tile(np.float32([0, 1, 3, 1]), (count, 1))
    colors = np.full((count, 3), 200, np.uint8)
    picture = render_memory_picture(points, colors, [analytic.camera()], (60, 90))
    assert picture.shape == (60, 90, 3)
