"""The room that a picture without depth is taken to be."""

from __future__ import annotations

import numpy as np
import pytest

from mirage_engine.camera import Camera, pinhole
from mirage_engine.depth.prior import BACK_M, CEILING_M, FLOOR_M, SIDE_M, room_prior
from mirage_engine.rooms import Scene

SIZE = (40, 64)


def camera(hfov_deg: float) -> Camera:
    return Camera(np.eye(4), pinhole(SIZE, hfov_deg), SIZE)


@pytest.mark.parametrize("hfov_deg", [20.0, 55.0, 90.0, 130.0])
def test_the_room_is_the_same_box_through_every_lens(hfov_deg):
    view = camera(hfov_deg)
    points = view.rays() * room_prior(view).numpy()[..., None]
    x, y, z = (points[..., i] for i in range(3))
    inside = (abs(x) < SIDE_M + 1e-4) & (y > -CEILING_M - 1e-4) & (y < FLOOR_M + 1e-4)
    walls = [abs(x) - SIDE_M, y - FLOOR_M, y + CEILING_M, z - BACK_M]
    assert inside.all() and (np.abs(walls).min(0) < 1e-4).all()


@pytest.mark.parametrize("hfov_deg", [55.0, 77.0])
def test_the_room_is_of_the_size_of_rooms_that_nobody_fitted(hfov_deg):
    view, errors, guess = camera(hfov_deg), [], room_prior(camera(hfov_deg)).numpy()
    for seed in range(950_300, 950_312):
        truth = Scene(seed).render([view]).depth_m[0].numpy()
        wall = np.isfinite(truth)
        errors.append(np.abs(guess / truth - 1)[wall].mean())
    assert np.median(errors) < 0.3
