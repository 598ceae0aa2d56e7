"""Reads a picture to begin a world in: any common format, turned and cropped to the lens."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mirage_engine import ConfigError

MIN_SIDE_PX = 32
MAX_PIXELS = 100_000_000


def read_image(path: Path, size: tuple[int, int]) -> np.ndarray:
    """The picture at `path` as the lens would see it.

    Args:
        path: a file that PIL can read; its EXIF orientation is applied.
        size: (height, width) of the lens in pixels; the largest centred crop of that shape is used.

    Returns:
        [H, W, 3] uint8.

    Raises:
        ConfigError: no such file, not a picture, damaged, smaller than 32 px or over 100 MP.
    """
    try:
        with warnings.catch_warnings():
            # Size is judged below, with our own words.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                _check_size(path, picture.size)
                upright = _without_alpha(ImageOps.exif_transpose(picture))
    except FileNotFoundError:
        raise ConfigError(f"--image {path}: no such file") from None
    except Image.DecompressionBombError:
        raise ConfigError(f"--image {path}: over 100 megapixels; scale it down") from None
    except (UnidentifiedImageError, SyntaxError):
        raise ConfigError(f"--image {path}: not a picture that can be read") from None
    except (OSError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"--image {path}: cannot be read ({error})") from None
    height, width = size
    fitted = ImageOps.fit(upright, (width, height), Image.Resampling.LANCZOS)
    return np.asarray(fitted, np.uint8).copy()


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
