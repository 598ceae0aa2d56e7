"""Decodes latents as one endless video: the causal features of what came before are kept.

A causal decoder looks at earlier frames of its own. They are carried from call to call, so a
segment that follows another continues it: no seam, and nothing is decoded twice. A call says what
came before it; if that is not where a kept state ends, it is decoded again. So undo, branches and
worlds from a file need no care, and give the same frames as decoding all at once, bit for bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from mirage_engine.codecs.tiles import Tile, blend, make_tiles
from mirage_engine.config import CodecConfig


class CausalDecoder(Protocol):
    """Decodes one latent frame at a time, given the features that it left behind."""

    stride: int  # pixels per cell
    slots: int  # features that it keeps
    reach: int  # how many latent frames back a picture can depend on

    def step(
        self,
        latent: Tensor,  # [C, h, w]
        features: list[Any],  # `slots` of them, None at first; entries are replaced, never changed
        first: bool,  # of the video
    ) -> Tensor: ...  # [1 or more, 3, H, W] in -1..1


@dataclass
class State:
    """A decoder that stopped behind some frames and can go on."""

    tiles: list[Tile]
    features: list[list[Any]]  # of each tile
    seen: list[bytes]  # fingerprint of each latent frame so far

    def branch(self) -> State:
        """Features are replaced and never written to, so a copy of the lists is enough."""
        return State(self.tiles, [list(of_tile) for of_tile in self.features], list(self.seen))


class StreamDecoder:
    """Latents to pictures, in tiles, one latent frame after the other."""

    def __init__(self, network: CausalDecoder, config: CodecConfig) -> None:
        self.network, self.config = network, config
        self.lead = min(config.lead or network.reach, network.reach)
        self._kept: list[State] = []  # the last used comes last

    @torch.no_grad()
    def __call__(
        self,
        latents: Tensor,  # [t, C, h, w]
        before: Tensor | None,  # [p, C, h, w] the frames before them; None decodes them alone
    ) -> Iterator[Tensor]:
        """[T, 3, H, W] in -1..1 of each latent frame; the first of a video gives one picture.

        Only what follows something is kept as a state, so that a glance at a single frame does
        not cost the walk its place.
        """
        past = latents[:0] if before is None else before[-self.network.reach :]
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
        return State(tiles, [[None] * self.network.slots for _ in tiles], [])

    def _step(self, frame: Tensor, mark: bytes, state: State) -> Tensor:
        first = not state.seen
        parts = [
            self.network.step(tile.of(frame), features, first).float()
            for tile, features in zip(state.tiles, state.features, strict=True)
        ]
        state.seen.append(mark)
        return blend(parts, state.tiles, self.network.stride)


def _fingerprint(frame: Tensor) -> bytes:
    data = frame.detach().float().contiguous().cpu().numpy().tobytes()
    return hashlib.blake2b(data, digest_size=16).digest()
