"""One point of memory: where it is, when it was born, who saw it, what is most like it."""

from __future__ import annotations

import numpy as np
from imgui_bundle import imgui

from explorer.inspector import Picked
from explorer.render.widgets import Desk, fact, note
from mirage_engine import HIDDEN, LOCKED, NEVER

SEEN_FROM = 4  # pictures of keyframes that saw it


def point_panel(desk: Desk) -> None:
    picked = desk.inspector.picked
    rows = desk.known.table.rows(np.array([picked.id])) if picked else []
    if picked is None or not len(rows):
        note(
            "Click a point, or a cell of the picture. What memory keeps of it stands here, with "
            "its kin in feature space, and lines to every frame that saw it."
        )
        imgui.spacing()
        _world(desk)
        return
    _facts(desk, int(rows[0]))
    _seen_from(desk, picked)
    _kin(desk, picked)


def _facts(desk: Desk, row: int) -> None:
    table = desk.known.table
    point, born, died = (table[name][row] for name in ("points_world", "born", "died"))
    sky = point[3] == 0
    x, y, z = (float(v) for v in point[:3])
    imgui.separator_text(f"point {table['ids'][row]}")
    if sky:
        heading = float(np.degrees(np.arctan2(x, z)))
        fact("sky, direction", f"{heading:.0f}°  {np.degrees(np.arcsin(-y)):+.0f}°")
    else:
        fact("position", f"{x:.2f}  {0.0 - y:.2f}  {z:.2f} m")
        fact("from the walker", f"{np.linalg.norm(point[:3] - desk.walker.position):.2f} m")
    fact("born in", f"segment {born}, frame {table['frame'][row]}")
    footprint = float(table["footprints_m"][row])
    fact("footprint", f"{np.degrees(footprint):.2f}°" if sky else f"{100 * footprint:.1f} cm")
    fact("seen", f"{table['seen'][row]} times")
    latents = table.latents
    if latents.shape[1] and np.isfinite(latents[row]).all():
        fact("feature norm", f"{np.linalg.norm(latents[row].astype(np.float32)):.2f}")
    flags = int(table["flags"][row])
    words = [w for bit, w in ((HIDDEN, "hidden"), (LOCKED, "locked")) if flags & bit]
    fact("state", ", ".join(words) or ("alive" if died == NEVER else f"lost in segment {died}"))


def _seen_from(desk: Desk, picked: Picked) -> None:
    imgui.separator_text(f"seen by {len(picked.observers)} frames")
    shown = 0
    width = (imgui.get_content_region_avail().x - 3 * 5) / SEEN_FROM
    eyes = [desk.known.keyframes.entry(i) for i in picked.observers]
    frames = (desk.known.timeline.frame_of(eye.segment, eye.frame) for eye in eyes)
    for keyframe in [frame for frame in frames if frame is not None][-SEEN_FROM:]:
        if shown:
            imgui.same_line(0, 5)
        desk.pictures.show(f"seen{shown}", keyframe.key, lambda k=keyframe: k.frame, width)
        shown += 1
    if picked.observers and not shown:
        note("their pictures are no longer at hand; lines in the view lead to them")


def _kin(desk: Desk, picked: Picked) -> None:
    imgui.separator_text("nearest in feature space")
    if not picked.neighbours:
        note("features are on their way" if desk.engine != "off" else "no features were saved")
        return
    table = desk.known.table
    pen, size = imgui.get_window_draw_list(), 13.0 * desk.scale
    here = table.rows(np.array([picked.id]))[0]
    for number, other in enumerate(picked.neighbours):
        rows = table.rows(np.array([other]))
        if not len(rows):
            continue
        if number % 2:
            imgui.same_line(imgui.get_content_region_avail().x * 0.52)
        corner = imgui.get_cursor_screen_pos()
        r, g, b = (int(v) for v in table["colors"][rows[0]])
        color = r | g << 8 | b << 16 | 255 << 24
        pen.add_rect_filled(corner, (corner.x + size, corner.y + size), color, 3.0)
        imgui.dummy(imgui.ImVec2(size, size))
        imgui.same_line(0, 6)
        away = np.linalg.norm(table["points_world"][rows[0], :3] - table["points_world"][here, :3])
        if imgui.small_button(f"{other}##kin{number}"):
            desk.inspector.picked = Picked(other)
            desk.inspector.wish("fly")
        imgui.same_line(0, 6)
        imgui.text_disabled(f"{away:.1f} m")


def _world(desk: Desk) -> None:
    """What there is altogether."""
    table = desk.known.table
    alive = table.alive
    sky = alive & (table["points_world"][:, 3] == 0)
    imgui.separator_text("memory")
    fact("points", f"{int(alive.sum()):,}")
    fact("of the sky", f"{int(sky.sum()):,}")
    fact("hidden", f"{int((alive & (table['flags'] & HIDDEN > 0)).sum()):,}")
    fact("locked", f"{int((alive & (table['flags'] & LOCKED > 0)).sum()):,}")
    fact("lost, shown in the past", f"{int((~alive).sum()):,}")
    fact("frames generated", f"{len(desk.known.keyframes):,}")
