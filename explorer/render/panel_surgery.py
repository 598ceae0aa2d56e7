"""Surgery on memory: choose points, hide, lock or delete them, set a budget, take it back."""

from __future__ import annotations

import numpy as np
from imgui_bundle import imgui, implot

from explorer.inspector import Tool
from explorer.render.canvas import ACCENT
from explorer.render.widgets import Desk, fact, note, slider, toggle

POLICY = (
    "Over the budget, memory first gives up what it kept for undo, then the points seen least, the "
    "coarsest of them first; locked points stay."
)
MOST_MIB = 64.0
TOOLS: dict[Tool, str] = {"look": "look, pick", "box": "box", "brush": "brush"}


def surgery_panel(desk: Desk) -> None:
    _tools(desk)
    _choose(desk)
    count = desk.inspector.selection.count
    imgui.separator_text(f"{count:,} points selected" if count else "nothing selected")
    _operate(desk, bool(count))
    _budget(desk)


def _tools(desk: Desk) -> None:
    inspector, width = desk.inspector, imgui.get_content_region_avail().x
    for n, (tool, label) in enumerate(TOOLS.items()):
        if n:
            imgui.same_line(0, 4)
        if toggle(label, inspector.tool == tool, (width - 8) / 3):
            inspector.tool = tool
    inspector.visible_only = imgui.checkbox("only what is in front", inspector.visible_only)[1]
    if inspector.tool == "brush":
        inspector.brush_px = slider("brush, pixels", inspector.brush_px, 4.0, 120.0, "%.0f")
    if inspector.tool != "look":
        note("Shift adds, Ctrl takes away. The other mouse button turns the view.")


def _choose(desk: Desk) -> None:
    inspector, table = desk.inspector, desk.known.table
    imgui.separator_text("choose by")
    newest = desk.newest
    low, high = inspector.births
    imgui.set_next_item_width(-70 * desk.scale)
    chosen = imgui.slider_int2("##births", [min(low, newest), min(high, newest)], 0, newest)[1]
    inspector.births = min(chosen), max(chosen)
    imgui.same_line()
    if imgui.button("birth", imgui.ImVec2(-1, 0)):
        inspector.selection.by_segments(table, *inspector.births)
    imgui.set_next_item_width(-70 * desk.scale)
    inspector.outlier_score = imgui.slider_float(
        "##outliers", inspector.outlier_score, 1.5, 12.0, "%.1f footprints away"
    )[1]
    imgui.same_line()
    if imgui.button("outliers", imgui.ImVec2(-1, 0)):
        inspector.wish("outliers")
    width = (imgui.get_content_region_avail().x - 8) / 3
    if imgui.button("all", imgui.ImVec2(width, 0)):
        inspector.selection.replace(table["ids"][table.alive])
    imgui.same_line(0, 4)
    if imgui.button("none", imgui.ImVec2(width, 0)):
        inspector.selection.clear()
    imgui.same_line(0, 4)
    if imgui.button("the others", imgui.ImVec2(width, 0)):
        inspector.selection.invert(table)


def _operate(desk: Desk, some: bool) -> None:
    inspector = desk.inspector
    possible = desk.engine in ("idle", "generating")
    width = (imgui.get_content_region_avail().x - 12) / 4
    imgui.begin_disabled(not (some and possible))
    for n, what in enumerate(("hide", "show", "lock", "unlock")):
        if n:
            imgui.same_line(0, 4)
        if imgui.button(what, imgui.ImVec2(width, 0)):
            inspector.wish(what)
    if imgui.button("delete", imgui.ImVec2(2 * width + 4, 0)):
        inspector.wish("delete")
    imgui.end_disabled()
    imgui.same_line(0, 4)
    imgui.begin_disabled(not possible)
    if imgui.button("undo", imgui.ImVec2(2 * width + 4, 0)):
        inspector.wish("undo")
    imgui.end_disabled()
    if desk.engine == "off":
        note("No engine runs, so nothing can be changed. Open the world with --load to do so.")
    else:
        note("The next segment uses what is left. Undo takes back segments and surgery in turn.")


def _budget(desk: Desk) -> None:
    inspector, history = desk.inspector, desk.known.history
    imgui.separator_text("budget")
    imgui.begin_disabled(desk.engine not in ("idle", "generating"))
    imgui.set_next_item_width(-70 * desk.scale)
    shape = "%.1f MiB" if inspector.budget_mib > 0 else "none"
    inspector.budget_mib = imgui.slider_float(
        "##budget", inspector.budget_mib, 0.0, MOST_MIB, shape, imgui.SliderFlags_.logarithmic
    )[1]
    imgui.same_line()
    if imgui.button("set", imgui.ImVec2(-1, 0)):
        inspector.wish("budget")
    imgui.end_disabled()
    note(POLICY)
    forgotten = np.asarray([r.removed for r in history.records], np.float64)
    if forgotten.any():
        fact("replaced or forgotten", f"{int(forgotten.sum()):,} points")
        size = imgui.ImVec2(-1, 78 * desk.scale)
        if implot.begin_plot("##forgotten", size, implot.Flags_.canvas_only):
            flags = implot.AxisFlags_.no_grid_lines | implot.AxisFlags_.auto_fit
            implot.setup_axes("", "", flags, flags)
            fill = implot.Spec(fill_color=imgui.ImVec4(*ACCENT[:3], 0.7))
            implot.plot_bars("lost", forgotten, 0.8, 0.0, fill)
            implot.end_plot()
