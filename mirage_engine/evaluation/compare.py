"""Tours over scenes and memories: the same walks, the same seeds, another memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from mirage_engine.config import Preset
from mirage_engine.evaluation.report import tour_report
from mirage_engine.loading import load_world
from mirage_engine.planner import split_path
from mirage_engine.segment import Segment
from mirage_engine.tour import load_tour, tour_cameras
from mirage_engine.world import World


@dataclass(frozen=True)
class Row:
    """One walk. Decibels are PSNR; None where there is nothing to compare."""

    tour: str
    memory: str
    scene: int
    seen_db: float | None  # against the truth, where the start image saw the surface
    all_db: float | None
    depth_abs_rel: float | None
    revisit_db: float | None
    revisit_ssim: float | None
    frames_per_second: float
    points: int
    mib: float


COLUMNS = ("seen_db", "all_db", "depth_abs_rel", "revisit_db", "revisit_ssim",
           "frames_per_second", "points", "mib")  # fmt: skip


def compare(
    preset: Preset,
    tours: Sequence[str],
    memories: Sequence[str],
    scenes: Sequence[int],
    seed: int = 0,
    device: str = "auto",
    tell: Callable[[Row, list[Segment]], None] | None = None,
) -> list[Row]:
    """Walks every tour in every scene with every memory; `tell` is shown each finished walk.

    Raises ConfigError: a tour that does not exist, or weights that cannot be read.
    """
    rows = []
    for memory in memories:
        chosen = replace(preset, memory=replace(preset.memory, kind=memory))
        world = load_world(chosen, seed, device)
        for tour in tours:
            for scene in scenes:
                row, segments = walk(world, tour, scene)
                rows.append(row)
                if tell is not None:
                    tell(row, segments)
    return rows


def walk(world: World, tour: str, scene: int) -> tuple[Row, list[Segment]]:
    """One tour in one scene, begun anew."""
    segments = [world.begin(scene=scene)]
    stops = tour_cameras(load_tour(tour), world.camera)
    for path in split_path([stop.camera for stop in stops[1:]], world.new_frames):
        segments.append(world.advance(path))
    found = tour_report(segments, world)
    truth, revisit = found["truth"], found["revisit"]
    seconds = sum(s.seconds["total"] for s in segments[1:])
    row = Row(
        tour,
        world.preset.memory.kind,
        scene,
        truth["psnr_db_seen"],
        truth["psnr_db_all"],
        truth["depth_abs_rel"],
        revisit["psnr_db"],
        revisit["ssim"],
        sum(len(s.frames) for s in segments[1:]) / seconds,
        segments[-1].points,
        segments[-1].nbytes / 2**20,
    )
    return row, segments


def strip(segments: Sequence[Segment]) -> np.ndarray:  # uint8 [H, 5 * W, 3]
    """A walk in five pictures side by side: the start image, and a quarter of the way between."""
    frames = np.concatenate([segment.frames for segment in segments])
    chosen = np.linspace(0, len(frames) - 1, 5).round().astype(int)
    return np.concatenate(list(frames[chosen]), 1)


def table(rows: Sequence[Row]) -> str:
    """Markdown: the mean of each tour and memory, and of the worst scene in brackets for dB."""
    lines = [
        "| tour | memory | scenes | " + " | ".join(COLUMNS) + " |",
        "|" + "---|" * (3 + len(COLUMNS)),
    ]
    for tour, memory in dict.fromkeys((r.tour, r.memory) for r in rows):
        group = [asdict(r) for r in rows if (r.tour, r.memory) == (tour, memory)]
        cells = [_cell(column, [g[column] for g in group]) for column in COLUMNS]
        lines.append(f"| {tour} | {memory} | {len(group)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(column: str, values: list[float | None]) -> str:
    known = [v for v in values if v is not None]
    if not known:
        return "-"
    digits = {"depth_abs_rel": 3, "revisit_ssim": 3, "points": 0, "mib": 2}.get(column, 1)
    worst = f" ({min(known):.1f})" if column.endswith("_db") else ""
    return f"{np.mean(known):,.{digits}f}{worst}"
