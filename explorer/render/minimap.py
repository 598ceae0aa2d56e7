"""The map: memory from above, how much of the floor it holds, and the way walked and ahead.

The first camera's forward is up. The ceiling is cut away. Redrawn only when something changed;
drawn twice as fine as it is shown, so that thin lines are smooth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import moderngl
import numpy as np
from numpy.typing import NDArray

from explorer.coverage import TILE_M, MapFacts
from explorer.render.canvas import ACCENT, TEXT, WARNING
from explorer.render.cloud import PointCloud
from explorer.render.compass import KNOWN, Compass
from explorer.render.flat import FlatPass, Rect
from explorer.render.look import PLAIN, Look
from explorer.render.points import PointsPass
from explorer.render.targets import SmallPicture
from mirage_engine import Camera

MAP_HZ = 8.0
MAP_POINTS = 12_000  # drawn at most
FINER = 2
DEPTH_M = 20.0  # above and below the eye that the map shows
CONE_M = 1.4
TILE_STEPS = 4  # of the share that are told apart
CHEVRON_M, CHEVRON_APART_M = 0.22, 0.3
BAR_M = 0.7
HERE_PX = 3.6

Places = NDArray[np.floating]


class Minimap:
    """A round map with the walker in the middle."""

    def __init__(self, ctx: moderngl.Context, flat: FlatPass, across_m: float = 11.0) -> None:
        self.flat = flat
        self.across_m = across_m
        self.points = PointsPass(ctx)
        self.compass = Compass(flat)
        self._small = SmallPicture(ctx, MAP_HZ)

    def update(
        self,
        side: int,  # px
        walker: Camera,
        cloud: PointCloud,
        path: Sequence[Places],  # [3] positions that were walked
        now_s: float,
        look: Look = PLAIN,  # its colours and its time count
        facts: MapFacts | None = None,
    ) -> None:
        """Redraws the map if something changed and it is due; before the screen."""
        fine = side * FINER
        state = walker.c2w.tobytes(), cloud.revision, len(path), look, facts, self.across_m

        def redraw(target: moderngl.Framebuffer) -> None:
            self._redraw(target, walker, cloud, path, look, facts)

        self._small.refresh((fine, fine), state, now_s, redraw)

    def draw(self, target: moderngl.Framebuffer, rect_px: Rect) -> None:  # square
        """Puts the map on the target."""
        if self._small.picture is not None:
            self.flat.picture(target, self._small.picture, rect_px, radius_px=rect_px[2] / 2)

    def to_map_px(
        self,
        points_world: Places,  # [..., 3]
        walker: Camera,
        side_px: int,
    ) -> NDArray[np.float64]:  # [..., 2]
        """Where places of the world are on the map, from its upper left corner."""
        scale = side_px / self.across_m
        aside = (np.asarray(points_world, np.float64) - walker.position) * scale
        return np.stack([side_px / 2 + aside[..., 0], side_px / 2 - aside[..., 2]], -1)

    def _redraw(
        self,
        target: moderngl.Framebuffer,
        walker: Camera,
        cloud: PointCloud,
        path: Sequence[Places],
        look: Look,
        facts: MapFacts | None,
    ) -> None:
        side = target.width
        plain = replace(
            look,
            size_px=(2.0 * FINER, 6.0 * FINER),
            size_m=None,
            near_m=0.0,
            age_fade=0.25,
            cut_above_m=0.3,
            dome=False,
            most=MAP_POINTS,
        )
        matrix = _from_above(walker, self.across_m)
        self.points.draw_through(target, matrix, side / self.across_m, cloud, walker, plain)
        if facts is not None:
            self._tiles(target, walker, facts)
            self._chevrons(target, walker, facts.frusta)
        if len(path) > 1:
            self._line(target, walker, np.stack(path), (*ACCENT[:3], 0.85), 2.0)
        if facts is not None and len(facts.ahead):
            self._ahead(target, walker, facts)
        self._walker(target, walker)
        if facts is not None:
            self.compass.draw(target, facts.headings, facts.threshold, walker)

    def _line(
        self,
        target: moderngl.Framebuffer,
        walker: Camera,
        places_world: Places,
        color: tuple[float, float, float, float],
        width_px: float,
    ) -> None:
        places = self.to_map_px(places_world, walker, target.width)
        self.flat.line(target, places, color, width_px * FINER)

    def _tiles(self, target: moderngl.Framebuffer, walker: Camera, facts: MapFacts) -> None:
        """Floor tiles, the stronger the more of each is remembered."""
        corner = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * TILE_M * 0.92 + TILE_M * 0.04
        flat = facts.tiles_world[:, None] + corner  # [M, 4, 2]
        world = np.stack([flat[..., 0], np.zeros(flat.shape[:2]), flat[..., 1]], -1)
        tiles = self.to_map_px(world, walker, target.width)
        steps = np.ceil(np.clip(facts.tile_share, 0, 1) * TILE_STEPS)
        for step in range(1, TILE_STEPS + 1):
            strength = 0.32 * step / TILE_STEPS
            self.flat.fill(target, tiles[steps == step], (*KNOWN[:3], strength))

    def _chevrons(
        self, target: moderngl.Framebuffer, walker: Camera, cameras: Sequence[Camera]
    ) -> None:
        """Where segments were generated, and which way they look; of close ones, one."""
        ends, taken = [], np.zeros((0, 3))
        for camera in cameras:
            wings = _cone_world(camera, CHEVRON_M)[[1, -1]]
            if (
                not len(taken)
                or np.linalg.norm(taken - wings.mean(0), axis=1).min() > CHEVRON_APART_M
            ):
                taken = np.vstack([taken, wings.mean(0)])
                ends += [[camera.position, wings[0]], [camera.position, wings[1]]]
        if ends:
            pixels = self.to_map_px(np.array(ends), walker, target.width)
            self.flat.segments(target, pixels, (*TEXT[:3], 0.55), 1.1 * FINER)

    def _ahead(self, target: moderngl.Framebuffer, walker: Camera, facts: MapFacts) -> None:
        """The path ahead, and a bar across it where memory ends."""
        ahead = np.vstack([walker.position, facts.ahead])
        self._line(target, walker, ahead, (*TEXT[:3], 0.85), 1.4)
        if facts.horizon is None:
            return
        at = ahead[facts.horizon + 1]
        along = at - ahead[facts.horizon]
        if np.linalg.norm(along[[0, 2]]) < 1e-6:
            along = walker.forward
        across = np.array([along[2], 0, -along[0]])
        across = across / max(np.linalg.norm(across), 1e-6) * BAR_M / 2
        bar = np.stack([at - across, at + across])
        self._line(target, walker, bar, (*WARNING[:3], 1.0), 2.6)

    def _walker(self, target: moderngl.Framebuffer, walker: Camera) -> None:
        side = target.width
        cone = self.to_map_px(_cone_world(walker, CONE_M), walker, side)
        self.flat.fill(target, cone, (*ACCENT[:3], 0.28))
        self.flat.line(target, cone[[1, 0, -1]], (*ACCENT[:3], 0.9), 1.2 * FINER)
        turn = np.linspace(0, 2 * np.pi, 25)
        here = side / 2 + np.stack([np.sin(turn), np.cos(turn)], 1) * HERE_PX * FINER
        self.flat.fill(target, here, ACCENT)


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


def _cone_world(camera: Camera, reach_m: float) -> NDArray[np.float64]:
    """[N, 3] the camera's place and an arc ahead, as wide as the view."""
    half = np.arctan(camera.size[1] / 2 / camera.intrinsics[0, 0])
    yaw = np.arctan2(camera.forward[0], camera.forward[2])
    angles = yaw + np.linspace(-half, half, 12)
    arc = np.stack([np.sin(angles), np.zeros_like(angles), np.cos(angles)], -1) * reach_m
    return np.concatenate([camera.position[None], camera.position + arc])
