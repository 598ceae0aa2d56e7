"""The points of memory: kept on the graphics card, and drawn from any camera.

A segment appends what it added; undo trims. `PointsPass` draws them into a whole target, `Inset`
into a small picture that follows the walker and is only redrawn when something moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import moderngl
import numpy as np
from numpy.typing import NDArray

from explorer.render.flat import FlatPass, Rect, frustum_world, segments_px
from explorer.render.programs import load_program, set_uniforms
from mirage_engine import Camera, pinhole

MODES = ("colour", "birth segment", "footprint")
LAYOUT = np.dtype([("point", "<f4", 4), ("color", "u1", 4), ("facts", "<f4", 2)])
BACKGROUND = (0.060, 0.068, 0.082)
ACCENT = (0.98, 0.74, 0.36)
INSET_HZ = 8.0
INSET_POINTS = 25_000  # drawn at most; it is small
WIDE = 1e9  # metres up: cuts nothing


class PointCloud:
    """Grows with the world; drawing passes share one."""

    def __init__(self, ctx: moderngl.Context) -> None:
        self.ctx = ctx
        self.revision = 0  # grows with every change
        self.newest = 0  # segment
        self.buffer = ctx.buffer(reserve=LAYOUT.itemsize << 12)
        self._born: list[tuple[int, int]] = []  # (segment, points before it)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(
        self,
        points_world: NDArray[np.float32],  # [N, 4] homogeneous
        colors: NDArray[np.uint8],  # [N, 3]
        footprints_m: NDArray[np.float32],  # [N]; radians where w is 0
        born: int | NDArray[np.integer],  # segment, or [N] segments in rising order
    ) -> None:
        """Adds points; only these are uploaded."""
        count = len(points_world)
        births = np.broadcast_to(np.asarray(born, np.int64), (count,))
        # Mixed within each segment, so that every n-th point is a fair sample and not a stripe.
        mixed = np.random.default_rng(count).permutation(count)
        mixed = mixed[np.argsort(births[mixed], kind="stable")]
        points_world, colors, footprints_m = points_world[mixed], colors[mixed], footprints_m[mixed]
        rows = np.zeros(count, LAYOUT)
        rows["point"], rows["facts"][:, 0], rows["facts"][:, 1] = points_world, births, footprints_m
        rows["color"][:, :3], rows["color"][:, 3] = colors, 255
        self._reserve(self._count + count)
        self.buffer.write(rows.tobytes(), offset=self._count * LAYOUT.itemsize)
        for segment in np.unique(births):
            before = self._count + int(np.searchsorted(births, segment))
            self._born.append((int(segment), before))
        self._count += count
        self.newest = max(self.newest, int(births[-1])) if count else self.newest
        self.revision += 1

    def trim(self, segment: int) -> None:
        """Forgets the points born in `segment` and later."""
        kept = [entry for entry in self._born if entry[0] < segment]
        if len(kept) < len(self._born):
            self._count = self._born[len(kept)][1]
        self._born = kept
        self.newest = kept[-1][0] if kept else 0
        self.revision += 1

    def clear(self) -> None:
        self.trim(-1)

    def _reserve(self, count: int) -> None:
        size = count * LAYOUT.itemsize
        if size <= self.buffer.size:
            return
        larger = self.ctx.buffer(reserve=max(size, 2 * self.buffer.size))
        self.ctx.copy_buffer(larger, self.buffer)
        self.buffer.release()
        self.buffer = larger


@dataclass(frozen=True)
class Look:
    """How points appear."""

    mode: int = 0  # index into MODES
    age_fade: float = 0.0  # 0..1, how much the oldest dim
    size_px: tuple[float, float] = (1.0, 12.0)
    cut_above_m: float = WIDE  # height above the walker's eye from which nothing is drawn
    dome_m: float = 30.0  # distance at which sky is drawn
    most: int = 250_000  # points drawn at once; of more, every second, third ... one


class PointsPass:
    """Draws a cloud from a camera, or through any matrix."""

    def __init__(self, ctx: moderngl.Context) -> None:
        self.ctx = ctx
        self._program = load_program(ctx, "points")
        self._arrays: dict[tuple[int, int], moderngl.VertexArray] = {}

    def draw(
        self,
        target: moderngl.Framebuffer,
        camera: Camera,  # its size is the target's
        cloud: PointCloud,
        walker: Camera,
        look: Look = Look(),
    ) -> None:
        matrix = camera.projection_gl(0.05, 500.0) @ camera.view_matrix_gl()
        self.draw_through(target, matrix, camera.intrinsics[1, 1], cloud, walker, look)

    def draw_through(
        self,
        target: moderngl.Framebuffer,
        world_to_clip: NDArray[np.floating],  # [4, 4]
        pixels_per_unit: float,
        cloud: PointCloud,
        walker: Camera,
        look: Look,
    ) -> None:
        """Clears the target and draws the cloud."""
        target.use()
        self.ctx.enable_only(moderngl.DEPTH_TEST | moderngl.PROGRAM_POINT_SIZE)
        self.ctx.depth_func = "<="
        target.clear(*BACKGROUND, 1.0, depth=1.0)
        eye = walker.position
        set_uniforms(
            self._program,
            world_to_clip=tuple(np.asarray(world_to_clip, np.float64).T.ravel().tolist()),
            walker_world=tuple(eye.tolist()),
            dome_m=look.dome_m,
            cut_y=float(eye[1] - look.cut_above_m),
            pixels_per_unit=float(pixels_per_unit),
            size_px=look.size_px,
            mode=look.mode,
            newest=float(cloud.newest),
            age_fade=look.age_fade,
            background=BACKGROUND,
        )
        every = max(1, -(-len(cloud) // look.most))
        if len(cloud) >= every:
            self._array(cloud, every).render(moderngl.POINTS, vertices=len(cloud) // every)

    def _array(self, cloud: PointCloud, every: int) -> moderngl.VertexArray:
        """The vertex array over every n-th point; made anew when the buffer grew."""
        key = (cloud.buffer.glo, every)
        if key not in self._arrays:
            for array in self._arrays.values():
                array.release()
            skip = (every - 1) * LAYOUT.itemsize
            layout = "4f 4f1 2f" + (f" {skip}x" if skip else "")
            content = [(cloud.buffer, layout, "in_point", "in_color", "in_facts")]
            self._arrays = {key: self.ctx.vertex_array(self._program, content)}
        return self._arrays[key]


class Inset:
    """The walker from behind and above in the cloud of points, as a small picture."""

    def __init__(self, ctx: moderngl.Context, flat: FlatPass) -> None:
        self.ctx = ctx
        self.flat = flat
        self.points = PointsPass(ctx)
        self.picture: moderngl.Texture | None = None
        self._target: moderngl.Framebuffer | None = None
        self._drawn: tuple = ()
        self._drawn_s = -np.inf

    def update(
        self,
        size: tuple[int, int],  # (width, height) px
        walker: Camera,
        cloud: PointCloud,
        now_s: float,
        look: Look = Look(age_fade=0.35, size_px=(1.5, 4.0), cut_above_m=0.35),
        path: Sequence[NDArray[np.floating]] = (),  # [3] positions that were walked
    ) -> None:
        """Redraws the picture if something changed and it is due; before the screen, as the map."""
        state = (size, walker.c2w.tobytes(), cloud.revision, look, len(path))
        if state != self._drawn and now_s - self._drawn_s >= 1 / INSET_HZ:
            self._drawn, self._drawn_s = state, now_s
            self._redraw(size, walker, cloud, look, path)

    def draw(self, target: moderngl.Framebuffer, rect_px: Rect) -> None:
        """Puts the picture on the target."""
        if self.picture is not None:
            self.flat.picture(target, self.picture, rect_px)

    def _redraw(
        self,
        size: tuple[int, int],
        walker: Camera,
        cloud: PointCloud,
        look: Look,
        path: Sequence[NDArray[np.floating]],
    ) -> None:
        if self._target is None or self._target.size != size:
            self.picture, self._target = make_target(self.ctx, size)
        camera = follow(walker, (size[1], size[0]))
        thin = replace(look, most=min(look.most, INSET_POINTS))
        self.points.draw(self._target, camera, cloud, walker, thin)
        if len(path) > 1:
            walked = np.stack(path)
            ends = segments_px(camera, np.stack([walked[:-1], walked[1:]], 1))
            self.flat.segments(self._target, ends, (*ACCENT, 0.55), 1.5)
        edges = segments_px(camera, frustum_world(walker))
        self.flat.segments(self._target, edges, (*ACCENT, 0.95), 1.6)


def follow(
    walker: Camera,
    size: tuple[int, int],  # (height, width)
    back_m: float = 3.2,
    above_m: float = 3.0,
    turn_deg: float = 0.0,  # around the walker
) -> Camera:
    """A camera behind and above the walker, upright whatever the walker looks at."""
    ahead = walker.forward * [1, 0, 1]
    if np.linalg.norm(ahead) < 1e-6:  # looks straight up or down
        ahead = walker.c2w[:3, 1] * [1, 0, 1]
    angle = np.radians(turn_deg)
    ahead = ahead / np.linalg.norm(ahead)
    turned = np.array(
        [
            ahead[0] * np.cos(angle) + ahead[2] * np.sin(angle),
            0,
            -ahead[0] * np.sin(angle) + ahead[2] * np.cos(angle),
        ]
    )
    eye = walker.position - turned * back_m - np.array([0, above_m, 0])
    return look_at(eye, walker.position + turned * 0.8, size)


def look_at(
    eye_world: NDArray[np.floating],
    aim_world: NDArray[np.floating],
    size: tuple[int, int],  # (height, width)
    hfov_deg: float = 62.0,
) -> Camera:
    """A camera at `eye_world` with `aim_world` in the middle and world up (-y) upwards."""
    forward = np.asarray(aim_world, np.float64) - eye_world
    forward = forward / np.linalg.norm(forward)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right = right / np.linalg.norm(right)
    c2w = np.eye(4)
    c2w[:3, :3] = np.stack([right, np.cross(forward, right), forward], 1)
    c2w[:3, 3] = eye_world
    return Camera(c2w, pinhole(size, hfov_deg), size)


def make_target(
    ctx: moderngl.Context,
    size: tuple[int, int],  # (width, height)
) -> tuple[moderngl.Texture, moderngl.Framebuffer]:
    """A picture to draw into, with depth."""
    picture = ctx.texture(size, 4)
    picture.repeat_x = picture.repeat_y = False
    return picture, ctx.framebuffer([picture], ctx.depth_renderbuffer(size))
