"""The same walk once with each of several memories, without a window, and what sets them apart.

    DIR/MEMORY.mp4 of each  compare.mp4  compare.png  report.json

One after the other, so that only one world is in memory at a time. Nothing is written before the
last walk has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from explorer import recorder
from explorer.cli import Options
from explorer.compare.sheet import draw_compare_sheet
from explorer.compare.video import side_by_side
from explorer.compare.walked import Walked
from explorer.contact_sheet import shots_of
from explorer.headless import FPS, MEMORY_WORDS, log, start_words, walk_once, write_text
from explorer.report import report, to_json
from mirage_engine import start_revisit

SHARED = ("version", "config", "seed", "device", "tour", "frames", "segments")  # by all reports


def run(options: Options) -> list[Path]:
    """Walks with each memory and writes the folder; returns its files.

    Raises:
        ConfigError: the tour, the start, a memory or the device cannot be used, or the disk
            refuses.
    """
    walks = [_walk(options, memory) for memory in options.compare]
    tour = walks[0].report["tour"]
    folder = options.out or Path("out") / f"compare-{tour}"
    videos = [folder / f"{walk.memory}.mp4" for walk in walks]
    for path, walk in zip(videos, walks, strict=True):
        recorder.write_video(path, (shot.frame for shot in walk.shots), FPS)
    both, sheet, facts = (folder / n for n in ("compare.mp4", "compare.png", "report.json"))
    recorder.write_video(both, side_by_side(walks), FPS)
    title = {"Title": f"Mirage Explorer: {tour} with {' and '.join(options.compare)}"}
    recorder.write_png(sheet, draw_compare_sheet(walks, start_words(options)), title)
    write_text(facts, to_json(compare_report(walks), 2) + "\n")
    return [*videos, both, sheet, facts]


def compare_report(walks: Sequence[Walked]) -> dict[str, Any]:
    """The content of report.json: figures side by side, then each walk's own report."""
    return {
        **{key: walks[0].report[key] for key in SHARED},
        "memories": [walk.memory for walk in walks],
        "revisit": {walk.memory: walk.report["revisit"] for walk in walks},
        "start_revisit": {walk.memory: walk.start for walk in walks},
        "walks": {walk.memory: walk.report for walk in walks},
    }


def _walk(options: Options, memory: str) -> Walked:
    """The walk with this memory; its world is let go."""
    log.info("walking with %s", MEMORY_WORDS[memory])
    walk = walk_once(replace(options, memory=memory))
    return Walked(
        memory,
        MEMORY_WORDS[memory],
        report(walk),
        start_revisit(walk.segments),
        shots_of(walk.segments),
    )
