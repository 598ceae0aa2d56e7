"""What of the past a segment is shown beside its first frame: the frames that led to it, and
references, older frames that tell more of the new views.

Chooses among latent frames that are kept; knows nothing of networks. The official code's own way
of choosing stands beside ours.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import fields

import numpy as np
import torch
from torch import Tensor

from mirage_engine.camera import Camera
from mirage_engine.geometry import project, voxel_keys
from mirage_engine.inspection import sources
from mirage_engine.parts import CodecSpec, Memory, MemoryView
from mirage_engine.planner import Keyframe, anchor, latent_cameras
from mirage_engine.world_file import Entry

LEAST_GAIN = 0.02  # a reference that tells less than this share is none
OFFICIAL_OVERLAP, OFFICIAL_VOXEL_M = 0.04, 0.1

Choice = tuple[list[Keyframe], np.ndarray]  # references, best first, and [R] float32 of their worth


def keyframes(entries: Sequence[Entry], spec: CodecSpec) -> list[Keyframe]:
    """Every latent frame that was generated, oldest first."""
    found = []
    for i, entry in enumerate(entries):
        cameras = entry.cameras if i == 0 else latent_cameras(entry.cameras, spec)
        found += [Keyframe(i, j, camera) for j, camera in enumerate(cameras)]
    return found


def first_frame(
    found: Sequence[Keyframe],
    camera: Camera,  # of the first new picture
    forgetful: bool,  # without memory, frames of long ago are forgotten too
) -> Keyframe:
    """The clean first frame of a segment."""
    return anchor(found[-1:] if forgetful else found, camera)


def start_of(entries: Sequence[Entry], index: int, spec: CodecSpec, forgetful: bool) -> Keyframe:
    """The clean first frame that a past segment was generated from."""
    found = keyframes(entries[:index], spec)
    return first_frame(found, entries[index].cameras[0], forgetful)


def line_to(
    keyframe: Keyframe, entries: Sequence[Entry], spec: CodecSpec, forgetful: bool, most: int
) -> list[Keyframe]:
    """The frames that led to a keyframe, oldest first and itself last: `most`, or all there are."""
    line: list[Keyframe] = []
    while True:
        until = keyframes(entries[: keyframe.segment + 1], spec)
        own = [k for k in until if k.segment == keyframe.segment and k.frame <= keyframe.frame]
        line = own + line
        if keyframe.segment == 0 or len(line) >= most:
            return line[-most:]
        keyframe = start_of(entries, keyframe.segment, spec, forgetful)


def decoded_before(
    first: Keyframe, entries: Sequence[Entry], spec: CodecSpec, forgetful: bool
) -> Tensor | None:
    """[p, C, h, w] latents that pictures behind `first` depend on, itself last.

    None for a codec that decodes every frame by itself.
    """
    if not spec.reach:
        return None
    line = line_to(first, entries, spec, forgetful, spec.reach)
    return torch.stack([entries[k.segment].latents[k.frame].float() for k in line])


def views_then(
    frames: Sequence[Keyframe], entries: Sequence[Entry], memory: Memory, grid: tuple[int, int]
) -> MemoryView:
    """What memory held of past frames before they were made."""
    views = []
    for keyframe in frames:
        view = entries[keyframe.segment].view
        if view is None:
            views.append(_view_again(keyframe, memory, grid))
        else:
            views.append(view.after(keyframe.frame - 1))
    return MemoryView(
        *(torch.cat([getattr(view, f.name)[:1] for view in views]) for f in fields(MemoryView))
    )


def _view_again(keyframe: Keyframe, memory: Memory, grid: tuple[int, int]) -> MemoryView:
    """From a copy of memory that forgets what came since; the start image knows itself."""
    then = copy.deepcopy(memory)
    then.undo(max(keyframe.segment, 1))
    return then.read([keyframe.camera], grid)


def by_gain(
    origins: Tensor,  # [3, t, h, w] int32 of the clean first frame and the new ones
    found: Sequence[Keyframe],
    shown: Collection[Keyframe],  # the first frame and those before it
    most: int,
) -> Choice:
    """The frames that wrote most of what the first frame does not show.

    Each known cell of the new views has one winner, and each winner one frame that wrote it, so
    that no two references tell the same. Worth is a share of these cells.
    """
    if not most:
        return [], np.zeros(0, np.float32)
    ids, born, frame = origins.cpu().numpy()
    seen = np.isin(ids[1:], ids[0])
    kept = {(k.segment, k.frame): k for k in found}
    told = {(k.segment, k.frame) for k in shown}
    pairs, shares = sources(np.where(seen, -1, born[1:]), frame[1:], most + len(told))
    chosen = [
        (kept[pair], share)
        for pair, share in zip(map(tuple, pairs.tolist()), shares, strict=True)
        if pair not in told and share >= LEAST_GAIN
    ][:most]
    return [k for k, _ in chosen], np.array([share for _, share in chosen], np.float32)


def by_overlap(
    memory: Memory,
    cameras: Sequence[Camera],  # of the clean first frame and the new ones
    found: Sequence[Keyframe],
    grid: tuple[int, int],
    most: int,
) -> Choice:
    """As the official code chooses: by overlap (IoU) of the voxels in sight, nothing left out.

    In sight is what the frustum holds, behind walls too. A past frame's set is of when its segment
    had been written; the start image counts to the segment after it.
    """
    cloud = memory.cloud()
    points, born = torch.from_numpy(cloud["points_world"]), torch.from_numpy(cloud["born"])
    surface = points[:, 3] > 0
    target = _voxels(points, cameras, grid, surface)
    overlaps = []
    for keyframe in found:
        then = surface & (born <= max(keyframe.segment, 1))
        past = _voxels(points, [keyframe.camera], grid, then)
        common = len(np.intersect1d(target, past, assume_unique=True))
        overlaps.append(common / max(len(target) + len(past) - common, 1))
    order = np.argsort(-np.array(overlaps), kind="stable")[:most]
    order = [i for i in order if overlaps[i] >= OFFICIAL_OVERLAP]
    return [found[i] for i in order], np.array([overlaps[i] for i in order], np.float32)


def _voxels(
    points: Tensor,  # [N, 4]
    cameras: Sequence[Camera],
    grid: tuple[int, int],
    alive: Tensor,  # [N] bool
) -> np.ndarray:  # [K] int64, each voxel once
    matrices = []
    for camera in cameras:
        intrinsics = camera.resized(grid).intrinsics.copy()
        intrinsics[:2, 2] -= 0.5  # the official code has cell centres at whole numbers
        matrices.append(intrinsics @ camera.w2c[:3])
    hits = project(points, torch.from_numpy(np.stack(matrices)).float(), grid, alive=alive)
    return np.unique(voxel_keys(points[hits.point.unique()], OFFICIAL_VOXEL_M).numpy())
