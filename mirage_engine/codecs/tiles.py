"""Tiles: cuts a grid of cells into overlapping rectangles, and blends what was made of them.

Knows rectangles and weights; nothing of codecs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Tile:
    """Half-open ranges of cells."""

    top: int
    bottom: int
    left: int
    right: int

    def of(self, picture: Tensor, scale: int = 1) -> Tensor:
        """Its part of [..., h * scale, w * scale]."""
        rows = slice(self.top * scale, self.bottom * scale)
        return picture[..., rows, self.left * scale : self.right * scale]


def make_tiles(
    size: tuple[int, int],  # (h, w) cells
    edge: int,  # cells, the most that a tile measures; 0 is one tile for all
    overlap: int,  # cells that neighbours share, at least
) -> list[Tile]:
    """Tiles row by row, all of one size and evenly spread."""
    rows, columns = (_ranges(length, edge, overlap) for length in size)
    return [Tile(*row, *column) for row in rows for column in columns]


def _ranges(length: int, edge: int, overlap: int) -> list[tuple[int, int]]:
    if edge == 0 or length <= edge:
        return [(0, length)]
    assert 0 <= overlap < edge
    gaps = -(-(length - edge) // (edge - overlap))
    starts = [round(i * (length - edge) / gaps) for i in range(gaps + 1)]
    return [(start, start + edge) for start in starts]


def blend(
    parts: Sequence[Tensor],  # [..., rows, columns] of each tile
    tiles: Sequence[Tile],
    scale: int = 1,  # pixels per cell of the tiles
) -> Tensor:  # [..., h * scale, w * scale]
    """One picture of all parts; where they overlap, each fades towards its own edge."""
    if len(tiles) == 1:
        return parts[0]
    height = max(tile.bottom for tile in tiles)
    width = max(tile.right for tile in tiles)
    whole = parts[0].new_zeros(*parts[0].shape[:-2], height * scale, width * scale)
    total = parts[0].new_zeros(height * scale, width * scale)
    for part, tile in zip(parts, tiles, strict=True):
        rows, columns = part.shape[-2:]
        weight = _tent(rows, part)[:, None] * _tent(columns, part)
        tile.of(whole, scale).add_(part * weight)
        tile.of(total, scale).add_(weight)
    return whole / total


def _tent(length: int, like: Tensor) -> Tensor:
    """[length] weights that rise from each end to the middle; never zero."""
    at = torch.arange(length, device=like.device, dtype=like.dtype) + 0.5
    return torch.minimum(at, length - at)
