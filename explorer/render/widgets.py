"""What the inspector's panels share: what they may look at, their pictures, their small widgets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import moderngl
import numpy as np
from imgui_bundle import imgui

from explorer.histogram import Histogram
from explorer.inspector import Inspector
from explorer.known_world import KnownWorld
from explorer.render.canvas import Canvas
from explorer.revisits import Revisits
from mirage_engine import Camera


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
    revisits: Revisits

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
