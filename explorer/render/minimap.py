"""The map: the points of memory from above, the way walked, and where the walker looks.

The first camera's forward is up. The ceiling is cut away. Redrawn only when something moved.
"""

from __future__ import annotations

from collections.abc import Sequence

import moderngl
import numpy as np
from numpy.typing import NDArray

from explorer.render.flat import FlatPass, Rect
from explorer.render.points import ACCENT, Look, PointCloud, PointsPass, make_target
from mirage_engine import Camera

MAP_HZ = 8.0
MAP_POINTS = 12_000  # drawn at most
DEPTH_M = 20.0  # above and below the eye that the map shows
CONE_M = 1.4


class Minimap:
    """A square map around the walker."""

    def __init__(self, ctx: moderngl.Context, flat: FlatPass, across_m: float = 11.0) -> None:
        self.ctx = ctx
        self.flat = flat
        self.across_m = across_m
        self.points = PointsPass(ctx)
        self.picture: moderngl.Texture | None = None
        self._target: moderngl.Framebuffer | None = None
        self._drawn: tuple = ()
        self._drawn_s = -np.inf

    def update(
        self,
        side: int,  # px
        walker: Camera,
        cloud: PointCloud,
        path: Sequence[NDArray[np.floating]],  # [3] positions that were walked
        now_s: float,
        mode: int = 0,
    ) -> None:
        """Redraws the map if something changed and it is due.

        Before anything is drawn to the screen: to leave a target half drawn and come back to it is
        slow where the processor draws.
        """
        state = (side, walker.c2w.tobytes(), cloud.revision, len(path), mode, self.across_m)
        if state != self._drawn and now_s - self._drawn_s >= 1 / MAP_HZ:
            self._drawn, self._drawn_s = state, now_s
            if self._target is None or self._target.width != side:
                self.picture, self._target = make_target(self.ctx, (side, side))
            self._redraw(self._target, walker, cloud, path, mode)

    def draw(self, target: moderngl.Framebuffer, rect_px: Rect) -> None:  # square
        """Puts the map on the target."""
        if self.picture is not None:
            self.flat.picture(target, self.picture, rect_px, radius_px=rect_px[2] / 2)

    def to_map_px(
        self,
        points_world: NDArray[np.floating],  # [N, 3]
        walker: Camera,
        side_px: int,
    ) -> NDArray[np.float64]:  # [N, 2]
        """Where places of the world are on the map, from its upper left corner."""
        scale = side_px / self.across_m
        aside = (np.asarray(points_world, np.float64) - walker.position) * scale
        return np.stack([side_px / 2 + aside[..., 0], side_px / 2 - aside[..., 2]], -1)

    def _redraw(
        self,
        target: moderngl.Framebuffer,
        walker: Camera,
        cloud: PointCloud,
        path: Sequence[NDArray[np.floating]],
        mode: int,
    ) -> None:
        side = target.width
        look = Look(mode, 0.25, (2.0, 6.0), cut_above_m=0.3, dome_m=1e4, most=MAP_POINTS)
        matrix = _from_above(walker, self.across_m)
        self.points.draw_through(target, matrix, side / self.across_m, cloud, walker, look)
        if len(path) > 1:
            walked = self.to_map_px(np.stack(path), walker, side)
            self.flat.line(target, walked, (*ACCENT, 0.85), 2.0)
        cone = self.to_map_px(_cone_world(walker), walker, side)
        self.flat.fill(target, cone, (*ACCENT, 0.28))
        self.flat.line(target, cone[[1, 0, -1]], (*ACCENT, 0.9), 1.2)
        here = side / 2 + np.array([[-0.01, 0], [0.01, 0]])  # a line so short is a round dot
        self.flat.line(target, here, (*ACCENT, 1.0), 7.0)


def _from_above(walker: Camera, across_m: float) -> NDArray[np.float64]:
    """[4, 4] world to clip, looking down: x to the right, z upwards, high things in front."""
    x, y, z = walker.position
    scale = 2 / across_m
    return np.array(
        [
            [scale, 0, 0, -x * scale],
            [0, 0, scale, -z * scale],
            [0, 1 / DEPTH_M, 0, -y / DEPTH_M],
            [0, 0, 0, 1],
        ]
    )


def _cone_world(walker: Camera) -> NDArray[np.float64]:
    """[N, 3] the walker's place and an arc ahead, as wide as the view."""
    half = np.arctan(walker.size[1] / 2 / walker.intrinsics[0, 0])
    yaw = np.arctan2(walker.forward[0], walker.forward[2])
    angles = yaw + np.linspace(-half, half, 12)
    arc = np.stack([np.sin(angles), np.zeros_like(angles), np.cos(angles)], -1) * CONE_M
    return np.concatenate([walker.position[None], walker.position + arc])
