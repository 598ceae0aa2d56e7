"""Draws keyframes (picture and depth) as the newest camera would see them.

Each keyframe is a torn depth mesh with its picture. Two rounds over the meshes: the first finds
the nearest depth per pixel, the second lays the keyframes over one another, the best suited on
top, wherever they lie within a tolerance of that depth. The result is a picture at its own scale,
with the known mask in alpha. Knows nothing of fog or windows.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import moderngl
import numpy as np
from numpy.typing import NDArray

from explorer.render.depth_mesh import Floats, depth_mesh
from explorer.render.programs import draw_screen, load_program, set_uniforms
from explorer.timeline import Keyframe
from mirage_engine import Camera, pose_distance

NEAR_M = 0.05
FAR_M = 1e7  # so that sky is at the far plane and still inside
SAME_SURFACE = 0.04  # relative depth within which two keyframes show one surface
TEXELS_ACROSS = 1.6  # pixels of the drawn picture per keyframe pixel, at scale 1
FADE_S = 0.3

Shape = tuple[Floats, NDArray[np.uint32]]  # of a depth mesh


@dataclass
class _Mesh:
    """One keyframe on the graphics card."""

    picture: moderngl.Texture
    buffers: tuple[moderngl.Buffer, moderngl.Buffer]
    color: moderngl.VertexArray
    depth: moderngl.VertexArray

    def release(self) -> None:
        for part in (self.color, self.depth, *self.buffers, self.picture):
            part.release()


class _Target:
    """Layers with depth, and the resolved picture with its mip levels."""

    def __init__(self, ctx: moderngl.Context, size: tuple[int, int]) -> None:  # (width, height)
        self.size = size
        self.layers = ctx.texture(size, 4)
        self.layers.filter = moderngl.NEAREST, moderngl.NEAREST
        self.depth = ctx.depth_renderbuffer(size)
        self.sum = ctx.framebuffer([self.layers], self.depth)
        self.picture = ctx.texture(size, 4)
        self.picture.build_mipmaps()
        self.picture.filter = moderngl.LINEAR_MIPMAP_NEAREST, moderngl.LINEAR
        self.picture.repeat_x = self.picture.repeat_y = False
        self.resolved = ctx.framebuffer([self.picture])
        # Nobody looks at the last levels, and each costs a round through the rasterizer.
        self.levels = max(0, max(size).bit_length() - 3)

    def release(self) -> None:
        for part in (self.sum, self.resolved, self.layers, self.depth, self.picture):
            part.release()


class ReprojectPass:
    """`draw` renders keyframes into `picture`, and only does so again if something changed.

    Where `patient`, meshes are made beside the frame loop, and until they are there the keyframes
    shown before stay: a picture is late rather than a frame.
    """

    def __init__(
        self,
        ctx: moderngl.Context,
        scale: float = 1.0,
        cached: int = 48,
        patient: bool = False,
    ) -> None:
        self.ctx = ctx
        self.scale = scale
        self.cached = cached
        self.fade_s = FADE_S
        self._color = load_program(ctx, "reproject")
        self._depth = load_program(ctx, "reproject", "DEPTH_ONLY")
        self._resolve = load_program(ctx, "resolve")
        self._screen = draw_screen(ctx, self._resolve)
        self._meshes: OrderedDict[int, _Mesh] = OrderedDict()
        self._builder = ThreadPoolExecutor(1, "meshes") if patient else None
        self._building: dict[int, Future[Shape]] = {}
        self._last: list[Keyframe] = []
        self._shown_s: dict[int, float] = {}  # when a key began to be drawn
        self._target: _Target | None = None
        self._drawn: tuple = ()

    @property
    def picture(self) -> moderngl.Texture:
        """The newest picture, premultiplied by its known mask, with mip levels."""
        assert self._target is not None, "draw first"
        return self._target.picture

    def draw(
        self,
        camera: Camera,  # its size is that of the window
        keyframes: Sequence[Keyframe],
        now_s: float,
    ) -> bool:  # whether the picture changed
        """Draws `keyframes` from `camera`; the order of `keyframes` does not matter."""
        if self._builder is not None:
            keyframes = self._at_hand(keyframes, self._builder)
        ranked = _rank(keyframes, camera)
        fades = self._fades([k.key for k, _ in ranked], now_s)
        size = self._picture_size(camera, ranked)
        state = (size, camera.c2w.tobytes(), camera.intrinsics.tobytes(), camera.size, tuple(fades))
        if state == self._drawn:
            return False
        self._drawn = state
        if self._target is None or self._target.size != size:
            if self._target is not None:
                self._target.release()
            self._target = _Target(self.ctx, size)
        self._draw_layers(self._target, camera, ranked, fades)
        self._resolve_layers(self._target)
        return True

    def known_share(self) -> float:
        """Share of the picture that some keyframe shows, 0..1."""
        level, width, height = self._small_level()
        alpha = np.frombuffer(self.picture.read(level=level), np.uint8).reshape(height, width, 4)
        return float(alpha[..., 3].mean() / 255)

    def mean_color(self) -> tuple[float, float, float]:
        """Mean colour of what is known, 0..1; a neutral grey where nothing is."""
        level, _, _ = self._small_level()
        rgba = np.frombuffer(self.picture.read(level=level), np.uint8).reshape(-1, 4)
        total = rgba.astype(np.float64).sum(0)
        if total[3] < 255 * 0.05:
            return 0.42, 0.45, 0.49
        return tuple((total[:3] / total[3]).tolist())

    def forget(self) -> None:
        """Drops every keyframe, for a new world."""
        for mesh in self._meshes.values():
            mesh.release()
        self._meshes.clear()
        self._building.clear()
        self._last = []
        self._shown_s.clear()
        self._drawn = ()

    def _small_level(self) -> tuple[int, int, int]:
        width, height = self.picture.size
        level = max(0, int(np.log2(max(width, height))) - 3)
        return level, max(1, width >> level), max(1, height >> level)

    def _picture_size(
        self, camera: Camera, ranked: list[tuple[Keyframe, float]]
    ) -> tuple[int, int]:
        """(width, height): no finer than the keyframes can fill, nor than the window."""
        height, width = camera.size
        rows = max((k.camera.size[0] for k, _ in ranked), default=height)
        share = min(1.0, self.scale * TEXELS_ACROSS * rows / height)
        return max(8, round(width * share)), max(8, round(height * share))

    def _fades(self, keys: list[int], now_s: float) -> list[tuple[int, float]]:
        """(key, opacity 0..1) by how long each key has been on show."""
        self._shown_s = {key: self._shown_s.get(key, now_s) for key in keys}
        fades = []
        for key in keys:
            age = (now_s - self._shown_s[key]) / self.fade_s if self.fade_s > 0 else 1.0
            fades.append((key, float(np.clip(age, 0.05, 1.0))))
        return fades

    def _draw_layers(
        self,
        target: _Target,
        camera: Camera,
        ranked: list[tuple[Keyframe, float]],
        fades: list[tuple[int, float]],
    ) -> None:
        ctx = self.ctx
        target.sum.use()
        target.sum.clear(0.0, 0.0, 0.0, 0.0, depth=1.0)
        meshes = [self._mesh(keyframe) for keyframe, _ in ranked]
        opacities = _opacities([score for _, score in ranked], [fade for _, fade in fades])
        ctx.enable_only(moderngl.DEPTH_TEST | moderngl.CULL_FACE)
        ctx.depth_func = "<="
        ctx.front_face = "cw"
        behind = camera.projection_gl(NEAR_M * (1 - SAME_SURFACE), FAR_M) @ camera.view_matrix_gl()
        target.sum.color_mask = False, False, False, False
        target.sum.use()  # masks count from the next use on
        for (keyframe, _), (_, fade), mesh in zip(ranked, fades, meshes, strict=True):
            if fade > 0.5 or len(ranked) == 1:
                _write(self._depth, behind @ _pixel_to_world(keyframe.camera))
                mesh.depth.render()
        target.sum.color_mask = True, True, True, True
        target.sum.depth_mask = False
        target.sum.use()
        ctx.enable(moderngl.BLEND)
        ctx.blend_func = moderngl.ONE, moderngl.ONE_MINUS_SRC_ALPHA
        world_to_clip = camera.projection_gl(NEAR_M, FAR_M) @ camera.view_matrix_gl()
        for (keyframe, _), opacity, mesh in reversed(
            list(zip(ranked, opacities, meshes, strict=True))
        ):
            _write(self._color, world_to_clip @ _pixel_to_world(keyframe.camera))
            rows, columns = keyframe.camera.size
            ratio = keyframe.camera.intrinsics[0, 0] / camera.intrinsics[0, 0]
            ratio *= camera.size[1] / target.size[0]
            set_uniforms(
                self._color,
                size_px=(columns, rows),
                opacity=opacity,
                texels_per_pixel=float(ratio**2),
            )
            mesh.picture.use(0)
            mesh.color.render()
        target.sum.depth_mask = True

    def _resolve_layers(self, target: _Target) -> None:
        self.ctx.enable_only(moderngl.NOTHING)
        target.resolved.use()
        target.layers.use(0)
        self._screen.render(moderngl.TRIANGLES, vertices=3)
        target.picture.build_mipmaps(0, target.levels)

    def _at_hand(
        self, wanted: Sequence[Keyframe], builder: ThreadPoolExecutor
    ) -> Sequence[Keyframe]:
        """Those of `wanted` that have a mesh; what was shown before, for those that have none."""
        for key in self._building.keys() - {k.key for k in wanted}:
            self._building.pop(key).cancel()
        for keyframe in wanted:
            if keyframe.key not in self._meshes and keyframe.key not in self._building:
                self._building[keyframe.key] = builder.submit(depth_mesh, keyframe.depth_m)
        ready = [k for k in wanted if self._is_made(k.key)]
        if not ready and not self._last:
            ready = list(wanted[:1])  # waits: better than nothing to see
        shown = {k.key for k in wanted}
        stay = [k for k in self._last if k.key not in shown][: len(wanted) - len(ready)]
        self._last = [*ready, *stay]
        return self._last

    def _is_made(self, key: int) -> bool:
        return key in self._meshes or self._building[key].done()

    def _mesh(self, keyframe: Keyframe) -> _Mesh:
        """The keyframe's mesh, uploaded the first time; the longest unused ones go."""
        mesh = self._meshes.get(keyframe.key)
        if mesh is None:
            mesh = self._upload(keyframe)
            self._meshes[keyframe.key] = mesh
            while len(self._meshes) > self.cached:
                self._meshes.popitem(last=False)[1].release()
        self._meshes.move_to_end(keyframe.key)
        return mesh

    def _upload(self, keyframe: Keyframe) -> _Mesh:
        ctx = self.ctx
        height, width = keyframe.frame.shape[:2]
        picture = ctx.texture((width, height), 3, np.ascontiguousarray(keyframe.frame), alignment=1)
        picture.repeat_x = picture.repeat_y = False
        built = self._building.pop(keyframe.key, None)
        corners, triangles = built.result() if built else depth_mesh(keyframe.depth_m)
        vertices = ctx.buffer(corners.tobytes() or bytes(16))
        indices = ctx.buffer(triangles.tobytes() or bytes(12))
        content = [(vertices, "4f", "in_vertex")]
        return _Mesh(
            picture,
            (vertices, indices),
            ctx.vertex_array(self._color, content, index_buffer=indices),
            ctx.vertex_array(self._depth, content, index_buffer=indices),
        )


def _pixel_to_world(camera: Camera) -> NDArray[np.float64]:
    """[4, 4] from (x px, y px, 1, inverse depth) to homogeneous world points."""
    lens = np.eye(4)
    lens[:3, :3] = np.linalg.inv(camera.intrinsics)
    return camera.c2w @ lens


def _rank(keyframes: Sequence[Keyframe], camera: Camera) -> list[tuple[Keyframe, float]]:
    """Best suited first, with a score that grows with the distance of the poses."""
    scored = []
    for keyframe in keyframes:
        metres, degrees = pose_distance(keyframe.camera.c2w, camera.c2w)
        scored.append((keyframe, metres + 0.01 * degrees))
    return sorted(scored, key=lambda item: item[1])


def _opacities(scores: list[float], fades: list[float]) -> list[float]:
    """How opaque each layer is over the ones below, so that a change of order does not pop."""
    opacities = []
    for i, fade in enumerate(fades):
        lead = scores[i + 1] - scores[i] if i + 1 < len(scores) else np.inf
        opacities.append(float(fade * (0.5 + 0.5 * np.clip(lead / 0.05, 0, 1))))
    return opacities


def _write(program: moderngl.Program, pixel_to_clip: NDArray[np.float64]) -> None:
    member = program["pixel_to_clip"]
    assert isinstance(member, moderngl.Uniform)
    member.write(np.ascontiguousarray(pixel_to_clip.T, "f4").tobytes())
