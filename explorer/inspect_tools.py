"""The mouse over the inspector's view: turns its camera, picks a point, draws a box or brushes.

Works on the Inspector and the table of points; knows nothing of windows or widgets.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explorer.features import nearest_features
from explorer.inspector import Inspector, Picked
from explorer.known_world import KnownWorld
from explorer.picking import in_brush, in_rect, pick
from explorer.pointer import Pointer
from mirage_engine import Camera

CLICK_PX = 4.0  # a press that moved less than this was a click
NEIGHBOURS = 8


class InspectTools:
    """Hands on the view of an inspector."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector
        self._down: Pointer | None = None  # the press that is going on
        self._travelled_px = 0.0

    def use(
        self,
        pointers: Sequence[Pointer],
        known: KnownWorld,
        camera: Camera,  # of the view, at the window's size
        now_s: float,
    ) -> None:
        """Sees to what the mouse did in this frame."""
        for p in pointers:
            if p.kind == "wheel" and self._inspector.in_space:
                self._inspector.orbit.dolly(p.wheel)
            elif p.kind == "down":
                self._press(p)
            elif p.kind == "drag" and self._down is not None:
                self._drag(p, known, camera)
            elif p.kind == "up" and self._down is not None:
                self._release(p, known, camera, now_s)

    def drop(self) -> None:
        """The hands are elsewhere."""
        self._down, self._inspector.drag = None, ()

    def _press(self, p: Pointer) -> None:
        self._down, self._travelled_px = p, 0.0
        if p.button == "left" and self._inspector.tool == "brush":
            self._inspector.drag = p.at_px

    def _drag(self, p: Pointer, known: KnownWorld, camera: Camera) -> None:
        i, down = self._inspector, self._down
        assert down is not None, "a drag begins with a press"
        self._travelled_px += float(np.hypot(*p.moved_px))
        if p.button == "left" and i.tool == "box":
            i.drag = (*down.at_px, *p.at_px)
        elif p.button == "left" and i.tool == "brush":
            i.drag = p.at_px
            self._brush(p, known, camera)
        elif i.in_space:
            turn = i.orbit.turn if p.button == "left" and not p.add else i.orbit.pan
            turn(p.moved_px[0], p.moved_px[1], camera.size[0])

    def _release(self, p: Pointer, known: KnownWorld, camera: Camera, now_s: float) -> None:
        i, down = self._inspector, self._down
        assert down is not None, "a release ends a press"
        clicked = self._travelled_px < CLICK_PX and p.button == "left"
        self._down, i.drag = None, ()
        if p.button != down.button:
            return
        if i.tool == "look" and clicked:
            pick_at(i, known, camera, p.at_px, now_s)
        elif i.tool == "brush" and clicked:
            self._brush(p, known, camera)
        elif i.tool == "box" and p.button == "left" and not clicked:
            (x, y), (u, v) = down.at_px, p.at_px
            table = known.table
            inside = in_rect(
                table["points_world"],
                table["footprints_m"],
                shown_rows(i, known),
                camera,
                (x, y, u - x, v - y),
                i.visible_only,
            )
            self._choose(known, inside, p.add, p.subtract)

    def _brush(self, p: Pointer, known: KnownWorld, camera: Camera) -> None:
        i, table = self._inspector, known.table
        inside = in_brush(
            table["points_world"],
            table["footprints_m"],
            shown_rows(i, known),
            camera,
            p.at_px,
            i.brush_px,
            i.visible_only,
        )
        self._choose(known, inside, not p.subtract, p.subtract)

    def _choose(self, known: KnownWorld, inside: np.ndarray, add: bool, subtract: bool) -> None:
        selection, ids = self._inspector.selection, known.table["ids"][inside]
        if subtract:
            selection.subtract(ids)
        elif add:
            selection.add(ids)
        else:
            selection.replace(ids)


def shown_rows(inspector: Inspector, known: KnownWorld) -> np.ndarray:
    """[N] bool: the points of the table that are on show, and so can be touched."""
    table = known.table
    if inspector.shown is not None:
        return table.alive_at(inspector.shown)
    return table.alive if inspector.points.hidden else table.read


def pick_at(
    inspector: Inspector,
    known: KnownWorld,
    camera: Camera,
    at_px: tuple[float, float],
    now_s: float,
) -> None:
    """Picks what lies under a pixel; nothing there lets the picked point go."""
    table = known.table
    row = pick(
        table["points_world"], table["footprints_m"], shown_rows(inspector, known), camera, at_px
    )
    if row < 0:
        inspector.picked = None
    else:
        pick_row(inspector, known, row, now_s)


def pick_row(inspector: Inspector, known: KnownWorld, row: int, now_s: float) -> None:
    """Picks the point of a row: its facts, its kin, who saw it; the view flies there."""
    table = known.table
    point = table["points_world"][row]
    kin = nearest_features(table.latents, row, NEIGHBOURS, table.read)
    inspector.picked = Picked(
        int(table["ids"][row]),
        tuple(int(i) for i in table["ids"][kin]),
        tuple(known.keyframes.seen_by(point)),
    )
    inspector.tab = "point"
    if point[3] > 0:
        inspector.in_space = True
        inspector.orbit.fly_to(point[:3], now_s)
