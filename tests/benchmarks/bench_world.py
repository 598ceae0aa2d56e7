"""Walking the tour there and back through scenes the model has never seen: speed and truth.

The first scene is walked with each memory and gives the speed; the others add to the quality. The
same tour and the same figures as `run_explorer.py --headless`, without its files.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from explorer.cli import BUNDLED_SCENES, DEFAULT_TOUR
from explorer.report import STAGES, Walk, report
from mirage_engine import load_config, load_tour, load_world, tour_cameras

MEMORIES = ("latent", "none", "copy")


def run(scenes: int = 2) -> dict[str, Any]:
    """Means over the first test scenes; stages in ms per segment, of the first scene."""
    reports = {
        memory: [walk(scene, memory) for scene in BUNDLED_SCENES[:scenes]] for memory in MEMORIES
    }
    first = reports["latent"][0]
    quality = {memory: mean_quality(found) for memory, found in reports.items()}
    none_db, latent_db = (quality[m]["revisit_psnr_db"] for m in ("none", "latent"))
    copy_db, seen_db = (quality[m]["seen_psnr_db"] for m in ("copy", "latent"))
    return {
        "scenes": scenes,
        "frames_per_second": first["frames_per_second"],
        "stage_ms": {stage: 1e3 * first["seconds"][stage] for stage in STAGES},
        "memory_points": first["memory"]["points"],
        **quality,
        "revisit_latent_over_none_db": latent_db - none_db,
        "seen_latent_over_copy_db": seen_db - copy_db,
    }


def walk(scene: int, memory: str) -> dict[str, Any]:
    """The report of one tour."""
    preset = load_config("pocket")
    world = load_world(replace(preset, memory=replace(preset.memory, kind=memory)))
    segments = [world.begin(scene=scene)]
    stops = tour_cameras(load_tour(DEFAULT_TOUR), segments[0].cameras[-1])
    cameras = [stop.camera for stop in stops[1:]]
    for i in range(0, len(cameras), world.new_frames):
        segments.append(world.advance(cameras[i : i + world.new_frames]))
    return report(Walk(DEFAULT_TOUR, world, segments))


def mean_quality(reports: Sequence[dict[str, Any]]) -> dict[str, float]:
    return {
        "revisit_psnr_db": statistics.mean(r["revisit"]["psnr_db"] for r in reports),
        "seen_psnr_db": statistics.mean(r["truth"]["psnr_db_seen"] for r in reports),
    }
