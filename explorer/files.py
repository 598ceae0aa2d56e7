"""Names for what the explorer writes, and the newest world to open again."""

from __future__ import annotations

import itertools
from pathlib import Path

from explorer.protocol import Start


def world_name(start: Start) -> str:
    """A file name without suffix for a world that begins so."""
    if start.kind == "scene":
        return f"scene-{start.scene}"
    if start.kind == "file":
        return Path(start.path).stem
    return start.kind


def free_name(folder: Path, stem: str, suffix: str) -> Path:
    """`folder/stem.suffix`, or with a number where that is taken."""
    names = itertools.chain([stem], (f"{stem}-{n}" for n in itertools.count(2)))
    return next(p for name in names if not (p := folder / f"{name}{suffix}").exists())


def newest_world(folder: Path) -> Path | None:
    """The world saved last in `folder`, None if there is none."""
    worlds = [p for p in folder.glob("*.mirage") if not p.name.startswith(".")]
    return max(worlds, key=lambda p: p.stat().st_mtime, default=None)
