"""The network: diffusers' Wan transformer with a memory side branch, one class for every size.

What it adds to `WanTransformer3DModel`: a timestep per latent frame (Wan2.2 TI2V), positions that
know references from targets, and VACE-style blocks that turn memory's read-out into hints for
every second backbone block. Latent frames come in the order references, target, preceding; memory
is given for target and preceding only. A small network may also mend the read-out itself before it
is corrected (`ReadoutRepair`; pocket only). Knows nothing of schedules, cameras or codecs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from torch import Tensor, nn
from torch.nn import functional as F

from mirage_engine.generator.attention import Keys, project
from mirage_engine.generator.blocks import FrameBlock, MemoryBlock, ReadoutRepair, Rope, modulated


@dataclass(frozen=True)
class Prepared:
    """What stays the same over the denoising steps of a segment; see `prepare`."""

    text: list[Keys]  # of each backbone block
    branch_text: list[Keys]  # of each memory block; empty without memory
    control: Tensor | None  # [B, (T+P) * n, D] embedded memory
    rope: Rope
    references: int


class MirageTransformer3DModel(WanTransformer3DModel):
    """Wan transformer plus memory side branch; saves to and loads from diffusers folders.

    Arguments beyond Wan's own: `memory_in_channels` of the side branch's input; `memory_layers`,
    the backbone blocks that receive a hint (None: every second one; none: no side branch);
    `repair_width` and `repair_blocks` of the `ReadoutRepair` (0: none).
    """

    _no_split_modules = ["FrameBlock", "MemoryBlock"]  # noqa: RUF012
    _repeated_blocks = ["FrameBlock", "MemoryBlock"]  # noqa: RUF012
    _cp_plan = None  # Wan's plan splits tokens where ours are still in frames

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
            num_layers=0,  # the blocks are our own
            cross_attn_norm=cross_attn_norm,
            qk_norm=qk_norm,
            eps=eps,
            rope_max_seq_len=rope_max_seq_len,
        )
        self.register_to_config(num_layers=num_layers)
        dim = num_attention_heads * attention_head_dim
        self.blocks = nn.ModuleList(
            FrameBlock(dim, ffn_dim, num_attention_heads, eps, cross_attn_norm)
            for _ in range(num_layers)
        )
        layers = tuple(range(0, num_layers, 2)) if memory_layers is None else tuple(memory_layers)
        if list(layers) != sorted(set(layers)) or not set(layers) <= set(range(num_layers)):
            raise ValueError(f"memory_layers must rise within 0..{num_layers - 1}, got {layers}")
        self.hint_layers = {layer: i for i, layer in enumerate(layers)}
        patch = (patch_size[0], patch_size[1], patch_size[2])
        self.memory_patch_embedding = (
            nn.Conv3d(memory_in_channels, dim, patch, patch) if layers else None
        )
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

    def prepare(
        self,
        text: Tensor,  # [B, L, text_dim]
        shape: tuple[int, ...],  # (R+T+P, h, w) of the latents
        memory: Tensor | None = None,  # [B, memory_in_channels, T+P, h, w]
        references: int = 0,  # R
    ) -> Prepared:
        """Everything that no denoising step changes, computed once for all of them."""
        grid = self._grid(shape)
        words = self.condition_embedder.text_embedder(text)
        control, branch = None, []
        if memory is not None and self.memory_patch_embedding is not None:
            control = self.memory_patch_embedding(memory).flatten(2).transpose(1, 2)
            branch = [project(block.attn2, words) for block in self._memory_blocks()]
        keys = [project(block.attn2, words) for block in self._backbone()]
        return Prepared(keys, branch, control, self.positions(*grid, references), references)

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        hidden_states: Tensor,  # [B, C, R+T+P, h, w]
        timestep: Tensor,  # [B, R+T+P] or [R+T+P], 0..1000 per latent frame
        encoder_hidden_states: Tensor | Prepared,  # [B, L, text_dim]
        memory: Tensor | None = None,  # [B, memory_in_channels, T+P, h, w]
        references: int = 0,  # R
        hint_scale: float = 1.0,
    ) -> Tensor:  # [B, out_channels, R+T+P, h, w]
        """One evaluation; without `memory` it is the plain backbone.

        `Prepared` in the place of the text brings its own memory and references.
        """
        frames, height, width = grid = self._grid(hidden_states.shape[2:])
        given = encoder_hidden_states
        if isinstance(given, Tensor):
            given = self.prepare(given, hidden_states.shape[2:], memory, references)
        tokens = self.patch_embedding(hidden_states).flatten(2).transpose(1, 2).contiguous()
        temb, modulation = self._time(timestep.expand(tokens.shape[0], frames), tokens.dtype)
        skip = given.references * height * width
        # The side branch sees the noisy tokens as they enter the backbone, without references.
        seen, control = tokens[:, skip:], given.control
        near = (modulation[:, given.references :], tuple(table[:, skip:] for table in given.rope))
        branch = self._memory_blocks()
        for i, block in enumerate(self._backbone()):
            tokens = block(tokens, given.text[i], modulation, given.rope)
            if control is not None and i in self.hint_layers:
                j = self.hint_layers[i]
                hint, control = branch[j](control, seen, given.branch_text[j], *near)
                tokens = tokens + F.pad(hint * hint_scale, (0, 0, skip, 0))
        return self._head(tokens, temb, grid)

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

    def _grid(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """(frames, rows, columns) of tokens for latents of `shape` (frames, h, w)."""
        _, ph, pw = self.config["patch_size"]
        frames, height, width = shape
        if height % ph or width % pw:
            raise ValueError(f"latents must be multiples of {(ph, pw)} cells, got {height}x{width}")
        return frames, height // ph, width // pw

    def _backbone(self) -> list[FrameBlock]:
        return cast(list[FrameBlock], list(self.blocks))

    def _memory_blocks(self) -> list[MemoryBlock]:
        return cast(list[MemoryBlock], list(self.memory_blocks))

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

    def _head(self, tokens: Tensor, temb: Tensor, grid: tuple[int, int, int]) -> Tensor:
        shift, scale = (self.scale_shift_table[None] + temb[:, :, None]).chunk(2, dim=2)
        seen = modulated(self.norm_out(tokens.float()), scale, shift)
        out = self.proj_out(seen.type_as(tokens))
        pt, ph, pw = self.config["patch_size"]
        out = out.reshape(out.shape[0], *grid, pt, ph, pw, -1)
        return out.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6, 7).flatten(4, 5).flatten(2, 3)
