"""Coverage in the picture: every latent cell tinted by what memory knows of it.

The states are true for one camera; a turn since then is made up for, a step is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import moderngl
import numpy as np
from numpy.typing import NDArray

from explorer.render.canvas import ACCENT, WARNING, Rgba
from explorer.render.programs import blend_over, draw_screen, load_program, set_uniforms
from explorer.render.targets import size_of
from mirage_engine import Camera

BORDER = 0.16


@dataclass(frozen=True)
class CellState:
    """What memory knows of a cell."""

    word: str
    color: Rgba


STATES = (  # by number
    CellState("never seen", (*WARNING[:3], 0.30)),
    CellState("remembered", (0.25, 0.72, 0.66, 0.20)),
    CellState("stale", (*ACCENT[:3], 0.30)),  # remembered, but only coarsely
)


class TintPass:
    """Draws over the walker's picture."""

    def __init__(self, ctx: moderngl.Context) -> None:
        self.ctx = ctx
        self._program = load_program(ctx, "tint")
        self._screen = draw_screen(ctx, self._program)
        self._states: moderngl.Texture | None = None

    def draw(
        self,
        target: moderngl.Framebuffer,
        now: Camera,  # on the screen; its size is the target's
        then: Camera,  # for which the states are true
        states: NDArray[np.uint8],  # [h, w] index into STATES, over the whole of `then`
    ) -> None:
        if self._states is None or self._states.size != states.shape[::-1]:
            if self._states is not None:
                self._states.release()
            self._states = self.ctx.texture(states.shape[::-1], 1, alignment=1, dtype="u1")
            self._states.filter = moderngl.NEAREST, moderngl.NEAREST
        self._states.write(np.ascontiguousarray(states), alignment=1)
        target.use()
        blend_over(self.ctx)
        self._states.use(0)
        set_uniforms(
            self._program,
            states=0,
            px_to_cell=tuple(turned_cells(now, then, states.shape).T.ravel().tolist()),
            rows_px=float(size_of(target)[1]),
            colors=[state.color for state in STATES],
            border=BORDER,
        )
        self._screen.render(moderngl.TRIANGLES, vertices=3)


def turned_cells(
    now: Camera,
    then: Camera,
    grid: tuple[int, ...],  # (h, w)
) -> NDArray[np.float64]:  # [3, 3]
    """From homogeneous pixels of `now` to cells of `then`, for what is far away."""
    turn = then.c2w[:3, :3].T @ now.c2w[:3, :3]
    return then.resized((grid[0], grid[1])).intrinsics @ turn @ np.linalg.inv(now.intrinsics)
