"""The strip of time: scrub through the segments, play how memory grew, step one at a time."""

from __future__ import annotations

from imgui_bundle import imgui

from explorer.render.widgets import Desk


def timeline_panel(desk: Desk) -> None:
    inspector, newest = desk.inspector, desk.newest
    if imgui.button("pause" if inspector.playing else "play", imgui.ImVec2(54 * desk.scale, 0)):
        if inspector.playing:
            inspector.playing = False
        else:
            inspector.start_playing(newest)
    for words, step in (("<", -1), (">", 1)):
        imgui.same_line(0, 4)
        if imgui.button(words):
            inspector.seek(step, newest)
    imgui.same_line(0, 4)
    if imgui.button("now"):
        inspector.shown, inspector.playing = None, False
    imgui.same_line()
    imgui.set_next_item_width(-1)
    at = newest if inspector.shown is None else inspector.shown
    moved, at = imgui.slider_int("##segment", at, 0, max(newest, 1), "segment %d")
    if moved:
        inspector.playing = False
        inspector.shown = None if at >= newest else at
    imgui.text_disabled(_words(desk))


def _words(desk: Desk) -> str:
    inspector, history = desk.inspector, desk.known.history
    at = desk.newest if inspector.shown is None else inspector.shown
    when = "now" if inspector.shown is None else "as it was"
    if not len(history):
        return when
    record = history.records[min(at, len(history) - 1)]
    parts = [when, f"{record.points:,} points", f"{record.nbytes / 2**20:.2f} MiB"]
    if at > 0:
        parts.append(f"{record.coverage:.0%} of its views were remembered")
    return "   ·   ".join(parts)
