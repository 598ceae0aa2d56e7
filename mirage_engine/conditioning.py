"""What a segment is generated from: a clean first frame, older ones, and what memory knows.

Reads a world's parts and history, and changes neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mirage_engine.camera import Camera
from mirage_engine.config import Preset
from mirage_engine.holes import fill_holes
from mirage_engine.lookback import (
    by_gain,
    by_overlap,
    first_frame,
    keyframes,
    line_to,
    views_then,
)
from mirage_engine.memory import LatentMemory
from mirage_engine.parts import Memory, MemoryView, Parts, Sight
from mirage_engine.planner import Keyframe, latent_cameras
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
    preceding: Tensor  # [p, C, h, w] the frames that led to the first one
    preceding_view: MemoryView | None  # what memory held of those before they were made
    references: list[Keyframe]  # older frames of the same surfaces
    worth: np.ndarray  # [r] float32, what each reference adds
    reference_latents: Tensor  # [r, C, h, w]

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
    spec, memory, planner = parts.codec.spec, parts.memory, preset.planner
    grid = spec.latent_size((preset.lens.height, preset.lens.width))
    forgetful = preset.memory.kind == "none"
    found = keyframes(entries, spec)
    first = first_frame(found, path[0], forgetful)
    latent = entries[first.segment].latents[first.frame].float()
    cameras = [first.camera, *latent_cameras(path, spec)]
    view = read(parts, memory, cameras, grid)
    origins = memory.origins(view.source)
    if forgetful:
        view = _carried(preset, parts, latent, cameras, grid)
    past = _Past(entries, edits, memory, grid)
    clean, gone = past.clean(first)
    line = line_to(first, entries, spec, forgetful, planner.preceding + 1)
    before = line[:-1]
    if planner.official:
        references, worth = by_overlap(memory, cameras, found, grid, planner.references)
    else:
        references, worth = by_gain(origins, found, [first, *before], planner.references)
    return Conditioning(
        segment=len(entries),
        first=first,
        clean=clean,
        gone=gone,
        cameras=cameras,
        view=view,
        origins=origins,
        preceding=past.latents(before, clean),
        preceding_view=past.view(before),
        references=references,
        worth=worth,
        reference_latents=past.latents(references, clean),
    )


def read(
    parts: Parts, memory: Memory, cameras: Sequence[Camera], grid: tuple[int, int]
) -> MemoryView:
    view = memory.read(cameras, grid)
    return replace(view, latents=parts.codec.at_view(view))


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


@dataclass(frozen=True)
class _Past:
    """Frames of the past, without what was taken from memory since they were made."""

    entries: Sequence[Entry]
    edits: Sequence[EditRecord]
    memory: Memory
    grid: tuple[int, int]

    def clean(self, keyframe: Keyframe) -> tuple[Tensor, Tensor]:
        """([C, h, w] latent, [h, w] bool cells of it that were filled from around them)."""
        latent = self.entries[keyframe.segment].latents[keyframe.frame].float()
        gone = self.gone(keyframe)
        if not bool(gone.any()):
            return latent, gone
        known = ~gone.to(latent.device)
        return fill_holes((latent * known)[None], known[None])[0], gone

    def gone(self, keyframe: Keyframe) -> Tensor:
        """[h, w] bool: cells that show what was taken away since."""
        edits = self.edits
        since = next((edit.number for edit in edits if edit.after > keyframe.segment), None)
        if since is None:
            return torch.zeros(self.grid, dtype=torch.bool)
        return self.memory.gone_mask([keyframe.camera], self.grid, since)[0]

    def latents(self, frames: Sequence[Keyframe], like: Tensor) -> Tensor:
        """[n, C, h, w], where n may be 0 and `like` [C, h, w] says the rest."""
        if not frames:
            return like.new_zeros((0, *like.shape))
        return torch.stack([self.clean(keyframe)[0].to(like) for keyframe in frames])

    def view(self, frames: Sequence[Keyframe]) -> MemoryView | None:
        """What memory held of them before they were made."""
        if not frames:
            return None
        view = views_then(frames, self.entries, self.memory, self.grid)
        kept = ~torch.stack([self.gone(keyframe) for keyframe in frames]).to(view.mask.device)
        return replace(view, latents=view.latents * kept[:, None], mask=view.mask & kept)
