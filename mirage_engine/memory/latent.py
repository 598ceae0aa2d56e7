"""LatentMemory: latents of surfaces, kept as points in space and read back from any view.

Owns the table of points and its rules: what is written, what is forgotten, undo, the file. The
geometry of writing is in `cells` and `novelty`, that of reading in `splat`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mirage_engine.camera import Camera
from mirage_engine.config import MemoryConfig
from mirage_engine.memory.cells import Lens, bilinear_cells, make_lens, robust_cells, surfels
from mirage_engine.memory.none import blank_view
from mirage_engine.memory.novelty import Frame, compare
from mirage_engine.memory.splat import Winners, glance, sharp, splat
from mirage_engine.memory.store import Layout, PointStore, load_stores, save_stores
from mirage_engine.parts import MemoryView

_UNDO_SEGMENTS = 32  # how long replaced points are kept for undo
_FORMAT = "mirage-memory-1"


class LatentMemory:
    """Points `[x, y, z, w]` in the world (w 0 = sky), each with a latent of `channels` numbers.

    Modes (`config.mode`): `adaptive` keeps one point per place and resolution and reads surfels;
    `paper` keeps every point, one cell each, bilinear depth, no sky.

    Rows are in the order in which they were written. `MemoryView.source` is the row, which is
    also the position in `cloud()`; it stays valid until the next write, undo or load.
    """

    def __init__(
        self, channels: int, config: MemoryConfig | None = None, device: torch.device | str = "cpu"
    ) -> None:
        self.channels = channels
        self.config = config or MemoryConfig()
        self.device = torch.device(device)
        self.adaptive = self.config.mode == "adaptive"
        layout: Layout = {
            "points": (4, torch.float32),
            "latents": (channels, torch.float16),
            "footprints": (0, torch.float32),
            "born": (0, torch.int32),
            "seen": (0, torch.int32),
            "serial": (0, torch.int32),  # order of writing, for undo
        }
        if self.adaptive:
            layout["edges"] = (6, torch.float16)
        self._live = PointStore(layout, self.device)
        # Points that finer ones replaced, with the segment that did it: undo brings them back.
        self._replaced = PointStore(layout | {"died": (0, torch.int32)}, self.device)
        self._serial = 0

    def __len__(self) -> int:
        return len(self._live)

    @property
    def nbytes(self) -> int:
        """Bytes of all rows, those kept for undo included."""
        return self._live.nbytes + self._replaced.nbytes

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
        self._check(latents, depth_m, cameras, keep)
        size = (latents.shape[2], latents.shape[3])
        lens = make_lens(cameras, size, self.device)
        depth_m, keep = depth_m.to(self.device, torch.float32), keep.to(self.device)
        values = latents.to(self.device).permute(0, 2, 3, 1).flatten(1, 2)  # [t, h*w, C]
        usable = torch.isfinite(values).all(-1)
        values = values.half()
        if self.adaptive:
            self._purge(segment)
            added = self._write_adaptive(values, usable, depth_m, keep, lens, segment)
        else:
            added = self._write_all(values, usable, depth_m, keep, lens, segment)
        self._forget_oldest()
        return added

    def read(self, cameras: Sequence[Camera], size: tuple[int, int]) -> MemoryView:
        """What memory knows of some views, on a grid of `size` = (h, w) cells."""
        if not cameras or not len(self._live):
            return blank_view(len(cameras), self.channels, size, self.device)
        winners = self._look(make_lens(cameras, size, self.device))
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
        winners = self._look(make_lens([camera], size, self.device))
        return float((winners.point >= 0).float().mean())

    def undo(self, segment: int) -> None:
        """Forgets what `segment` and later ones wrote, and brings back what they replaced.

        Replaced points are kept for 32 segments. `seen` counts are not taken back.
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

    def cloud(self, since: int = 0) -> dict[str, np.ndarray]:
        """The points born in segment `since` or later, as copies on the CPU.

        Returns:
            points_world [N, 4] float32, latents [N, C] float32, footprints_m [N] float32 (radians
            where w is 0), born [N] int32 segment, seen [N] int32 frames that showed it.
        """
        rows = (self._live["born"] >= since).nonzero().squeeze(1)
        names = {
            "points": "points_world",
            "latents": "latents",
            "footprints": "footprints_m",
            "born": "born",
            "seen": "seen",
        }
        taken = {name: self._live[key].index_select(0, rows) for key, name in names.items()}
        taken["latents"] = taken["latents"].float()
        return {name: column.cpu().numpy() for name, column in taken.items()}

    def save(self, path: Path) -> None:
        """Writes a safetensors file, whole or not at all. Raises ConfigError."""
        save_stores(path, self._stores, self._metadata)

    def load(self, path: Path) -> None:
        """Becomes what was saved. Raises ConfigError, and then nothing has changed."""
        load_stores(path, self._stores, self._metadata)
        serials = [int(s["serial"].max()) + 1 for s in self._stores.values() if len(s)]
        self._serial = max(serials, default=0)

    @property
    def _stores(self) -> dict[str, PointStore]:
        return {"live": self._live, "replaced": self._replaced}

    @property
    def _metadata(self) -> dict[str, str]:
        return {"format": _FORMAT, "mode": self.config.mode, "channels": str(self.channels)}

    def _look(self, lens: Lens) -> Winners:
        if not self.adaptive:
            return sharp(self._live, lens)
        near = glance(self._live, lens, self.config.splat_cells)
        return splat(self._live, lens, near, self.config.splat_cells, self.config.depth_tolerance)

    def _write_all(
        self,
        values: Tensor,
        usable: Tensor,
        depth_m: Tensor,
        keep: Tensor,
        lens: Lens,
        segment: int,
    ) -> int:
        depth = bilinear_cells(depth_m, keep, lens.size)
        flat = depth.new_zeros(len(depth), 2, *lens.size)
        points, _, footprints = surfels(depth, flat, lens)
        rows = ((depth.flatten() > 0) & usable.flatten()).nonzero().squeeze(1)
        columns = {
            "points": points.view(-1, 4),
            "latents": values.flatten(0, 1),
            "footprints": footprints.flatten(),
        }
        return self._add({name: c.index_select(0, rows) for name, c in columns.items()}, segment)

    def _write_adaptive(
        self,
        values: Tensor,
        usable: Tensor,
        depth_m: Tensor,
        keep: Tensor,
        lens: Lens,
        segment: int,
    ) -> int:
        cells = robust_cells(depth_m, keep, lens.size, self.config.edge_spread)
        depth = torch.where(usable.view_as(cells.depth_m), cells.depth_m, 0.0)
        points, edges, footprints = surfels(depth, cells.slope, lens)
        points, edges, edge_limit = points.flatten(1, 2), edges.flatten(1, 2), 6e4
        edges = edges.clamp(-edge_limit, edge_limit).half()
        footprints, slack = footprints.flatten(1), cells.slack.flatten(1)
        alive = torch.ones(len(self._live) + depth.numel(), dtype=torch.bool, device=self.device)
        added = 0
        for i in range(len(depth)):
            frame = Frame(depth[i].flatten(), slack[i], footprints[i], _one(lens, i))
            news = compare(self._live, frame, alive[: len(self._live)], self.config)
            seen = self._live["seen"]
            seen[news.seen_again] = seen[news.seen_again] + 1  # once, however many cells it fills
            alive[news.obsolete] = False
            columns = {
                "points": points[i],
                "latents": values[i],
                "edges": edges[i],
                "footprints": footprints[i],
            }
            fresh = {name: c.index_select(0, news.fresh) for name, c in columns.items()}
            added += self._add(fresh, segment)
        self._bury(alive[: len(self._live)], segment)
        return added

    def _add(self, columns: dict[str, Tensor], segment: int) -> int:
        count = len(columns["points"])
        ones = torch.ones(count, dtype=torch.int32, device=self.device)
        serial = torch.arange(self._serial, self._serial + count, device=self.device)
        counters = {"born": ones * segment, "seen": ones, "serial": serial}
        self._live.append(columns | counters)
        self._serial += count
        return count

    def _bury(self, alive: Tensor, segment: int) -> None:
        """Moves the rows that are not `alive` to where undo finds them."""
        dead = (~alive).nonzero().squeeze(1)
        if len(dead):
            died = torch.full((len(dead),), segment, dtype=torch.int32, device=self.device)
            self._replaced.append(self._live.take(dead) | {"died": died})
            self._live.retain(alive.nonzero().squeeze(1))

    def _purge(self, segment: int) -> None:
        recent = self._replaced["died"] >= segment - _UNDO_SEGMENTS
        if not bool(recent.all()):
            self._replaced.retain(recent.nonzero().squeeze(1))

    def _forget_oldest(self) -> None:
        surplus = len(self._live) - self.config.max_points
        if surplus > 0:
            self._live.retain(torch.arange(surplus, len(self._live), device=self.device))

    def _check(
        self, latents: Tensor, depth_m: Tensor, cameras: Sequence[Camera], keep: Tensor
    ) -> None:
        if latents.ndim != 4 or latents.shape[1] != self.channels:
            raise ValueError(
                f"latents must be [t, {self.channels}, h, w], got {list(latents.shape)}"
            )
        if depth_m.ndim != 3 or depth_m.shape != keep.shape or keep.dtype != torch.bool:
            raise ValueError(
                f"depth {list(depth_m.shape)} and keep {list(keep.shape)} ({keep.dtype}) must be "
                "[t, H, W] float and bool"
            )
        if not len(latents) == len(depth_m) == len(cameras):
            raise ValueError(
                f"got {len(latents)} latents, {len(depth_m)} depth maps and {len(cameras)} cameras"
            )


def _one(lens: Lens, i: int) -> Lens:
    """The lens of frame `i` alone."""
    one = slice(i, i + 1)
    return Lens(
        lens.intrinsics[one], lens.c2w[one], lens.world_to_cell[one], lens.focal[one], lens.size
    )
