"""What a segment is generated from: a clean first frame, and what memory knows of the new views.

Reads a world's parts and history, and changes neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mirage_engine.camera import Camera
from mirage_engine.config import Preset
from mirage_engine.holes import fill_holes
from mirage_engine.memory import LatentMemory
from mirage_engine.parts import CodecSpec, Memory, MemoryView, Parts, Sight
from mirage_engine.planner import Keyframe, anchor, latent_cameras
from mirage_engine.world_file import Entry
from mirage_engine.world_record import EditRecord


@dataclass(frozen=True, eq=False)
class Conditioning:
    segment: int  # its index
    first: Keyframe  # where the clean first frame comes from
    clean: Tensor  # [C, h, w] its latent, without what was taken from memory since it was made
    gone: Tensor  # [h, w] bool, cells of it that showed such things and were filled
    cameras: list[Camera]  # t: of the first frame, then of the new ones
    view: MemoryView  # of them, as the generator gets it
    origins: Tensor  # [3, t, h, w] int32 of what memory answered, see Memory.origins

    @property
    def coverage(self) -> float:
        """Share of the new views that memory knows, 0 to 1."""
        return float((self.origins[0, 1:] >= 0).float().mean())


def condition(
    preset: Preset,
    parts: Parts,
    entries: Sequence[Entry],
    edits: Sequence[EditRecord],
    path: Sequence[Camera],
) -> Conditioning:
    """Of the segment that would come next along `path`."""
    spec, memory = parts.codec.spec, parts.memory
    grid = spec.latent_size((preset.lens.height, preset.lens.width))
    first = _anchor(preset, entries, path[0], spec)
    latent = entries[first.segment].latents[first.frame].float()
    cameras = [first.camera, *latent_cameras(path, spec)]
    view = read(parts, memory, cameras, grid)
    origins = memory.origins(view.source)
    if preset.memory.kind == "none":
        view = _carried(preset, parts, latent, cameras, grid)
    gone = _gone(memory, first, edits, grid)
    clean = _without(latent, gone.to(latent.device)) if bool(gone.any()) else latent
    return Conditioning(len(entries), first, clean, gone, cameras, view, origins)


def read(
    parts: Parts, memory: Memory, cameras: Sequence[Camera], grid: tuple[int, int]
) -> MemoryView:
    view = memory.read(cameras, grid)
    return replace(view, latents=parts.codec.at_view(view))


def keyframes(entries: Sequence[Entry], spec: CodecSpec) -> list[Keyframe]:
    """Every latent frame that was generated, oldest first."""
    found = []
    for i, entry in enumerate(entries):
        cameras = entry.cameras if i == 0 else latent_cameras(entry.cameras, spec)
        found += [Keyframe(i, j, camera) for j, camera in enumerate(cameras)]
    return found


def _anchor(preset: Preset, entries: Sequence[Entry], camera: Camera, spec: CodecSpec) -> Keyframe:
    found = keyframes(entries, spec)
    # Without memory, frames of long ago are forgotten too.
    return anchor(found[-1:] if preset.memory.kind == "none" else found, camera)


def _carried(
    preset: Preset,
    parts: Parts,
    latent: Tensor,  # [C, h, w] of the first frame
    cameras: Sequence[Camera],  # its own comes first
    grid: tuple[int, int],
) -> MemoryView:
    """The clean first frame alone, seen from `cameras`: what a world without memory still has.

    Its own depth carries it along; what leaves the picture is gone.
    """
    decoded = parts.codec.decode(latent[None])
    depth = parts.depth(decoded, cameras[:1])
    glance = LatentMemory(parts.codec.spec.channels, preset.memory)
    keep = parts.static_filter(decoded, depth, Sight(cameras[:1]))
    glance.write(latent[None], depth, cameras[:1], keep, 0)
    return read(parts, glance, cameras, grid)


def _gone(
    memory: Memory, first: Keyframe, edits: Sequence[EditRecord], grid: tuple[int, int]
) -> Tensor:
    """[h, w] bool: cells of a past frame that show what was taken away since it was made."""
    since = next((edit.number for edit in edits if edit.after > first.segment), None)
    if since is None:
        return torch.zeros(grid, dtype=torch.bool)
    return memory.gone_mask([first.camera], grid, since)[0]


def _without(latent: Tensor, gone: Tensor) -> Tensor:
    """[C, h, w] latents with the cells of `gone` [h, w] filled from what surrounds them."""
    return fill_holes((latent * ~gone)[None], ~gone[None])[0]
