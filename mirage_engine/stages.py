"""What happens to a segment between decoding and remembering, and how long each stage takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor
from torch.nn import functional as F

from mirage_engine.camera import Camera
from mirage_engine.geometry import fit_depth
from mirage_engine.parts import Decoded, Generated, MemoryView, Parts, Sight


@dataclass
class Stopwatch:
    """Seconds per stage of one segment; what the report and the HUD show."""

    seconds: dict[str, float] = field(default_factory=dict)
    _mark: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._mark
        self._mark = now

    def total(self) -> dict[str, float]:
        return {**self.seconds, "total": sum(self.seconds.values())}


def aligned_depth(
    parts: Parts,
    decoded: Decoded,
    view: MemoryView,  # of the clean first frame and the new ones
    path: Sequence[Camera],  # one per picture
) -> tuple[Tensor, float]:
    """Depth of the new pictures on memory's scale, and the residual of the fit."""
    depth = parts.depth(decoded, path)
    if parts.generator is None:
        return depth, 0.0
    spec = parts.codec.spec
    last = depth[spec.temporal_stride - 1 :: spec.temporal_stride]
    half = spec.stride // 2
    cells = last[:, half :: spec.stride, half :: spec.stride]
    fit = fit_depth(cells, view.depth_m[1:], view.mask[1:])
    # Depth that was generated beside memory's is on its scale already: measured, not moved.
    return (depth if spec.carries_depth else fit.apply(depth)), fit.residual


def worth_keeping(
    parts: Parts,
    decoded: Decoded,
    depth_m: Tensor,  # [T, H, W]
    made: Generated,
    sight: Sight,
    sure: float,  # cells below this are not remembered; 0 remembers all
) -> Tensor:  # [T, H, W] bool
    """What stands still, and the model itself is sure of."""
    keep = parts.static_filter(decoded, depth_m, sight)
    if made.sure is None or sure <= 0:
        return keep
    certain = F.interpolate(made.sure[1:, None], keep.shape[-2:])[:, 0]
    return keep & (certain >= sure)
