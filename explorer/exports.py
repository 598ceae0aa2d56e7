"""Memory as files for other programs: a point cloud with every scalar, and arrays with features.

Written whole or not at all. Knows nothing of engines or windows; made for a thread beside the frame
loop, on a copy of the table.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from explorer.memory_table import COLUMNS, NEVER, MemoryTable
from explorer.recorder import replacing, write_ply

ALIVE = -1  # `died` of a living point, in files


def export_ply(path: str | Path, table: MemoryTable) -> int:
    """The living points, hidden ones included, as PLY; returns how many were written.

    Sky is left out: it is nowhere. `pca_red` and the next two are the features' principal
    components. Raises ConfigError: the file cannot be written.
    """
    rows = np.flatnonzero(table.alive)
    scalars = {
        "id": table["ids"][rows],
        "born": table["born"][rows],
        "frame": table["frame"][rows],
        "seen": table["seen"][rows],
        "footprint_m": table["footprints_m"][rows],
        "flags": table["flags"][rows],
    }
    tints = table["tints"][rows]
    scalars |= {f"pca_{name}": tints[:, i] for i, name in enumerate(("red", "green", "blue"))}
    return write_ply(path, table["points_world"][rows], table["colors"][rows], scalars)


def export_npz(path: str | Path, table: MemoryTable) -> None:
    """Every point that memory ever held, as arrays of the table's names, and `latents`.

    `died` is the segment in which a point was lost, -1 while it lives. Loads with
    `allow_pickle=False`. Raises ConfigError: the file cannot be written.
    """
    columns = {name: table[name] for name in COLUMNS}
    columns["died"] = np.where(columns["died"] == NEVER, ALIVE, columns["died"])
    with replacing(path) as part, part.open("wb") as file:  # a name would get a suffix
        np.savez(file, allow_pickle=False, latents=table.latents, **columns)
