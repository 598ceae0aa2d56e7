"""The repeated parts of the network: a Wan block, its twin of the memory side branch, the repair.

Blocks of diffusers with two savings: time modulation comes per latent frame and is broadcast over
the frame's tokens instead of being spread over them, and text comes as ready keys. Same numbers as
the plain block, bit for bit.
"""

from __future__ import annotations

import torch
from diffusers.models.transformers.transformer_wan import WanTransformerBlock
from diffusers.models.unets.unet_2d_blocks import AutoencoderTinyBlock
from torch import Tensor, nn

from mirage_engine.generator.attention import FusedAttnProcessor, Keys

Rope = tuple[Tensor, Tensor]


class FrameBlock(WanTransformerBlock):
    """A Wan block for tokens in frames."""

    def __init__(
        self, dim: int, ffn_dim: int, num_heads: int, eps: float, cross_attn_norm: bool = True
    ) -> None:
        super().__init__(dim, ffn_dim, num_heads, cross_attn_norm=cross_attn_norm, eps=eps)
        self.attn1.set_processor(FusedAttnProcessor())  # pyright: ignore
        self.attn2.set_processor(FusedAttnProcessor())  # pyright: ignore

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        tokens: Tensor,  # [B, F * n, D]
        text: Keys,
        modulation: Tensor,  # [B, F, 6, D]
        rope: Rope,  # [1, F * n, 1, d] each
    ) -> Tensor:
        table = self.scale_shift_table[None] + modulation.float()
        shift, scale, gate, ff_shift, ff_scale, ff_gate = table.chunk(6, dim=2)  # [B, F, 1, D]
        seen = modulated(self.norm1(tokens.float()), scale, shift).type_as(tokens)
        tokens = gated(tokens, self.attn1(seen, None, None, rope), gate)
        seen = self.norm2(tokens.float()).type_as(tokens)
        tokens = tokens + self.attn2(seen, text, None, None)  # type: ignore[arg-type]
        seen = modulated(self.norm3(tokens.float()), ff_scale, ff_shift).type_as(tokens)
        return gated(tokens, self.ffn(seen), ff_gate)


def modulated(
    normed: Tensor,  # [B, F * n, D] float32
    scale: Tensor,  # [B, F, 1, D]
    shift: Tensor,
) -> Tensor:
    frames = normed.unflatten(1, (scale.shape[1], -1))
    return (frames * (1 + scale) + shift).flatten(1, 2)


def gated(
    tokens: Tensor,  # [B, F * n, D]
    change: Tensor,  # [B, F * n, D]
    gate: Tensor,  # [B, F, 1, D] float32
) -> Tensor:
    """The sum is made in float32, whatever the tokens are kept in."""
    step = (change.unflatten(1, (gate.shape[1], -1)) * gate).flatten(1, 2)
    return (tokens.float() + step).type_as(tokens)


class MemoryBlock(FrameBlock):
    """A backbone block on the memory tokens, with a projection out that starts at zero."""

    def __init__(self, dim: int, ffn_dim: int, num_heads: int, eps: float, first: bool) -> None:
        super().__init__(dim, ffn_dim, num_heads, eps)
        self.proj_in = nn.Linear(dim, dim) if first else None
        self.proj_out = nn.Linear(dim, dim)
        # An untrained branch leaves the backbone exactly as it was.
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        control: Tensor,  # [B, F * n, D] memory tokens
        tokens: Tensor,  # [B, F * n, D] patch embedding of the noisy latents, for the first block
        text: Keys,
        modulation: Tensor,  # [B, F, 6, D]
        rope: Rope,
    ) -> tuple[Tensor, Tensor]:
        """(hint, control), both [B, F * n, D]."""
        if self.proj_in is not None:
            control = self.proj_in(control) + tokens
        control = super().forward(control, text, modulation, rope)
        return self.proj_out(control), control


class ReadoutRepair(nn.Module):
    """Convolutions that mend what lies between the points: seams, edges, sub-cell shifts.

    Local work at full latent resolution, which patches of a transformer are bad at. Starts as the
    identity on the read-out, so that it never loses to copying.
    """

    def __init__(self, channels: int, memory_channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.channels = channels
        self.stem = nn.Conv2d(memory_channels, width, 3, padding=1)
        self.blocks = nn.Sequential(
            *(AutoencoderTinyBlock(width, width, "relu") for _ in range(blocks))
        )
        self.head = nn.Conv2d(width, channels, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        if self.head.bias is not None:
            nn.init.zeros_(self.head.bias)

    def forward(self, memory: Tensor) -> Tensor:  # [B, Cm, t, h, w] -> [B, C, t, h, w]
        """`memory` starts with the filled read-out."""
        batch, frames = memory.shape[0], memory.shape[2]
        flat = memory.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        delta = self.head(self.blocks(torch.relu(self.stem(flat))))
        return memory[:, : self.channels] + delta.unflatten(0, (batch, frames)).transpose(1, 2)
