"""The inspector's panels and where they stand. Each panel has a file of its own.

Panels change the Inspector they are given and leave wishes in it; they never touch memory, engine
or files.
"""

from __future__ import annotations

from collections.abc import Callable

from imgui_bundle import imgui

from explorer.inspector import Tab
from explorer.render.panel_curves import curves_panel
from explorer.render.panel_export import export_panel
from explorer.render.panel_look import look_panel
from explorer.render.panel_point import point_panel
from explorer.render.panel_surgery import surgery_panel
from explorer.render.panel_timeline import timeline_panel
from explorer.render.panel_xray import xray_panel
from explorer.render.widgets import Desk, toggle

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


def draw_panels(desk: Desk) -> None:
    """All panels of the full inspector; called between the canvas's begin and end."""
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
