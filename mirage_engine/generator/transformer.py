"""The network: diffusers' Wan transformer with a memory side branch, one class for every size.

What it adds to `WanTransformer3DModel`: a timestep per latent frame (Wan2.2 TI2V), positions that
know references from targets, and VACE-style blocks that turn memory's read-out into hints for
every second backbone block. Latent frames come in the order references, target, preceding; memory
is given for target and preceding only. A small network may also mend the read-out itself before it
is corrected (`ReadoutRepair`; pocket only). Knows nothing of schedules, cameras or codecs.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.models.transformers.transformer_wan import (
    WanTransformer3DModel,
    WanTransformerBlock,
)
from diffusers.models.unets.unet_2d_blocks import AutoencoderTinyBlock
from torch import Tensor, nn

from mirage_engine.checkpoints import find, load_into, load_state
from mirage_engine.config import ConfigError

Rope = tuple[Tensor, Tensor]


class MemoryBlock(WanTransformerBlock):
    """A backbone block on the memory tokens, with a projection out that starts at zero."""

    def __init__(self, dim: int, ffn_dim: int, num_heads: int, eps: float, first: bool) -> None:
        super().__init__(dim, ffn_dim, num_heads, cross_attn_norm=True, eps=eps)
        self.proj_in = nn.Linear(dim, dim) if first else None
        self.proj_out = nn.Linear(dim, dim)
        # An untrained branch leaves the backbone exactly as it was.
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        control: Tensor,  # [B, S, D] memory tokens
        tokens: Tensor,  # [B, S, D] patch embedding of the noisy latents, for the first block
        text: Tensor,  # [B, L, D]
        temb: Tensor,  # [B, S, 6, D]
        rope: Rope,
    ) -> tuple[Tensor, Tensor]:
        """(hint, control), both [B, S, D]."""
        if self.proj_in is not None:
            control = self.proj_in(control) + tokens
        control = super().forward(control, text, temb, rope)  # type: ignore[arg-type]
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


class MirageTransformer3DModel(WanTransformer3DModel):
    """Wan transformer plus memory side branch; saves to and loads from diffusers folders.

    Arguments beyond Wan's own: `memory_in_channels` of the side branch's input; `memory_layers`,
    the backbone blocks that receive a hint (None: every second one); `repair_width` and
    `repair_blocks` of the `ReadoutRepair` (0: none).
    """

    _no_split_modules = ["WanTransformerBlock", "MemoryBlock"]  # noqa: RUF012
    _repeated_blocks = ["WanTransformerBlock", "MemoryBlock"]  # noqa: RUF012

    @register_to_config
    def __init__(
        self,
        patch_size: tuple[int, ...] = (1, 2, 2),
        num_attention_heads: int = 24,
        attention_head_dim: int = 128,
        in_channels: int = 48,
        out_channels: int = 48,
        text_dim: int = 4096,
        freq_dim: int = 256,
        ffn_dim: int = 14336,
        num_layers: int = 30,
        cross_attn_norm: bool = True,
        qk_norm: str | None = "rms_norm_across_heads",
        eps: float = 1e-6,
        rope_max_seq_len: int = 1024,
        memory_in_channels: int = 96,
        memory_layers: tuple[int, ...] | None = None,
        repair_width: int = 0,
        repair_blocks: int = 3,
    ) -> None:
        super().__init__(
            patch_size=patch_size,
            num_attention_heads=num_attention_heads,
            attention_head_dim=attention_head_dim,
            in_channels=in_channels,
            out_channels=out_channels,
            text_dim=text_dim,
            freq_dim=freq_dim,
            ffn_dim=ffn_dim,
            num_layers=num_layers,
            cross_attn_norm=cross_attn_norm,
            qk_norm=qk_norm,
            eps=eps,
            rope_max_seq_len=rope_max_seq_len,
        )
        dim = num_attention_heads * attention_head_dim
        layers = tuple(range(0, num_layers, 2)) if memory_layers is None else tuple(memory_layers)
        if list(layers) != sorted(set(layers)) or not set(layers) <= set(range(num_layers)):
            raise ValueError(f"memory_layers must rise within 0..{num_layers - 1}, got {layers}")
        self.hint_layers = {layer: i for i, layer in enumerate(layers)}
        patch = (patch_size[0], patch_size[1], patch_size[2])
        self.memory_patch_embedding = nn.Conv3d(memory_in_channels, dim, patch, patch)
        self.memory_blocks = nn.ModuleList(
            MemoryBlock(dim, ffn_dim, num_attention_heads, eps, first=i == 0)
            for i in range(len(layers))
        )
        self.repair = (
            ReadoutRepair(in_channels, memory_in_channels, repair_width, repair_blocks)
            if repair_width
            else None
        )

    def readout(self, memory: Tensor) -> Tensor:
        """[B, C, t, h, w]: what the condition [B, Cm, t, h, w] says is there, before generation."""
        if self.repair is not None:
            return self.repair(memory)
        return memory[:, : self.config["in_channels"]]

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        hidden_states: Tensor,  # [B, C, R+T+P, h, w]
        timestep: Tensor,  # [B, R+T+P] or [R+T+P], 0..1000 per latent frame
        encoder_hidden_states: Tensor,  # [B, L, text_dim]
        memory: Tensor | None = None,  # [B, memory_in_channels, T+P, h, w]
        references: int = 0,  # R
        hint_scale: float = 1.0,
    ) -> Tensor:  # [B, out_channels, R+T+P, h, w]
        """One evaluation; without `memory` it is the plain backbone."""
        frames, grid = hidden_states.shape[2], self._grid(hidden_states)
        rope = self.positions(frames, grid[0], grid[1], references)
        tokens = self.patch_embedding(hidden_states).flatten(2).transpose(1, 2).contiguous()
        temb, modulation = self._time(timestep.expand(tokens.shape[0], frames), tokens.dtype)
        modulation = modulation.repeat_interleave(grid[0] * grid[1], dim=1)
        text = self.condition_embedder.text_embedder(encoder_hidden_states)
        skip = references * grid[0] * grid[1]
        hints = self._hints(memory, tokens, text, modulation, rope, skip)
        for i, block in enumerate(self.blocks):
            tokens = block(tokens, text, modulation, rope)
            if hints and i in self.hint_layers:
                hint = hints[self.hint_layers[i]] * hint_scale
                tokens = tokens + torch.nn.functional.pad(hint, (0, 0, skip, 0))
        return self._head(tokens, temb, frames, grid)

    def positions(self, frames: int, height: int, width: int, references: int) -> Rope:
        """Rotary tables [1, S, 1, head_dim]: reference frames come first in time and stand one
        grid height below the others, so that no reference cell shares a place with a target's."""
        rope = self.rope
        time = torch.arange(frames)
        row = torch.arange(height) + torch.zeros(frames, 1, dtype=torch.long)
        row[:references] += height
        column = torch.arange(width)

        def table(values: Tensor) -> Tensor:
            t, y, x = values.split([rope.t_dim, rope.h_dim, rope.w_dim], dim=1)
            shape = (frames, height, width, -1)
            parts = (t[time][:, None, None], y[row][:, :, None], x[column][None, None])
            return torch.cat([p.expand(shape) for p in parts], -1).reshape(
                1, frames * height * width, 1, -1
            )

        return table(cast(Tensor, rope.freqs_cos)), table(cast(Tensor, rope.freqs_sin))

    def _grid(self, latents: Tensor) -> tuple[int, int]:
        _, ph, pw = self.config["patch_size"]
        height, width = latents.shape[-2:]
        if height % ph or width % pw:
            raise ValueError(f"latents must be multiples of {(ph, pw)} cells, got {height}x{width}")
        return height // ph, width // pw

    def _time(self, timestep: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Per frame, not per token: the rows of one frame are all the same."""
        embedder = self.condition_embedder
        half = self.config["freq_dim"] // 2
        # float64, as the official code: float32 loses a few 1e-5 at t near 1000.
        rate = torch.exp(
            torch.arange(half, device=timestep.device, dtype=torch.float64)
            * (-math.log(10000) / half)
        )
        angle = timestep.double()[..., None] * rate
        waves = torch.cat([angle.cos(), angle.sin()], -1)
        first = embedder.time_embedder.linear_1.weight
        temb = embedder.time_embedder(waves.to(first.dtype)).to(dtype)
        modulation = embedder.time_proj(embedder.act_fn(temb)).unflatten(2, (6, -1))
        return temb, modulation

    def _hints(
        self,
        memory: Tensor | None,
        tokens: Tensor,
        text: Tensor,
        modulation: Tensor,
        rope: Rope,
        skip: int,
    ) -> list[Tensor]:
        if memory is None:
            return []
        control = self.memory_patch_embedding(memory).flatten(2).transpose(1, 2)
        seen, temb = tokens[:, skip:], modulation[:, skip:]
        near = (rope[0][:, skip:], rope[1][:, skip:])
        hints: list[Tensor] = []
        for block in self.memory_blocks:
            hint, control = block(control, seen, text, temb, near)
            hints.append(hint)
        return hints

    def _head(self, tokens: Tensor, temb: Tensor, frames: int, grid: tuple[int, int]) -> Tensor:
        shift, scale = (self.scale_shift_table[None] + temb[:, :, None]).chunk(2, dim=2)
        framed = self.norm_out(tokens.float()).unflatten(1, (frames, grid[0] * grid[1]))
        out = self.proj_out((framed * (1 + scale) + shift).type_as(tokens))
        pt, ph, pw = self.config["patch_size"]
        out = out.reshape(out.shape[0], frames, *grid, pt, ph, pw, -1)
        return out.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6, 7).flatten(4, 5).flatten(2, 3)


def load_transformer(weights: str) -> MirageTransformer3DModel:
    """A transformer of ours; the file's header says how big it is. Raises ConfigError."""
    path = find(weights)
    state, header = load_state(path)
    if "network" not in header:
        raise ConfigError(f"{path}: has no network header; is it a generator of this project?")
    transformer = MirageTransformer3DModel(**header["network"])
    load_into(transformer, {k: v.float() for k, v in state.items()}, str(path))
    return transformer.eval().requires_grad_(False)
