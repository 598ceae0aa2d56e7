"""What memory forgets when it grows beyond its limits. The policy stands in `forget`."""

from __future__ import annotations

import torch
from torch import Tensor

from mirage_engine.inspection import LOCKED
from mirage_engine.memory.store import PointStore

MIB = 2**20
SKY_M = 10.0  # a sky point counts as coarse as a surface that far away


def forget(
    live: PointStore,
    kept_for_undo: tuple[PointStore, ...],  # replaced points, then deleted ones
    max_points: int,
    budget_mib: float,  # 0: none
) -> Tensor:  # ids of living points that went
    """Brings memory down to its limits: `max_points` living ones, `budget_mib` for all rows.

    For the budget, first the points that are kept for undo go: replaced ones, then deleted ones,
    each oldest first. Then, for either limit, unlocked living points go: least seen first, among
    those the coarsest footprint first, then the oldest. Locked points stay, whatever the limits.
    A footprint of sky is an angle: it counts as the metres that it spans `SKY_M` away.
    """
    surplus = 0
    if budget_mib > 0:
        surplus = live.nbytes + sum(s.nbytes for s in kept_for_undo) - int(budget_mib * MIB)
        for store in kept_for_undo:
            gone = min(_rows_of(surplus, store), len(store))
            if gone > 0:  # rows are in the order in which they went
                store.retain(torch.arange(gone, len(store), device=store.device))
                surplus -= gone * store.row_bytes
    count = max(len(live) - max_points, _rows_of(surplus, live))
    if count <= 0:
        return live["serial"][:0]
    rows = _least_worth(live)[:count]
    ids = live["serial"].index_select(0, rows)
    live.drop(rows)
    return ids


def _rows_of(surplus: int, store: PointStore) -> int:
    """How many rows make up for `surplus` bytes."""
    return -(-surplus // store.row_bytes)


def _least_worth(live: PointStore) -> Tensor:
    """[K] unlocked rows, the first to go first."""
    rows = (live["flags"] & LOCKED == 0).nonzero().squeeze(1)
    sky = live["points"][:, 3].index_select(0, rows) == 0
    coarse = live["footprints"].index_select(0, rows) * torch.where(sky, SKY_M, 1.0)
    # Rows are oldest first, and a stable sort leaves that order among equals.
    rows = rows.index_select(0, coarse.sort(descending=True, stable=True).indices)
    return rows.index_select(0, live["seen"].index_select(0, rows).sort(stable=True).indices)
