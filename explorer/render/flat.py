"""Flat things over a picture: lines, filled shapes, and pictures in rounded rectangles.

All coordinates are pixels of the target from its upper left corner.
"""

from __future__ import annotations

import moderngl
import numpy as np
from numpy.typing import NDArray

from explorer.render.programs import blend_over, load_program, set_uniforms
from explorer.render.targets import size_of
from mirage_engine import Camera

Rect = tuple[float, float, float, float]  # x, y, width, height
Color = tuple[float, float, float, float]

NEAR_M = 0.02


class FlatPass:
    """Draws over whatever the target holds."""

    def __init__(self, ctx: moderngl.Context) -> None:
        self.ctx = ctx
        self._lines = load_program(ctx, "lines")
        self._buffer = ctx.buffer(reserve=1 << 14)
        self._strip = ctx.vertex_array(self._lines, [(self._buffer, "3f", "in_vertex")])
        self._picture = load_program(ctx, "picture")
        self._corners = ctx.vertex_array(self._picture, [])

    def line(
        self,
        target: moderngl.Framebuffer,
        points_px: NDArray[np.floating],  # [N, 2]; rows with NaN break the line
        color: Color,
        width_px: float = 2.0,
    ) -> None:
        ends = np.stack([points_px[:-1], points_px[1:]], 1)
        self.segments(target, ends, color, width_px)

    def segments(
        self,
        target: moderngl.Framebuffer,
        ends_px: NDArray[np.floating],  # [N, 2, 2]
        color: Color,
        width_px: float = 2.0,
    ) -> None:
        """Separate straight pieces; those with NaN are left out."""
        ends = np.asarray(ends_px, np.float32)
        ends = ends[np.isfinite(ends).all((1, 2))]
        along = ends[:, 1] - ends[:, 0]
        length = np.linalg.norm(along, axis=1, keepdims=True)
        along = along / np.maximum(length, 1e-6)
        reach = width_px / 2 + 1
        aside = np.stack([-along[:, 1], along[:, 0]], 1) * reach
        start, stop = ends[:, 0] - along * width_px / 2, ends[:, 1] + along * width_px / 2
        corners = np.stack([start - aside, start + aside, stop - aside, stop + aside], 1)
        sides = np.broadcast_to(np.array([-reach, reach, -reach, reach]), corners.shape[:2])
        vertices = np.concatenate([corners, sides[..., None]], -1)[:, [0, 1, 2, 2, 1, 3]]
        self._triangles(target, vertices.reshape(-1, 3), color, width_px / 2)

    def rect(
        self, target: moderngl.Framebuffer, rect_px: Rect, color: Color, width_px: float = 2.0
    ) -> None:
        """An outline."""
        x, y, width, height = rect_px
        corners = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
        self.line(target, corners[[0, 1, 2, 3, 0]], color, width_px)

    def circle(
        self,
        target: moderngl.Framebuffer,
        centre_px: tuple[float, float],
        radius_px: float,
        color: Color,
        width_px: float = 2.0,
    ) -> None:
        """An outline."""
        turn = np.linspace(0, 2 * np.pi, max(12, int(radius_px)) + 1)
        rim = np.stack([np.cos(turn), np.sin(turn)], 1) * radius_px
        self.line(target, rim + centre_px, color, width_px)

    def fill(
        self,
        target: moderngl.Framebuffer,
        corners_px: NDArray[np.floating],  # [..., N, 2] of convex shapes
        color: Color,
    ) -> None:
        corners = np.asarray(corners_px)
        first = np.broadcast_to(corners[..., :1, :], corners[..., 1:-1, :].shape)
        fan = np.stack([first, corners[..., 1:-1, :], corners[..., 2:, :]], -2).reshape(-1, 2)
        flat = np.concatenate([fan, np.zeros((len(fan), 1))], 1)
        self._triangles(target, flat, color, 1.0)

    def picture(
        self,
        target: moderngl.Framebuffer,
        texture: moderngl.Texture,
        rect_px: Rect,
        radius_px: float = 10.0,
        rim: Color = (1.0, 1.0, 1.0, 0.18),
    ) -> None:
        self._begin(target)
        texture.use(0)
        set_uniforms(
            self._picture,
            target_px=size_of(target),
            rect_px=rect_px,
            radius_px=min(radius_px, rect_px[2] / 2, rect_px[3] / 2),
            opacity=1.0,
            rim=rim,
        )
        self._corners.render(moderngl.TRIANGLE_STRIP, vertices=4)

    def _triangles(
        self, target: moderngl.Framebuffer, vertices: NDArray, color: Color, half_width_px: float
    ) -> None:
        if len(vertices) == 0:
            return
        data = np.ascontiguousarray(vertices, np.float32).tobytes()
        if len(data) > self._buffer.size:
            self._strip.release()
            self._buffer.release()
            self._buffer = self.ctx.buffer(reserve=2 * len(data))
            self._strip = self.ctx.vertex_array(self._lines, [(self._buffer, "3f", "in_vertex")])
        self._buffer.orphan()
        self._buffer.write(data)
        self._begin(target)
        set_uniforms(
            self._lines,
            target_px=size_of(target),
            color=color,
            half_width_px=half_width_px,
        )
        self._strip.render(moderngl.TRIANGLES, vertices=len(vertices))

    def _begin(self, target: moderngl.Framebuffer) -> None:
        target.use()
        blend_over(self.ctx)


def segments_px(
    camera: Camera,
    ends_world: NDArray[np.floating],  # [N, 2, 3]
) -> NDArray[np.float64]:  # [N, 2, 2] pixels, NaN where behind the camera
    """Straight pieces in space as the camera sees them, cut at its near plane."""
    rotation, shift = camera.w2c[:3, :3], camera.w2c[:3, 3]
    ends = np.asarray(ends_world, np.float64) @ rotation.T + shift
    near = ends[..., 2] < NEAR_M
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (NEAR_M - ends[:, 0, 2]) / (ends[:, 1, 2] - ends[:, 0, 2])
        cut = ends[:, 0] + share[:, None] * (ends[:, 1] - ends[:, 0])
        ends = np.where(near[..., None], cut[:, None], ends)
        ends[near.all(1)] = np.nan
        pixels = ends @ camera.intrinsics.T
        return pixels[..., :2] / pixels[..., 2:]


def frustum_world(camera: Camera, depth_m: float = 0.5) -> NDArray[np.float64]:
    """[8, 2, 3] the edges of a small pyramid that shows where a camera looks."""
    height, width = camera.size
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1.0]])
    rays = corners @ np.linalg.inv(camera.intrinsics).T @ camera.c2w[:3, :3].T
    ends = camera.position + rays * depth_m
    eye = np.broadcast_to(camera.position, ends.shape)
    return np.concatenate([np.stack([eye, ends], 1), np.stack([ends, np.roll(ends, -1, 0)], 1)])
