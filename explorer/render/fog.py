"""The scene on the screen: the reprojected picture, and calm fog where nothing is known."""

from __future__ import annotations

import moderngl

from explorer.render.programs import draw_screen, load_program, set_uniforms

STYLES = ("mist", "night")
DRIFT_S = 40.0  # one round of the grain
GRAIN_HZ = 8.0  # slower than the display, so that it does not flicker


class FogPass:
    """Draws over the whole target; alpha becomes the known mask."""

    def __init__(self, ctx: moderngl.Context) -> None:
        self.ctx = ctx
        self._program = load_program(ctx, "fog")
        self._screen = draw_screen(ctx, self._program)
        self._mean: tuple[float, float, float] | None = None
        self._mean_s = 0.0

    def draw(
        self,
        target: moderngl.Framebuffer,
        scene: moderngl.Texture,  # premultiplied by known, with mip levels
        mean_color: tuple[float, float, float],
        now_s: float,
        style: int = 0,  # index into STYLES
        unknown_tint: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
    ) -> None:
        target.use()
        self.ctx.enable_only(moderngl.NOTHING)
        scene.use(0)
        set_uniforms(
            self._program,
            mean_color=self._calm(mean_color, now_s),
            levels=float(max(scene.size).bit_length()),
            drift=(now_s * GRAIN_HZ // 1 / GRAIN_HZ / DRIFT_S) % 1.0,
            style=style % len(STYLES),
            unknown_tint=unknown_tint,
        )
        self._screen.render(moderngl.TRIANGLES, vertices=3)

    def _calm(self, color: tuple[float, float, float], now_s: float) -> tuple[float, float, float]:
        """Follows the mean colour within about a second, so that fog never flashes."""
        if self._mean is None:
            self._mean = color
        share = min(1.0, max(0.0, now_s - self._mean_s) / 0.8)
        self._mean_s = now_s
        old = self._mean
        self._mean = (
            old[0] + (color[0] - old[0]) * share,
            old[1] + (color[1] - old[1]) * share,
            old[2] + (color[2] - old[2]) * share,
        )
        return self._mean
