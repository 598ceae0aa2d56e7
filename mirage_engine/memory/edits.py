"""What was done to memory by hand, and what is needed to take it back exactly.

Edits are numbered by whoever makes them, rising. Knows the points' flags and where deleted points
are kept; nothing of reading or writing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mirage_engine.inspection import HIDDEN, LOCKED, Edit, EditKind
from mirage_engine.memory.store import Layout, PointStore

# kind -> (bit, whether the edit sets or clears it)
FLAGS: dict[str, tuple[int, bool]] = {
    "hide": (HIDDEN, True),
    "show": (HIDDEN, False),
    "lock": (LOCKED, True),
    "unlock": (LOCKED, False),
}


@dataclass(frozen=True)
class EditNote:
    """One edit that still holds."""

    number: int
    kind: EditKind
    former_mib: float = 0.0  # the budget before it


class EditLog:
    """The edits of a memory. Those that changed nothing leave no note."""

    def __init__(self, layout: Layout, device: torch.device) -> None:
        self.notes: list[EditNote] = []
        # Deleted points and points whose flags were changed, with the number of the edit.
        self.deleted = PointStore(layout | {"edit": (0, torch.int32)}, device)
        self.flagged = PointStore({"serial": (0, torch.int32), "edit": (0, torch.int32)}, device)

    def apply(self, live: PointStore, edit: Edit, number: int) -> Tensor:
        """Deletes points or sets their flags; returns the ids [K] that it changed, rising."""
        ids = torch.tensor(edit.ids, dtype=torch.int32, device=live.device)
        named, flags = torch.isin(live["serial"], ids), live["flags"]
        if edit.kind == "delete":
            rows = (named & (flags & LOCKED == 0)).nonzero().squeeze(1)
        else:
            bit, on = FLAGS[edit.kind]
            rows = (named & ((flags & bit > 0) != on)).nonzero().squeeze(1)
        changed = live["serial"].index_select(0, rows)
        if not len(rows):
            return changed
        numbers = torch.full((len(rows),), number, dtype=torch.int32, device=live.device)
        if edit.kind == "delete":
            self.deleted.append(live.take(rows) | {"edit": numbers})
            live.drop(rows)
        else:
            flags[rows] ^= FLAGS[edit.kind][0]
            self.flagged.append({"serial": changed, "edit": numbers})
        self.notes.append(EditNote(number, edit.kind))
        return changed

    def revert(self, number: int, live: PointStore, replaced: PointStore) -> EditNote | None:
        """Takes the edit back, as far as points are concerned, and returns its note."""
        note = next((note for note in self.notes if note.number == number), None)
        if note is None:
            return None
        self.notes.remove(note)
        if note.kind == "delete":
            rows = (self.deleted["edit"] == number).nonzero().squeeze(1)
            back = self.deleted.take(rows)
            del back["edit"]
            self.deleted.drop(rows)
            live.append(back)
            live.retain(live["serial"].sort().indices)
        elif note.kind in FLAGS:
            bit, on = FLAGS[note.kind]
            rows = (self.flagged["edit"] == number).nonzero().squeeze(1)
            ids = self.flagged["serial"].index_select(0, rows)
            self.flagged.drop(rows)
            for store in (live, replaced, self.deleted):
                mine, flags = torch.isin(store["serial"], ids), store["flags"]
                flags[mine] = flags[mine] & (0xFF ^ bit) if on else flags[mine] | bit
        return note

    def gone(self, live: PointStore, since: int) -> PointStore:
        """The points that edit `since` or later ones deleted or hid, as a store of their own."""
        away = PointStore(live.layout, live.device)
        deleted = self.deleted.take((self.deleted["edit"] >= since).nonzero().squeeze(1))
        del deleted["edit"]
        away.append(deleted)
        hidden = live["flags"] & HIDDEN > 0
        if bool(hidden.any()):
            late = self.flagged["serial"][self.flagged["edit"] >= since]
            hidden &= torch.isin(live["serial"], late)
            away.append(live.take(hidden.nonzero().squeeze(1)))
        away["flags"].zero_()  # so that they are drawn
        return away
