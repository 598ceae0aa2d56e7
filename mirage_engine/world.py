"""World: the loop. A path of cameras goes in, a Segment comes out, memory grows.

    memory.read -> generator -> codec.decode -> depth -> static filter -> memory.write

Baselines are other memories. Knows nothing of windows, processes or how its parts are loaded.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mirage_engine import inspector, world_file
from mirage_engine.camera import Camera, pinhole
from mirage_engine.conditioning import Conditioning, condition
from mirage_engine.config import ConfigError, Preset
from mirage_engine.depth import room_prior
from mirage_engine.inspection import Edit, PointDetails, Points, ViewRead, XRay
from mirage_engine.lookback import decoded_before, keyframes, start_of
from mirage_engine.parts import Context, Decoded, Generated, OnStep, Parts, Sight
from mirage_engine.planner import Keyframe, check_path, new_frames
from mirage_engine.rooms import Scene
from mirage_engine.segment import Segment
from mirage_engine.stages import Stopwatch, aligned_depth, worth_keeping
from mirage_engine.world_file import Entry
from mirage_engine.world_record import EditRecord

WITNESSES = 8  # earlier cameras that may tell what has moved since
_NONE = np.zeros(0, np.int32)


class World:
    """A generated place. Begin it once, then advance along paths; undo, save and look again."""

    def __init__(self, preset: Preset, seed: int, parts: Parts, device: str = "cpu") -> None:
        self.preset, self.seed, self.parts, self.device = preset, seed, parts, device
        self.entries: list[Entry] = []
        self.edits: list[EditRecord] = []  # that hold; with the entries, one line of history
        self._edits_made = 0  # so that no number comes twice
        self._given: Conditioning | None = None  # of the segment generated last
        self.scene: int | None = None  # where ground truth exists
        #: Words for networks that read any; may change between segments.
        self.prompt = preset.generator.prompt
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
            prompt: words alone, from which no preset can begin yet.

        Raises:
            ConfigError: a scene that does not exist, or words alone.
            ValueError: not exactly one start, or an image of another shape.
        """
        if sum(start is not None for start in (scene, image, prompt)) != 1:
            raise ValueError("begin needs exactly one of scene, image and prompt")
        if prompt is not None:
            raise ConfigError(
                f"--prompt '{prompt[:40]}': no first picture can be made from words alone; "
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
        codec, memory, watch = self.parts.codec, self.parts.memory, Stopwatch()
        given = self._condition(path)
        watch.lap("read")
        made = self._generate(given, on_step or (lambda *_: True))
        latents = made.latents[1:].half()
        watch.lap("denoise")
        decoded = codec.decode(latents.float(), self._before(given.first))
        watch.lap("decode")
        depth, residual = aligned_depth(self.parts, decoded, given.view, path)
        watch.lap("depth")
        earlier = [k.camera for k in keyframes(self.entries, codec.spec)[-WITNESSES:]]
        sight = Sight(path, latents, given.view.after(0), memory, earlier)
        keep = worth_keeping(self.parts, decoded, depth, made, sight, self.preset.generator.sure)
        watch.lap("filter")
        added, removed_ids = self._write(latents, depth, path, keep)
        watch.lap("write")
        self._given = given
        entry = Entry(
            cameras=tuple(path),
            coverage=given.coverage,
            points_added=added,
            points=len(memory),
            nbytes=memory.nbytes,
            residual=residual,
            seconds=watch.total(),
            latents=latents,
            view=given.view.after(0) if self.preset.planner.preceding else None,
        )
        self.entries.append(entry)
        return self._segment(len(self.entries) - 1, decoded, depth, keep, removed_ids)

    def coverage(self, camera: Camera) -> float:
        """Share of the view that memory knows, 0 to 1."""
        return self.parts.memory.coverage(camera, self.grid)

    def edit(self, edit: Edit) -> np.ndarray:
        """Changes memory by hand; the next segment knows of it.

        Returns:
            [K] int32 ids of the points that it changed, or that a new budget forgot, rising.

        Raises:
            ConfigError: this memory cannot be edited.
        """
        memory, number = self.parts.memory, self._edits_made + 1
        ids = memory.edit(edit, number)
        if number in memory.edits:
            self._edits_made = number
            self.edits.append(EditRecord(number, edit.kind, self.segments, len(ids)))
        return ids

    def undo(self) -> bool:
        """Takes the last segment or edit back, memory included; the start image stays.

        An edit of the budget gives the former budget back, but not what it made memory forget.
        """
        memory = self.parts.memory
        if self.edits and self.edits[-1].after == self.segments:
            memory.revert(self.edits.pop().number)
            return True
        if self.segments < 2:
            return False
        self.entries.pop()
        memory.undo(self.segments)
        if self._given is not None and self._given.segment == self.segments:
            self._given = None
        return True

    def segment(self, index: int) -> Segment:
        """A past segment, decoded again from its latents."""
        entry = self.entries[index]
        before = None
        if index:
            spec = self.parts.codec.spec
            before = self._before(start_of(self.entries, index, spec, self._forgetful))
        decoded = self.parts.codec.decode(entry.latents.float(), before)
        depth = self.parts.depth(decoded, entry.cameras)
        keep = self.parts.static_filter(decoded, depth, Sight(entry.cameras))
        return self._segment(index, decoded, depth, keep)

    @property
    def points(self) -> Points:
        """All points of memory."""
        return inspector.points(self.parts.memory, self.parts.codec)

    @property
    def point_count(self) -> int:
        return len(self.parts.memory)

    @property
    def nbytes(self) -> int:
        """Bytes of all points, those kept for undo included."""
        return self.parts.memory.nbytes

    @property
    def gone(self) -> tuple[np.ndarray, np.ndarray]:
        """(points_world [M, 4], footprints_m [M]) of what edits deleted or hid."""
        return self.parts.memory.gone()

    def details(self, since_id: int = -1) -> PointDetails:
        """What is fetched of points only while somebody looks; features of ids above `since_id`."""
        return inspector.details(self.parts.memory, since_id)

    def look(self, camera: Camera) -> ViewRead:
        """What memory answers for one view."""
        return inspector.look(self.parts.memory, camera, self.grid)

    def xray(self, path: Sequence[Camera] = ()) -> XRay:
        """What would condition a segment along `path`; without one, what conditioned the last.

        Raises:
            ConfigError: there is no last one: none was generated since the world was begun or
                opened, or it was undone.
            ValueError: a path that one segment cannot be, or a world that has not begun.
        """
        if path:
            return inspector.xray(self._condition(path), self.parts.codec, None)
        if self._given is None:
            raise ConfigError("no segment was generated yet")
        residual = self.entries[self._given.segment].residual
        return inspector.xray(self._given, self.parts.codec, residual)

    def save(self, path: Path | str) -> None:
        """Writes a world folder; see `world_file`."""
        content = world_file.Content(self.preset, self.seed, self.scene, self.entries, self.edits)
        world_file.save(Path(path), content, self.parts.memory, self.parts.codec)

    def load(self, path: Path | str) -> None:
        """Becomes the saved world. Raises ConfigError, naming the part that is damaged."""
        memory = copy.deepcopy(self.parts.memory)  # so that a file that is refused changes nothing
        saved = world_file.load(Path(path), memory, self.parts.codec.spec.channels)
        self.parts = replace(self.parts, memory=memory)
        self.seed, self.scene = saved.seed, saved.scene
        self.entries, self.edits, self._given = saved.entries, saved.edits, None
        self._edits_made = max((edit.number for edit in saved.edits), default=0)

    def _begin(self, frames: np.ndarray, depth_m: Tensor) -> Segment:
        codec, watch = self.parts.codec, Stopwatch()
        self.entries.clear()
        self.edits.clear()
        self._given = None
        self.parts.memory.undo(0)
        latents = codec.encode(frames, depth_m).half().cpu()
        watch.lap("decode")
        decoded = Decoded(frames)
        keep = self.parts.static_filter(decoded, depth_m, Sight([self.camera], start=True))
        watch.lap("filter")
        added, _ = self._write(latents, depth_m, [self.camera], keep)
        watch.lap("write")
        memory = self.parts.memory
        seconds, cameras = watch.total(), (self.camera,)
        self.entries.append(
            Entry(cameras, 0.0, added, len(memory), memory.nbytes, 0.0, seconds, latents)
        )
        return self._segment(0, decoded, depth_m, keep)

    def _first_depth(self, frames: np.ndarray) -> Tensor:
        """[1, H, W]; it sets the scale of the world."""
        if self.parts.codec.spec.carries_depth:
            return room_prior(self.camera)[None]
        return self.parts.depth(Decoded(frames), [self.camera])

    def _condition(self, path: Sequence[Camera]) -> Conditioning:
        if not self.entries:
            raise ValueError("the world has not begun: call begin first")
        check_path(path, self.preset.planner, self.parts.codec.spec)
        return condition(self.preset, self.parts, self.entries, self.edits, path)

    def _before(self, first: Keyframe) -> Tensor | None:
        spec = self.parts.codec.spec
        return decoded_before(first, self.entries, spec, self._forgetful)

    @property
    def _forgetful(self) -> bool:
        return self.preset.memory.kind == "none"

    def _generate(self, given: Conditioning, on_step: OnStep) -> Generated:
        if self.parts.generator is None:
            return Generated(given.view.latents)
        first = given.clean
        context = Context(
            view=given.view,
            cameras=given.cameras,
            first=first,
            preceding=given.preceding,
            preceding_view=given.preceding_view,
            references=given.reference_latents,
            start=self.entries[0].latents[0].float(),
            prompt=self.prompt,
        )
        # Seeded by place in the walk, so that the same walk gives the same world.
        chance = torch.Generator().manual_seed((self.seed * 1_000_003 + self.segments) % 2**63)
        noise = torch.randn((len(given.cameras), *first.shape), generator=chance)
        return self.parts.generator(context, noise, on_step)

    def _write(
        self, latents: Tensor, depth_m: Tensor, path: Sequence[Camera], keep: Tensor
    ) -> tuple[int, np.ndarray]:  # points added, [M] int32 ids removed
        if self.preset.memory.kind == "copy" and self.entries:
            return 0, _NONE  # a copy of memory has nothing to tell memory
        group = self.parts.codec.spec.temporal_stride
        pick = slice(0 if len(latents) == len(path) else group - 1, None, group)
        cameras = list(path)[pick]
        memory, segment = self.parts.memory, len(self.entries)
        added = memory.write(latents.float(), depth_m[pick], cameras, keep[pick], segment)
        return added, memory.removed

    def _segment(
        self,
        index: int,
        decoded: Decoded,
        depth_m: Tensor,
        keep: Tensor,
        removed_ids: np.ndarray = _NONE,
    ) -> Segment:
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
            point_ids=cloud["ids"][mine],
            removed_ids=removed_ids,
            points_added=entry.points_added,
            points=entry.points,
            nbytes=entry.nbytes,
            residual=entry.residual,
            seconds=dict(entry.seconds),
        )
