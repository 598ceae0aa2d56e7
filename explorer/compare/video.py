"""The comparison as a video: one lane for each memory, in step.

Where the walk is back at a place, the first visit and the difference from it are shown below. Draws
with PIL; knows nothing of worlds or files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image, ImageDraw

from explorer.compare.walked import Return, Walked
from explorer.contact_sheet import Shot
from explorer.sheet import FIRST, GREY, INK, PAPER, RETURN, write

LANE_PX, WIDEST_PX = 512, 3840  # a lane is at least so wide, all of them at most so wide
EDGE, HEAD, FOOT = 12, 54, 30  # px


def side_by_side(walks: Sequence[Walked]) -> Iterator[np.ndarray]:  # [H, W, 3] uint8 each
    """A picture for each frame of the walks, which are over the same cameras."""
    lanes = [_Lane(walk, WIDEST_PX // len(walks)) for walk in walks]
    for shots in zip(*(walk.shots for walk in walks), strict=True):
        pictures = [lane.draw(shot) for lane, shot in zip(lanes, shots, strict=True)]
        yield np.concatenate([np.asarray(picture) for picture in pictures], 1)


class _Lane:
    """The column of one memory."""

    def __init__(self, walk: Walked, widest_px: int) -> None:
        height, width = walk.shots[0].frame.shape[:2]
        wide = min(max(width, LANE_PX), widest_px - 2 * EDGE)
        self._size = wide, round(wide * height / width)
        self._small = (wide - EDGE) // 2, round((wide - EDGE) / 2 * height / width)
        self._returns = {place.again.number: place for place in walk.returns}
        self._blank = self._page(walk)

    def draw(self, shot: Shot) -> Image.Image:
        page = self._blank.copy()
        pen = ImageDraw.Draw(page)
        page.paste(_scaled(shot.frame, self._size), (EDGE, HEAD))
        y = HEAD + self._size[1]
        words = f"frame {shot.number}" if shot.number else "start image"
        write(pen, EDGE, y + 7, words, 14, GREY)
        place = self._returns.get(shot.number)
        if place is not None:
            self._add_place(page, pen, place, y + FOOT)
        return page

    def _add_place(
        self, page: Image.Image, pen: ImageDraw.ImageDraw, place: Return, y: int
    ) -> None:
        """The first visit and the difference, from `y` px on."""
        right = EDGE + self._small[0] + EDGE
        page.paste(_scaled(place.first.frame, self._small), (EDGE, y))
        page.paste(_scaled(place.heat, self._small), (right, y))
        below = y + self._small[1] + 7
        number = place.first.number
        words = f"frame {number}, the first visit" if number else "start image, the first visit"
        write(pen, EDGE, below, words, 14, FIRST)
        write(pen, right, below, f"difference, {place.psnr_db:.1f} dB", 14, RETURN)

    def _page(self, walk: Walked) -> Image.Image:
        """What stands in every picture of the lane."""
        height = HEAD + self._size[1] + FOOT
        if self._returns:
            height += self._small[1] + FOOT
        page = Image.new("RGB", (self._size[0] + 2 * EDGE, height), PAPER)
        pen = ImageDraw.Draw(page)
        write(pen, EDGE, 7, walk.name, 18, INK)
        write(pen, EDGE, 31, walk.figures, 14, GREY)
        return page


def _scaled(picture: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """[H, W, 3] uint8 to an image of (width, height)."""
    return Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)
