"""The contact sheet of a tour: the walk at a glance, then each place left and found again.

A person should see a room, and know it when the tour returns. Draws with PIL; knows nothing of
worlds or files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mirage_engine import Camera, pose_distance

COLUMNS = 6
CELL_PX = 256  # width of a picture
MARGIN, GAP, CAPTION, CORNER = 36, 12, 26, 7  # px
PAPER, INK, GREY = (17, 18, 22), (236, 236, 232), (146, 148, 156)
FIRST, RETURN = (240, 180, 92), (104, 200, 190)

SAME_PLACE_M, SAME_PLACE_DEG = 0.05, 1.0
AWAY_M, AWAY_DEG = 0.3, 15.0  # further than this in between makes it a return
MIN_FRAMES_BETWEEN = 8


@dataclass(frozen=True, eq=False)
class Shot:
    """One frame of the tour."""

    frame: np.ndarray  # [H, W, 3] uint8
    camera: Camera
    number: int  # in the video, from 0
    segment: int


@dataclass(frozen=True)
class Titles:
    """The words around the pictures."""

    heading: str
    subheading: str
    revisit: str


def draw_contact_sheet(
    shots: Sequence[Shot],  # the whole tour in order, the start image first
    titles: Titles,
) -> np.ndarray:  # [H, W, 3] uint8
    """Pictures of the walk, and below them pairs of first visit and return, if there are any."""
    assert shots, "a tour has at least its start image"
    walk = spread(shots, 2 * COLUMNS)
    pairs = spread(returns(shots), COLUMNS)
    sheet = _Sheet(shots[0].frame.shape[:2])
    sheet.heading(titles.heading, titles.subheading)
    sheet.section("The walk", "evenly spaced over the tour")
    for start in range(0, len(walk), COLUMNS):
        sheet.row([(shot, INK, "") for shot in walk[start : start + COLUMNS]])
    if pairs:
        sheet.section("Left, and found again", titles.revisit)
        sheet.row([(first, FIRST, "first visit") for first, _ in pairs])
        sheet.row([(again, RETURN, "return") for _, again in pairs])
    return sheet.finished()


def returns(shots: Sequence[Shot]) -> list[tuple[Shot, Shot]]:
    """(first visit, last return) of every pose that the tour left and came back to."""
    found: list[tuple[Shot, Shot]] = []
    seen: set[int] = set()  # second visits, which are no first visits
    positions = np.array([shot.camera.position for shot in shots])
    for i, first in enumerate(shots):
        if i in seen:
            continue
        near = np.linalg.norm(positions - positions[i], axis=1) <= SAME_PLACE_M
        again = [
            j
            for j in np.flatnonzero(near).tolist()
            if j - i >= MIN_FRAMES_BETWEEN
            and _same_place(first.camera, shots[j].camera)
            and _was_away(shots, i, j)
        ]
        seen.update(again)
        if again:
            found.append((first, shots[again[-1]]))
    return found


def spread(items: Sequence, count: int) -> list:
    """At most `count` of the items, evenly spaced, the ends included."""
    if len(items) <= count:
        return list(items)
    return [items[round(k)] for k in np.linspace(0, len(items) - 1, count)]


def _same_place(a: Camera, b: Camera) -> bool:
    metres, degrees = pose_distance(a.c2w, b.c2w)
    return metres <= SAME_PLACE_M and degrees <= SAME_PLACE_DEG


def _was_away(shots: Sequence[Shot], start: int, end: int) -> bool:
    """Whether the walk left the pose of `start` before it came to `end`."""
    for shot in shots[start + 1 : end]:
        metres, degrees = pose_distance(shots[start].camera.c2w, shot.camera.c2w)
        if metres > AWAY_M or degrees > AWAY_DEG:
            return True
    return False


class _Sheet:
    """A page that grows downwards, row by row."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.cell = (CELL_PX, round(CELL_PX * size[0] / size[1]))
        width = 2 * MARGIN + COLUMNS * CELL_PX + (COLUMNS - 1) * GAP
        # Enough for every row that there can be; the page is cut when finished.
        self.page = Image.new("RGB", (width, 480 + 4 * (self.cell[1] + 60)), PAPER)
        self.pen = ImageDraw.Draw(self.page)
        self.y = MARGIN

    def heading(self, text: str, below: str) -> None:
        self._write(MARGIN, self.y, text, 32, INK)
        self._write(MARGIN, self.y + 44, below, 17, GREY)
        self.y += 84

    def section(self, text: str, remark: str) -> None:
        self.pen.line(
            (MARGIN, self.y, self.page.width - MARGIN, self.y), fill=(44, 46, 54), width=1
        )
        right = self._write(MARGIN, self.y + 14, text, 21, INK)
        self._write(right + 14, self.y + 18, remark, 16, GREY)
        self.y += 54

    def row(self, cells: Sequence[tuple[Shot, tuple[int, int, int], str]]) -> None:
        for column, (shot, color, word) in enumerate(cells):
            x = MARGIN + column * (CELL_PX + GAP)
            picture = Image.fromarray(shot.frame).resize(self.cell, Image.Resampling.LANCZOS)
            self.page.paste(picture, (x, self.y), _rounded(self.cell))
            caption_y = self.y + self.cell[1] + 6
            if word:
                self.pen.rounded_rectangle((x, caption_y + 1, x + 4, caption_y + 15), 2, color)
                right = self._write(x + 11, caption_y, word, 15, color) + 8
            else:
                right = x
            self._write(right, caption_y, _caption(shot), 15, GREY)
        self.y += self.cell[1] + CAPTION + GAP

    def finished(self) -> np.ndarray:
        """[H, W, 3] uint8."""
        return np.asarray(self.page.crop((0, 0, self.page.width, self.y + MARGIN - GAP)))

    def _write(
        self, x: float, y: float, text: str, size: int, color: tuple[int, int, int]
    ) -> float:
        """Returns where the text ends, px."""
        font = ImageFont.load_default(size)
        self.pen.text((x, y), text, fill=color, font=font)
        return x + self.pen.textlength(text, font=font)


def _caption(shot: Shot) -> str:
    if shot.segment == 0:
        return "start image"
    return f"frame {shot.number} · segment {shot.segment}"


def _rounded(size: tuple[int, int]) -> Image.Image:
    """A mask with soft round corners, drawn large and scaled down."""
    big = Image.new("L", (size[0] * 4, size[1] * 4), 0)
    ImageDraw.Draw(big).rounded_rectangle((0, 0, *big.size), CORNER * 4, 255)
    return big.resize(size, Image.Resampling.LANCZOS)
