"""Pictures to begin a world in: any common format, turned upright and fitted to the lens.

Also says how wide the lens then sees, from what the picture's EXIF tells of its camera. Knows
nothing of worlds.
"""

from __future__ import annotations

import contextlib
import math
import struct
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageFilter, ImageOps, UnidentifiedImageError
from PIL.ExifTags import IFD, Base

from mirage_engine import ConfigError, Preset

MIN_SIDE_PX = 32
MAX_PIXELS = 100_000_000
FILM_DIAGONAL_MM = math.hypot(36.0, 24.0)  # what EXIF's focal length in 35 mm film refers to
UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}  # EXIF's units of resolution
FOV_DEG = (5.0, 160.0)  # that a picture may have; EXIF that says otherwise is not believed
LYING = (5, 6, 7, 8)  # EXIF's orientations of pictures that are stored on their side
MARGIN_STRIP = 8  # a letterbox's margin is made of this part of the picture, at each side
MARGIN_LIGHT = 0.6
MARGIN_BLUR = 32  # the width of the lens over the blur's radius

Fit = Literal["crop", "letterbox"]
FITS: tuple[Fit, ...] = ("crop", "letterbox")


def read_image(path: Path, size: tuple[int, int], fit: Fit = "crop") -> np.ndarray:
    """The picture at `path` as the lens would see it.

    Args:
        path: a file that PIL can read; its EXIF orientation is applied.
        size: (height, width) of the lens in pixels.
        fit: "crop" takes the largest centred part of that shape; "letterbox" keeps the whole
            picture, between blurred and dimmed enlargements of its own border.

    Returns:
        [H, W, 3] uint8.

    Raises:
        ConfigError: no such file, not a picture, damaged, smaller than 32 px or over 100 MP.
    """
    with _opened(path) as picture:
        upright = _without_alpha(ImageOps.exif_transpose(picture))
    height, width = size
    if fit == "letterbox":
        fitted = _letterboxed(upright, width, height)
    else:
        fitted = ImageOps.fit(upright, (width, height), Image.Resampling.LANCZOS)
    return np.asarray(fitted, np.uint8).copy()


def with_lens_of(
    preset: Preset,
    path: Path,
    fit: Fit = "crop",
    fov_deg: float | None = None,  # across the whole picture; None asks its EXIF
) -> Preset:
    """The preset, seeing as wide as the fitted picture does; unchanged where nobody knows.

    Raises ConfigError: see `read_image`.
    """
    with _opened(path) as picture:
        width, height = picture.size
        if picture.getexif().get(Base.Orientation) in LYING:
            width, height = height, width
        focal_px = _focal_px(picture) if fov_deg is None else _focal(width, fov_deg)
    if focal_px is None:
        return preset
    across = height * preset.lens.width / preset.lens.height  # of a picture of the lens's shape
    shown = min(width, across) if fit == "crop" else max(width, across)
    hfov_deg = math.degrees(2 * math.atan(shown / 2 / focal_px))
    return replace(preset, lens=replace(preset.lens, hfov_deg=hfov_deg))


def about(path: Path, preset: Preset) -> str:
    """What everybody who begins in a picture should know; `preset` as `with_lens_of` has it."""
    seen = f"{path.name}: taken to be {preset.lens.hfov_deg:.0f} degrees wide, as shown (--fov)"
    if preset.codec.kind != "pocket":
        return seen
    return f"{seen}; photographs are outside what pocket was trained on, and depth is a guess"


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The picture, of a size that can be used; what goes wrong in the `with` is ConfigError."""
    try:
        with warnings.catch_warnings():
            # Size is judged below, with our own words; EXIF that is broken says nothing.
            warnings.simplefilter("ignore")
            with Image.open(path) as picture:
                _check_size(path, picture.size)
                yield picture
    except FileNotFoundError:
        raise ConfigError(f"--image {path}: no such file") from None
    except Image.DecompressionBombError:
        raise ConfigError(f"--image {path}: over 100 megapixels; scale it down") from None
    except (UnidentifiedImageError, SyntaxError):
        raise ConfigError(f"--image {path}: not a picture that can be read") from None
    except (OSError, ValueError, struct.error) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"--image {path}: cannot be read ({error})") from None


def _focal_px(picture: Image.Image) -> float | None:
    """In pixels of the picture, by its EXIF; None where that does not say, or not credibly."""
    camera = picture.getexif().get_ifd(IFD.Exif)
    width, height = picture.size
    film_mm = _positive(camera.get(Base.FocalLengthIn35mmFilm))
    if film_mm is not None:
        focal_px = film_mm / FILM_DIAGONAL_MM * math.hypot(width, height)
    else:
        mm = _positive(camera.get(Base.FocalLength))
        per_unit = _positive(camera.get(Base.FocalPlaneXResolution))
        unit_mm = UNIT_MM.get(camera.get(Base.FocalPlaneResolutionUnit, 2))
        if mm is None or per_unit is None or unit_mm is None:
            return None
        # The resolution counts the pixels that were taken; the picture may have been scaled since.
        sides = (_positive(camera.get(k)) for k in (Base.ExifImageWidth, Base.ExifImageHeight))
        taken_px = max((side for side in sides if side is not None), default=max(width, height))
        focal_px = mm * per_unit / unit_mm * max(width, height) / taken_px
    lowest, highest = (_focal(max(width, height), fov) for fov in reversed(FOV_DEG))
    return focal_px if lowest <= focal_px <= highest else None


def _focal(width: float, fov_deg: float) -> float:
    return width / 2 / math.tan(math.radians(fov_deg) / 2)


def _positive(value: object) -> float | None:
    """An EXIF number; 0, no number and 0/0 all mean that it is not known."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if 0 < number < math.inf else None


def _letterboxed(picture: Image.Image, width: int, height: int) -> Image.Image:
    scale = min(width / picture.width, height / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    inner = picture.resize(size, Image.Resampling.LANCZOS)
    left, top = (width - inner.width) // 2, (height - inner.height) // 2
    framed = _margins(inner, width, height, left, top)
    framed.paste(inner, (left, top))
    return framed


def _margins(inner: Image.Image, width: int, height: int, left: int, top: int) -> Image.Image:
    """The whole frame, filled with the picture's border: mirrored, enlarged, blurred and dimmed."""
    frame = Image.new("RGB", (width, height))
    frame.paste(inner, (left, top))
    right, bottom = left + inner.width, top + inner.height
    strip_x, strip_y = (max(1, side // MARGIN_STRIP) for side in inner.size)
    for strip, box in (
        ((left, 0, left + strip_x, height), (0, 0, left, height)),
        ((right - strip_x, 0, right, height), (right, 0, width, height)),
        ((0, top, width, top + strip_y), (0, 0, width, top)),
        ((0, bottom - strip_y, width, bottom), (0, bottom, width, height)),
    ):
        size = box[2] - box[0], box[3] - box[1]
        if min(size) > 0:
            turned = ImageOps.mirror if size[1] == height else ImageOps.flip
            frame.paste(turned(frame.crop(strip)).resize(size), box)
    blurred = frame.filter(ImageFilter.GaussianBlur(width / MARGIN_BLUR))
    return blurred.point(lambda value: value * MARGIN_LIGHT)


def _check_size(path: Path, size: tuple[int, int]) -> None:
    width, height = size
    if min(width, height) < MIN_SIDE_PX:
        raise ConfigError(
            f"--image {path}: {width}x{height} is too small; each side needs {MIN_SIDE_PX} px"
        )
    if width * height > MAX_PIXELS:
        megapixels = width * height / 1e6
        raise ConfigError(
            f"--image {path}: {megapixels:.0f} megapixels are too many; scale it below 100"
        )


def _without_alpha(picture: Image.Image) -> Image.Image:
    """RGB; what is transparent becomes white, as a viewer would show it."""
    if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
        values = np.asarray(picture, np.float64)
        top = 65535.0 if values.max(initial=0.0) > 255 else 255.0
        return Image.fromarray((values / top * 255).clip(0, 255).astype(np.uint8)).convert("RGB")
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")
