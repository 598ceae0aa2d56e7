"""What can be taken out of the inspector: points with all they know, figures, the scoreboard."""

from __future__ import annotations

from imgui_bundle import imgui

from explorer.inspector import Wish
from explorer.render.panel_returns import scoreboard
from explorer.render.widgets import Desk, note

EXPORTS: tuple[tuple[Wish, str, str], ...] = (
    ("ply", "points as PLY", "Positions, both kinds of colours, and every scalar, for any viewer."),
    ("npz", "points as npz", "The same with the features themselves, for numpy."),
    ("picture", "this view as a figure", "The view at twice the window's size, on paper white."),
    ("turntable", "turntable video", "Once around the middle of what is shown, as mp4."),
    (
        "revisits",
        "returns as CSV and JSON",
        "Each return to a place, how alike it was, and the way.",
    ),
)


def export_panel(desk: Desk) -> None:
    for wish, words, meaning in EXPORTS:
        if imgui.button(words, imgui.ImVec2(-1, 0)):
            desk.inspector.wish(wish)
        note(meaning)
        imgui.spacing()
    note("Files go to the folder for screenshots; nothing there is ever overwritten.")
    imgui.separator()
    scoreboard(desk)
