"""A tiny decoder of Wan2.2's latents for previews, in the layout of the public TAEW2.2 weights.

Made of diffusers' AutoencoderTiny blocks: each sees a frame beside the one before it. Reads
safetensors that the user has; a hundredth of the real decoder's work, and none of its finish.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.unets.unet_2d_blocks import AutoencoderTinyBlock
from torch import Tensor, nn
from torch.nn import functional as F

from mirage_engine.checkpoints import load_into, load_state
from mirage_engine.files import find

CHANNELS = 48
WIDTHS = (256, 128, 64)
GROWS = (1, 2, 2)  # frames that each stage makes of one
PATCH = 2  # pixels


class Squash(nn.Module):
    """Bounds outliers softly, to -3..3."""

    def forward(self, x: Tensor) -> Tensor:
        return 3 * torch.tanh(x / 3)


class Grow(nn.Module):
    """Frames to `times` as many."""

    def __init__(self, width: int, times: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width * times, 1, bias=False)
        self.width = width

    def forward(self, x: Tensor) -> Tensor:  # [n, C, h, w] -> [n * times, C, h, w]
        return self.conv(x).reshape(-1, self.width, *x.shape[2:])


class TinyDecoder(nn.Module):
    """Latents come normalised, as the transformer sees them."""

    stride = 16
    slots = 3 * len(WIDTHS)
    # Six blocks at one frame per latent and three at two look one frame back each.
    reach = -(-(6 * 2 + 3) // 2)

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [Squash(), _conv(CHANNELS, WIDTHS[0]), nn.ReLU()]
        for width, after, times in zip(WIDTHS, (*WIDTHS[1:], WIDTHS[-1]), GROWS, strict=True):
            layers += [AutoencoderTinyBlock(2 * width, width, "relu") for _ in range(3)]
            layers += [nn.Upsample(scale_factor=2), Grow(width, times)]
            layers += [_conv(width, after, bias=False)]
        layers += [nn.ReLU(), _conv(WIDTHS[-1], 3 * PATCH**2)]
        self.decoder = nn.Sequential(*layers)

    def step(self, latent: Tensor, features: list[Any], first: bool) -> Tensor:
        """[4, 3, H, W] in -1..1; of a video's first latent frame only the last is a picture."""
        weight = next(self.parameters())
        x, slot = latent[None].to(weight.device, weight.dtype), 0
        for layer in self.decoder:
            if isinstance(layer, AutoencoderTinyBlock):
                last = torch.zeros_like(x[:1]) if features[slot] is None else features[slot]
                features[slot], slot = x[-1:], slot + 1
                x = torch.cat([x, torch.cat([last, x[:-1]])], 1)
            x = layer(x)
        pictures = 2 * F.pixel_shuffle(x, PATCH).clamp(0, 1) - 1
        return pictures[-1:] if first else pictures


def load_tiny_decoder(weights: str) -> TinyDecoder:
    """Reads taew2_2.safetensors; what belongs to its encoder is left. Raises ConfigError."""
    path = find(weights)
    state = {k: v for k, v in load_state(path)[0].items() if k.startswith("decoder.")}
    made = TinyDecoder()
    for key, tensor in made.state_dict().items():
        if key.endswith(".skip.weight"):
            # The public blocks pass the present frame on as it is; ours say so with a weight.
            state[key] = torch.eye(len(tensor), tensor.shape[1])[..., None, None]
        elif key in state and tensor.shape[2:] == (1, 1):
            # Files of models that grow at each stage hold more frames; the last ones count.
            state[key] = state[key][-len(tensor) :]
    load_into(made, state, str(path))
    return made.eval().requires_grad_(False)


def _conv(inputs: int, outputs: int, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)
