"""Camera: where a picture is taken from. The one home of axes, units and pixel centres.

Camera axes are OpenCV's (x right, y down, z forward); `c2w` maps camera to world, in metres; the
centre of pixel (column j, row i) is (j + 0.5, i + 0.5). Knows numpy only, so that the explorer can
use it too. Knows nothing of pictures, memory or devices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# OpenGL looks down -z with y up; this matrix is the only place that says so.
OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera.

    Attributes:
        c2w: [4, 4] float64, camera to world, rotation orthonormal, translation in metres.
        intrinsics: [3, 3] float64 pinhole matrix in pixels of `size`, centres at +0.5.
        size: (height, width) of the picture in pixels.

    Raises:
        ValueError: a matrix has the wrong shape, is not finite, or `c2w` is not a rigid pose.
    """

    c2w: Array
    intrinsics: Array
    size: tuple[int, int]

    def __post_init__(self) -> None:
        c2w = np.asarray(self.c2w, np.float64)
        intrinsics = np.asarray(self.intrinsics, np.float64)
        if c2w.shape != (4, 4) or not np.isfinite(c2w).all():
            raise ValueError(f"c2w must be a finite 4x4 matrix, got shape {c2w.shape}")
        if intrinsics.shape != (3, 3) or not np.isfinite(intrinsics).all():
            raise ValueError(f"intrinsics must be finite 3x3, got shape {intrinsics.shape}")
        if intrinsics[0, 0] <= 0 or intrinsics[1, 1] <= 0:
            raise ValueError("intrinsics need positive focal lengths")
        rotation = c2w[:3, :3]
        if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3) or (
            np.linalg.det(rotation) < 0
        ):
            raise ValueError("c2w must have an orthonormal, right-handed rotation")
        object.__setattr__(self, "c2w", c2w)
        object.__setattr__(self, "intrinsics", intrinsics)
        object.__setattr__(self, "size", (int(self.size[0]), int(self.size[1])))

    @property
    def position(self) -> Array:
        """[3] metres in the world."""
        return self.c2w[:3, 3]

    @property
    def forward(self) -> Array:
        """[3] unit vector in the world: where the camera looks."""
        return self.c2w[:3, 2]

    @property
    def w2c(self) -> Array:
        """[4, 4] world to camera."""
        rotation = self.c2w[:3, :3].T
        inverse = np.eye(4)
        inverse[:3, :3] = rotation
        inverse[:3, 3] = -rotation @ self.c2w[:3, 3]
        return inverse

    def moved(self, c2w: Array) -> Camera:
        """The same lens at another pose."""
        return replace(self, c2w=c2w)

    def resized(self, size: tuple[int, int]) -> Camera:
        """The same view on another pixel grid: K_l = diag(w/W, h/H, 1) K (paper eq. 7)."""
        scale = np.diag([size[1] / self.size[1], size[0] / self.size[0], 1.0])
        return replace(self, intrinsics=scale @ self.intrinsics, size=size)

    def rays(self) -> Array:
        """[H, W, 3] world directions through the pixel centres, with unit z-depth in the camera."""
        height, width = self.size
        x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        pixels = np.stack([x, y, np.ones_like(x)], -1)
        return pixels @ np.linalg.inv(self.intrinsics).T @ self.c2w[:3, :3].T

    def view_matrix_gl(self) -> Array:
        """[4, 4] world to OpenGL eye space."""
        return OPENGL_FROM_OPENCV @ self.w2c

    def projection_gl(self, near_m: float = 0.05, far_m: float = 200.0) -> Array:
        """[4, 4] OpenGL eye to clip space; the top row of the picture is at y = +1."""
        (height, width), k = self.size, self.intrinsics
        span = far_m - near_m
        return np.array(
            [
                [2 * k[0, 0] / width, 0, 1 - 2 * k[0, 2] / width, 0],
                [0, 2 * k[1, 1] / height, 2 * k[1, 2] / height - 1, 0],
                [0, 0, -(far_m + near_m) / span, -2 * far_m * near_m / span],
                [0, 0, -1, 0],
            ]
        )


def pinhole(size: tuple[int, int], hfov_deg: float) -> Array:
    """[3, 3] intrinsics with square pixels and a centred principal point."""
    height, width = size
    focal = width / 2 / np.tan(np.radians(hfov_deg) / 2)
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])


def pose(
    position: Sequence[float] | Array,  # [3] metres, world
    yaw_deg: float = 0.0,  # positive turns right, about world down (+y)
    pitch_deg: float = 0.0,  # positive looks up
) -> Array:  # [4, 4] c2w
    """A level pose in a world whose up is -y; yaw 0 looks along +z."""
    yaw, pitch = np.radians(yaw_deg), np.radians(pitch_deg)
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    tilt = np.array(
        [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    )
    c2w = np.eye(4)
    c2w[:3, :3] = turn @ tilt
    c2w[:3, 3] = position
    return c2w


def pose_distance(a: Array, b: Array) -> tuple[float, float]:
    """(metres, degrees) between two c2w poses."""
    cosine = (np.trace(a[:3, :3].T @ b[:3, :3]) - 1) / 2
    angle = float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
    return float(np.linalg.norm(a[:3, 3] - b[:3, 3])), angle


def interpolate(a: Array, b: Array, fraction: float) -> Array:
    """[4, 4] pose between `a` (0) and `b` (1): straight line, shortest rotation."""
    relative = a[:3, :3].T @ b[:3, :3]
    cosine = np.clip((np.trace(relative) - 1) / 2, -1.0, 1.0)
    angle = np.arccos(cosine)
    axis = np.array(
        [
            relative[2, 1] - relative[1, 2],
            relative[0, 2] - relative[2, 0],
            relative[1, 0] - relative[0, 1],
        ]
    )
    norm = np.linalg.norm(axis)
    if norm < 1e-9:  # no turn, or exactly half a turn, whose axis the difference cannot show
        axis = np.array([0.0, 1.0, 0.0])
        angle = 0.0 if cosine > 0 else np.pi
    else:
        axis = axis / norm
    theta = angle * fraction
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    rotation = np.eye(3) + np.sin(theta) * cross + (1 - np.cos(theta)) * cross @ cross
    c2w = np.eye(4)
    c2w[:3, :3] = a[:3, :3] @ rotation
    c2w[:3, 3] = (1 - fraction) * a[:3, 3] + fraction * b[:3, 3]
    return c2w
