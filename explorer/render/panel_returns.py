"""The scoreboard of returns: where they were on the way walked, and how alike each place was."""

from __future__ import annotations

import numpy as np
from imgui_bundle import imgui, implot

from explorer.render.canvas import ACCENT, QUIET
from explorer.render.widgets import Desk, note
from explorer.revisits import Revisit, Revisits

COLUMNS = ("", "after", "PSNR", "SSIM", "compared")
SHOWN = 50  # the newest ones
MAP_SHARE = 0.4  # of the room, for the way from above


def scoreboard(desk: Desk) -> None:
    """The rest of the panel it is called in."""
    revisits = desk.revisits
    if not revisits.all:
        note("No returns so far: walk away from a place and come back.")
        return
    _map(revisits, imgui.get_content_region_avail().y * MAP_SHARE)
    flags = imgui.TableFlags_.scroll_y | imgui.TableFlags_.sizing_stretch_prop
    if imgui.begin_table("##returns", len(COLUMNS), flags):
        imgui.table_setup_scroll_freeze(0, 1)
        for name in COLUMNS:
            imgui.table_next_column()
            imgui.text_disabled(name)
        for revisit in reversed(revisits.all[-SHOWN:]):
            for cell in _cells(revisit):
                imgui.table_next_column()
                imgui.text(cell)
        imgui.end_table()


def _cells(revisit: Revisit) -> tuple[str, ...]:
    head = str(revisit.number), f"{revisit.ago_s:.0f} s"
    if not revisit.measured:
        return (*head, "-", "-", "-")
    return (*head, f"{revisit.psnr_db:.1f} dB", f"{revisit.ssim:.3f}", f"{revisit.share:.0%}")


def _map(revisits: Revisits, height: float) -> None:
    """The way from above, ahead of the start up, and a dot at each return."""
    way = np.array([step.camera.position for step in revisits.path])
    places = np.array([revisit.place.position for revisit in revisits.all])
    flags = implot.Flags_.canvas_only | implot.Flags_.equal
    implot.push_style_color(implot.Col_.frame_bg, imgui.ImVec4(0, 0, 0, 0))
    implot.push_style_color(implot.Col_.plot_bg, imgui.ImVec4(1, 1, 1, 0.03))
    if implot.begin_plot("##way", imgui.ImVec2(-1, height), flags):
        axis = implot.AxisFlags_.auto_fit | implot.AxisFlags_.no_decorations
        implot.setup_axes("", "", axis, axis)
        line = implot.Spec(line_color=imgui.ImVec4(*QUIET), line_weight=1.4)
        implot.plot_line("way", _column(way, 0), _column(way, 2), line)
        dots = implot.Spec(marker=implot.Marker_.circle, marker_fill_color=imgui.ImVec4(*ACCENT))
        implot.plot_scatter("returns", _column(places, 0), _column(places, 2), dots)
        implot.end_plot()
    implot.pop_style_color(2)


def _column(places: np.ndarray, axis: int) -> np.ndarray:
    return np.ascontiguousarray(places[:, axis], np.float64)
