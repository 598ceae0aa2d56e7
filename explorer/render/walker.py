"""Cameras drawn in space: little pyramids with their pictures, the walker's and those of keyframes.

The pictures stand among the points and are hidden by nearer ones; the edges are drawn over all.
"""

from __future__ import annotations

from collections.abc import Sequence

import moderngl
import numpy as np

from explorer.render.canvas import ACCENT, TEXT
from explorer.render.flat import Color, FlatPass, frustum_world, segments_px
from explorer.render.look import INK, NIGHT, PAPER, Background
from explorer.render.points import world_to_clip
from explorer.render.programs import blend_over, load_program, set_uniforms
from explorer.render.targets import fineness
from mirage_engine import Camera

WALKER_M, PICTURE_M = 0.6, 0.35  # from the eye to the picture
DIM = 0.55  # opacity of pictures that are not the walker's
EDGES: dict[Background, tuple[Color, Color]] = {  # of the walker, of the others
    NIGHT: ((*ACCENT[:3], 0.95), (*TEXT[:3], 0.45)),
    PAPER: ((*INK, 0.95), (0.20, 0.21, 0.23, 0.55)),
}
WIDTHS_PX = 1.6, 1.0


class WalkerPass:
    """Draws over a target that holds points and their depth."""

    def __init__(self, ctx: moderngl.Context, flat: FlatPass) -> None:
        self.ctx = ctx
        self.flat = flat
        self._program = load_program(ctx, "placed")
        self._corners = ctx.vertex_array(self._program, [])

    def draw(
        self,
        target: moderngl.Framebuffer,
        camera: Camera,  # that the points were drawn from
        walker: Camera,  # as wide as its picture
        texture: moderngl.Texture | None,  # what the walker sees, as drawn: lower row first
        depth_m: float = WALKER_M,
        pictures: Sequence[tuple[Camera, moderngl.Texture]] = (),  # upper row first
        background: Background = NIGHT,  # that of the points
    ) -> None:
        """The walker, and the cameras of `pictures` smaller and dimmer."""
        far_first = sorted(pictures, key=lambda shot: -_away_m(camera, shot[0]))
        for shot, picture in far_first:
            self._place(target, camera, shot, picture, PICTURE_M, False)
        if texture is not None:
            self._place(target, camera, walker, texture, depth_m, True)
        own, others = EDGES[background]
        for shot, _ in far_first:
            self._edges(target, camera, shot, PICTURE_M, others, WIDTHS_PX[1])
        self._edges(target, camera, walker, depth_m, own, WIDTHS_PX[0])

    def _place(
        self,
        target: moderngl.Framebuffer,
        camera: Camera,
        shot: Camera,
        picture: moderngl.Texture,
        depth_m: float,
        live: bool,
    ) -> None:
        target.use()
        blend_over(self.ctx)
        self.ctx.enable(moderngl.DEPTH_TEST)
        self.ctx.depth_func = "<="
        picture.use(0)
        corners = frustum_world(shot, depth_m)[[0, 1, 3, 2], 1]
        set_uniforms(
            self._program,
            world_to_clip=tuple(world_to_clip(camera).T.ravel().tolist()),
            corners_world=[tuple(corner) for corner in corners.tolist()],
            picture=0,
            lower_row_first=live,
            opacity=1.0 if live else DIM,
        )
        self._corners.render(moderngl.TRIANGLE_STRIP, vertices=4)

    def _edges(
        self,
        target: moderngl.Framebuffer,
        camera: Camera,
        shot: Camera,
        depth_m: float,
        color: Color,
        width_px: float,
    ) -> None:
        ends = segments_px(camera, frustum_world(shot, depth_m))
        self.flat.segments(target, ends, color, width_px * fineness(target))


def _away_m(camera: Camera, shot: Camera) -> float:
    return float(np.linalg.norm(shot.position + shot.forward * PICTURE_M - camera.position))
