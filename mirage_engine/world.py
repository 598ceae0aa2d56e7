"""World: the loop. A path of cameras goes in, a Segment comes out, memory grows.

    memory.read -> generator -> codec.decode -> depth -> static filter -> memory.write

Baselines are other memories. Knows nothing of windows, processes or how its parts are loaded.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mirage_engine import world_file
from mirage_engine.camera import Camera, pinhole
from mirage_engine.config import ConfigError, Preset
from mirage_engine.depth import room_prior
from mirage_engine.geometry import fit_depth
from mirage_engine.memory import LatentMemory
from mirage_engine.parts import (
    Codec,
    Context,
    Decoded,
    DepthEstimator,
    Generated,
    Generator,
    Memory,
    MemoryView,
    OnStep,
    Sight,
    StaticFilter,
)
from mirage_engine.planner import (
    Keyframe,
    anchor,
    check_path,
    latent_cameras,
    new_frames,
)
from mirage_engine.rooms import Scene
from mirage_engine.segment import Segment
from mirage_engine.stopwatch import Stopwatch

WITNESSES = 8  # earlier cameras that may tell what has moved since


@dataclass(frozen=True)
class Parts:
    """What a world is made of."""

    memory: Memory
    generator: Generator | None  # None: the raw read-out is decoded as it is
    codec: Codec
    depth: DepthEstimator
    static_filter: StaticFilter


@dataclass(frozen=True)
class Entry:
    """What the world keeps of a segment: enough to show it again and to go on from it."""

    latents: Tensor  # [t, C, h, w] float16, the new frames only
    cameras: tuple[Camera, ...]  # one per picture
    coverage: float
    points_added: int
    points: int
    nbytes: int
    residual: float  # of the depth alignment, relative
    seconds: dict[str, float]


class World:
    """A generated place. Begin it once, then advance along paths; undo, save and look again."""

    def __init__(self, preset: Preset, seed: int, parts: Parts, device: str = "cpu") -> None:
        self.preset, self.seed, self.parts, self.device = preset, seed, parts, device
        self.entries: list[Entry] = []
        self.scene: int | None = None  # where ground truth exists
        self.size = (preset.lens.height, preset.lens.width)
        self.grid = parts.codec.spec.latent_size(self.size)
        #: The start camera: the world is its frame.
        self.camera = Camera(np.eye(4), pinhole(self.size, preset.lens.hfov_deg), self.size)

    @property
    def segments(self) -> int:
        """How many there are; segment 0 is the start image."""
        return len(self.entries)

    @property
    def new_frames(self) -> int:
        """Cameras that a full segment takes."""
        return new_frames(self.preset.planner, self.parts.codec.spec)

    def begin(
        self,
        *,
        scene: int | None = None,
        image: np.ndarray | None = None,
        prompt: str | None = None,
    ) -> Segment:
        """Starts over from one of three things; returns segment 0, the start image.

        Args:
            scene: number of a procedural scene, 0 to 999999, whose depth is exact.
            image: uint8 [H, W, 3] of the preset's size; its depth is the estimator's, or where the
                codec is to carry it, taken to be a plain room's.
            prompt: words, for presets with a text model.

        Raises:
            ConfigError: a scene that does not exist, or words for a preset that reads none.
            ValueError: not exactly one start, or an image of another shape.
        """
        if sum(start is not None for start in (scene, image, prompt)) != 1:
            raise ValueError("begin needs exactly one of scene, image and prompt")
        if prompt is not None:
            raise ConfigError(
                f"--prompt '{prompt[:40]}': the preset '{self.preset.name}' has no text model; "
                "start from --scene or --image"
            )
        if image is not None:
            if image.shape != (*self.size, 3) or image.dtype != np.uint8:
                raise ValueError(f"image must be uint8 {(*self.size, 3)}, got {image.shape}")
            self.scene = None
            return self._begin(image[None], self._first_depth(image[None]))
        assert scene is not None
        if not 0 <= scene < 1_000_000:
            raise ConfigError(f"--scene must be 0 to 999999, got {scene}")
        view = Scene(scene).render([self.camera])
        self.scene = scene
        return self._begin(view.frames.numpy(), view.depth_m)

    def advance(self, path: Sequence[Camera], on_step: OnStep | None = None) -> Segment:
        """Generates what `path` sees, and remembers the parts that stand still.

        Args:
            path: 1 to `new_frames` cameras, the pictures to make.
            on_step: asked between denoising steps; False gives the segment up.

        Raises:
            Cancelled: `on_step` said no; nothing has changed.
            ValueError: a path that one segment cannot be, or a world that has not begun.
        """
        if not self.entries:
            raise ValueError("the world has not begun: call begin first")
        codec, watch = self.parts.codec, Stopwatch()
        check_path(path, self.preset.planner, codec.spec)
        first = self._anchor(path[0])
        cameras = [first.camera, *latent_cameras(path, codec.spec)]
        view = self._read(self.parts.memory, cameras)
        coverage = float(view.mask[1:].float().mean())
        watch.lap("read")
        if self.preset.memory.kind == "none":
            view = self._carried(first, cameras)
        made = self._generate(view, cameras, first, on_step or (lambda *_: True))
        latents = made.latents[1:].half()
        watch.lap("denoise")
        decoded = codec.decode(latents.float())
        watch.lap("decode")
        depth, residual = self._depth(decoded, view, path)
        watch.lap("depth")
        earlier = [keyframe.camera for keyframe in self._keyframes()[-WITNESSES:]]
        sight = Sight(path, latents, view.after(0), self.parts.memory, earlier)
        keep = self._keep(decoded, depth, made, sight)
        watch.lap("filter")
        added = self._write(latents, depth, path, keep)
        watch.lap("write")
        entry = Entry(
            latents,
            tuple(path),
            coverage,
            added,
            len(self.parts.memory),
            self.parts.memory.nbytes,
            residual,
            watch.total(),
        )
        self.entries.append(entry)
        return self._segment(len(self.entries) - 1, decoded, depth, keep)

    def coverage(self, camera: Camera) -> float:
        """Share of the view that memory knows, 0 to 1."""
        return self.parts.memory.coverage(camera, self.grid)

    def undo(self) -> bool:
        """Takes the last segment back, memory included; the start image stays."""
        if len(self.entries) < 2:
            return False
        self.entries.pop()
        self.parts.memory.undo(len(self.entries))
        return True

    def segment(self, index: int) -> Segment:
        """A past segment, decoded again from its latents."""
        entry = self.entries[index]
        decoded = self.parts.codec.decode(entry.latents.float())
        depth = self.parts.depth(decoded, entry.cameras)
        keep = self.parts.static_filter(decoded, depth, Sight(entry.cameras))
        return self._segment(index, decoded, depth, keep)

    @property
    def points(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(points_world [N, 4], colors uint8 [N, 3], footprints_m [N], born [N]) of memory."""
        cloud = self.parts.memory.cloud()
        colors = self.parts.codec.colors(torch.from_numpy(cloud["latents"]))
        return cloud["points_world"], colors, cloud["footprints_m"], cloud["born"]

    def save(self, path: Path | str) -> None:
        """Writes a world folder; see `world_file`."""
        header = {"seed": self.seed, "scene": self.scene, "preset": self.preset}
        world_file.save(Path(path), header, self.entries, self.parts.memory, self._last_picture)

    def load(self, path: Path | str) -> None:
        """Becomes the saved world. Raises ConfigError, naming the part that is damaged."""
        memory = copy.deepcopy(self.parts.memory)  # so that a file that is refused changes nothing
        saved = world_file.load(Path(path), memory, self.parts.codec.spec.channels)
        self.parts = replace(self.parts, memory=memory)
        self.seed, self.scene = saved.header["seed"], saved.header["scene"]
        self.entries = [Entry(**fields) for fields in saved.entries]

    def _begin(self, frames: np.ndarray, depth_m: Tensor) -> Segment:
        codec, watch = self.parts.codec, Stopwatch()
        self.entries.clear()
        self.parts.memory.undo(0)
        latents = codec.encode(frames, depth_m).half()
        watch.lap("decode")
        decoded = Decoded(frames)
        keep = self.parts.static_filter(decoded, depth_m, Sight([self.camera], start=True))
        watch.lap("filter")
        added = self._write(latents, depth_m, [self.camera], keep)
        watch.lap("write")
        memory = self.parts.memory
        self.entries.append(
            Entry(
                latents, (self.camera,), 0.0, added, len(memory), memory.nbytes, 0.0, watch.total()
            )
        )
        return self._segment(0, decoded, depth_m, keep)

    def _first_depth(self, frames: np.ndarray) -> Tensor:
        """[1, H, W]; it sets the scale of the world."""
        if self.parts.codec.spec.carries_depth:
            return room_prior(self.camera)[None]
        return self.parts.depth(Decoded(frames), [self.camera])

    def _anchor(self, camera: Camera) -> Keyframe:
        keyframes = self._keyframes()
        # Without memory, frames of long ago are forgotten too.
        return anchor(keyframes[-1:] if self.preset.memory.kind == "none" else keyframes, camera)

    def _keyframes(self) -> list[Keyframe]:
        spec, found = self.parts.codec.spec, []
        for i, entry in enumerate(self.entries):
            cameras = entry.cameras if i == 0 else latent_cameras(entry.cameras, spec)
            found += [Keyframe(i, j, camera) for j, camera in enumerate(cameras)]
        return found

    def _read(self, memory: Memory, cameras: Sequence[Camera]) -> MemoryView:
        view = memory.read(cameras, self.grid)
        return replace(view, latents=self.parts.codec.at_view(view))

    def _last_picture(self, index: int) -> np.ndarray:
        """[H, W, 3] uint8, without decoding the rest of the segment."""
        return self.parts.codec.decode(self.entries[index].latents[-1:].float()).frames[-1]

    def _carried(self, keyframe: Keyframe, cameras: Sequence[Camera]) -> MemoryView:
        """The clean first frame alone, seen from `cameras`: what a world without memory still has.

        Its own depth carries it along; what leaves the picture is gone.
        """
        codec = self.parts.codec
        latents = self.entries[keyframe.segment].latents[keyframe.frame][None].float()
        decoded = codec.decode(latents)
        depth = self.parts.depth(decoded, [keyframe.camera])
        glance = LatentMemory(codec.spec.channels, self.preset.memory)
        keep = self.parts.static_filter(decoded, depth, Sight([keyframe.camera]))
        glance.write(latents, depth, [keyframe.camera], keep, 0)
        return self._read(glance, cameras)

    def _generate(
        self, view: MemoryView, cameras: list[Camera], keyframe: Keyframe, on_step: OnStep
    ) -> Generated:
        first = self.entries[keyframe.segment].latents[keyframe.frame].float()
        if self.parts.generator is None:
            return Generated(view.latents)
        blank = first.new_zeros((0, *first.shape))
        start = self.entries[0].latents[0].float()
        context = Context(view, cameras, first, blank, None, blank, start)
        # Seeded by place in the walk, so that the same walk gives the same world.
        chance = torch.Generator().manual_seed((self.seed * 1_000_003 + self.segments) % 2**63)
        noise = torch.randn((len(cameras), *first.shape), generator=chance)
        return self.parts.generator(context, noise, on_step)

    def _depth(
        self, decoded: Decoded, view: MemoryView, path: Sequence[Camera]
    ) -> tuple[Tensor, float]:
        """Depth of the new pictures on memory's scale, and the residual of the fit."""
        depth = self.parts.depth(decoded, path)
        if self.parts.generator is None:
            return depth, 0.0
        spec = self.parts.codec.spec
        last = depth[spec.temporal_stride - 1 :: spec.temporal_stride]
        half = spec.stride // 2
        cells = last[:, half :: spec.stride, half :: spec.stride]
        fit = fit_depth(cells, view.depth_m[1:], view.mask[1:])
        # Depth that was generated beside memory's is on its scale already: measured, not moved.
        return (depth if spec.carries_depth else fit.apply(depth)), fit.residual

    def _keep(self, decoded: Decoded, depth_m: Tensor, made: Generated, sight: Sight) -> Tensor:
        keep = self.parts.static_filter(decoded, depth_m, sight)
        if made.sure is None or self.preset.generator.sure <= 0:
            return keep
        sure = F.interpolate(made.sure[1:, None], keep.shape[-2:])[:, 0]
        return keep & (sure >= self.preset.generator.sure)

    def _write(self, latents: Tensor, depth_m: Tensor, path: Sequence[Camera], keep: Tensor) -> int:
        if self.preset.memory.kind == "copy" and self.entries:
            return 0  # a copy of memory has nothing to tell memory
        group = self.parts.codec.spec.temporal_stride
        pick = slice(0 if len(latents) == len(path) else group - 1, None, group)
        cameras = list(path)[pick]
        return self.parts.memory.write(
            latents.float(), depth_m[pick], cameras, keep[pick], len(self.entries)
        )

    def _segment(self, index: int, decoded: Decoded, depth_m: Tensor, keep: Tensor) -> Segment:
        entry, cloud = self.entries[index], self.parts.memory.cloud(index)
        mine = cloud["born"] == index
        return Segment(
            index=index,
            frames=decoded.frames,
            depth_m=depth_m.cpu().numpy(),
            keep=keep.cpu().numpy(),
            cameras=entry.cameras,
            coverage=entry.coverage,
            points_world=cloud["points_world"][mine],
            colors=self.parts.codec.colors(torch.from_numpy(cloud["latents"][mine])),
            footprints_m=cloud["footprints_m"][mine],
            points_added=entry.points_added,
            points=entry.points,
            nbytes=entry.nbytes,
            seconds=dict(entry.seconds),
        )
