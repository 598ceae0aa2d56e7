"""One picture of everything: scene, fog, points, map and words, in the order they are drawn.

Owns the drawing passes. Knows nothing of keys or the engine process.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.config import DrawConfig
from explorer.coverage import states
from explorer.frame import Frame
from explorer.hud_state import hud_state
from explorer.inspector import Inspector
from explorer.pointer import Pointer
from explorer.render import hands
from explorer.render.cloud import PointCloud
from explorer.render.flat import FlatPass, Rect
from explorer.render.fog import FogPass, Mixing
from explorer.render.hud import Hud
from explorer.render.inset import INSET_LOOK, Inset
from explorer.render.inspect_view import InspectView
from explorer.render.minimap import Minimap
from explorer.render.reproject import ReprojectPass
from explorer.render.revisit_view import RevisitView
from explorer.render.tint import TintPass
from explorer.timeline import Keyframe
from explorer.window import PygameWindow
from mirage_engine import Camera, pose_distance

CHOOSE_M, CHOOSE_DEG = 0.03, 1.5  # movement after which keyframes are chosen anew
AS_GENERATED_M, AS_GENERATED_DEG = 0.01, 0.25  # within which a picture counts as generated
SOFTWARE = ("llvmpipe", "softpipe", "swiftshader")
MEASURE_S = 0.2  # between two looks at what was drawn
MOVING_SCALE = 0.7  # of the scene while the view moves, where the processor draws it
STILL_S = 0.3  # after which the view counts as still
PATH_M = 0.1  # between two remembered places of the way walked
PATH_MOST = 4000
MAP_SHARE, MARGIN_PX = 0.26, 14


class Screen:
    """Draws frames into a window."""

    def __init__(
        self, window: PygameWindow, config: DrawConfig, help_rows: list[tuple[str, str]]
    ) -> None:
        ctx = window.ctx
        self._window, self._config = window, config
        #: Whether the processor draws, for want of a graphics card.
        self.software = any(name in ctx.info["GL_RENDERER"].lower() for name in SOFTWARE)
        self._reproject = ReprojectPass(ctx, config.render_scale, patient=True)
        self._reproject.fade_s = config.fade_s
        self._fog = FogPass(ctx)
        self._flat = FlatPass(ctx)
        self._cloud = PointCloud(ctx)
        self._inset, self._minimap = Inset(ctx, self._flat), Minimap(ctx, self._flat)
        self._tint = TintPass(ctx)
        self._hud, self._help_rows = Hud(ctx), tuple(help_rows)
        self._inspect = InspectView(ctx, self._hud.canvas, self._flat, self._cloud)
        self._revisit = RevisitView(ctx, self._hud.canvas, self._flat)
        self._reprojected, self._measure_due_s = 0.0, 0.0
        self._chosen: list[Keyframe] = []
        self._chosen_for: tuple[int, Camera] | None = None
        self._seen_from, self._moved_s = np.eye(4), -STILL_S
        self._mean = (0.42, 0.45, 0.49)
        self._path: list[NDArray[np.float64]] = []
        self._world_number = 0

    def draw(self, frame: Frame) -> None:
        """Draws everything; the caller presents it."""
        self._follow_world(frame)
        reprojected, widgets = 0.0, None
        if frame.known.start is not None:
            if frame.view.overlay == "full":
                self._draw_inspector(frame)
                widgets = None if frame.view.help else partial(self._inspect.draw_panels, frame)
            else:
                insets = self._update_insets(frame)
                if not self._revisit.draw_comparison(self._window.screen, frame):
                    self._draw_scene(frame)
                    reprojected = self._reprojected
                for inset, rect in insets:
                    inset.draw(self._window.screen, rect)
                widgets = partial(self._revisit.draw_card, frame)
        state = hud_state(frame, reprojected, self._help_rows)
        self._hud.draw(self._window.screen, state, self._window.scale, widgets)

    def hands(self, events: list[Any]) -> tuple[list[Any], list[Pointer]]:
        """What the inspector's panels leave of the events, and the mouse over the view below."""
        self._hud.canvas.use()
        left = hands.tell(events)
        return left, hands.pointers(left)

    def let_go(self) -> None:
        """The hands have left the inspector's panels."""
        self._hud.canvas.use()
        hands.let_go()

    def view_camera(self, inspector: Inspector, walker: Camera) -> Camera:
        """Of what the inspector shows now, at the window's size."""
        if inspector.in_space:
            return self._inspect.camera(inspector, self._window.size)
        return window_camera(walker, self._window.size)

    def figure(
        self, frame: Frame, size: tuple[int, int] | None = None, turn_deg: float = 0.0
    ) -> NDArray[np.uint8]:  # [H, W, 3]
        """The points as a figure; `size` is (height, width) px, twice the window's if not given."""
        width, height = self._window.size
        return self._inspect.figure(frame, size or (2 * height, 2 * width), turn_deg)

    def _draw_inspector(self, frame: Frame) -> None:
        target, inspector = self._window.screen, frame.inspector
        self._inspect.select(frame)
        if inspector.in_space:
            self._fog.mix(*self._scene(frame))
            self._inspect.draw_space(target, frame, self._fog.picture)
        else:
            self._draw_scene(frame)
            camera = window_camera(frame.camera, self._window.size)
            self._inspect.draw_overlay(target, frame, camera)
        self._inspect.draw_tool(target, inspector)

    def _draw_scene(self, frame: Frame) -> None:
        target = self._window.screen
        self._fog.draw(target, *self._scene(frame))
        if frame.tint is not None and frame.view.tint:
            now = window_camera(frame.camera, self._window.size)
            self._tint.draw(target, now, frame.tint.camera, states(frame.tint))

    def _scene(self, frame: Frame) -> Mixing:
        """The walker's picture at the scene's own resolution, as the fog takes it."""
        camera = window_camera(frame.camera, self._window.size)
        keyframes = self._choose(frame)
        self._reproject.scale = self._scale(frame)
        changed = self._reproject.draw(camera, keyframes, frame.now_s)
        if frame.now_s >= self._measure_due_s:  # reading back waits for the picture
            self._measure_due_s = frame.now_s + MEASURE_S
            self._mean = self._reproject.mean_color()
            drawn = any(_same_view(k.camera, frame.camera) for k in keyframes)
            self._reprojected = 0.0 if drawn else self._reproject.known_share()
        return self._reproject.picture, self._mean, frame.now_s, frame.view.fog_style, changed

    def _update_insets(self, frame: Frame) -> list[tuple[Minimap | Inset, Rect]]:
        """Redraws the small pictures that are on, and tells where they go."""
        (width, height), view = self._window.size, frame.view
        insets: list[tuple[Minimap | Inset, Rect]] = []
        if view.minimap:
            side = round(height * MAP_SHARE)
            insets.append((self._minimap, (width - side - MARGIN_PX, MARGIN_PX, side, side)))
            look = self._inspect.look(frame.inspector)
            self._minimap.update(
                side, frame.camera, self._cloud, self._path, frame.now_s, look, frame.map
            )
        if view.overlay == "inset":
            across = round(width * self._config.inset_share)
            size = across, round(across * 0.625)
            place = width - size[0] - MARGIN_PX, height - size[1] - MARGIN_PX
            insets.append((self._inset, (*place, *size)))
            look = self._inspect.look(frame.inspector, INSET_LOOK.size_px)
            self._inset.update(size, frame.camera, self._cloud, frame.now_s, look, self._path)
        return insets

    def _scale(self, frame: Frame) -> float:
        """Of the scene's resolution: a processor that draws cannot do it all while things move."""
        if not np.array_equal(frame.camera.c2w, self._seen_from):
            self._seen_from, self._moved_s = frame.camera.c2w, frame.now_s
        moving = self.software and frame.now_s - self._moved_s < STILL_S
        return self._config.render_scale * (MOVING_SCALE if moving else 1.0)

    def _choose(self, frame: Frame) -> list[Keyframe]:
        """Keyframes for the view, chosen anew when it moved or new ones came."""
        timeline, camera = frame.known.timeline, frame.camera
        if self._chosen_for is not None and self._chosen_for[0] == timeline.revision:
            metres, degrees = pose_distance(self._chosen_for[1].c2w, camera.c2w)
            if metres < CHOOSE_M and degrees < CHOOSE_DEG:
                return self._chosen
        self._chosen = timeline.keyframes_for(camera, self._config.keyframes)
        self._chosen_for = timeline.revision, camera
        return self._chosen

    def _follow_world(self, frame: Frame) -> None:
        known = frame.known
        if known.world_number != self._world_number:
            self._world_number = known.world_number
            self._reproject.forget()
            self._path = []
        self._cloud.sync(known.table)
        here = frame.camera.position
        if not self._path or np.linalg.norm(here - self._path[-1]) > PATH_M:
            self._path = [*self._path, here.copy()][-PATH_MOST:]


def _same_view(a: Camera, b: Camera) -> bool:
    metres, degrees = pose_distance(a.c2w, b.c2w)
    return metres < AS_GENERATED_M and degrees < AS_GENERATED_DEG


def window_camera(
    camera: Camera,
    size: tuple[int, int],  # (width, height) px
) -> Camera:
    """The same view filling a window: what does not fit its shape is cut, nothing is stretched."""
    (height, width), k = camera.size, camera.intrinsics
    scale = max(size[0] / width, size[1] / height)
    intrinsics = np.array(
        [
            [k[0, 0] * scale, 0, size[0] / 2 + (k[0, 2] - width / 2) * scale],
            [0, k[1, 1] * scale, size[1] / 2 + (k[1, 2] - height / 2) * scale],
            [0, 0, 1],
        ]
    )
    return Camera(camera.c2w, intrinsics, (size[1], size[0]))
