"""Clouds drawn to arrays, at any size and smooth: figures, large inspector pictures, turntables.

Everything is drawn twice as fine and averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import moderngl
import numpy as np
from numpy.typing import NDArray

from explorer.render.cloud import PointCloud
from explorer.render.look import Look
from explorer.render.points import PointsPass
from explorer.render.targets import Layer
from explorer.window import read_framebuffer
from mirage_engine import Camera

FINER = 2

Picture = NDArray[np.uint8]  # [H, W, 3]
DrawMore = Callable[[moderngl.Framebuffer, Camera], None]  # over the points, from that camera


def render_cloud(
    ctx: moderngl.Context,
    cloud: PointCloud,
    camera: Camera,
    walker: Camera,
    look: Look,
    size: tuple[int, int],  # (height, width)
    draw_more: DrawMore | None = None,
) -> Picture:
    """One picture of the cloud; sizes in pixels of `look` are those of the picture."""
    return next(render_clouds(ctx, cloud, [camera], walker, look, size, draw_more))


def render_clouds(
    ctx: moderngl.Context,
    cloud: PointCloud,
    cameras: Iterable[Camera],
    walker: Camera,
    look: Look,
    size: tuple[int, int],  # (height, width)
    draw_more: DrawMore | None = None,
) -> Iterator[Picture]:
    """A picture from each camera."""
    points, fine = PointsPass(ctx), (size[0] * FINER, size[1] * FINER)
    least, most = look.size_px
    look = replace(look, size_px=(least * FINER, most * FINER))
    layer = Layer(ctx, (fine[1], fine[0]))
    try:
        for camera in cameras:
            camera = camera.resized(fine)
            points.draw(layer.target, camera, cloud, walker, look)
            if draw_more is not None:
                draw_more(layer.target, camera)
            picture = read_framebuffer(layer.target, layer.size)
            mean = picture.reshape(size[0], FINER, size[1], FINER, 3).mean((1, 3), np.float32)
            yield mean.round().astype(np.uint8)
    finally:
        layer.release()
        points.release()
