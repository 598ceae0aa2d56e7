"""Where the command line, or a log, lets a world begin, and where it walks then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from explorer.camera_files import read_cameras
from explorer.cli import Options
from explorer.pictures import read_image
from explorer.protocol import Start
from explorer.walk_log import begin_entry, check_same
from explorer.walk_reader import read_walk
from mirage_engine import Camera, TourStop, load_tour, tour_cameras


def first_start(options: Options, size: tuple[int, int]) -> Start:
    """The start that was asked for; `size` is (H, W). Raises ConfigError: the image is no use."""
    saved = options.load or options.inspect
    if saved is not None:
        return Start("file", path=str(saved))
    if options.image is not None:
        return Start("image", image=read_image(options.image, size, options.fit))
    if options.prompt is not None:
        return Start("prompt", prompt=options.prompt)
    assert options.scene is not None, "the command line fills in a scene"
    return Start("scene", scene=options.scene)


def first_stops(options: Options, start: Camera) -> list[TourStop]:
    """The walk that was asked for, from where the world begins."""
    if options.tour is not None:
        return tour_cameras(load_tour(options.tour), start)
    return file_stops(options.path, start) if options.path is not None else []


def file_stops(path: Path, start: Camera) -> list[TourStop]:
    """The cameras of a file as a walk from `start`."""
    cameras = read_cameras(path, start.size, start.intrinsics)
    return [TourStop(start.moved(start.c2w @ camera.c2w)) for camera in cameras]


def replayed(options: Options) -> Options:
    """With everything that the walk of `options.replay` began with.

    Raises:
        ConfigError: no such walk, or what it began with is not what it was.
    """
    assert options.replay is not None, "asked for only with a log"
    walk = read_walk(options.replay)
    options = replace(options, **walk.asked)
    preset = options.preset()
    start = first_start(options, (preset.lens.height, preset.lens.width))
    check_same(walk.begins[0], begin_entry(preset, options.seed, start))
    return options
