"""Where the command line lets a world begin, and where it walks then."""

from __future__ import annotations

from pathlib import Path

from explorer.camera_files import read_cameras
from explorer.cli import Options
from explorer.pictures import read_image
from explorer.protocol import Start
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
