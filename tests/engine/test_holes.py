"""Holes take what surrounds them, and nothing that is known changes."""

from __future__ import annotations

import pytest
import torch

from mirage_engine.holes import fill_holes

GRID = (10, 16)


def some_mask(frames: int, share: float = 0.3, grid: tuple[int, int] = GRID) -> torch.Tensor:
    return torch.rand(frames, *grid, generator=torch.Generator().manual_seed(2)) < share


@pytest.mark.parametrize("grid", [(40, 64), (10, 16), (7, 13), (3, 4), (1, 5)])
@pytest.mark.parametrize("share", [0.02, 0.5, 1.0])
def test_known_cells_are_kept_exactly(grid, share):
    mask = some_mask(2, share, grid)
    latents = torch.randn(2, 11, *grid) * mask[:, None]
    filled = fill_holes(latents, mask)
    assert torch.equal(filled.masked_select(mask[:, None]), latents.masked_select(mask[:, None]))
    assert torch.isfinite(filled).all()


@pytest.mark.parametrize("grid", [(40, 64), (7, 13), (1, 5)])
def test_holes_in_a_constant_stay_constant(grid):
    mask = some_mask(3, 0.1, grid)
    mask[:, 0, 0] = True
    filled = fill_holes(mask[:, None] * torch.tensor([1.5, -2.0])[:, None, None], mask)
    assert torch.allclose(filled[:, 0], torch.full((3, *grid), 1.5), atol=1e-5)
    assert torch.allclose(filled[:, 1], torch.full((3, *grid), -2.0), atol=1e-5)


def test_one_known_cell_fills_the_whole_view():
    mask = torch.zeros(1, *GRID, dtype=torch.bool)
    mask[0, 9, 3] = True
    assert torch.allclose(fill_holes(mask[:, None] * 4.0, mask), torch.tensor(4.0), atol=1e-5)


def test_a_hole_takes_the_colour_of_what_is_beside_it():
    mask = torch.ones(1, *GRID, dtype=torch.bool)
    latents = torch.zeros(1, 1, *GRID)
    latents[..., 8:] = 1.0
    mask[0, 4:6, 2:4] = mask[0, 4:6, 12:14] = False
    filled = fill_holes(latents * mask[:, None], mask)[0, 0]
    assert filled[4:6, 2:4].max() < 0.1
    assert filled[4:6, 12:14].min() > 0.9


def test_filled_values_lie_between_the_known_ones():
    mask = some_mask(2, 0.1)
    latents = torch.rand(2, 3, *GRID) * mask[:, None]
    filled = fill_holes(latents, mask)
    for one, known, where in zip(filled, latents, mask, strict=True):
        assert one.min() >= known[:, where].min() - 1e-5
        assert one.max() <= known[:, where].max() + 1e-5


def test_nothing_known_is_nothing():
    empty = torch.zeros(1, *GRID, dtype=torch.bool)
    assert not fill_holes(torch.zeros(1, 11, *GRID), empty).any()
