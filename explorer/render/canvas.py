"""Words, bars and panels, by Dear ImGui's draw list. The home of fonts, colours and ImGui itself.

What is drawn here is no widget: there is nothing to hover or to focus, so the walk keeps every key.
Widgets, where the inspector has them, live between `begin` and `end` in windows of their own, and
hear of hands only what `explorer.render.hands` tells them.
"""

from __future__ import annotations

from pathlib import Path

import imgui_bundle
import moderngl
from imgui_bundle import imgui, implot

from explorer.render.imgui_gl import ImguiRenderer

Rgba = tuple[float, float, float, float]

FONT_DIR = Path(imgui_bundle.__file__).parent / "assets" / "fonts" / "Roboto"
TEXT: Rgba = (0.93, 0.94, 0.95, 0.96)
QUIET: Rgba = (0.93, 0.94, 0.95, 0.58)
FAINT: Rgba = (0.93, 0.94, 0.95, 0.14)
ACCENT: Rgba = (0.98, 0.74, 0.36, 1.0)
WARNING: Rgba = (0.95, 0.45, 0.38, 1.0)
PLAIN: Rgba = (1.0, 1.0, 1.0, 1.0)
PANEL: Rgba = (0.055, 0.062, 0.075, 0.72)
ROUND = 9.0


class Canvas:
    """Begin, draw, end. Sizes are in points: pixels at scale 1."""

    def __init__(self, ctx: moderngl.Context) -> None:
        self._context = imgui.create_context()
        imgui.set_current_context(self._context)
        self._plots = implot.create_context()
        io = imgui.get_io()
        io.set_ini_filename("")
        self.regular = self._font("Roboto-Regular.ttf")
        self.bold = self._font("Roboto-Bold.ttf")
        self._renderer = ImguiRenderer(ctx)
        _dress(imgui.get_style())
        self.scale = 1.0
        self.width = self.height = 0.0

    def begin(self, size: tuple[int, int], scale: float, dt_s: float = 1 / 60) -> None:
        """Starts a picture of `size` (width, height) pixels."""
        self.use()
        io = imgui.get_io()
        io.display_size = imgui.ImVec2(*size)
        io.delta_time = dt_s
        self.scale = scale
        self.width, self.height = size[0] / scale, size[1] / scale
        imgui.new_frame()
        self._list = imgui.get_background_draw_list()

    def use(self) -> None:
        """Makes this canvas the one that ImGui speaks of."""
        imgui.set_current_context(self._context)
        implot.set_current_context(self._plots)

    def show(self, texture: moderngl.Texture) -> imgui.ImTextureRef:
        """A texture for `imgui.image` in this frame."""
        return self._renderer.show(texture)

    def end(self, target: moderngl.Framebuffer) -> None:
        """Draws the picture over `target`."""
        imgui.render()
        self._renderer.draw(target, imgui.get_draw_data())

    def text(
        self,
        x: float,
        y: float,  # upper edge
        words: str,
        size: float = 13.0,
        color: Rgba = TEXT,
        align: float = 0.0,  # 0 begins at x, 0.5 centred on it, 1 ends there
        bold: bool = False,
    ) -> None:
        if align:
            x -= align * self.measure(words, size, bold)
        font = self.bold if bold else self.regular
        at = round(x * self.scale), round(y * self.scale)
        self._list.add_text(font, size * self.scale, at, _packed(color), words)

    def measure(self, words: str, size: float = 13.0, bold: bool = False) -> float:
        """Width of `words`."""
        imgui.push_font(self.bold if bold else self.regular, size * self.scale)
        width = imgui.calc_text_size(words).x
        imgui.pop_font()
        return width / self.scale

    def wrap(self, words: str, width: float, size: float = 13.0) -> list[str]:
        """Lines of `words` that fit `width`."""
        lines: list[str] = []
        for word in words.split():
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self.measure(longer, size) <= width:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        color: Rgba = PANEL,
        round_: float = ROUND,
    ) -> None:
        s = self.scale
        low, high = (x * s, y * s), ((x + width) * s, (y + height) * s)
        self._list.add_rect_filled(low, high, _packed(color), round_ * s)

    def rim(self, x: float, y: float, width: float, height: float, color: Rgba = FAINT) -> None:
        s = self.scale
        low, high = (x * s, y * s), ((x + width) * s, (y + height) * s)
        self._list.add_rect(low, high, _packed(color), ROUND * s, thickness=1.0)

    def picture(
        self, x: float, y: float, width: float, height: float, texture: moderngl.Texture
    ) -> None:
        """A texture whose first row is the upper one, with round corners."""
        s = self.scale
        low, high = (x * s, y * s), ((x + width) * s, (y + height) * s)
        name = self.show(texture)
        self._list.add_image_rounded(name, low, high, (0, 0), (1, 1), _packed(PLAIN), ROUND * s)

    def shade(self, top: Rgba, bottom: Rgba) -> None:
        """Fills everything from `top` to `bottom`."""
        a, b = _packed(top), _packed(bottom)
        size = self.width * self.scale, self.height * self.scale
        self._list.add_rect_filled_multi_color((0, 0), size, a, a, b, b)

    def dot(self, x: float, y: float, radius: float, color: Rgba) -> None:
        s = self.scale
        self._list.add_circle_filled((x * s, y * s), radius * s, _packed(color))

    def bar(
        self, x: float, y: float, width: float, share: float, color: Rgba = ACCENT, high: float = 3
    ) -> None:
        """A track with its first `share` filled."""
        self.box(x, y, width, high, FAINT, high / 2)
        if share > 0:
            self.box(x, y, max(high, width * min(share, 1.0)), high, color, high / 2)

    def chip(self, x: float, y: float, words: str, color: Rgba = TEXT, dot: bool = False) -> float:
        """A small label on dark; returns the x where the next one may begin."""
        width = self.measure(words, 12.0) + (30 if dot else 18)
        self.box(x, y, width, 22, PANEL, 11)
        if dot:
            self.dot(x + 13, y + 11, 3.5, color)
        self.text(x + (21 if dot else 9), y + 4, words, 12.0, TEXT if dot else color)
        return x + width + 6

    def _font(self, name: str) -> imgui.ImFont:
        fonts, path = imgui.get_io().fonts, FONT_DIR / name
        if path.exists():
            return fonts.add_font_from_file_ttf(str(path), 13.0)
        return fonts.add_font_default()


def _dress(style: imgui.Style) -> None:
    """Widgets in the colours of the words."""
    rounds = ("window_rounding", "child_rounding", "popup_rounding")
    for name in rounds:
        setattr(style, name, ROUND)
    for name in ("frame_rounding", "grab_rounding", "tab_rounding", "image_rounding"):
        setattr(style, name, 5.0)
    style.window_border_size = style.child_border_size = style.popup_border_size = 1.0
    style.scrollbar_size, style.grab_min_size = 9.0, 9.0
    style.window_padding, style.item_spacing = imgui.ImVec2(12, 10), imgui.ImVec2(7, 6)
    style.frame_padding = imgui.ImVec2(7, 3)
    faces = imgui.Col_
    accent = ACCENT[:3]
    for color, names in {
        (*PANEL[:3], 0.90): ("window_bg", "popup_bg", "title_bg", "title_bg_active"),
        (0.0, 0.0, 0.0, 0.0): ("child_bg", "scrollbar_bg"),
        TEXT: ("text",),
        QUIET: ("text_disabled",),
        FAINT: ("border", "separator", "button", "header", "tab", "scrollbar_grab"),
        (*FAINT[:3], 0.08): ("frame_bg",),
        (*FAINT[:3], 0.13): ("frame_bg_hovered", "frame_bg_active"),
        (*accent, 0.22): ("tab_selected", "header_active"),
        (*accent, 0.34): ("button_hovered", "header_hovered", "tab_hovered"),
        (*accent, 0.55): ("button_active", "text_selected_bg"),
        (*accent, 0.45): ("slider_grab",),
        (*accent, 0.85): ("slider_grab_active", "check_mark", "plot_histogram"),
        (*accent, 0.0): ("tab_selected_overline",),
    }.items():
        for name in names:
            style.set_color_(getattr(faces, name), imgui.ImVec4(*color))


def _packed(color: Rgba) -> int:
    r, g, b, a = (round(255 * v) for v in color)
    return r | g << 8 | b << 16 | a << 24
