"""The scene on the screen: the reprojected picture, and calm fog where nothing is known.

Mixed at the scene's resolution, and only when something changed; then enlarged to the window.
"""

from __future__ import annotations

import moderngl

from explorer.render.programs import draw_screen, load_program, set_uniforms

Color = tuple[float, float, float]
# What `mix` takes: scene, mean colour, seconds, style, whether it changed.
Mixing = tuple[moderngl.Texture, Color, float, int, bool]

STYLES = ("mist", "night")
GRAIN = (3.0 / 255, 1.5 / 255)  # by style
GRAIN_HZ = 8.0  # slower than the display, so that it does not flicker
CALM_S = 0.8  # in which the fog follows a change of the mean colour


class FogPass:
    """Draws over the whole target; alpha becomes the known mask."""

    def __init__(self, ctx: moderngl.Context) -> None:
        self.ctx = ctx
        self._mix = load_program(ctx, "fog")
        self._mix_screen = draw_screen(ctx, self._mix)
        self._enlarge = load_program(ctx, "enlarge")
        self._enlarge_screen = draw_screen(ctx, self._enlarge)
        self._picture: moderngl.Texture | None = None
        self._mixed: moderngl.Framebuffer | None = None
        self._state: tuple = ()
        self._mean: Color | None = None
        self._mean_s = 0.0

    @property
    def picture(self) -> moderngl.Texture:
        """The scene with its fog, as mixed last, at the scene's resolution."""
        assert self._picture is not None, "mix first"
        return self._picture

    def draw(
        self,
        target: moderngl.Framebuffer,
        scene: moderngl.Texture,  # premultiplied by known, with mip levels
        mean_color: Color,
        now_s: float,
        style: int = 0,  # index into STYLES
        changed: bool = True,  # whether the scene is another than at the last call
    ) -> None:
        style %= len(STYLES)
        self.mix(scene, mean_color, now_s, style, changed)
        tick = int(now_s * GRAIN_HZ) % 64
        target.use()
        self.ctx.enable_only(moderngl.NOTHING)
        self.picture.use(0)
        set_uniforms(self._enlarge, drift_px=(47.0 * tick, 17.0 * tick), strength=GRAIN[style])
        self._enlarge_screen.render(moderngl.TRIANGLES, vertices=3)

    def mix(
        self,
        scene: moderngl.Texture,
        mean_color: Color,
        now_s: float,
        style: int = 0,
        changed: bool = True,
    ) -> None:
        """Makes `picture`, for those that show it elsewhere than over a whole target."""
        mean = self._calm(mean_color, now_s)
        state = (scene.glo, scene.size, mean, style)
        if changed or state != self._state:
            self._state = state
            self._draw_mix(scene, mean, style)

    def _draw_mix(self, scene: moderngl.Texture, mean: Color, style: int) -> None:
        if self._mixed is None or self._picture is None or self._mixed.size != scene.size:
            for part in (self._mixed, self._picture):
                if part is not None:
                    part.release()
            self._picture = self.ctx.texture(scene.size, 4)
            self._picture.repeat_x = self._picture.repeat_y = False
            self._mixed = self.ctx.framebuffer([self._picture])
        self._mixed.use()
        self.ctx.enable_only(moderngl.NOTHING)
        scene.use(0)
        last = float(max(0, max(scene.size).bit_length() - 3))  # it is about eight pixels across
        set_uniforms(self._mix, mean_color=mean, last_level=last, style=style)
        self._mix_screen.render(moderngl.TRIANGLES, vertices=3)

    def _calm(self, color: Color, now_s: float) -> Color:
        """Follows the mean colour slowly, so that fog never flashes."""
        old = color if self._mean is None else self._mean
        share = min(1.0, max(0.0, now_s - self._mean_s) / CALM_S)
        self._mean_s = now_s
        gap = max(abs(new - was) for new, was in zip(color, old, strict=True))
        if gap < 1 / 255:  # near enough: the picture may stay as it is
            self._mean = old
            return old
        red, green, blue = (was + (new - was) * share for new, was in zip(color, old, strict=True))
        self._mean = red, green, blue
        return self._mean
