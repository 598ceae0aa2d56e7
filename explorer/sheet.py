"""A dark page of captioned pictures that grows downwards, row by row.

Draws with PIL; knows nothing of tours, worlds or files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

COLUMNS = 6
CELL_PX = 256  # width of a picture where there are so many in a row
MARGIN, GAP, CAPTION, CORNER = 36, 12, 26, 7  # px
WIDTH = 2 * MARGIN + COLUMNS * CELL_PX + (COLUMNS - 1) * GAP  # of the page, px

Color = tuple[int, int, int]
PAPER: Color = (17, 18, 22)
LINE: Color = (44, 46, 54)
INK: Color = (236, 236, 232)
GREY: Color = (146, 148, 156)
FIRST: Color = (240, 180, 92)  # first visits
RETURN: Color = (104, 200, 190)


@dataclass(frozen=True, eq=False)
class Cell:
    """A picture and the line below it."""

    picture: np.ndarray  # [H, W, 3] uint8
    caption: str
    word: str = ""  # before the caption, marked in its colour
    color: Color = INK


class Sheet:
    """The page. What is added goes below what is there."""

    def __init__(self, size: tuple[int, int]) -> None:
        """`size` is (height, width) of the pictures, for their shape."""
        self._shape = size[0] / size[1]
        self._page = Image.new("RGB", (WIDTH, 1024), PAPER)
        self._pen = ImageDraw.Draw(self._page)
        self._y = MARGIN

    def heading(self, text: str, below: str) -> None:
        self._need(84)
        self._write(MARGIN, self._y, text, 32, INK)
        self._write(MARGIN, self._y + 44, below, 17, GREY)
        self._y += 84

    def section(self, text: str, remark: str, color: Color = INK) -> None:
        self._need(54)
        self._pen.line((MARGIN, self._y, WIDTH - MARGIN, self._y), fill=LINE, width=1)
        right = self._write(MARGIN, self._y + 14, text, 21, color)
        self._write(right + 14, self._y + 18, remark, 16, GREY)
        self._y += 54

    def legend(self, colors: np.ndarray, low: str, high: str) -> None:
        """A scale at the right of what was headed last; `colors` [K, 3] uint8, lowest first."""
        y, bar = self._y - 34, (180, 12)
        x = WIDTH - MARGIN - round(self._pen.textlength(high, font=ImageFont.load_default(15)))
        self._write(x, y - 3, high, 15, GREY)
        x -= bar[0] + 10
        self._page.paste(Image.fromarray(colors[None]).resize(bar), (x, y))
        x -= 10 + round(self._pen.textlength(low, font=ImageFont.load_default(15)))
        self._write(x, y - 3, low, 15, GREY)

    def row(self, cells: Sequence[Cell], columns: int = COLUMNS) -> None:
        """The pictures are as large as `columns` of them side by side can be."""
        width = (WIDTH - 2 * MARGIN - (columns - 1) * GAP) // columns
        size = width, round(width * self._shape)
        self._need(size[1] + CAPTION + GAP)
        for column, cell in enumerate(cells):
            x = MARGIN + column * (width + GAP)
            picture = Image.fromarray(cell.picture).resize(size, Image.Resampling.LANCZOS)
            self._page.paste(picture, (x, self._y), _rounded(size))
            self._caption(cell, x, self._y + size[1] + 6)
        self._y += size[1] + CAPTION + GAP

    def finished(self) -> np.ndarray:
        """[H, W, 3] uint8."""
        return np.asarray(self._page.crop((0, 0, WIDTH, self._y + MARGIN - GAP)))

    def _caption(self, cell: Cell, x: float, y: float) -> None:
        if cell.word:
            self._pen.rounded_rectangle((x, y + 1, x + 4, y + 15), 2, cell.color)
            x = self._write(x + 11, y, cell.word, 15, cell.color) + 8
        self._write(x, y, cell.caption, 15, GREY)

    def _need(self, height: int) -> None:
        """Makes the page long enough for as much again below."""
        longer = self._y + height + MARGIN
        if longer > self._page.height:
            page = Image.new("RGB", (WIDTH, 2 * longer), PAPER)
            page.paste(self._page)
            self._page, self._pen = page, ImageDraw.Draw(page)

    def _write(self, x: float, y: float, text: str, size: int, color: Color) -> float:
        """Returns where the text ends, px."""
        return write(self._pen, x, y, text, size, color)


def write(
    pen: ImageDraw.ImageDraw, x: float, y: float, text: str, size: int, color: Color
) -> float:
    """Writes a line whose top left is (x, y), all in pixels; returns where it ends."""
    font = ImageFont.load_default(size)
    pen.text((x, y), text, fill=color, font=font)
    return x + pen.textlength(text, font=font)


def _rounded(size: tuple[int, int]) -> Image.Image:
    """A mask with soft round corners, drawn large and scaled down."""
    big = Image.new("L", (size[0] * 4, size[1] * 4), 0)
    ImageDraw.Draw(big).rounded_rectangle((0, 0, *big.size), CORNER * 4, 255)
    return big.resize(size, Image.Resampling.LANCZOS)
