"""A walk without a window: a tour or camera file through a World, and what it leaves in a folder.

    DIR/video.mp4  contact_sheet.png  memory.png  memory.ply  coverage.csv  report.json

The World runs in this process and may use every core. Files appear whole or not at all.
"""

from __future__ import annotations

import csv
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from explorer import contact_sheet, pictures, recorder
from explorer.camera_files import read_cameras, write_cameras
from explorer.cli import DEFAULT_TOUR, Options
from explorer.engine_events import engine_threads
from explorer.headless_replay import check_one_world, walk_again
from explorer.reel import FPS
from explorer.render.memory_picture import render_memory_picture
from explorer.report import Walk, coverage_rows, report, to_json
from mirage_engine import (
    Camera,
    Preset,
    Segment,
    World,
    load_tour,
    load_world,
    open_world,
    pinhole,
    tour_cameras,
)

MEMORY_WORDS = {
    "latent": "latent memory",
    "rgb": "colour memory",
    "none": "no memory",
    "copy": "memory read out without a generator",
}

log = logging.getLogger("mirage")

Route = Callable[[Camera], list[Camera]]  # from the start camera, itself left out


def run(options: Options) -> list[Path]:
    """Walks what `options` ask for and writes the folder; returns its files.

    Raises:
        ConfigError: the tour, the start or the device cannot be used, or the disk refuses.
    """
    return _write(walk_once(options), options)


def walk_once(options: Options) -> Walk:
    """The walk that `options` ask for. Raises ConfigError: see `run`."""
    if options.replay is not None:
        check_one_world(options.replay)
    world = _open(options)
    name, route = _route(options, world.preset)
    first = _begin(world, options)
    if options.replay is not None:
        return Walk(options.replay.stem, world, walk_again(world, first, options.replay))
    return Walk(name, world, [first, *_advance(world, route(first.cameras[-1]))])


def _write(walk: Walk, options: Options) -> list[Path]:
    """Writes every file; returns their paths. Raises ConfigError: the disk refuses."""
    folder = options.out or Path("out") / walk.name
    content = report(walk)
    title = {"Title": f"Mirage Explorer: {walk.name}"}
    points = walk.world.points
    scalars = {
        "footprint_m": points.footprints_m,
        "born": points.born,
        "seen": points.seen,
        "id": points.ids,
    }
    frames = [frame for segment in walk.segments for frame in segment.frames]
    names = ("video.mp4", "contact_sheet.png", "memory.png", "memory.ply", "coverage.csv")
    video, sheet, memory, cloud, table, facts = files = [
        folder / name for name in (*names, "report.json")
    ]
    recorder.write_video(video, frames, FPS)
    recorder.write_png(sheet, _sheet(walk, content, start_words(options)), title)
    cameras = [camera for segment in walk.segments for camera in segment.cameras]
    outside = render_memory_picture(
        points.points_world, points.colors, cameras, footprints_m=points.footprints_m
    )
    recorder.write_png(memory, outside, title)
    recorder.write_ply(cloud, points.points_world, points.colors, scalars)
    _write_table(table, coverage_rows(walk.segments))
    write_text(facts, to_json(content, 2) + "\n")
    for path in (options.record, options.record_frames):
        if path is not None:
            recorder.write_video(path, frames, FPS)
            files.append(path)
    if options.cameras is not None:
        write_cameras(options.cameras, cameras)
        files.append(options.cameras)
    if options.log is not None:
        entries = [{"type": "segment", **entry} for entry in content["segments_log"]]
        write_text(options.log, "".join(to_json(entry) + "\n" for entry in entries))
        files.append(options.log)
    return files


def _write_table(path: Path, rows: list[list[Any]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_text(path, text.getvalue())


def write_text(path: Path, text: str) -> None:
    """Raises ConfigError: cannot be written there."""
    with recorder.replacing(path) as part:
        part.write_text(text, "utf-8")


def _route(options: Options, preset: Preset) -> tuple[str, Route]:
    """The walk's name, and its cameras once the start is known."""
    if options.path is not None:
        size = (preset.lens.height, preset.lens.width)
        cameras = read_cameras(options.path, size, pinhole(size, preset.lens.hfov_deg))
        return options.path.stem, lambda start: [
            camera.moved(start.c2w @ camera.c2w) for camera in cameras[1:]
        ]
    tour = load_tour(options.tour or DEFAULT_TOUR)
    return tour.name, lambda start: _after(start, [s.camera for s in tour_cameras(tour, start)])


def _after(start: Camera, cameras: list[Camera]) -> list[Camera]:
    """Without a first camera that only repeats the start."""
    repeats = bool(cameras) and np.allclose(cameras[0].c2w, start.c2w)
    return cameras[1:] if repeats else cameras


def _open(options: Options) -> World:
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if options.replay is not None:
        threads = engine_threads()  # sums come out another way with another number
    if options.load is not None:
        return open_world(options.load, options.device, log.info, threads)
    return load_world(options.preset(), options.seed, options.device, log.info, threads)


def _begin(world: World, options: Options) -> Segment:
    """The segment that shows where the walk starts."""
    if options.load is not None:
        return world.segment(world.segments - 1)
    if options.image is not None:
        size = (world.preset.lens.height, world.preset.lens.width)
        log.info(pictures.about(options.image, world.preset))
        return world.begin(image=pictures.read_image(options.image, size, options.fit))
    if options.prompt is not None:
        return world.begin(prompt=options.prompt)
    assert options.scene is not None, "the command line fills in a scene"
    return world.begin(scene=options.scene)


def _advance(world: World, cameras: Sequence[Camera]) -> Iterator[Segment]:
    """Generates along `cameras`, with a bar on a terminal and some plain lines elsewhere."""
    total, done, told = len(cameras), 0, 0
    with tqdm(total=total, unit="frame", desc="walking", disable=None, file=sys.stderr) as bar:
        while done < total:
            segment = world.advance(cameras[done : done + world.new_frames])
            done += len(segment.frames)
            bar.update(len(segment.frames))
            bar.set_postfix_str(f"{segment.points} points, {segment.coverage:.0%} known")
            if bar.disable and (done * 4 // total > told or done == total):
                told = done * 4 // total
                log.info("walking: %d of %d frames, %d points", done, total, segment.points)
            yield segment


def _sheet(walk: Walk, content: dict[str, Any], start: str) -> np.ndarray:
    facts = [
        f"{content['config']}, {MEMORY_WORDS[content['memory_kind']]}",
        start,
        f"{content['frames']} frames in {content['segments']} segments",
        f"{content['frames_per_second']:.1f} frames/s on {content['device']}",
        f"{content['memory']['points']:,} points, {content['memory']['bytes'] / 2**20:.1f} MiB",
    ]
    revisit = content["revisit"]
    words = ""
    if revisit["pairs"]:
        words = f"{revisit['psnr_db']:.1f} dB PSNR between them, {revisit['pairs']} pairs measured"
    return contact_sheet.draw_contact_sheet(
        contact_sheet.shots_of(walk.segments),
        contact_sheet.Titles(walk.name, "  ·  ".join(facts), words),
    )


def start_words(options: Options) -> str:
    """Where the walk begins, for captions."""
    if options.load is not None:
        return f"from {options.load.name}"
    if options.image is not None:
        return f"from {options.image.name}"
    if options.prompt is not None:
        return "from a description"
    return f"scene {options.scene}"
