"""The command line: flags to one frozen record, and every mistake to one line.

Checks what can be checked before anything slow starts, then hands over to the window
(`explorer.app`) or to the windowless run (`explorer.headless`). Knows nothing of either.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

import mirage_engine
from explorer import flags, pictures
from explorer.camera_files import check_name, read_cameras
from mirage_engine import (
    CONFIG_DIR,
    ConfigError,
    Preset,
    check_weights,
    list_tours,
    load_config,
    load_tour,
    pinhole,
    read_record,
)

# Rooms of the test seeds, which the model has never seen; the first one opens by default.
BUNDLED_SCENES = (950_019, 950_010, 950_001, 950_003)
DEFAULT_SCENE = BUNDLED_SCENES[0]
DEFAULT_TOUR = "there-and-back"

BRINGS = {  # flag: (what it names, flags that this makes needless)
    "load": ("a saved world", ("config", "seed", "memory")),
    "inspect": ("a saved world", ("config", "seed", "memory")),
    "replay": (
        "a log",
        ("config", "seed", "memory", "tour", "path", "fit", "fov", "log", "compare"),
    ),
}

USER_MISTAKE, STOPPED = 2, 130  # exit codes

log = logging.getLogger("mirage")


@dataclass(frozen=True)
class Options:
    """What was asked for, checked for form. `None` means: not asked for.

    Exactly one of `image`, `prompt`, `scene`, `load` and `inspect` says where the world begins,
    or `replay` alone: its log does (`explorer.start.replayed`).
    """

    config: str = "pocket"  # preset name or TOML file
    image: Path | None = None
    fit: pictures.Fit = "crop"  # how the image comes to the lens's shape
    fov: float | None = None  # degrees across the whole image; None asks its EXIF
    prompt: str | None = None
    scene: int | None = None
    seed: int = 0
    memory: str | None = None  # one of flags.MEMORIES, over the preset's own
    compare: tuple[str, ...] = ()  # of flags.MEMORIES, walked one after the other without a window
    tour: str | None = None  # name or TOML file
    path: Path | None = None  # camera file
    headless: bool = False
    out: Path | None = None  # folder of a headless run
    record: Path | None = None  # .mp4 of the window
    record_frames: Path | None = None  # .mp4 of the generated frames
    cameras: Path | None = None  # where a headless run's poses go; the name says the format
    load: Path | None = None  # saved world
    inspect: Path | None = None  # saved world, looked into without an engine
    size: tuple[int, int] | None = None  # window (width, height), px; None as explorer.toml says
    fullscreen: bool = False
    device: str = "auto"  # auto, cpu, cuda or cuda:N
    log: Path | None = None  # .ndjson
    replay: Path | None = None  # such a log; the other members are then as it says
    verbose: bool = False

    def preset(self) -> Preset:
        """The preset, with the memory asked for and the image's lens. Raises ConfigError."""
        preset = load_config(self.config)
        if self.memory is not None:
            memory = replace(preset.memory, kind=self.memory)  # type: ignore[arg-type]
            preset = replace(preset, memory=memory)
        if self.image is not None:
            preset = pictures.with_lens_of(preset, self.image, self.fit, self.fov)
        return preset


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the explorer; returns the exit code: 0, 2 for the user's mistake, 130 when stopped."""
    try:
        options = parse(sys.argv[1:] if argv is None else argv)
        _start_log(options.verbose)
        if options.replay is not None:
            from explorer.start import replayed  # it knows this module

            options = replayed(options)
        check(options)
        return run(options)
    except ConfigError as error:
        line = " ".join(str(error).split())
        sys.stderr.write(f"run_explorer.py: {line}\n")
        return USER_MISTAKE
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped\n")
        return STOPPED


def run(options: Options) -> int:
    """Opens the window, or walks without one where there is no display."""
    if not options.headless and not has_display(os.environ, sys.platform):
        if options.inspect is not None:
            raise ConfigError("--inspect: needs a display; `--load FILE --headless` writes files")
        log.warning("no display found: walking a tour without a window (see --headless)")
        options = replace(options, headless=True)
    if options.headless:
        from explorer import compare, headless

        files = compare.run(options) if options.compare else headless.run(options)
        sys.stdout.write("".join(f"{path}\n" for path in files))
        return 0
    # Only a window needs pygame and OpenGL.
    from explorer.app import play

    return play(options)


def has_display(environment: Mapping[str, str], platform: str) -> bool:
    """Whether a window can be opened; SDL_VIDEODRIVER counts as somebody's deliberate choice."""
    if not platform.startswith("linux"):
        return True
    names = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    return any(environment.get(name) for name in names)


def parse(argv: Sequence[str]) -> Options:
    """Flags to `Options`. Raises ConfigError for what is unknown or malformed."""
    values = vars(_parser().parse_args(argv))
    for flag, key in (("--record", "record"), ("--record-frames", "record_frames")):
        if values[key] is not None and values[key].suffix.lower() != ".mp4":
            raise ConfigError(f"{flag} {values[key]}: the name must end in .mp4")
    if values["tour"] is not None and values["path"] is not None:
        raise ConfigError("--tour and --path both say where to walk; give one of them")
    if values["cameras"] is not None and not values["headless"]:
        raise ConfigError(
            f"--cameras {values['cameras']}: goes with --headless, whose walk it keeps"
        )
    if values["compare"] is not None:
        _check_compared(values)
    for flag in ("fit", "fov"):
        if values[flag] is not None and values["image"] is None:
            raise ConfigError(f"--{flag}: goes with --image, whose shape it is about")
    for flag, (what, brings) in BRINGS.items():
        brought = [key for key in brings if values[key] is not None]
        if values[flag] is not None and brought:
            raise ConfigError(f"--{brought[0]} does not go with --{flag}; {what} brings its own")
    walks = [key for key in ("tour", "path") if values[key] is not None]
    if values["inspect"] is not None and (walks or values["headless"]):
        other = walks[0] if walks else "headless"
        raise ConfigError(f"--{other} does not go with --inspect, which has no engine; use --load")
    starts = ("image", "prompt", "scene", "load", "inspect", "replay")
    if all(values[key] is None for key in starts):
        values["scene"] = DEFAULT_SCENE
    asked = {key: value for key, value in values.items() if value is not None}
    return Options(**asked)


def check(options: Options) -> None:
    """Reads every file that was named, so that mistakes show before anything slow starts.

    Raises:
        ConfigError: a named file, preset or folder cannot be used.
    """
    preset = options.preset()
    check_weights(preset)
    lens = (preset.lens.height, preset.lens.width)
    if options.image is not None:
        pictures.read_image(options.image, lens, options.fit)
    if options.prompt is not None:
        raise ConfigError("--prompt: no preset begins from words alone yet; try --image or --scene")
    if options.load is not None and not options.load.exists():
        raise ConfigError(f"--load {options.load}: no such file")
    if options.inspect is not None:
        read_record(options.inspect)
    if options.tour is not None:
        load_tour(options.tour)
    if options.path is not None:
        read_cameras(options.path, lens, _intrinsics(preset))
    if options.cameras is not None:
        check_name(options.cameras)
    written = {"--record": options.record, "--record-frames": options.record_frames}
    written |= {"--log": options.log, "--cameras": options.cameras}
    for flag, path in written.items():
        if path is not None:
            _check_folder(path.parent, f"{flag} {path}")
            if path.is_dir():
                raise ConfigError(f"{flag} {path}: is a folder; name a file")
    if options.out is not None:
        _check_folder(options.out, f"--out {options.out}")


def listing() -> str:
    """What `--list` prints: presets, tours and scenes."""
    lines = ["presets (--config):"]
    for path in sorted(CONFIG_DIR.glob("*.toml")):
        if mirage_engine.is_preset(path):
            lines.append(f"  {path.stem:<16} {load_config(path).summary}")
    lines.append("tours (--tour):")
    lines += [f"  {name:<16} {summary}" for name, summary in list_tours().items()]
    lines.append("scenes (--scene), unseen in training; any other whole number works too:")
    lines += [f"  {number}" for number in BUNDLED_SCENES]
    return "\n".join(lines) + "\n"


class _Parser(argparse.ArgumentParser):
    """Mistakes become ConfigError, so that they end in one line like all the others."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message} (--help shows the flags)")


class _List(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        sys.stdout.write(listing())
        parser.exit()


def _parser() -> _Parser:
    parser = _Parser("run_explorer.py", description="Walk through a generated world.")
    flag = parser.add_argument
    flag("--config", metavar="NAME|FILE", help="preset, or a TOML file of one")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--image", type=Path, metavar="FILE", help="begin in a photograph")
    flag("--fit", choices=pictures.FITS, help="cut the image to shape, or show all of it")
    flag(
        "--fov",
        type=flags.degrees,
        metavar="DEGREES",
        help="across the image; else by its EXIF",
    )
    start.add_argument("--prompt", type=flags.text, metavar="TEXT", help="begin with a description")
    start.add_argument("--scene", type=flags.count, metavar="N", help="begin in rendered rooms")
    start.add_argument("--load", type=Path, metavar="FILE", help="go on with a saved world")
    start.add_argument("--inspect", type=Path, metavar="FILE", help="look into a saved world")
    flag("--seed", type=flags.count, metavar="N", help="another seed, another world")
    flag("--memory", choices=flags.MEMORIES, help="latent spatial memory, or a baseline")
    flag(
        "--compare",
        type=flags.memories,
        metavar="A,B",
        help="walk --headless with each memory",
    )
    flag("--tour", metavar="NAME|FILE", help="walk a tour")
    flag("--path", type=Path, metavar="FILE", help="walk the poses of a camera file")
    flag("--headless", action="store_true", help="walk without a window and write a report")
    flag("--out", type=Path, metavar="DIR", help="folder for what --headless writes")
    flag("--record", type=Path, metavar="FILE.mp4", help="record a video")
    flag("--record-frames", type=Path, metavar="FILE.mp4", help="of the generated frames alone")
    flag("--cameras", type=Path, metavar="FILE", help="write the poses of a --headless walk")
    flag("--size", type=flags.size, metavar="WxH", help="window size in pixels")
    flag("--fullscreen", action="store_true", help="fill the screen")
    flag("--device", type=flags.device, metavar="auto|cpu|cuda[:N]")
    flag("--log", type=Path, metavar="FILE.ndjson", help="write what happens, a line each")
    start.add_argument(
        "--replay", type=Path, metavar="FILE.ndjson", help="walk again as --log tells"
    )
    flag("--list", action=_List, nargs=0, help="show presets, tours and scenes")
    flag("-v", "--verbose", action="store_true", help="say more")
    flag("--version", action="version", version=f"Mirage Explorer {mirage_engine.__version__}")
    return parser


def _check_compared(values: Mapping[str, object]) -> None:
    """Raises ConfigError for flags that --compare cannot be with, or without."""
    if not values["headless"]:
        raise ConfigError("--compare: goes with --headless, whose walk it repeats")
    for flag in ("memory", "load", "record", "record_frames", "cameras", "log"):
        if values[flag] is not None:
            name = flag.replace("_", "-")
            raise ConfigError(f"--{name} does not go with --compare, whose files are all in --out")


def _intrinsics(preset: Preset) -> NDArray[np.float64]:
    """[3, 3] of the preset's lens, for camera files that bring none."""
    return pinhole((preset.lens.height, preset.lens.width), preset.lens.hfov_deg)


def _check_folder(folder: Path, what: str) -> None:
    """Raises ConfigError unless files can be made in `folder`; leaves nothing behind."""
    made = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(f"{what}: cannot be written ({error.strerror}); choose another") from None
    finally:
        for parent in made:
            with contextlib.suppress(OSError):
                parent.rmdir()


def _start_log(verbose: bool) -> None:
    """Plain lines on stderr; only the door does this, never an import."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
