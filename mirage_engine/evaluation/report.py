"""What a tour shows: does a place look the same on return, and does it agree with the truth.

Revisit compares generated frames with one another; truth compares them with the ray caster, where
the world began in one of its scenes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mirage_engine.camera import Camera, pose_distance
from mirage_engine.evaluation.metrics import depth_abs_rel, mean_or_none, psnr_db, ssim
from mirage_engine.rooms import Scene
from mirage_engine.segment import Segment
from mirage_engine.world import World

SAME_M, SAME_DEG, APART = 0.05, 1.0, 8  # a revisit: poses this near, frames this far apart
SEEN_TOLERANCE = 0.03  # relative depth within which the start image saw the same surface


def tour_report(segments: Sequence[Segment], world: World) -> dict[str, Any]:
    """`revisit` and `truth` of the generated segments; the start image (index 0) is not one."""
    generated = [s for s in segments if s.index > 0]
    cameras = [c for s in generated for c in s.cameras]
    if not cameras:
        return {"revisit": revisit([], np.zeros((0, 1, 1, 3), np.uint8)), "truth": None}
    frames = np.concatenate([s.frames for s in generated])
    depth = np.concatenate([s.depth_m for s in generated])
    found = None
    if world.scene is not None:
        found = truth(Scene(world.scene), world.camera, cameras, frames, depth)
    return {"revisit": revisit(cameras, frames), "truth": found}


def revisit_pairs(cameras: Sequence[Camera]) -> list[tuple[int, int]]:
    """Index pairs of frames from the same pose, at least `APART` frames apart."""
    return [
        (i, j)
        for i in range(len(cameras))
        for j in range(i + APART, len(cameras))
        if _same(cameras[i], cameras[j])
    ]


def revisit(cameras: Sequence[Camera], frames: np.ndarray) -> dict[str, Any]:
    """First visit against return."""
    return _alike([(frames[i], frames[j]) for i, j in revisit_pairs(cameras)])


def start_revisit(segments: Sequence[Segment]) -> dict[str, Any]:
    """The start image against returns to its pose; some tours come back to nothing else.

    The first segment is the start image, which was given and not generated.
    """
    shots = [shot for s in segments for shot in zip(s.cameras, s.frames, strict=True)]
    start, image = shots[0]
    return _alike([(image, frame) for camera, frame in shots[APART:] if _same(start, camera)])


def truth(
    scene: Scene,
    start: Camera,  # of the start image
    cameras: Sequence[Camera],
    frames: np.ndarray,  # uint8 [T, H, W, 3]
    depth_m: np.ndarray,  # [T, H, W]
) -> dict[str, Any]:
    """Generated against ray-cast frames; `seen` are pixels whose surface the start image saw."""
    seen, everything, off = [], [], []
    start_depth = scene.render([start]).depth_m[0].numpy()
    for camera, frame, depth in zip(cameras, frames, depth_m, strict=True):
        view = scene.render([camera])
        true_frame, true_depth = view.frames[0].numpy(), view.depth_m[0].numpy()
        mask = seen_from(start, start_depth, camera, true_depth)
        if mask.mean() > 0.01:  # a handful of pixels says nothing
            seen.append(psnr_db(frame, true_frame, mask))
        everything.append(psnr_db(frame, true_frame))
        off.append(depth_abs_rel(depth, true_depth))
    return {
        "psnr_db_seen": mean_or_none(seen),
        "psnr_db_all": mean_or_none(everything),
        "depth_abs_rel": mean_or_none(off),
    }


def seen_from(
    start: Camera,
    start_depth_m: np.ndarray,  # [H, W] of `start`
    camera: Camera,
    depth_m: np.ndarray,  # [H, W] of `camera`; +inf sky
) -> np.ndarray:  # [H, W] bool
    """Which pixels of `camera` show a surface, or a piece of sky, that `start` saw."""
    rays, sky = camera.rays(), np.isinf(depth_m)
    finite = np.where(sky, 1.0, depth_m)
    points = rays * finite[..., None] + np.where(sky[..., None], 0.0, camera.position)
    weight = np.where(sky, 0.0, 1.0)
    local = points @ start.w2c[:3, :3].T + weight[..., None] * start.w2c[:3, 3]
    z = local[..., 2]
    ahead = z > 1e-3
    pixel = local / np.where(ahead, z, 1.0)[..., None] @ start.intrinsics.T
    column, row = np.floor(pixel[..., 0]), np.floor(pixel[..., 1])
    height, width = start.size
    inside = ahead & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    there = start_depth_m[
        np.where(inside, row, 0).astype(int), np.where(inside, column, 0).astype(int)
    ]
    same = np.where(sky, np.isinf(there), np.abs(there - z) < SEEN_TOLERANCE * np.abs(z))
    return inside & same


def _alike(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """How alike the two pictures of each pair are."""
    scores = [psnr_db(first, again) for first, again in pairs]
    return {
        "pairs": len(pairs),
        "psnr_db": mean_or_none(scores),
        "ssim": mean_or_none([ssim(first, again) for first, again in pairs]),
        "worst_psnr_db": round(min(scores), 4) if scores else None,
    }


def _same(a: Camera, b: Camera) -> bool:
    metres, degrees = pose_distance(a.c2w, b.c2w)
    return metres <= SAME_M and degrees <= SAME_DEG
