"""Planner: which frames a segment is made of. Knows counts and poses; nothing of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mirage_engine.camera import Camera, pose_distance
from mirage_engine.config import PlannerConfig
from mirage_engine.parts import CodecSpec

DEGREES_PER_METRE = 30.0  # how much turning counts as much as one metre of walking
NEXT_M = 0.6  # a path that starts this near the newest frame continues from it


@dataclass(frozen=True)
class Keyframe:
    """A generated latent frame: where it is kept and where it was seen from."""

    segment: int
    frame: int  # latent frame within the segment
    camera: Camera


def new_frames(config: PlannerConfig, spec: CodecSpec) -> int:
    """Pictures that a full segment adds: every frame but the clean first one."""
    return (config.frames - 1) // spec.temporal_stride * spec.temporal_stride


def latent_cameras(path: Sequence[Camera], spec: CodecSpec) -> list[Camera]:
    """The camera of each new latent frame: that of the last picture in its group."""
    return list(path[spec.temporal_stride - 1 :: spec.temporal_stride])


def check_path(path: Sequence[Camera], config: PlannerConfig, spec: CodecSpec) -> None:
    """Raises ValueError for a path that one segment cannot be."""
    most, group = new_frames(config, spec), spec.temporal_stride
    if not 1 <= len(path) <= most:
        raise ValueError(f"a segment takes 1 to {most} new cameras, got {len(path)}")
    if len(path) % group:
        raise ValueError(f"new cameras come in groups of {group}, got {len(path)}")
    if len({camera.size for camera in path}) > 1:
        raise ValueError("all cameras of a path must have the same picture size")


def split_path(path: Sequence[Camera], most: int) -> list[list[Camera]]:
    """Cuts a long path into segments of at most `most` new cameras each."""
    return [list(path[i : i + most]) for i in range(0, len(path), most)]


def anchor(keyframes: Sequence[Keyframe], camera: Camera) -> Keyframe:
    """The clean first frame of a segment that begins at `camera`.

    The newest, as in the paper, while the walk goes on from it; the nearest one where the walker
    has come away over known ground.
    """

    def cost(keyframe: Keyframe) -> float:
        metres, degrees = pose_distance(keyframe.camera.c2w, camera.c2w)
        return metres + degrees / DEGREES_PER_METRE

    newest = keyframes[-1]
    return newest if cost(newest) <= NEXT_M else min(keyframes, key=cost)
