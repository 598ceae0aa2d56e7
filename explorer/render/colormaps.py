"""Colour maps: matplotlib's perceptual families, as rows of one small picture.

The picture is `shaders/colormaps.png`; here stand the names of its rows. Shaders read it as a
texture, legends as an array.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from explorer.render.programs import SHADER_DIR

COLORMAPS = ("viridis", "magma", "inferno", "plasma", "cividis", "twilight")  # rows, in order


@cache
def colormap_rows() -> NDArray[np.uint8]:  # [len(COLORMAPS), 256, 3]
    """All maps, lowest value first."""
    with Image.open(SHADER_DIR / "colormaps.png") as picture:
        rows = np.asarray(picture.convert("RGB"))
    assert rows.shape == (len(COLORMAPS), 256, 3), "the picture has one row for each name"
    return rows


def colormap_rgb(name: str) -> NDArray[np.uint8]:  # [256, 3]
    """One map, for legends."""
    return colormap_rows()[COLORMAPS.index(name)]
