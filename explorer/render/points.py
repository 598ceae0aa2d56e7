"""Draws the points of memory: round sprites in depth order, coloured by any of the modes.

`draw` shows a cloud from a camera, shaded at edges in depth; `draw_through` puts it flat into a
target through any matrix, for the map.
"""

from __future__ import annotations

import moderngl
import numpy as np
from numpy.typing import NDArray

from explorer.render.canvas import ACCENT
from explorer.render.cloud import LAYOUT, NAMES, PointCloud
from explorer.render.colormaps import COLORMAPS, colormap_rows
from explorer.render.look import BIRTH, COLOUR, DEPTH, FEATURES, FOOTPRINT, NEAR_M, PLAIN, Look
from explorer.render.programs import draw_screen, load_program, set_uniforms
from explorer.render.targets import Layer, fineness, resized, size_of
from mirage_engine import HIDDEN, Camera

FAR_M = 1e4
NOW = 2e9  # later than any segment, earlier than NEVER
NUMBERS = {  # that the shader knows by these names
    "COLOUR": COLOUR,
    "FEATURES": FEATURES,
    "BIRTH": BIRTH,
    "DEPTH": DEPTH,
    "FOOTPRINT": FOOTPRINT,
    "HIDDEN": HIDDEN,
}


class PointsPass:
    """Draws a cloud from a camera, or through any matrix."""

    def __init__(self, ctx: moderngl.Context) -> None:
        self.ctx = ctx
        defines = [f"{name} {number}" for name, number in NUMBERS.items()]
        self._program = load_program(ctx, "points", *defines)
        self._shade = load_program(ctx, "depth_shade")
        self._screen = draw_screen(ctx, self._shade)
        rows = colormap_rows()
        self._colormaps = ctx.texture((256, len(rows)), 3, rows.tobytes(), alignment=1)
        self._layer: Layer | None = None
        self._drawn: tuple[moderngl.Buffer, int] | None = None  # what `_vertices` reads
        self._vertices: moderngl.VertexArray | None = None
        self._index: moderngl.Buffer | None = None

    def draw(
        self,
        target: moderngl.Framebuffer,
        camera: Camera,  # its size is the target's
        cloud: PointCloud,
        walker: Camera,
        look: Look = PLAIN,
        over: bool = False,  # whether the target keeps what it holds between the points
    ) -> None:
        """Fills the target, depth included."""
        layer = self._layer = resized(self.ctx, self._layer, size_of(target))
        matrix, pixels = world_to_clip(camera), camera.intrinsics[1, 1]
        self.draw_through(layer.target, matrix, pixels, cloud, walker, look)
        target.use()
        self.ctx.enable_only(moderngl.DEPTH_TEST)
        self.ctx.depth_func = "1"
        layer.picture.use(0)
        layer.depths.use(1)
        set_uniforms(
            self._shade,
            picture=0,
            depths=1,
            top=look.background[0],
            bottom=look.background[1],
            reach_px=fineness(target),
            strength=look.depth_shade,
            over=over,
        )
        self._screen.render(moderngl.TRIANGLES, vertices=3)

    def draw_through(
        self,
        target: moderngl.Framebuffer,
        matrix: NDArray[np.floating],  # [4, 4] world to clip
        pixels_per_unit: float,
        cloud: PointCloud,
        walker: Camera,
        look: Look,
    ) -> None:
        """Clears the target to the middle of the background, and draws the cloud without shade."""
        between = _between(look)
        target.use()
        self.ctx.enable_only(moderngl.DEPTH_TEST | moderngl.PROGRAM_POINT_SIZE)
        self.ctx.depth_func = "<="
        target.clear(*between, 1.0, depth=1.0)
        self._colormaps.use(0)
        set_uniforms(
            self._program,
            world_to_clip=tuple(np.asarray(matrix, np.float64).T.ravel().tolist()),
            pixels_per_unit=float(pixels_per_unit),
            background=between,
            **_uniforms(look, walker, cloud.newest),
        )
        every = max(1, -(-len(cloud) // look.most))
        if len(cloud):
            drawn = -(-len(cloud) // every)
            self._every(cloud, every).render(moderngl.POINTS, vertices=drawn)

    def release(self) -> None:
        """Gives back what the graphics card holds."""
        parts = (self._layer, self._vertices, self._index, self._screen, self._colormaps)
        for part in (*parts, self._program, self._shade):
            if part is not None:
                part.release()

    def _every(self, cloud: PointCloud, every: int) -> moderngl.VertexArray:
        """The vertex array over every n-th point; made anew when the buffer grew."""
        if self._vertices is not None and self._drawn == (cloud.buffer, every):
            return self._vertices
        for part in (self._vertices, self._index):
            if part is not None:
                part.release()
        rows = np.arange(0, cloud.capacity, every, dtype=np.uint32)
        self._index = self.ctx.buffer(rows.tobytes()) if every > 1 else None
        content = [(cloud.buffer, LAYOUT, *NAMES)]
        self._vertices = self.ctx.vertex_array(self._program, content, index_buffer=self._index)
        self._drawn = cloud.buffer, every
        return self._vertices


def world_to_clip(camera: Camera) -> NDArray[np.float64]:  # [4, 4]
    """The matrix of every pass whose depth is compared with that of the points."""
    return camera.projection_gl(NEAR_M, FAR_M) @ camera.view_matrix_gl()


def _between(look: Look) -> tuple[float, float, float]:
    red, green, blue = np.mean(look.background, 0).tolist()
    return red, green, blue


def _uniforms(look: Look, walker: Camera, newest: int) -> dict[str, object]:
    """What a look means to the shader."""
    newest = newest if look.shown is None else look.shown
    low, high = look.range(newest)
    facts = look.facts
    return {
        "walker_world": tuple(walker.position.tolist()),
        "dome_m": look.dome_m if look.dome else 0.0,
        "cut_y": float(walker.position[1] - look.cut_above_m),
        "near_m": look.near_m,
        "shown": NOW if look.shown is None else float(look.shown),
        "newest": float(newest),
        "size": look.size,
        "size_px": look.size_px,
        "size_m": look.size_m or 0.0,
        "mode": look.mode,
        "height": look.height,
        "log_scale": facts.log,
        "value_range": _log2(low, high) if facts.log else (low, high),
        "colormaps": 0,
        "colormap": COLORMAPS.index(look.colormap or facts.colormap or COLORMAPS[0]),
        "age_fade": look.age_fade,
        "hidden": look.hidden,
        "accent": (*ACCENT[:3], float(look.highlight)),
    }


def _log2(*values: float) -> tuple[float, ...]:
    return tuple(np.log2(np.maximum(values, 1e-9)).tolist())
