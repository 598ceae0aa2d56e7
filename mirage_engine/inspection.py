"""What an inspector sees of a world and does to its memory: frozen records of numpy arrays.

They cross the process border as they are. Knows nothing of torch, of worlds or of how memory works.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from mirage_engine.camera import Camera
from mirage_engine.config import check_budget

HIDDEN, LOCKED = 1, 2  # bits of a point's flags
NEVER = 2**31 - 1  # segment in which a living point dies
MEMORY_FORMAT = "mirage-memory-2"  # of memory.safetensors
MOST_SOURCES = 8  # earlier frames that an X-ray names

EditKind = Literal["hide", "show", "lock", "unlock", "delete", "budget"]


@dataclass(frozen=True, eq=False)
class Edit:
    """Something done to memory by hand. Ids that memory does not hold are let pass.

    Hidden points are not read and do not count as known; locked ones are never replaced, forgotten
    or deleted. `budget` sets what memory may take and names no points.

    Raises:
        ConfigError: a budget that is no size.
    """

    kind: EditKind
    ids: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))  # [N] int32
    budget_mib: float = 0.0  # 0: none

    def __post_init__(self) -> None:
        check_budget(self.budget_mib)


@dataclass(frozen=True, eq=False)
class Points:
    """All living points of memory, in the order in which they were written."""

    points_world: np.ndarray  # [N, 4] float32 homogeneous; w 0 = sky
    colors: np.ndarray  # [N, 3] uint8, what the codec makes of the feature
    footprints_m: np.ndarray  # [N] float32 (radians where w is 0)
    born: np.ndarray  # [N] int32, segment
    ids: np.ndarray  # [N] int32, rising; never used twice while the world lives
    flags: np.ndarray  # [N] uint8, HIDDEN and LOCKED
    seen: np.ndarray  # [N] int32, frames that showed it


@dataclass(frozen=True, eq=False)
class PointDetails:
    """What is fetched of points only while somebody looks."""

    ids: np.ndarray  # [N] int32 of all living points
    seen: np.ndarray  # [N] int32
    flags: np.ndarray  # [N] uint8
    new_ids: np.ndarray  # [M] int32, those that were asked for
    latents: np.ndarray  # [M, C] float16 of those
    frame: np.ndarray  # [M] uint8, latent frame within the segment that they were born in


@dataclass(frozen=True, eq=False)
class ViewRead:
    """What memory answers for one view, on the latent grid."""

    camera: Camera
    mask: np.ndarray  # [h, w] bool, True where a point was hit
    depth_m: np.ndarray  # [h, w] float32 z-depth; 0 empty, +inf sky
    scale: np.ndarray  # [h, w] float32 log2 of the point's footprint in cells; 0 empty
    point_ids: np.ndarray  # [h, w] int32, -1 empty


@dataclass(frozen=True, eq=False)
class XRay:
    """What conditions a segment: frame 0 is the clean first one, the new ones follow."""

    segment: int
    coming: bool  # not generated yet
    cameras: tuple[Camera, ...]  # t
    latents: np.ndarray  # [t, C, h, w] float16 read-out as the generator gets it
    mask: np.ndarray  # [t, h, w] bool
    depth_m: np.ndarray  # [t, h, w] float32; 0 empty, +inf sky
    point_ids: np.ndarray  # [t, h, w] int32, -1 empty
    decoded: np.ndarray  # [t, H, W, 3] uint8, the read-out with its holes filled, as a picture
    first: tuple[int, int]  # (segment, latent frame) of the clean first frame
    source_frames: np.ndarray  # [K, 2] int32 (segment, latent frame) that memory answers from
    source_shares: np.ndarray  # [K] float32 of all covered new cells, largest first
    references: np.ndarray  # [R, 2] int32 (segment, latent frame) of older frames shown beside it
    reference_shares: np.ndarray  # [R] float32, what each adds (official choice: overlap), 0..1
    residual: float  # of the depth alignment, relative; NaN for a coming segment
    gone_first: np.ndarray  # [h, w] bool, cells of the first frame that show what was taken away


def sources(
    born: np.ndarray,  # [t, h, w] int32 segment of each winner, -1 empty
    frame: np.ndarray,  # [t, h, w] int32 latent frame within it
    most: int = MOST_SOURCES,
) -> tuple[np.ndarray, np.ndarray]:  # ([K, 2] int32, [K] float32)
    """The frames that most cells come from and their shares of all covered cells."""
    covered = born >= 0
    pairs = np.stack([born[covered], frame[covered]], -1)
    frames, counts = np.unique(pairs, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:most]
    shares = counts[order] / max(len(pairs), 1)
    return frames[order].astype(np.int32), shares.astype(np.float32)
