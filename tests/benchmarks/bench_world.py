"""Walking the tour there and back through scenes the model has never seen: speed and truth.

The first scene is walked with each memory and gives the speed; the others add to the quality. The
same tour and the same figures as `run_explorer.py --headless`, without its files.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from explorer.cli import BUNDLED_SCENES, DEFAULT_TOUR
from explorer.event_log import STAGES
from mirage_engine import Segment, load_config
from mirage_engine.evaluation.compare import Row, compare

MEMORIES = ("latent", "none", "copy")


def run(scenes: int = 2) -> dict[str, Any]:
    """Means over the first test scenes; stages in ms per segment, of the first scene."""
    walks: list[tuple[Row, list[Segment]]] = []
    compare(
        load_config("pocket"),
        [DEFAULT_TOUR],
        MEMORIES,
        BUNDLED_SCENES[:scenes],
        tell=lambda row, segments: walks.append((row, segments)),
    )
    quality = {m: mean_quality([row for row, _ in walks if row.memory == m]) for m in MEMORIES}
    first, segments = walks[0]  # latent memory
    none_db, latent_db = (quality[m]["revisit_psnr_db"] for m in ("none", "latent"))
    copy_db, seen_db = (quality[m]["seen_psnr_db"] for m in ("copy", "latent"))
    return {
        "scenes": scenes,
        "frames_per_second": first.frames_per_second,
        "stage_ms": {
            stage: 1e3 * statistics.median(s.seconds[stage] for s in segments[1:])
            for stage in STAGES
        },
        "memory_points": first.points,
        **quality,
        "revisit_latent_over_none_db": latent_db - none_db,
        "seen_latent_over_copy_db": seen_db - copy_db,
    }


def mean_quality(rows: Sequence[Row]) -> dict[str, float]:
    return {
        "revisit_psnr_db": statistics.mean(row.revisit_db for row in rows),
        "seen_psnr_db": statistics.mean(row.seen_db for row in rows),
    }
