"""How points look: what their colour says and over what range, their size, what is left out."""

from __future__ import annotations

import numpy as np
from imgui_bundle import imgui

from explorer.histogram import Histogram
from explorer.render.colormaps import colormap_rgb
from explorer.render.look import MODES, Look
from explorer.render.widgets import Desk, slider, toggle

KEYS = "123456"
BARS_HIGH, STRIP_HIGH = 46.0, 9.0
UNITS = ("footprint", "pixels", "metres")
LIMITS = {"footprint": (0.2, 4.0), "pixels": (1.0, 16.0), "metres": (0.005, 0.3)}
WORDS = {
    "colour": "what the codec makes of each point's feature",
    "features": "principal components of the features, as red, green and blue",
}


def look_panel(desk: Desk) -> None:
    points, inspector = desk.inspector.points, desk.inspector
    width = imgui.get_content_region_avail().x
    imgui.text_disabled("points by")
    for index, name in enumerate(MODES):
        if index % 2:
            imgui.same_line(0, 4)
        if toggle(f"{KEYS[index]}  {name}", points.mode == index, (width - 4) / 2):
            points.mode = index
    imgui.spacing()
    _legend(desk, width)
    imgui.spacing()
    for n, unit in enumerate(UNITS):
        if n:
            imgui.same_line(0, 4)
        if toggle(unit, points.unit == unit, (width - 8) / 3):
            points.unit = unit
    low, high = LIMITS[points.unit]
    points.size[points.unit] = slider("size", points.size[points.unit], low, high, log=True)
    points.near_m = slider("nothing nearer than, m", points.near_m, 0.05, 8.0, log=True)
    points.age_fade = slider("fade by age", points.age_fade, 0.0, 1.0)
    points.dome = imgui.checkbox("sky dome", points.dome)[1]
    imgui.same_line(width * 0.55)
    points.ceiling = imgui.checkbox("ceiling", points.ceiling)[1]
    points.hidden = imgui.checkbox("hidden", points.hidden)[1]
    if not inspector.in_space:
        imgui.same_line(width * 0.55)
        inspector.overlaid = imgui.checkbox("overlay", inspector.overlaid)[1]


def _legend(desk: Desk, width: float) -> None:
    """Histogram in the colours of the map, and sliders for the range; or words."""
    points = desk.inspector.points
    name = MODES[points.mode]
    if name in WORDS:
        imgui.text_wrapped(WORDS[name])
        if name == "features" and imgui.button("refresh the basis", imgui.ImVec2(-1, 0)):
            desk.inspector.wish("refresh")
        return
    if name == "depth":
        points.height = imgui.checkbox("height above the floor", points.height)[1]
    histogram = desk.histogram
    if histogram is None:
        return
    low, high = points.ranges.get(points.mode, histogram.span)
    _bars(desk, histogram, low, high, width)
    imgui.set_next_item_width(-1)
    least, most = histogram.limits
    flags = imgui.SliderFlags_.logarithmic if histogram.log else 0
    moved, values = imgui.slider_float2(
        "##range", [low, high], least, most, _shape(histogram), flags
    )
    if moved:
        points.ranges[points.mode] = min(values), max(values)
    facts = Look(points.mode, points.height).facts
    words = facts.name if facts.unit in facts.name else f"{facts.name}, {facts.unit}"
    imgui.text_disabled(words)
    if points.mode in points.ranges:
        imgui.same_line(width - imgui.calc_text_size("auto").x - 6)
        if imgui.small_button("auto"):
            del points.ranges[points.mode]


def _shape(histogram: Histogram) -> str:
    least, most = histogram.limits
    return "%.0f" if most - least > 20 else "%.2f" if most > 0.2 else "%.3f"


def _bars(desk: Desk, histogram: Histogram, low: float, high: float, width: float) -> None:
    """One bar per bin, in the colour that its points have."""
    scale, pen = desk.scale, imgui.get_window_draw_list()
    corner = imgui.get_cursor_screen_pos()
    tall, strip = BARS_HIGH * scale, STRIP_HIGH * scale
    points = desk.inspector.points
    colors = colormap_rgb(Look(points.mode, points.height).facts.colormap)
    shares = histogram.shares(low, high)
    chosen = colors[(np.clip(shares, 0, 1) * 255).astype(int)]
    bar = width / len(histogram.counts)
    peak = max(1.0, float(histogram.counts.max()))
    for n, count in enumerate(histogram.counts):
        height = tall * float(count / peak) ** 0.5  # small bins stay visible
        x = corner.x + n * bar
        inside = 0 <= shares[n] <= 1
        color = (*(chosen[n] / 255.0), 1.0 if inside else 0.35)
        top, end = corner.y + tall - height, corner.y + tall
        pen.add_rect_filled((x, top), (x + bar - 0.5, end), _u32(color))
    for n in range(64):
        x = corner.x + n * width / 64
        color = (*(colors[n * 4] / 255.0), 1.0)
        y = corner.y + tall + 3 * scale
        pen.add_rect_filled((x, y), (x + width / 64 + 0.5, y + strip), _u32(color))
    imgui.dummy(imgui.ImVec2(width, tall + strip + 3 * scale))


def _u32(color: tuple[float, ...]) -> int:
    return imgui.color_convert_float4_to_u32(imgui.ImVec4(*map(float, color)))
