"""The inspector's picture: points from its own camera or over the walker's picture, and panels.

In space it shows the walker as a frustum with its live picture, and lines from a picked point to
every frame that saw it. Owns no state but drawing passes; what to show stands in the Inspector.
"""

from __future__ import annotations

import moderngl
import numpy as np
from numpy.typing import NDArray

from explorer.frame import Frame
from explorer.histogram import Histogram, histogram
from explorer.inspector import Inspector
from explorer.render.canvas import ACCENT, Canvas
from explorer.render.cloud import PointCloud
from explorer.render.flat import FlatPass, frustum_world, segments_px
from explorer.render.look import INK, PAPER, WIDE_M, Look, Rgb, mode_values
from explorer.render.panels import (
    LEFT_WIDTH,
    MARGIN,
    RIGHT_WIDTH,
    STRIP_HEIGHT,
    draw_panels,
)
from explorer.render.points import PointsPass
from explorer.render.stills import render_cloud
from explorer.render.targets import fineness, size_of
from explorer.render.walker import WalkerPass
from explorer.render.widgets import Desk, Pictures
from mirage_engine import Camera

CEILING_M = 0.35  # above the walker's eye
HIDDEN_STRENGTH = 0.25
OVERLAY_PX = (1.6, 3.2)  # points over the walker's picture stay small, so that it can be seen
COUNT_S = 0.5  # between two looks at how values are spread
RAYS, RAYS_MOST = (*ACCENT[:3], 0.30), 160  # lines to the frames that saw a point
TOOL = (*ACCENT[:3], 0.9)
KIN = (0.38, 0.75, 0.72, 0.9)


class InspectView:
    """Draws the full inspector."""

    def __init__(
        self, ctx: moderngl.Context, canvas: Canvas, flat: FlatPass, cloud: PointCloud
    ) -> None:
        self._ctx, self._canvas, self._flat, self._cloud = ctx, canvas, flat, cloud
        self._points, self._walker = PointsPass(ctx), WalkerPass(ctx, flat)
        self._pictures = Pictures(ctx, canvas)
        self._histogram: Histogram | None = None
        self._counted: tuple = ()
        self._counted_s = -np.inf
        self._selected: tuple = ()

    def camera(self, inspector: Inspector, size: tuple[int, int]) -> Camera:
        """Its camera for a window of (width, height): what it aims at lies between the panels."""
        camera = inspector.orbit.camera((size[1], size[0]))
        scale, intrinsics = self._canvas.scale, camera.intrinsics.copy()
        intrinsics[0, 2] += scale * (LEFT_WIDTH - RIGHT_WIDTH) / 2
        intrinsics[1, 2] -= scale * (STRIP_HEIGHT + MARGIN) / 2
        return Camera(camera.c2w, intrinsics, camera.size)

    def select(self, frame: Frame) -> None:
        """Marks the selected points on the graphics card."""
        inspector, table = frame.inspector, frame.known.table
        state = inspector.selection.revision, table.revision
        if state != self._selected:
            self._selected = state
            rows = np.zeros(len(table), bool)
            rows[inspector.selection.rows(table)] = True
            self._cloud.select(rows)

    def draw_space(
        self, target: moderngl.Framebuffer, frame: Frame, live: moderngl.Texture
    ) -> None:
        """Points, the walker with its `live` picture, and what belongs to a picked point."""
        inspector, walker = frame.inspector, frame.camera
        camera = self.camera(inspector, size_of(target))
        self._points.draw(target, camera, self._cloud, walker, self.look(inspector))
        self._walker.draw(target, camera, walker, live)
        self._draw_path(target, frame, camera, ACCENT[:3])
        self._draw_picked(target, frame, camera)

    def draw_overlay(self, target: moderngl.Framebuffer, frame: Frame, camera: Camera) -> None:
        """Points over the walker's picture, and what belongs to a picked one."""
        if frame.inspector.overlaid:
            look = self.look(frame.inspector, OVERLAY_PX, ceiling=True)
            self._points.draw(target, camera, self._cloud, frame.camera, look, over=True)
        self._draw_picked(target, frame, camera)

    def draw_panels(self, frame: Frame) -> None:
        """Between the canvas's begin and end."""
        self._count(frame)
        draw_panels(
            Desk(
                self._canvas,
                frame.inspector,
                frame.known,
                self._histogram,
                frame.camera,
                frame.engine,
                self._pictures,
                frame.now_s,
                frame.revisits,
            )
        )

    def draw_tool(self, target: moderngl.Framebuffer, inspector: Inspector) -> None:
        """The box or the brush that is at work."""
        drag = inspector.drag
        if len(drag) == 4:
            x, y, u, v = drag
            corners = np.array([[x, y], [u, y], [u, v], [x, v]], np.float64)
            self._flat.fill(target, corners, (*ACCENT[:3], 0.10))
            self._flat.rect(target, (x, y, u - x, v - y), TOOL, 1.2)
        elif len(drag) == 2:
            self._flat.circle(target, (drag[0], drag[1]), inspector.brush_px, TOOL, 1.2)

    def figure(
        self, frame: Frame, size: tuple[int, int], turn_deg: float
    ) -> NDArray[np.uint8]:  # [H, W, 3]
        """The view on paper, as a figure; `size` is (height, width)."""
        inspector = frame.inspector
        camera = inspector.orbit.camera(size, turn_deg)
        look = self.look(inspector, background=PAPER, highlight=False)

        def draw_signs(target: moderngl.Framebuffer, fine: Camera) -> None:
            self._walker.draw(target, fine, frame.camera, None, background=PAPER)
            self._draw_path(target, frame, fine, INK)
            self._draw_picked(target, frame, fine)

        return render_cloud(self._ctx, self._cloud, camera, frame.camera, look, size, draw_signs)

    def look(
        self,
        inspector: Inspector,
        size_px: tuple[float, float] = (1.0, 24.0),
        ceiling: bool = False,
        **more: object,
    ) -> Look:
        """How the Inspector wants its points."""
        points = inspector.points
        low, high = points.ranges.get(points.mode, self._span)
        factor = points.size[points.unit]
        if points.unit == "pixels":
            size_px = factor, factor
        whole = points.ceiling or ceiling
        return Look(
            points.mode,
            height=points.height,
            low=low,
            high=high,
            size=factor if points.unit == "footprint" else 1.0,
            size_px=size_px,
            size_m=factor if points.unit == "metres" else None,
            near_m=points.near_m,
            age_fade=points.age_fade,
            shown=inspector.shown,
            cut_above_m=WIDE_M if whole else CEILING_M,
            dome=points.dome,
            hidden=HIDDEN_STRENGTH if points.hidden else 0.0,
            **more,  # type: ignore[arg-type]
        )

    @property
    def _span(self) -> tuple[float | None, float | None]:
        return (None, None) if self._histogram is None else self._histogram.span

    def _count(self, frame: Frame) -> None:
        """How the values behind the colours are spread, anew when they may be others."""
        points, table = frame.inspector.points, frame.known.table
        facts = Look(points.mode, points.height).facts
        if not facts.colormap or not len(table):
            self._histogram, self._counted = None, ()
            return
        state = table.revision, points.mode, points.height, frame.camera.position.round(1).tobytes()
        if state == self._counted:
            return
        same_kind = self._counted[1:3] == state[1:3]
        if same_kind and frame.now_s - self._counted_s < COUNT_S:
            return
        self._counted, self._counted_s = state, frame.now_s
        values = mode_values(table, points.mode, frame.camera, points.height)
        self._histogram = histogram(values[table.alive], facts.log)

    def _draw_path(
        self, target: moderngl.Framebuffer, frame: Frame, camera: Camera, color: Rgb
    ) -> None:
        """The way along the generated frames."""
        path = [camera.position for _, camera in frame.known.horizon.generated]
        if len(path) > 1:
            walked = np.stack(path)
            ends = segments_px(camera, np.stack([walked[:-1], walked[1:]], 1))
            self._flat.segments(target, ends, (*color, 0.4), 1.2 * fineness(target))

    def _draw_picked(self, target: moderngl.Framebuffer, frame: Frame, camera: Camera) -> None:
        """The picked point, its kin, and lines to the frames that saw it."""
        picked, table = frame.inspector.picked, frame.known.table
        rows = table.rows(np.array([picked.id])) if picked else np.zeros(0, np.int64)
        if picked is None or not len(rows):
            return
        kin = table.rows(np.array(picked.neighbours, np.int64))
        places = _places(table["points_world"][np.concatenate([rows, kin])], frame.camera)
        here = places[0]
        eyes = [frame.known.keyframes.entry(i).camera for i in picked.observers[:RAYS_MOST]]
        if eyes and frame.inspector.in_space:
            ends = np.stack([np.stack([here, eye.position]) for eye in eyes])
            self._flat.segments(target, segments_px(camera, ends), RAYS, 1.0)
            frusta = np.concatenate([frustum_world(eye, 0.12) for eye in eyes])
            self._flat.segments(target, segments_px(camera, frusta), (*ACCENT[:3], 0.5), 1.0)
        rings = segments_px(camera, np.repeat(places[:, None], 2, 1))[:, 0]
        for n, (x, y) in enumerate(rings.tolist()):
            if np.isfinite([x, y]).all():
                radius, color = (9.0, ACCENT) if n == 0 else (5.0, KIN)
                self._flat.circle(target, (x, y), radius, color, 2.0)


def _places(points_world: np.ndarray, walker: Camera, dome_m: float = 30.0) -> np.ndarray:
    """[N, 3] where homogeneous points are drawn: sky on its dome around the walker."""
    sky = points_world[:, 3:] == 0
    return np.where(sky, walker.position + points_world[:, :3] * dome_m, points_world[:, :3])
