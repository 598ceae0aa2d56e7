"""The five parts of a world as protocols, and the records that pass between them.

A world is a Memory, a Generator, a Codec, a DepthEstimator and a StaticFilter. A baseline is
another Memory; a bigger model is another Generator and Codec. Letters: T frames, t latent frames,
H W pixels, h w latent cells, C channels, N points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

import numpy as np
from torch import Tensor

from mirage_engine.camera import Camera
from mirage_engine.inspection import Edit

# (step, total) -> whether to go on; asked between denoising steps.
OnStep = Callable[[int, int], bool]


class Cancelled(Exception):
    """`OnStep` answered no: the segment was given up and nothing was remembered."""


@dataclass(frozen=True)
class MemoryView:
    """What memory knows of some views, on the latent grid. Empty cells are zero everywhere."""

    latents: Tensor  # [t, C, h, w] float32, the winner's feature
    mask: Tensor  # [t, h, w] bool, True where a point was hit
    depth_m: Tensor  # [t, h, w] float32 z-depth of the winner; 0 empty, +inf sky
    source: Tensor  # [t, h, w] int64 point index, -1 empty
    offset: Tensor  # [t, 2, h, w] float32 (x, y): winner's projection minus cell centre, in cells
    scale: Tensor  # [t, h, w] float32 log2 of the winner's footprint in target cells; 0 empty

    def after(self, frame: int) -> MemoryView:
        """The views behind that one."""
        return MemoryView(*(getattr(self, f.name)[frame + 1 :] for f in fields(self)))


@dataclass(frozen=True)
class CodecSpec:
    """The numbers that others need of a codec."""

    channels: int  # C
    stride: int  # pixels per latent cell
    temporal_stride: int  # frames per latent frame after the first
    multiple: int  # picture height and width must be multiples of this
    carries_depth: bool  # latents hold depth, on memory's scale
    reach: int = 0  # latent frames back that a picture can depend on

    def latent_size(self, size: tuple[int, int]) -> tuple[int, int]:
        return size[0] // self.stride, size[1] // self.stride


@dataclass(frozen=True)
class Decoded:
    """What a codec makes of latents. Depth and keep only from codecs that carry them."""

    frames: np.ndarray  # [T, H, W, 3] uint8
    depth_m: Tensor | None = None  # [T, H, W] float32; 0 unknown, +inf sky
    keep: Tensor | None = None  # [T, H, W] bool, True = static and sure: may be remembered


@dataclass(frozen=True)
class Context:
    """Everything that a generator may look at for one segment."""

    view: MemoryView  # of the t target latent frames
    cameras: Sequence[Camera]  # t, one per target latent frame, at picture size
    first: Tensor  # [C, h, w] clean latent of target frame 0
    preceding: Tensor  # [p, C, h, w] latents just before the target, p may be 0
    preceding_view: MemoryView | None  # of the p preceding frames
    references: Tensor  # [r, C, h, w] older latents of the same surfaces, r may be 0
    start: Tensor  # [C, h, w] latent of the world's start image: palette and style
    prompt: str = ""


@dataclass(frozen=True)
class Generated:
    """What a generator returns for one segment."""

    latents: Tensor  # [t, C, h, w] clean; frame 0 is `Context.first`
    sure: Tensor | None = None  # [t, h, w] 0..1, own estimate; None where a model has none


class Memory(Protocol):
    """Latent spatial memory, or a baseline with the same members."""

    def write(
        self,
        latents: Tensor,  # [t, C, h, w]
        depth_m: Tensor,  # [t, H, W]; 0 unknown, +inf sky
        cameras: Sequence[Camera],  # t
        keep: Tensor,  # [t, H, W] bool
        segment: int,  # index that the new points are born in
    ) -> int: ...  # points added
    def read(self, cameras: Sequence[Camera], size: tuple[int, int]) -> MemoryView: ...
    def coverage(self, camera: Camera, size: tuple[int, int]) -> float: ...  # 0..1
    def undo(self, segment: int) -> None: ...  # forgets what `segment` and later ones wrote
    def cloud(self, since: int = 0) -> dict[str, np.ndarray]: ...  # see LatentMemory.cloud
    def origins(self, source: Tensor) -> Tensor: ...  # [3, ...] int32 id, segment, latent frame
    def added(self, segment: int) -> int: ...  # points that it wrote
    def edit(self, edit: Edit, number: int) -> np.ndarray: ...  # [K] int32 ids really changed
    def revert(self, number: int) -> None: ...  # takes that edit back
    def gone(self) -> tuple[np.ndarray, np.ndarray]: ...  # points_world, footprints_m taken away
    def gone_mask(
        self,
        cameras: Sequence[Camera],  # t
        size: tuple[int, int],
        since: int = 0,  # number of the first edit that counts
    ) -> Tensor: ...  # [t, h, w] bool: cells where what was taken away would be in front
    @property
    def edits(self) -> tuple[int, ...]: ...  # numbers of those that hold, in order
    @property
    def removed(self) -> np.ndarray: ...  # [M] int32 ids that the last write or budget took out
    @property
    def nbytes(self) -> int: ...
    def __len__(self) -> int: ...
    def save(self, path: Path) -> None: ...
    def load(self, path: Path) -> None: ...


class Codec(Protocol):
    """Pictures to latents and back."""

    spec: CodecSpec

    def encode(
        self,
        frames: np.ndarray,  # [T, H, W, 3] uint8
        depth_m: Tensor | None,  # [T, H, W]; for codecs that carry depth
    ) -> Tensor: ...  # [t, C, h, w] float32, normalised as the transformer sees them
    def decode(
        self,
        latents: Tensor,  # [t, C, h, w]
        before: Tensor | None = None,  # [p, C, h, w] the frames that they follow in time
    ) -> Decoded: ...
    def colors(self, latents: Tensor) -> np.ndarray: ...  # [N, C] -> uint8 [N, 3], mean colour
    def at_view(self, view: MemoryView) -> Tensor: ...  # [t, C, h, w] read-out as seen from there


class Generator(Protocol):
    """Latents of a segment, from noise and what memory knows."""

    def __call__(self, context: Context, noise: Tensor, on_step: OnStep) -> Generated:
        """`noise` is [t, C, h, w]. Raises Cancelled when `on_step` says no."""
        ...


class DepthEstimator(Protocol):
    """Depth of decoded frames, on memory's scale."""

    def __call__(self, decoded: Decoded, cameras: Sequence[Camera]) -> Tensor: ...  # [T, H, W] m


@dataclass(frozen=True)
class Sight:
    """Where decoded frames were seen from, and what memory has to say about it."""

    cameras: Sequence[Camera]  # T
    latents: Tensor | None = None  # [t, C, h, w] what the frames were decoded from
    view: MemoryView | None = None  # what memory held of the t latent frames before
    memory: Memory | None = None  # before these frames are written
    earlier: Sequence[Camera] = ()  # of keyframes before these frames
    start: bool = False  # this is the picture that a world begins with


class StaticFilter(Protocol):
    """What of decoded frames stands still and may be remembered."""

    def __call__(self, decoded: Decoded, depth_m: Tensor, sight: Sight) -> Tensor:
        """[T, H, W] bool, True may be remembered."""
        ...


@dataclass(frozen=True)
class Parts:
    """What a world is made of."""

    memory: Memory
    generator: Generator | None  # None: the raw read-out is decoded as it is
    codec: Codec
    depth: DepthEstimator
    static_filter: StaticFilter
