"""The generator's loss: flow-matching noise, clean latents out, weighted by what the eye sees.

Latents have unit variance per channel, pictures do not: each channel is weighted with the energy
that it has in the picture, so that the loss is an error in pixels and in log depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mirage_engine.codecs.pocket import DEPTH, PATCH, PICTURE
from mirage_engine.generator.schedule import SIGMA_MAX, add_noise, clean_from, shifted
from mirage_engine.generator.transformer import MirageTransformer3DModel

SURE_PICTURE, SURE_DEPTH = 0.06, 0.06  # errors under which a cell counts as sure


@dataclass(frozen=True)
class Prediction:
    clean: Tensor  # [B, C, t, h, w]
    sure: Tensor  # [B, t, h, w] logit


def noise_levels(
    batch: int, start_share: float, shift: float, generator: torch.Generator
) -> Tensor:  # [B]
    """Pure noise for a share of the samples, shifted uniform levels for the rest."""
    levels = shifted(torch.rand(batch, generator=generator), shift).clamp(0.02, SIGMA_MAX)
    start = torch.rand(batch, generator=generator) < start_share
    return torch.where(start, SIGMA_MAX, levels)


def predict(
    network: MirageTransformer3DModel,
    clean: Tensor,  # [B, C, t, h, w]
    first: Tensor,  # [B, C, h, w] what the network is shown as clean frame 0
    condition: Tensor,  # [B, Cm, t, h, w]
    text: Tensor,  # [B, L, 4C]
    sigma: Tensor,  # [B]
    noise: Tensor,  # like clean
) -> Prediction:
    """One evaluation, as the sampler makes it."""
    channels, frames = clean.shape[1:3]
    level = sigma[:, None].expand(-1, frames).clone()
    level[:, 0] = 0
    wide = level[:, None, :, None, None]
    noisy = add_noise(clean, noise, wide)
    noisy[:, :, 0] = first
    output = network(noisy, level * 1000, text, condition).float()
    readout = network.readout(condition).float()
    guess = clean_from(output[:, :channels], noisy, wide, readout, "correction")
    return Prediction(guess, output[:, channels])


def cell_errors(
    guess: Tensor,  # [B, C, t, h, w]
    clean: Tensor,
    latent_std: Tensor,  # [C]
) -> tuple[Tensor, Tensor]:
    """Mean squared (picture, log depth) error of each cell, [B, t, h, w]."""
    energy = ((guess - clean) * latent_std[:, None, None, None]).square()
    picture = energy[:, :PICTURE].sum(1) / (3 * PATCH**2)
    return picture, energy[:, PICTURE : PICTURE + DEPTH].sum(1) / PATCH**2


def generator_loss(
    prediction: Prediction, clean: Tensor, latent_std: Tensor, depth_weight: float
) -> Tensor:
    """Robust in the cell (edges of unseen things may be anywhere), squared in the mean."""
    guess, clean = prediction.clean[:, :, 1:], clean[:, :, 1:]
    picture, depth = cell_errors(guess, clean, latent_std)
    robust = (picture + 1e-4).sqrt().mean() + 0.5 * depth_weight * (depth + 1e-4).sqrt().mean()
    squared = picture.mean() + 0.1 * depth_weight * depth.clamp(max=1.0).mean()
    sure = ((picture < SURE_PICTURE**2) & (depth < SURE_DEPTH**2)).float()
    trust = F.binary_cross_entropy_with_logits(prediction.sure[:, 1:], sure)
    return robust + 4 * squared + 0.01 * trust
