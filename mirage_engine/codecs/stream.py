"""Decodes Wan latents as one endless video: the causal features of what came before are kept.

Each convolution looks at two earlier frames of its own. They are carried from call to call, so a
segment that follows another continues it: no seam, and nothing is decoded twice. A call says what
came before it; if that is not where a kept state ends, it is decoded again. So undo, branches and
worlds from a file need no care, and give the same frames as decoding all at once, bit for bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import (
    AutoencoderKLWan,
    WanCausalConv3d,
    unpatchify,
)
from torch import Tensor

from mirage_engine.codecs.tiles import Tile, blend, make_tiles
from mirage_engine.config import CodecConfig


@dataclass
class State:
    """A decoder that stopped behind some frames and can go on."""

    tiles: list[Tile]
    features: list[list[Any]]  # of each tile and convolution: the frames it still needs
    seen: list[bytes]  # fingerprint of each latent frame so far

    def branch(self) -> State:
        """Features are replaced and never written to, so a copy of the lists is enough."""
        return State(self.tiles, [list(of_tile) for of_tile in self.features], list(self.seen))


class StreamDecoder:
    """Latents as the autoencoder sees them, to pictures."""

    def __init__(self, vae: AutoencoderKLWan, config: CodecConfig) -> None:
        self.vae, self.config = vae, config
        self.reach = reach(vae)
        self.lead = min(config.lead or self.reach, self.reach)
        self._convolutions = sum(isinstance(m, WanCausalConv3d) for m in vae.decoder.modules())
        self._kept: list[State] = []  # the last used comes last

    @torch.no_grad()
    def __call__(
        self,
        latents: Tensor,  # [t, C, h, w]
        before: Tensor | None,  # [p, C, h, w] the frames before them; None decodes them alone
    ) -> Iterator[Tensor]:
        """[1 or 4, 3, H, W] in -1..1 of each latent frame; the first of a video gives one picture.

        Only what follows something is kept as a state, so that a glance at a single frame does
        not cost the walk its place.
        """
        past = latents[:0] if before is None else before[-self.reach :]
        marks = [_fingerprint(frame) for frame in past]
        state = self._find(marks)
        if state is None:
            state = self._start((latents.shape[2], latents.shape[3]))
            for frame, mark in list(zip(past, marks, strict=True))[-self.lead :]:
                self._step(frame, mark, state)
        for frame in latents:
            yield self._step(frame, _fingerprint(frame), state)
        if marks:
            self._kept = [*self._kept, state][-self.config.states :]

    def _find(self, marks: Sequence[bytes]) -> State | None:
        """A branch of the kept state that ends with the frames `marks`, as far as they matter."""
        for state in reversed(self._kept if marks else []):
            common = min(len(state.seen), len(marks))
            if state.seen[-common:] != marks[-common:]:
                continue
            if len(state.seen) == len(marks) or common >= self.lead:
                self._kept.remove(state)
                self._kept.append(state)
                return state.branch()
        return None

    def _start(self, size: tuple[int, int]) -> State:
        tiles = make_tiles(size, self.config.tile_cells, self.config.tile_overlap_cells)
        return State(tiles, [[None] * self._convolutions for _ in tiles], [])

    def _step(self, frame: Tensor, mark: bytes, state: State) -> Tensor:
        vae = self.vae
        parts = []
        for tile, features in zip(state.tiles, state.features, strict=True):
            latent = tile.of(frame)[None, :, None].to(vae.device, vae.dtype)
            part = vae.decoder(
                vae.post_quant_conv(latent),
                feat_cache=features,
                feat_idx=[0],
                first_chunk=not state.seen,
            )
            if vae.config["patch_size"] is not None:
                part = unpatchify(part, patch_size=vae.config["patch_size"])
            parts.append(part[0].transpose(0, 1).float())
        state.seen.append(mark)
        return blend(parts, state.tiles, vae.config["scale_factor_spatial"]).clamp(-1, 1)


def reach(vae: AutoencoderKLWan) -> int:
    """How many latent frames back a picture can depend on."""
    frames, rate = 0, 1  # at the current frame rate, in pictures per latent frame
    for name, module in vae.decoder.named_modules():
        if isinstance(module, WanCausalConv3d):
            frames += module.kernel_size[0] - 1
        if name.endswith("time_conv"):
            frames, rate = 2 * frames, 2 * rate
    return -(-frames // rate)


def _fingerprint(frame: Tensor) -> bytes:
    data = frame.detach().float().contiguous().cpu().numpy().tobytes()
    return hashlib.blake2b(data, digest_size=16).digest()
