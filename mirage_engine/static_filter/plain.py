"""Static filters that look at nothing but what they are given."""

from __future__ import annotations

import torch
from torch import Tensor

from mirage_engine.parts import Decoded, Sight


class CodecFilter:
    """For codecs that decode a keep mask of their own."""

    def __call__(self, decoded: Decoded, depth_m: Tensor, sight: Sight) -> Tensor:  # noqa: ARG002
        known = depth_m > 0
        return known if decoded.keep is None else known & decoded.keep


class KeepAll:
    """Everything with a depth is remembered."""

    def __call__(self, decoded: Decoded, depth_m: Tensor, sight: Sight) -> Tensor:  # noqa: ARG002
        return torch.gt(depth_m, 0)
