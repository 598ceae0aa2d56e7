"""A ring around the map: how much of each heading is remembered, and where it ends.

Up is the first camera's forward, as on the map.
"""

from __future__ import annotations

import moderngl
import numpy as np
from numpy.typing import NDArray

from explorer.render.canvas import ACCENT, TEXT, WARNING
from explorer.render.flat import Color, FlatPass
from mirage_engine import Camera

INNER, OUTER = 0.875, 0.975  # of the map's radius
GAP_DEG = 1.0  # between two headings
BAND: Color = (0.055, 0.062, 0.075, 0.82)
EMPTY: Color = (0.93, 0.94, 0.95, 0.10)
KNOWN: Color = (0.42, 0.74, 0.69, 0.90)
LEAST = 0.12  # of an arc is drawn, so that an unknown heading shows its colour


class Compass:
    """Draws into a square target that holds the map."""

    def __init__(self, flat: FlatPass) -> None:
        self.flat = flat

    def draw(
        self,
        target: moderngl.Framebuffer,
        headings: NDArray[np.floating],  # [n] share remembered, 0..1; 0 is up, then clockwise
        threshold: float,  # share under which the next view is generated
        walker: Camera,
    ) -> None:
        self._band(target)
        shares = np.clip(np.asarray(headings, np.float64), 0, 1)
        known = shares >= threshold
        self._arcs(target, np.ones_like(shares), np.ones_like(known), EMPTY)
        self._arcs(target, np.maximum(shares, LEAST), ~known, (*WARNING[:3], 0.95))
        self._arcs(target, shares, known, KNOWN)
        self._view(target, walker)
        self._north(target)

    def _band(self, target: moderngl.Framebuffer) -> None:
        turn = np.linspace(0, 360, 97)
        corners = _sectors(turn[:-1], turn[1:], np.full(96, INNER - 0.03), np.full(96, 1.0))
        self.flat.fill(target, _to_px(corners, target.width), BAND)

    def _arcs(
        self,
        target: moderngl.Framebuffer,
        shares: NDArray[np.float64],
        which: NDArray[np.bool_],
        color: Color,
    ) -> None:
        step = 360 / len(shares)
        middle = np.arange(len(shares))[which] * step
        half = (step - GAP_DEG) / 2
        outer = INNER + (OUTER - INNER) * shares[which]
        corners = _sectors(middle - half, middle + half, np.full(len(middle), INNER), outer)
        self.flat.fill(target, _to_px(corners, target.width), color)

    def _view(self, target: moderngl.Framebuffer, walker: Camera) -> None:
        """An arc inside the ring, as wide as the walker's view."""
        half = np.degrees(np.arctan(walker.size[1] / 2 / walker.intrinsics[0, 0]))
        heading = np.degrees(np.arctan2(walker.forward[0], walker.forward[2]))
        arc = _at(np.linspace(heading - half, heading + half, 24), np.array(INNER - 0.035))
        width = target.width / 75
        self.flat.line(target, _to_px(arc, target.width), (*ACCENT[:3], 0.95), width)

    def _north(self, target: moderngl.Framebuffer) -> None:
        """An N on a dark disc."""
        middle = np.array([0.0, -0.76])
        disc = middle + _at(np.linspace(0, 360, 33), np.array(0.085))
        self.flat.fill(target, _to_px(disc, target.width), BAND)
        strokes = np.array([[-1, 1], [-1, -1], [1, 1], [1, -1]]) * [0.026, 0.036]
        self.flat.line(target, _to_px(middle + strokes, target.width), TEXT, target.width / 95)


def _at(degrees: NDArray[np.floating], radius: NDArray[np.float64]) -> NDArray[np.float64]:
    """[N, 2] places on a disc of radius 1, x to the right and y downwards."""
    angle = np.radians(degrees)
    return np.stack([np.sin(angle), -np.cos(angle)], -1) * radius[..., None]


def _sectors(
    start_deg: NDArray[np.floating],  # [N]
    end_deg: NDArray[np.floating],  # [N]
    inner: NDArray[np.float64],  # [N]
    outer: NDArray[np.float64],  # [N]
) -> NDArray[np.float64]:  # [N, 4, 2]
    return np.stack(
        [_at(start_deg, inner), _at(start_deg, outer), _at(end_deg, outer), _at(end_deg, inner)], 1
    )


def _to_px(places: NDArray[np.float64], side_px: int) -> NDArray[np.float64]:
    return (places + 1) * side_px / 2
