"""Fills the holes of latents from what surrounds them. Knows nothing of where latents come from."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def fill_holes(
    latents: Tensor,  # [t, C, h, w], zeros in holes
    mask: Tensor,  # [t, h, w] bool
) -> Tensor:
    """Push-pull: holes take the colour of what surrounds them, at the finest scale that has any."""
    weight = mask[:, None].to(latents.dtype)
    levels = [(latents * weight, weight)]
    while min(levels[-1][0].shape[-2:]) > 2:
        values, weight = levels[-1]
        # Sums, not means, so that a cell with one known child is as good as known.
        levels.append(
            (
                F.avg_pool2d(values, 2, ceil_mode=True, count_include_pad=False) * 4,
                F.avg_pool2d(weight, 2, ceil_mode=True, count_include_pad=False) * 4,
            )
        )
    values, weight = levels[-1]
    total = weight.sum((2, 3), keepdim=True)
    filled = values.sum((2, 3), keepdim=True) / total.clamp_min(1e-6)
    for values, weight in reversed(levels):
        coarse = F.interpolate(filled, values.shape[-2:], mode="bilinear", align_corners=False)
        share = weight.clamp(max=1.0)
        filled = share * values / weight.clamp_min(1e-6) + (1 - share) * coarse
    return filled
