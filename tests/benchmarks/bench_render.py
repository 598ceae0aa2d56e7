"""How long a display frame takes on this machine's OpenGL, software or not.

960x600 with six keyframes, 50 thousand points in the inset, the map and the HUD, without a screen.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import moderngl
import numpy as np

from explorer.render.depth_mesh import depth_mesh
from explorer.render.flat import FlatPass
from explorer.render.fog import FogPass
from explorer.render.hud import Hud, HudState
from explorer.render.minimap import Minimap
from explorer.render.points import Inset, Look, PointCloud, PointsPass
from explorer.render.reproject import ReprojectPass
from explorer.window import HeadlessWindow
from mirage_engine import Camera
from tests.gl import analytic

SIZE = (600, 960)  # (height, width)
KEYFRAMES = 6
POINTS, MANY_POINTS = 50_000, 200_000
FRAMES = 80


class Display:
    """All passes of a frame, as the explorer draws them."""

    def __init__(self) -> None:
        self.window = HeadlessWindow((SIZE[1], SIZE[0]))
        ctx = self.window.ctx
        self.reproject, self.fog, self.hud = ReprojectPass(ctx), FogPass(ctx), Hud(ctx)
        flat = FlatPass(ctx)
        self.inset, self.map = Inset(ctx, flat), Minimap(ctx, flat)
        self.cloud = random_cloud(ctx, POINTS)
        self.keyframes = [
            analytic.shoot(analytic.camera(z=0.2 * k, yaw_deg=4.0 * k), k) for k in range(KEYFRAMES)
        ]
        self.path = [np.array([0.0, 0.0, 0.1 * k]) for k in range(60)]
        self.mean = (0.4, 0.4, 0.4)

    def frame(self, camera: Camera, now_s: float, keyframes: int = KEYFRAMES) -> None:
        screen, shots = self.window.screen, self.keyframes[:keyframes]
        self.inset.update((306, 192), camera, self.cloud, now_s, path=self.path)
        self.map.update(156, camera, self.cloud, self.path, now_s)
        changed = self.reproject.draw(camera, shots, now_s)
        if changed:
            self.mean = self.reproject.mean_color()
        self.fog.draw(screen, self.reproject.picture, self.mean, now_s, changed=changed)
        rect = (SIZE[1] - 320, SIZE[0] - 206, 306, 192)
        self.inset.draw(screen, rect)
        rect = (SIZE[1] - 170, 14, 156, 156)
        self.map.draw(screen, rect)
        state = HudState(coverage=0.9, points=POINTS, engine="generating", step=1, steps=2)
        self.hud.draw(screen, state)
        self.window.present()


def random_cloud(ctx: moderngl.Context, count: int) -> PointCloud:
    rng = np.random.default_rng(0)
    cloud = PointCloud(ctx)
    low, high = [-3, -1.2, -2, 1], [3, 1.5, 6, 1]
    points = rng.uniform(low, high, (count, 4)).astype(np.float32)
    colors = rng.integers(0, 255, (count, 3)).astype(np.uint8)
    cloud.append(points, colors, np.full(count, 0.04, np.float32), 0)
    return cloud


def run() -> dict[str, float | str]:
    """Median and 95th percentile of the frame time in ms, standing still and walking."""
    display = Display()
    result: dict[str, float | str] = {"renderer": display.window.ctx.info["GL_RENDERER"]}
    eye = {"x": 0.1, "y": 0.0}

    def still(i: int) -> None:
        display.frame(analytic.camera(z=0.5, yaw_deg=9, size=SIZE, **eye), 10 + i / 30)

    def walking(i: int) -> None:
        camera = analytic.camera(z=0.3 + 0.01 * i, yaw_deg=9 + 0.2 * i, size=SIZE, **eye)
        display.frame(camera, 100 + i / 30)

    def walking_3(i: int) -> None:
        camera = analytic.camera(z=0.3 + 0.01 * i, yaw_deg=9 + 0.2 * i, size=SIZE, **eye)
        display.frame(camera, 200 + i / 30, keyframes=3)

    for name, draw in (("still", still), ("walking", walking), ("walking_3", walking_3)):
        result |= {f"{name}_{key}_ms": value for key, value in frame_ms(draw).items()}
    points, cloud = PointsPass(display.window.ctx), random_cloud(display.window.ctx, MANY_POINTS)

    def full_view(i: int) -> None:
        camera = analytic.camera(yaw_deg=0.5 * i, size=SIZE)
        points.draw(display.window.screen, camera, cloud, camera, Look())
        display.window.present()

    result["points_200k_median_ms"] = frame_ms(full_view, 20)["median"]
    depth_m = display.keyframes[0].depth_m
    result["mesh_median_ms"] = frame_ms(lambda _: depth_mesh(depth_m), 20)["median"]
    display.window.close()
    return result


def frame_ms(draw: Callable[[int], object], frames: int = FRAMES) -> dict[str, float]:
    times = []
    for i in range(frames + 5):
        begin = time.perf_counter()
        draw(i)
        times.append((time.perf_counter() - begin) * 1e3)
    kept = np.array(times[5:])  # the first ones compile and upload
    return {"median": float(np.median(kept)), "p95": float(np.quantile(kept, 0.95))}
