"""LatentMemory: latents of surfaces, kept as points in space and read back from any view.

Owns the table of points: what is written, undo, the file. The geometry of writing is in `cells`
and `novelty`, that of reading in `splat`, edits by hand in `edits`, the limits in `budget`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mirage_engine.camera import Camera
from mirage_engine.config import MemoryConfig
from mirage_engine.inspection import HIDDEN, MEMORY_FORMAT, Edit
from mirage_engine.memory.budget import forget
from mirage_engine.memory.cells import Lens, make_lens
from mirage_engine.memory.edits import EditLog, EditNote
from mirage_engine.memory.frames import check_frames, every_cell, surfel_frames
from mirage_engine.memory.none import blank_view
from mirage_engine.memory.novelty import compare
from mirage_engine.memory.past import Past, read_past
from mirage_engine.memory.splat import look
from mirage_engine.memory.store import Layout, PointStore, fill_stores, read_stores, save_stores
from mirage_engine.parts import MemoryView

_UNDO_SEGMENTS = 32  # how long replaced points are kept for undo


class LatentMemory:
    """Points `[x, y, z, w]` in the world (w 0 = sky), each with a latent of `channels` numbers.

    Modes (`config.mode`): `adaptive` keeps one point per place and resolution and reads surfels;
    `paper` keeps every point, one cell each, bilinear depth, no sky.

    Rows are in the order in which they were written. `MemoryView.source` is the row, which is
    also the position in `cloud()`; it stays valid until the next write, edit, undo or load.

    Attributes:
        budget_mib: what all points may take; 0 for no such limit.
        removed: [M] int32 ids that the last write, or edit of the budget, took out of the points
            that lived before it: replaced by finer ones or forgotten.
    """

    def __init__(
        self, channels: int, config: MemoryConfig | None = None, device: torch.device | str = "cpu"
    ) -> None:
        self.channels = channels
        self.config = config or MemoryConfig()
        self.device = torch.device(device)
        self.adaptive = self.config.mode == "adaptive"
        self._layout: Layout = {
            "points": (4, torch.float32),
            "latents": (channels, torch.float16),
            "footprints": (0, torch.float32),
            "born": (0, torch.int32),  # segment
            "frame": (0, torch.uint8),  # latent frame within it
            "seen": (0, torch.int32),
            "serial": (0, torch.int32),  # rises with every point that was ever written: its id
            "flags": (0, torch.uint8),
        }
        if self.adaptive:
            self._layout["edges"] = (6, torch.float16)
        self._live = PointStore(self._layout, self.device)
        # Points that finer ones replaced, with the segment that did it: undo brings them back.
        self._replaced = PointStore(self._layout | {"died": (0, torch.int32)}, self.device)
        self._start_over()

    def _start_over(self) -> None:
        """Forgets all but the points."""
        self._next_id = 0
        self._log = EditLog(self._layout, self.device)
        self._added: dict[int, int] = {}  # segment -> points that it wrote
        self.budget_mib = self.config.budget_mib
        self.removed = np.zeros(0, np.int32)

    def __len__(self) -> int:
        return len(self._live)

    @property
    def nbytes(self) -> int:
        """Bytes of all rows, those kept for undo included."""
        return self._live.nbytes + self._replaced.nbytes + self._log.deleted.nbytes

    def write(
        self,
        latents: Tensor,  # [t, C, h, w]
        depth_m: Tensor,  # [t, H, W]; 0 unknown, +inf sky
        cameras: Sequence[Camera],  # t
        keep: Tensor,  # [t, H, W] bool, False is never remembered
        segment: int,
    ) -> int:
        """Remembers what `keep` allows and memory does not know yet, frame after frame.

        Returns:
            How many points were added. Replaced points are not subtracted.

        Raises:
            ValueError: the arguments' shapes do not fit together.
        """
        check_frames(latents, depth_m, cameras, keep, self.channels)
        lens = make_lens(cameras, (latents.shape[2], latents.shape[3]), self.device)
        latents, keep = latents.to(self.device), keep.to(self.device)
        depth_m = depth_m.to(self.device, torch.float32)
        first_new = self._next_id
        self._purge(segment)
        write = self._write_adaptive if self.adaptive else self._write_all
        replaced = write(latents, depth_m, keep, lens, segment)
        added = self._next_id - first_new
        self._added[segment] = self._added.get(segment, 0) + added
        gone = torch.cat([replaced, self._forget()])
        self.removed = _rising(gone[gone < first_new])
        return added

    def read(self, cameras: Sequence[Camera], size: tuple[int, int]) -> MemoryView:
        """What memory knows of some views, on a grid of `size` = (h, w) cells."""
        if not cameras or not len(self._live):
            return blank_view(len(cameras), self.channels, size, self.device)
        winners = look(self._live, make_lens(cameras, size, self.device), self.config)
        grid = (len(cameras), *size)
        mask = winners.point >= 0
        gathered = self._live["latents"].index_select(0, winners.point.clamp(min=0))
        gathered[~mask] = 0
        latents = torch.empty(len(cameras), self.channels, *size, device=self.device)
        latents.flatten(2).copy_(gathered.view(len(cameras), -1, self.channels).mT)
        return MemoryView(
            latents=latents,
            mask=mask.view(grid),
            depth_m=winners.depth_m.view(grid),
            source=winners.point.view(grid),
            offset=winners.offset.view(2, *grid).transpose(0, 1).contiguous(),
            scale=winners.scale.view(grid),
        )

    def coverage(self, camera: Camera, size: tuple[int, int]) -> float:
        """Share of the view's cells that memory can fill, 0 to 1."""
        if not len(self._live):
            return 0.0
        winners = look(self._live, make_lens([camera], size, self.device), self.config)
        return float((winners.point >= 0).float().mean())

    def origins(self, source: Tensor) -> Tensor:
        """[3, ...] int32: id, segment and latent frame of the points at `source` (see MemoryView).

        -1 where `source` is.
        """
        found = torch.full((3, *source.shape), -1, dtype=torch.int32, device=self.device)
        hit = source >= 0
        for i, name in enumerate(("serial", "born", "frame")):
            found[i][hit] = self._live[name].index_select(0, source[hit]).int()
        return found

    def edit(self, edit: Edit, number: int) -> np.ndarray:
        """Does something by hand; `number` names it for `revert` and is higher than all before.

        Returns:
            [K] int32 ids of the points that it changed, or that the budget forgot, rising.
        """
        self.removed = np.zeros(0, np.int32)
        if edit.kind != "budget":
            return _rising(self._log.apply(self._live, edit, number))
        if edit.budget_mib != self.budget_mib:
            self._log.notes.append(EditNote(number, "budget", self.budget_mib))
            self.budget_mib = edit.budget_mib
            self.removed = _rising(self._forget())
        return self.removed

    def revert(self, number: int) -> None:
        """Takes an edit back, the newest first; one that left no note is let pass.

        Deleted points come back, ids and all. The former budget is restored, but what the edit
        of the budget forgot stays forgotten, and so do deleted points that the budget let go.
        """
        note = self._log.revert(number, self._live, self._replaced)
        if note is not None and note.kind == "budget":
            self.budget_mib = note.former_mib

    def gone_mask(self, cameras: Sequence[Camera], size: tuple[int, int], since: int = 0) -> Tensor:
        """[t, h, w] bool: cells in which something deleted or hidden would be in front.

        In front of everything that is live, by more than `depth_tolerance`, or where nothing is.
        Only what edit number `since` and later ones took away counts.
        """
        away = self._log.gone(self._live, since)
        if not cameras or not len(away):
            return torch.zeros((len(cameras), *size), dtype=torch.bool, device=self.device)
        lens = make_lens(cameras, size, self.device)
        there, here = (look(store, lens, self.config) for store in (away, self._live))
        return there.before(here, self.config.depth_tolerance).view(len(cameras), *size)

    def gone(self) -> tuple[np.ndarray, np.ndarray]:
        """(points_world [M, 4], footprints_m [M]) of all that is deleted or hidden."""
        away = self._log.gone(self._live, 0)
        return away["points"].cpu().numpy(), away["footprints"].cpu().numpy()

    def undo(self, segment: int) -> None:
        """Forgets what `segment` and later ones wrote, and brings back what they replaced.

        Replaced points are kept for 32 segments. `seen` counts and edits are not taken back;
        undoing segment 0 leaves a memory like a new one.
        """
        if self.adaptive:
            back = (self._replaced["died"] >= segment).nonzero().squeeze(1)
            revived = self._replaced.take(back)
            del revived["died"]
            self._replaced.retain((self._replaced["died"] < segment).nonzero().squeeze(1))
            self._live.append(revived)
        rows = (self._live["born"] < segment).nonzero().squeeze(1)
        order = self._live["serial"].index_select(0, rows).sort().indices
        self._live.retain(rows.index_select(0, order))
        self._log.deleted.drop((self._log.deleted["born"] >= segment).nonzero().squeeze(1))
        self._added = {k: n for k, n in self._added.items() if k < segment}
        if segment <= 0:
            self._start_over()

    def cloud(self, since: int = 0) -> dict[str, np.ndarray]:
        """The points born in segment `since` or later, as copies on the CPU.

        Returns:
            points_world [N, 4] float32, latents [N, C] float32, footprints_m [N] float32 (radians
            where w is 0), born [N] int32 segment, frame [N] uint8 latent frame within it, seen [N]
            int32 frames that showed it, ids [N] int32, rising, flags [N] uint8 HIDDEN and LOCKED.
        """
        rows = (self._live["born"] >= since).nonzero().squeeze(1)
        names = {
            "points": "points_world",
            "latents": "latents",
            "footprints": "footprints_m",
            "born": "born",
            "frame": "frame",
            "seen": "seen",
            "serial": "ids",
            "flags": "flags",
        }
        taken = {name: self._live[key].index_select(0, rows) for key, name in names.items()}
        taken["latents"] = taken["latents"].float()
        return {name: column.cpu().numpy() for name, column in taken.items()}

    @property
    def edits(self) -> tuple[int, ...]:
        """Numbers of the edits that hold, in order; those that changed nothing are none."""
        return tuple(note.number for note in self._log.notes)

    def added(self, segment: int) -> int:
        """How many points that segment wrote."""
        return self._added.get(segment, 0)

    def save(self, path: Path) -> None:
        """Writes a safetensors file, whole or not at all. Raises ConfigError."""
        past = Past(
            self._next_id, self.budget_mib, tuple(self._added.items()), tuple(self._log.notes)
        )
        save_stores(path, self._stores, self._metadata | {"past": past.to_json()})

    def load(self, path: Path) -> None:
        """Becomes what was saved. Raises ConfigError, and then nothing has changed."""
        tensors, found = read_stores(path, self._stores, self._metadata)
        past = read_past(found.get("past"), path)
        fill_stores(self._stores, tensors)
        self._next_id, self.budget_mib = past.next_id, past.budget_mib
        self._added, self._log.notes = dict(past.added), list(past.edits)

    @property
    def _stores(self) -> dict[str, PointStore]:
        return {
            "live": self._live,
            "replaced": self._replaced,
            "deleted": self._log.deleted,
            "flagged": self._log.flagged,
        }

    @property
    def _metadata(self) -> dict[str, str]:
        return {"format": MEMORY_FORMAT, "mode": self.config.mode, "channels": str(self.channels)}

    def _write_all(
        self, latents: Tensor, depth_m: Tensor, keep: Tensor, lens: Lens, segment: int
    ) -> Tensor:  # ids of what it replaced: nothing
        columns, frames = every_cell(latents, depth_m, keep, lens)
        self._add(columns, segment, frames)
        return self._live["serial"][:0]

    def _write_adaptive(
        self, latents: Tensor, depth_m: Tensor, keep: Tensor, lens: Lens, segment: int
    ) -> Tensor:  # ids of what it replaced
        hidden = self._live["flags"] & HIDDEN > 0
        most = len(latents) * lens.size[0] * lens.size[1]
        alive = torch.cat([~hidden, torch.ones(most, dtype=torch.bool, device=self.device)])
        frames = surfel_frames(latents, depth_m, keep, lens, self.config.edge_spread)
        for i, (frame, columns) in enumerate(frames):
            news = compare(self._live, frame, alive[: len(self._live)], self.config)
            seen = self._live["seen"]
            seen[news.seen_again] = seen[news.seen_again] + 1  # once, however many cells it fills
            alive[news.obsolete] = False
            fresh = {name: c.index_select(0, news.fresh) for name, c in columns.items()}
            self._add(fresh, segment, torch.full_like(news.fresh, i))
        alive[: len(hidden)] |= hidden
        return self._bury(alive[: len(self._live)], segment)

    def _add(self, columns: dict[str, Tensor], segment: int, frames: Tensor) -> None:
        count = len(columns["points"])
        ones = torch.ones(count, dtype=torch.int32, device=self.device)
        serial = torch.arange(self._next_id, self._next_id + count, device=self.device)
        counters = {"seen": ones, "serial": serial, "flags": torch.zeros_like(ones)}
        self._live.append(columns | counters | {"born": ones * segment, "frame": frames})
        self._next_id += count

    def _bury(self, alive: Tensor, segment: int) -> Tensor:
        """Moves the rows that are not `alive` to where undo finds them; returns their ids."""
        dead = (~alive).nonzero().squeeze(1)
        ids = self._live["serial"].index_select(0, dead)
        if len(dead):
            died = torch.full((len(dead),), segment, dtype=torch.int32, device=self.device)
            self._replaced.append(self._live.take(dead) | {"died": died})
            self._live.retain(alive.nonzero().squeeze(1))
        return ids

    def _purge(self, segment: int) -> None:
        recent = self._replaced["died"] >= segment - _UNDO_SEGMENTS
        if not bool(recent.all()):
            self._replaced.retain(recent.nonzero().squeeze(1))

    def _forget(self) -> Tensor:
        """Keeps within the limits; returns the ids of living points that went for it."""
        kept_for_undo = (self._replaced, self._log.deleted)
        return forget(self._live, kept_for_undo, self.config.max_points, self.budget_mib)


def _rising(ids: Tensor) -> np.ndarray:
    """[M] int32 on the CPU."""
    return ids.sort().values.cpu().numpy()
