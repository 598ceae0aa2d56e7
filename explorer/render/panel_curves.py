"""Curves over the segments: how memory grows, what it answers, what that costs, what returns."""

from __future__ import annotations

import numpy as np
from imgui_bundle import imgui, implot

from explorer.history import History
from explorer.render.canvas import ACCENT, WARNING
from explorer.render.widgets import Desk, note

TEAL, VIOLET, GREEN = (0.38, 0.75, 0.72, 1.0), (0.63, 0.55, 0.88, 1.0), (0.46, 0.78, 0.56, 1.0)
STAGES = ("read", "denoise", "decode", "write")
COLORS = (TEAL, ACCENT, VIOLET, WARNING)


def curves_panel(desk: Desk) -> None:
    history = desk.known.history
    if len(history) < 2:
        note("Curves begin with the first segment that is generated.")
        return
    at = desk.newest if desk.inspector.shown is None else desk.inspector.shown
    plots = [
        ("points, thousands", [("points", history.column("points") / 1000, TEAL)]),
        ("memory, MiB", [("memory", history.column("nbytes") / 2**20, VIOLET)]),
        (
            "of the new views, %",
            [
                ("remembered", _generated(100 * history.column("coverage")), GREEN),
                ("holes", _generated(100 * (1 - history.column("coverage"))), WARNING),
            ],
        ),
        ("seconds per segment", _seconds(history)),
        ("revisit PSNR, dB", [("revisit", history.column("revisit_psnr_db"), ACCENT)]),
    ]
    room = imgui.get_content_region_avail().y / len(plots)
    for title, lines in plots:
        _plot(title, lines, at, max(room - 24 * desk.scale, 50 * desk.scale))


Line = tuple[str, np.ndarray, tuple[float, float, float, float]]


def _plot(title: str, lines: list[Line], at: int, height: float) -> None:
    _title(title, lines)
    known = [values[np.isfinite(values)] for _, values, _ in lines]
    if not any(len(values) for values in known):
        note("none so far" if "PSNR" not in title else "none so far: come back to a place")
        return
    flags = implot.Flags_.no_menus | implot.Flags_.no_box_select | implot.Flags_.no_mouse_text
    flags |= implot.Flags_.no_legend  # it would lie over the lines
    implot.push_style_color(implot.Col_.frame_bg, imgui.ImVec4(0, 0, 0, 0))
    implot.push_style_color(implot.Col_.plot_bg, imgui.ImVec4(1, 1, 1, 0.03))
    if implot.begin_plot(f"##{title}", imgui.ImVec2(-1, height), flags):
        axis = implot.AxisFlags_.auto_fit | implot.AxisFlags_.no_grid_lines
        implot.setup_axes("", "", axis, axis)
        for name, values, color in lines:
            spec = implot.Spec(line_color=imgui.ImVec4(*color), line_weight=1.6)
            segments = np.arange(len(values), dtype=np.float64)
            finite = np.isfinite(values)
            implot.plot_line(name, segments[finite], values[finite].astype(np.float64), spec)
        mark = implot.Spec(line_color=imgui.ImVec4(1, 1, 1, 0.35))
        implot.plot_inf_lines("##at", np.array([float(at)]), mark)
        implot.end_plot()
    implot.pop_style_color(2)


def _title(title: str, lines: list[Line]) -> None:
    """What the plot shows; several lines are named in their colours."""
    imgui.text_disabled(title)
    for name, _, color in lines if len(lines) > 1 else []:
        imgui.same_line()
        imgui.text_colored(imgui.ImVec4(*color), name)


def _generated(values: np.ndarray) -> np.ndarray:
    """Without the start image, which nothing was asked of."""
    return np.concatenate([[np.nan], values[1:]])


def _seconds(history: History) -> list[Line]:
    return [
        (stage, _generated(history.seconds(stage)), color)
        for stage, color in zip(STAGES, COLORS, strict=True)
    ]
