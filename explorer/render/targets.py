"""Pictures to draw into, and small ones that are only redrawn when something changed."""

from __future__ import annotations

from collections.abc import Callable

import moderngl
import numpy as np

Size = tuple[int, int]  # (width, height) px


class Layer:
    """A picture with its depth, both to be read by a later pass."""

    def __init__(self, ctx: moderngl.Context, size: Size) -> None:
        self.size = size
        self.picture = ctx.texture(size, 4)
        self.picture.repeat_x = self.picture.repeat_y = False
        self.depths = ctx.depth_texture(size)
        self.depths.compare_func = ""
        self.depths.filter = moderngl.NEAREST, moderngl.NEAREST
        self.target = ctx.framebuffer([self.picture], self.depths)

    def release(self) -> None:
        for part in (self.target, self.picture, self.depths):
            part.release()


def make_target(
    ctx: moderngl.Context,
    size: Size,
) -> tuple[moderngl.Texture, moderngl.Framebuffer]:
    """A picture to draw into, with depth."""
    picture = ctx.texture(size, 4)
    picture.repeat_x = picture.repeat_y = False
    return picture, ctx.framebuffer([picture], ctx.depth_renderbuffer(size))


class SmallPicture:
    """A picture that is redrawn when something changed, but not at the display's pace."""

    def __init__(self, ctx: moderngl.Context, hz: float) -> None:
        self.ctx = ctx
        self.picture: moderngl.Texture | None = None  # None before the first time
        self._period_s = 1 / hz
        self._target: moderngl.Framebuffer | None = None
        self._drawn: tuple = ()
        self._drawn_s = -np.inf

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
        if self._target is None or self._target.size != size:
            self.picture, self._target = make_target(self.ctx, size)
        redraw(self._target)
