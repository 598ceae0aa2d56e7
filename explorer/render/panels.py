"""The inspector's panels: where they stand, and what they share. Each panel has a file of its own.

Panels change the Inspector they are given and leave wishes in it; they never touch memory, engine
or files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import moderngl
import numpy as np
from imgui_bundle import imgui

from explorer.histogram import Histogram
from explorer.inspector import Inspector, Tab
from explorer.known_world import KnownWorld
from explorer.render.canvas import Canvas
from mirage_engine import Camera

MARGIN = 10.0
LEFT_WIDTH, RIGHT_WIDTH, STRIP_HEIGHT = 216.0, 304.0, 66.0
FIXED = (
    imgui.WindowFlags_.no_title_bar
    | imgui.WindowFlags_.no_resize
    | imgui.WindowFlags_.no_move
    | imgui.WindowFlags_.no_saved_settings
    | imgui.WindowFlags_.no_bring_to_front_on_focus
    | imgui.WindowFlags_.no_nav
)


@dataclass(frozen=True)
class Desk:
    """What a panel may look at."""

    canvas: Canvas
    inspector: Inspector
    known: KnownWorld
    histogram: Histogram | None  # of what the points' colours mean, where it is a number
    walker: Camera
    engine: str  # its state; "off" where a file is inspected without one
    pictures: Pictures
    now_s: float

    @property
    def scale(self) -> float:
        return self.canvas.scale

    @property
    def newest(self) -> int:
        """The newest segment."""
        return self.known.history.newest


class Pictures:
    """Small pictures for panels, uploaded when they change; each has a name."""

    def __init__(self, ctx: moderngl.Context, canvas: Canvas) -> None:
        self._ctx, self._canvas = ctx, canvas
        self._kept: dict[str, tuple[object, moderngl.Texture]] = {}

    def show(
        self,
        name: str,
        version: object,  # a new one uploads the picture anew
        make: Callable[[], np.ndarray],  # uint8 [H, W, 3]
        width: float,  # pixels of the screen
    ) -> tuple[float, float] | None:  # where it was clicked, as shares of width and height
        kept = self._kept.get(name)
        if kept is None or kept[0] != version:
            if kept is not None:
                kept[1].release()
            picture = np.ascontiguousarray(make())
            size = picture.shape[1], picture.shape[0]
            texture = self._ctx.texture(size, 3, picture, alignment=1)
            texture.filter = moderngl.NEAREST, moderngl.NEAREST
            self._kept[name] = kept = version, texture
        texture = kept[1]
        size = imgui.ImVec2(width, width * texture.height / texture.width)
        imgui.image(self._canvas.show(texture), size)
        if not imgui.is_item_clicked():
            return None
        low, mouse = imgui.get_item_rect_min(), imgui.get_mouse_pos()
        return (mouse.x - low.x) / size.x, (mouse.y - low.y) / size.y


def draw_panels(desk: Desk) -> None:
    """All panels of the full inspector; called between the canvas's begin and end."""
    from explorer.render.panel_curves import curves_panel
    from explorer.render.panel_export import export_panel
    from explorer.render.panel_look import look_panel
    from explorer.render.panel_point import point_panel
    from explorer.render.panel_surgery import surgery_panel
    from explorer.render.panel_timeline import timeline_panel
    from explorer.render.panel_xray import xray_panel

    canvas = desk.canvas
    imgui.push_font(canvas.regular, 12.5 * desk.scale)
    lower = canvas.height - STRIP_HEIGHT - 2 * MARGIN
    with _window(desk, "points", MARGIN, MARGIN, LEFT_WIDTH, 0.0):
        look_panel(desk)
    right = canvas.width - RIGHT_WIDTH - MARGIN
    tabs: dict[Tab, Callable[[Desk], None]] = {
        "point": point_panel,
        "x-ray": xray_panel,
        "surgery": surgery_panel,
        "curves": curves_panel,
        "export": export_panel,
    }
    with _window(desk, "work", right, MARGIN, RIGHT_WIDTH, lower - MARGIN):
        _tabs(desk, tabs)
    with _window(desk, "time", MARGIN, lower + MARGIN, canvas.width - 2 * MARGIN, STRIP_HEIGHT):
        timeline_panel(desk)
    imgui.pop_font()


def _tabs(desk: Desk, tabs: dict[Tab, Callable[[Desk], None]]) -> None:
    inspector = desk.inspector
    width = (imgui.get_content_region_avail().x - 4 * (len(tabs) - 1)) / len(tabs)
    chosen = inspector.tab
    for number, name in enumerate(tabs):
        if number:
            imgui.same_line(0, 4)
        if toggle(name, name == chosen, width):
            inspector.tab = name
    imgui.spacing()
    tabs[inspector.tab](desk)


class _window:  # noqa: N801  (used as a statement)
    """A panel at a fixed place, in points; height 0 fits its content."""

    def __init__(
        self, desk: Desk, name: str, x: float, y: float, width: float, height: float
    ) -> None:
        s = desk.scale
        imgui.set_next_window_pos(imgui.ImVec2(x * s, y * s))
        imgui.set_next_window_size(imgui.ImVec2(width * s, height * s))
        self._name = name

    def __enter__(self) -> None:
        imgui.begin(f"##{self._name}", None, FIXED)

    def __exit__(self, *_: object) -> None:
        imgui.end()


# What several panels use.


def toggle(words: str, on: bool, width: float = 0.0) -> bool:
    """A button that is lit while `on`; whether it was pressed."""
    if on:
        imgui.push_style_color(imgui.Col_.button, imgui.get_style().color_(imgui.Col_.tab_selected))
    pressed = imgui.button(words, imgui.ImVec2(width, 0))
    if on:
        imgui.pop_style_color()
    return pressed


def fact(label: str, value: str) -> None:
    """A quiet label on the left, its value on the right."""
    imgui.text_disabled(label)
    room = imgui.get_content_region_avail().x
    imgui.same_line(imgui.get_style().window_padding.x + room - imgui.calc_text_size(value).x)
    imgui.text(value)


def note(words: str) -> None:
    """Quiet words over several lines."""
    imgui.push_style_color(imgui.Col_.text, imgui.get_style().color_(imgui.Col_.text_disabled))
    imgui.text_wrapped(words)
    imgui.pop_style_color()


def slider(
    label: str, value: float, low: float, high: float, shape: str = "%.2f", log: bool = False
) -> float:
    """A slider with its label above."""
    imgui.text_disabled(label)
    imgui.set_next_item_width(-1)
    flags = imgui.SliderFlags_.logarithmic if log else 0
    return imgui.slider_float(f"##{label}", value, low, high, shape, flags)[1]


def enabled(on: bool) -> None:
    """Begins a part that can only be used while `on`; end it with `imgui.end_disabled`."""
    imgui.begin_disabled(not on)
