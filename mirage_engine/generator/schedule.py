"""Flow matching: noise levels and what the network's output means, for sampling and training alike.

x_s = (1 - s) x_0 + s e with s from 1 (noise) to 0 (clean); the timestep of the transformer is
1000 s. The velocity e - x_0 is what diffusers' schedulers expect.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler
from torch import Tensor

# The official sampler starts here, not at 1.
SIGMA_MAX = float(np.float32(0.999))

Predict = Literal["correction", "flow"]


def shifted(sigma: Tensor, shift: float) -> Tensor:
    """Moves noise levels in 0..1 towards 1: s' = shift s / (1 + (shift - 1) s)."""
    return shift * sigma / (1 + (shift - 1) * sigma)


def scheduler(steps: int, shift: float) -> UniPCMultistepScheduler:
    """UniPC over `steps` shifted noise levels, as the official sampler."""
    unipc = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
    )
    levels = np.linspace(SIGMA_MAX, 0, steps + 1)[:-1]
    unipc.set_timesteps(sigmas=levels)  # pyright: ignore[reportArgumentType]
    return unipc


def add_noise(clean: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """x_s; `sigma` broadcasts against `clean`."""
    return (1 - sigma) * clean + sigma * noise


def clean_from(
    output: Tensor,  # network output, channels as `noisy`
    noisy: Tensor,  # x_s
    sigma: Tensor,  # s, broadcasts
    readout: Tensor,  # memory's filled read-out, same shape
    predict: Predict,
) -> Tensor:
    """x_0 that the output stands for: read-out plus correction, or x_s - s times the velocity."""
    return readout + output if predict == "correction" else noisy - sigma * output


def velocity_from(
    output: Tensor, noisy: Tensor, sigma: Tensor, readout: Tensor, predict: Predict
) -> Tensor:
    """e - x_0 that the output stands for."""
    if predict == "flow":
        return output
    clean = clean_from(output, noisy, sigma, readout, predict)
    return (noisy - clean) / torch.as_tensor(sigma).clamp_min(1e-4)
