"""Depth maps as torn, thinned meshes."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.render.depth_mesh import depth_mesh
from tests.gl import analytic

H, W = 32, 48


def area(vertices: np.ndarray, triangles: np.ndarray) -> float:
    a, b, c = (vertices[triangles[:, k], :2].astype(np.float64) for k in range(3))
    ab, ac = b - a, c - a
    return float(np.abs(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]).sum() / 2)


def plane(slope_x: float = 0.0, slope_y: float = 0.0) -> np.ndarray:
    y, x = np.mgrid[0:H, 0:W] + 0.5
    return (1 / (0.5 + slope_x * x + slope_y * y)).astype(np.float32)


@pytest.mark.parametrize("slopes", [(0, 0), (0.004, 0), (0.002, 0.01)])
def test_a_plane_becomes_a_few_large_triangles_on_that_plane(slopes):
    vertices, triangles = depth_mesh(plane(*slopes))
    assert len(triangles) < H * W / 4
    assert area(vertices, triangles) == pytest.approx(H * W)
    inner = vertices[(vertices[:, 0] % W > 0) & (vertices[:, 1] % H > 0)]
    expected = 0.5 + slopes[0] * inner[:, 0] + slopes[1] * inner[:, 1]
    np.testing.assert_allclose(inner[:, 2], expected, rtol=1e-5)


def test_every_known_pixel_is_covered_once_and_unknown_ones_not_at_all():
    shot = analytic.shoot(analytic.camera(x=0.3, yaw_deg=20))
    depth = shot.depth_m.copy()
    depth[20:30, 40:70] = 0
    vertices, triangles = depth_mesh(depth)
    assert area(vertices, triangles) == pytest.approx((depth > 0).sum(), rel=2e-3)
    middles = vertices[triangles].mean(1)[:, :2]
    unknown = (np.abs(middles - [55, 25]) < [15, 5]).all(1)
    assert not unknown.any()


def test_no_triangle_spans_a_depth_edge():
    depth = plane()
    depth[:, 20:] = 5.0
    vertices, triangles = depth_mesh(depth)
    spread = np.ptp(vertices[triangles][..., 2], axis=1)
    assert spread.max() < 1e-6


def test_a_floor_that_runs_to_the_horizon_stays_whole():
    y = np.arange(H) + 0.5
    floor = np.broadcast_to((1.5 * 30 / y)[:, None], (H, W)).astype(np.float32)
    vertices, triangles = depth_mesh(floor)
    below = vertices[triangles[vertices[triangles][..., 1].min(1) > 2]]
    assert len(below) and below[..., 3].all()


def test_vertices_are_shared_between_triangles():
    vertices, _ = depth_mesh(analytic.shoot(analytic.camera(x=0.3, yaw_deg=20)).depth_m)
    assert len(np.unique(vertices, axis=0)) == len(vertices)


def test_a_pixel_floating_between_two_surfaces_joins_one_of_them():
    depth = np.full((H, W), 2.0, np.float32)
    depth[:, 20:] = 6.0
    depth[:, 19] = 3.2
    vertices, _ = depth_mesh(depth)
    assert {round(float(v), 4) for v in vertices[:, 2]} == {0.5, round(1 / 6, 4)}


def test_sky_has_inverse_depth_zero_and_is_torn_from_everything():
    depth = np.full((H, W), 3.0, np.float32)
    depth[:10] = np.inf
    vertices, triangles = depth_mesh(depth)
    assert (vertices[vertices[:, 1] < 10][:, 2] == 0).all()
    assert np.ptp(vertices[triangles][..., 2], axis=1).max() == 0


def test_nothing_known_gives_an_empty_mesh():
    vertices, triangles = depth_mesh(np.zeros((H, W), np.float32))
    assert len(vertices) == len(triangles) == 0
