"""The walker from behind and above in the cloud of points, as a small picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import moderngl
import numpy as np
from numpy.typing import NDArray

from explorer.render.canvas import ACCENT
from explorer.render.cloud import PointCloud
from explorer.render.flat import FlatPass, Rect, frustum_world, segments_px
from explorer.render.look import Look
from explorer.render.points import PointsPass
from explorer.render.targets import SmallPicture
from explorer.render.viewpoint import follow
from mirage_engine import Camera

INSET_HZ = 6.0
INSET_POINTS = 25_000  # drawn at most; it is small
INSET_LOOK = Look(age_fade=0.35, size_px=(1.5, 4.0), cut_above_m=0.35)


class Inset:
    """Follows the walker."""

    def __init__(self, ctx: moderngl.Context, flat: FlatPass) -> None:
        self.flat = flat
        self.points = PointsPass(ctx)
        self._small = SmallPicture(ctx, INSET_HZ)

    def update(
        self,
        size: tuple[int, int],  # (width, height) px
        walker: Camera,
        cloud: PointCloud,
        now_s: float,
        look: Look = INSET_LOOK,
        path: Sequence[NDArray[np.floating]] = (),  # [3] positions that were walked
    ) -> None:
        """Redraws the picture if something changed and it is due; before the screen."""
        state = walker.c2w.tobytes(), cloud.revision, look, len(path)

        def redraw(target: moderngl.Framebuffer) -> None:
            self._redraw(target, walker, cloud, look, path)

        self._small.refresh(size, state, now_s, redraw)

    def draw(self, target: moderngl.Framebuffer, rect_px: Rect) -> None:
        """Puts the picture on the target."""
        if self._small.picture is not None:
            self.flat.picture(target, self._small.picture, rect_px)

    def _redraw(
        self,
        target: moderngl.Framebuffer,
        walker: Camera,
        cloud: PointCloud,
        look: Look,
        path: Sequence[NDArray[np.floating]],
    ) -> None:
        camera = follow(walker, (target.height, target.width))
        thin = replace(look, most=min(look.most, INSET_POINTS))
        self.points.draw(target, camera, cloud, walker, thin)
        if len(path) > 1:
            walked = np.stack(path)
            ends = segments_px(camera, np.stack([walked[:-1], walked[1:]], 1))
            self.flat.segments(target, ends, (*ACCENT[:3], 0.55), 1.5)
        edges = segments_px(camera, frustum_world(walker))
        self.flat.segments(target, edges, (*ACCENT[:3], 0.95), 1.6)
