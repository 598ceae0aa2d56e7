"""How long a display frame takes on this machine's OpenGL, software or not.

960x600 with six keyframes, 50 thousand points in the inset, the map and the HUD, without a screen;
then points alone: those of a room, from within and from outside, and what news of them costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import moderngl
import numpy as np

from explorer.memory_table import MemoryTable
from explorer.render.cloud import PointCloud
from explorer.render.depth_mesh import depth_mesh
from explorer.render.flat import FlatPass
from explorer.render.fog import FogPass
from explorer.render.hud import Hud, HudState
from explorer.render.inset import INSET_LOOK, Inset
from explorer.render.look import DEPTH, PLAIN, Look
from explorer.render.minimap import MapFacts, Minimap
from explorer.render.points import PointsPass
from explorer.render.reproject import ReprojectPass
from explorer.render.targets import Layer
from explorer.render.tint import TintPass
from explorer.render.viewpoint import follow
from explorer.window import HeadlessWindow
from mirage_engine import Camera
from tests.gl import analytic

SIZE = (600, 960)  # (height, width)
KEYFRAMES = 6
POINTS = 50_000
CLOUDS = (100_000, 200_000, 1_000_000)
FRAMES = 80


class Display:
    """All passes of a frame, as the explorer draws them."""

    def __init__(self) -> None:
        self.window = HeadlessWindow((SIZE[1], SIZE[0]))
        ctx = self.window.ctx
        self.reproject, self.fog, self.hud = ReprojectPass(ctx), FogPass(ctx), Hud(ctx)
        flat = FlatPass(ctx)
        self.inset, self.map = Inset(ctx, flat), Minimap(ctx, flat)
        self.cloud = room_cloud(ctx, POINTS)
        self.facts = map_facts()
        self.keyframes = [
            analytic.shoot(analytic.camera(z=0.2 * k, yaw_deg=4.0 * k), k) for k in range(KEYFRAMES)
        ]
        self.path = [np.array([0.0, 0.0, 0.1 * k]) for k in range(60)]
        self.mean = (0.4, 0.4, 0.4)

    def frame(
        self, camera: Camera, now_s: float, keyframes: int = KEYFRAMES, inset: bool = True
    ) -> None:
        screen, shots = self.window.screen, self.keyframes[:keyframes]
        if inset:
            self.inset.update((306, 192), camera, self.cloud, now_s, path=self.path)
        self.map.update(156, camera, self.cloud, self.path, now_s, PLAIN, self.facts)
        changed = self.reproject.draw(camera, shots, now_s)
        if changed:
            self.mean = self.reproject.mean_color()
        self.fog.draw(screen, self.reproject.picture, self.mean, now_s, changed=changed)
        if inset:
            self.inset.draw(screen, (SIZE[1] - 320, SIZE[0] - 206, 306, 192))
        rect = (SIZE[1] - 170, 14, 156, 156)
        self.map.draw(screen, rect)
        state = HudState(remembered=0.9, points=POINTS, engine="generating", step=1, steps=2)
        self.hud.draw(screen, state)
        self.window.present()


def room_table(count: int) -> MemoryTable:
    """Points all over the surfaces of the room, as frames from twelve cameras see them."""
    places, colors = [], []
    for yaw_deg in range(0, 360, 60):
        for z in (0.0, 3.5):
            camera = analytic.camera(z=z, yaw_deg=yaw_deg)
            shot = analytic.shoot(camera)
            near = np.isfinite(shot.depth_m)
            places.append(camera.position + camera.rays()[near] * shot.depth_m[near][:, None])
            colors.append(shot.frame[near])
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, sum(map(len, places)), count)
    points = np.concatenate(places)[chosen] + rng.normal(0, 0.005, (count, 3))
    table = MemoryTable()
    table.append(
        {
            "ids": np.arange(count),
            "points_world": np.c_[points, np.ones(count)].astype(np.float32),
            "colors": np.concatenate(colors)[chosen],
            "footprints_m": np.full(count, 0.04, np.float32),
            "born": np.arange(count) * 40 // count,
        }
    )
    return table


def room_cloud(ctx: moderngl.Context, count: int) -> PointCloud:
    cloud = PointCloud(ctx)
    cloud.sync(room_table(count))
    return cloud


def map_facts() -> MapFacts:
    """As much as a map may have to show."""
    x, z = np.meshgrid(np.arange(-5, 5, 0.5), np.arange(-5, 5, 0.5))
    return MapFacts(
        tiles_world=np.stack([x.ravel(), z.ravel()], 1),
        tile_share=np.linspace(0, 1, x.size),
        headings=np.linspace(0, 1, 72),
        threshold=0.85,
        ahead=np.stack([np.zeros(8), np.zeros(8), np.linspace(0.2, 2, 8)], 1),
        horizon=5,
        frusta=[analytic.camera(x=np.sin(i), z=0.2 * i, yaw_deg=9 * i) for i in range(60)],
    )


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
    result |= inset_ms(display)
    ctx = display.window.ctx
    for count in CLOUDS:
        result |= points_ms(ctx, room_table(count))
    result |= small_pictures_ms(ctx)
    depth_m = display.keyframes[0].depth_m
    result["mesh_median_ms"] = frame_ms(lambda _: depth_mesh(depth_m), 20)["median"]
    display.window.close()
    return result


def inset_ms(display: Display) -> dict[str, float]:
    """The mean display frame of a walk with and without the inset, in turn, at 100 k points.

    The walk's clock runs on at 30 frames a second, so that inset and map are redrawn in time.
    """
    display.cloud = room_cloud(display.window.ctx, CLOUDS[0])
    means: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(18):
        inset = turn % 2 == 0
        begin = time.perf_counter()
        for i in range(30):
            camera = analytic.camera(z=0.3 + 0.01 * i, yaw_deg=9 + 0.2 * i, size=SIZE)
            display.frame(camera, 1000 + 10 * turn + i / 30, keyframes=3, inset=inset)
            display.window.ctx.finish()
        means[inset].append((time.perf_counter() - begin) / 30 * 1e3)
    on, off = np.array(means[True]), np.array(means[False])
    return {
        "inset_on_100k_ms": float(np.median(on)),
        "inset_off_100k_ms": float(np.median(off)),
        "inset_cost": float(np.median(on / off)) - 1,
    }


def points_ms(ctx: moderngl.Context, table: MemoryTable) -> dict[str, float]:
    """The whole cloud over the whole window, and what the table and its news cost."""
    points, layer, cloud = PointsPass(ctx), Layer(ctx, (SIZE[1], SIZE[0])), PointCloud(ctx)
    walker = analytic.camera(size=SIZE)
    cameras = {
        "inside": lambda i: analytic.camera(yaw_deg=2.0 * i, size=SIZE),
        "outside": lambda i: follow(analytic.camera(z=1, yaw_deg=2.0 * i), SIZE),
    }
    name = f"points_{len(table) // 1000}k"
    begin = time.perf_counter()
    cloud.sync(table)
    found = {f"{name}_upload_ms": (time.perf_counter() - begin) * 1e3}
    for where, camera in cameras.items():
        for mode in (0, DEPTH):
            look = Look(mode, cut_above_m=0.35, most=len(table))

            def draw(i: int, camera=camera, look=look) -> None:
                points.draw(layer.target, camera(i), cloud, walker, look)
                ctx.finish()

            key = f"{name}_{where}_{look.facts.name}_median_ms"
            found[key] = frame_ms(draw, 12)["median"]
    table.kill(np.random.default_rng(1).choice(len(table), 300, replace=False), 40)
    begin = time.perf_counter()
    cloud.sync(table)
    found[f"{name}_news_ms"] = (time.perf_counter() - begin) * 1e3
    layer.release()
    points.release()
    return found


def small_pictures_ms(ctx: moderngl.Context) -> dict[str, float]:
    """A redraw of the inset and of the map with 100 thousand points, and the tint of a window."""
    flat, cloud, layer = FlatPass(ctx), room_cloud(ctx, CLOUDS[0]), Layer(ctx, (SIZE[1], SIZE[0]))
    inset, minimap, tint, facts = Inset(ctx, flat), Minimap(ctx, flat), TintPass(ctx), map_facts()
    path = [np.array([0.0, 0.0, 0.1 * k]) for k in range(60)]
    states = np.random.default_rng(0).integers(0, 3, (40, 64)).astype(np.uint8)
    all_points = replace(INSET_LOOK, mode=DEPTH)

    def redraw_inset(i: int) -> None:
        inset.update((306, 192), analytic.camera(yaw_deg=i), cloud, float(i), all_points, path)
        ctx.finish()

    def redraw_map(i: int) -> None:
        minimap.update(156, analytic.camera(yaw_deg=i), cloud, path, float(i), PLAIN, facts)
        ctx.finish()

    def draw_tint(i: int) -> None:
        now = analytic.camera(yaw_deg=0.1 * i, size=SIZE)
        tint.draw(layer.target, now, analytic.camera(), states)
        ctx.finish()

    draws = {"inset_100k": redraw_inset, "map_100k": redraw_map, "tint": draw_tint}
    return {f"{name}_median_ms": frame_ms(draw, 20)["median"] for name, draw in draws.items()}


def frame_ms(draw: Callable[[int], object], frames: int = FRAMES) -> dict[str, float]:
    times = []
    for i in range(frames + 5):
        begin = time.perf_counter()
        draw(i)
        times.append((time.perf_counter() - begin) * 1e3)
    kept = np.array(times[5:])  # the first ones compile and upload
    return {"median": float(np.median(kept)), "p95": float(np.quantile(kept, 0.95))}
