"""Framing: how a picture becomes a depth model's input, and how its depth gets back.

The picture is stretched, then its middle is cut out. One record holds both, so that pixels, lens
and depth go through the same map. Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mirage_engine.camera import Array, Camera

# What image encoders were trained to see.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
EDGE = 1.1  # neighbours whose depths differ by this factor lie on two surfaces


@dataclass(frozen=True)
class Framing:
    """Sizes are (height, width) in pixels."""

    frame: tuple[int, int]
    stretched: tuple[int, int]  # what the frame is resized to
    size: tuple[int, int]  # the middle of it that the model sees

    @property
    def offset(self) -> tuple[int, int]:
        """(rows, columns) that are cut away before the model's first."""
        return (self.stretched[0] - self.size[0]) // 2, (self.stretched[1] - self.size[1]) // 2

    def picture(self, frames: np.ndarray) -> Tensor:  # uint8 [T, H, W, 3] -> [T, 3, h, w] in 0..1
        whole = torch.tensor(frames).permute(0, 3, 1, 2).float() / 255
        whole = F.interpolate(whole, self.stretched, mode="bicubic", antialias=True).clamp(0, 1)
        (top, left), (height, width) = self.offset, self.size
        return whole[..., top : top + height, left : left + width]

    def intrinsics(self, camera: Camera) -> Array:
        """[3, 3] of the model's input, centres at +0.5."""
        lens = camera.resized(self.stretched).intrinsics.copy()
        lens[:2, 2] -= self.offset[::-1]
        return lens

    def to_frame(self, depth_m: Tensor) -> Tensor:
        """[T, h, w] of the model to [T, H, W] of the frame; 0 where the model saw nothing.

        Between pixels of one surface inverse depth is interpolated, which is exact on planes;
        across an edge the nearest pixel decides, because in-between depths would be inventions.
        """
        place = self._places(depth_m.device).expand(len(depth_m), -1, -1, -1)
        inverse = torch.where(depth_m > 0, 1 / depth_m.clamp(min=1e-6), 1e6)[:, None]
        near = F.grid_sample(inverse, place, "nearest", "border", align_corners=False)
        smooth = F.grid_sample(inverse, place, "bilinear", "border", align_corners=False)
        low = -F.max_pool2d(-F.pad(inverse, (1, 1, 1, 1), mode="replicate"), 3, 1)
        high = F.max_pool2d(F.pad(inverse, (1, 1, 1, 1), mode="replicate"), 3, 1)
        flat = F.grid_sample((high <= EDGE * low).float(), place, "nearest", "border", False)
        inverse = torch.where(flat > 0, smooth, near)[:, 0]
        seen = (place.abs() <= 1).all(-1) & (inverse < 1e5)
        return torch.where(seen, 1 / inverse, 0.0)

    def _places(self, device: torch.device) -> Tensor:
        """[1, H, W, 2] (x, y) of each frame pixel in the model's input, -1..1 from edge to edge."""
        axes = []
        for axis in (1, 0):
            count = self.frame[axis]
            at = (torch.arange(count, device=device) + 0.5) * (self.stretched[axis] / count)
            axes.append((at - self.offset[axis]) / self.size[axis] * 2 - 1)
        x, y = torch.meshgrid(*axes, indexing="xy")
        return torch.stack([x, y], -1)[None]


def stretch_to(frame: tuple[int, int], size: tuple[int, int]) -> Framing:
    """The whole frame, whatever becomes of its proportions."""
    return Framing(frame, size, size)


def shorter_side(frame: tuple[int, int], px: int, multiple: int) -> Framing:
    """The whole frame, its shorter side near `px` and both sides multiples."""
    scale = px / min(frame)
    height, width = (max(1, round(side * scale / multiple)) * multiple for side in frame)
    return stretch_to(frame, (height, width))


def longer_side_cropped(frame: tuple[int, int], px: int, multiple: int) -> Framing:
    """Proportions kept, the longer side near `px`; what is over a multiple is cut off."""
    scale = round(px / multiple) * multiple / max(frame)
    stretched = (round(frame[0] * scale), round(frame[1] * scale))
    height, width = (max(1, side // multiple) * multiple for side in stretched)
    return Framing(frame, (max(stretched[0], height), max(stretched[1], width)), (height, width))


def scaled(pictures: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """[..., 3, h, w] in 0..1 to what a model with that mean and deviation expects."""
    columns = [pictures.new_tensor(x)[:, None, None] for x in (mean, std)]
    return (pictures - columns[0]) / columns[1]
