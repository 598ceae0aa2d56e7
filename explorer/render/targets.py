"""Pictures to draw into, and small ones that are only redrawn when something changed."""

from __future__ import annotations

from collections.abc import Callable

import moderngl
import numpy as np

FINE_ROWS = 600  # a picture so high has lines of one pixel

Size = tuple[int, int]  # (width, height) px


def size_of(target: moderngl.Framebuffer) -> Size:
    """What is drawn into; a window's own framebuffer reports its first size for ever."""
    _, _, width, height = target.viewport
    return width, height


def fineness(target: moderngl.Framebuffer) -> int:
    """Pixels in which the thinnest lines are drawn, so that large pictures look as small ones."""
    return max(1, round(size_of(target)[1] / FINE_ROWS))


class Layer:
    """A target whose picture and depth can be read by a later pass."""

    def __init__(self, ctx: moderngl.Context, size: Size) -> None:
        self.ctx = ctx
        self.size = size
        self.picture = ctx.texture(size, 4)
        self.picture.repeat_x = self.picture.repeat_y = False
        self.depths = ctx.depth_texture(size)
        self.depths.compare_func = ""  # read as numbers
        self.depths.filter = moderngl.NEAREST, moderngl.NEAREST
        self.target = ctx.framebuffer([self.picture], self.depths)

    def release(self) -> None:
        self.ctx.detect_framebuffer(0).use()  # a target in use would be missed when it is gone
        for part in (self.target, self.picture, self.depths):
            part.release()


class SmallPicture:
    """A picture that is redrawn when something changed, but not at the display's pace."""

    def __init__(self, ctx: moderngl.Context, hz: float) -> None:
        self.ctx = ctx
        self._period_s = 1 / hz
        self._layer: Layer | None = None
        self._drawn: tuple = ()
        self._drawn_s = -np.inf

    @property
    def picture(self) -> moderngl.Texture | None:
        """None before the first time."""
        return self._layer.picture if self._layer is not None else None

    def refresh(
        self,
        size: Size,
        state: tuple,  # everything that the picture shows
        now_s: float,
        redraw: Callable[[moderngl.Framebuffer], None],
    ) -> None:
        """Calls `redraw` if the state is another one and it is due.

        Before anything is drawn to the screen: to leave a target half drawn and come back to it is
        slow where the processor draws.
        """
        state = size, *state
        if state == self._drawn or now_s - self._drawn_s < self._period_s:
            return
        self._drawn, self._drawn_s = state, now_s
        self._layer = resized(self.ctx, self._layer, size)
        redraw(self._layer.target)


def resized(ctx: moderngl.Context, layer: Layer | None, size: Size) -> Layer:
    """The same layer, or another in its place if the size is another one."""
    if layer is not None and layer.size == size:
        return layer
    if layer is not None:
        layer.release()
    return Layer(ctx, size)
