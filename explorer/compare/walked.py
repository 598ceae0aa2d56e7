"""What a comparison keeps of a walk, and how the two pictures of a place differ."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from explorer.contact_sheet import Shot, returns
from explorer.render.colormaps import colormap_rgb
from mirage_engine import psnr_db

HOTTEST = 64  # of 255 levels: a difference so large, or larger, is brightest
HEAT = "inferno"


@dataclass(frozen=True, eq=False)
class Return:
    """A place that the walk left and found again."""

    first: Shot
    again: Shot

    @cached_property
    def psnr_db(self) -> float:
        return psnr_db(self.first.frame, self.again.frame)

    @cached_property
    def heat(self) -> np.ndarray:  # [H, W, 3] uint8
        """Where the return differs from the first visit: black is nowhere."""
        return heat_map(self.first.frame, self.again.frame)


@dataclass(frozen=True, eq=False)
class Walked:
    """A finished walk without its world."""

    memory: str  # its kind
    name: str  # of the memory, for people
    report: dict[str, Any]  # as a single walk has it
    start: dict[str, Any]  # `mirage_engine.start_revisit`
    shots: list[Shot]  # every frame, the start image first

    @cached_property
    def returns(self) -> list[Return]:
        return [Return(first, again) for first, again in returns(self.shots)]

    @property
    def return_db(self) -> float | None:
        """PSNR of returns; to the start image, where the walk came back to nothing else."""
        revisit = self.report["revisit"]
        return revisit["psnr_db"] if revisit["pairs"] else self.start["psnr_db"]

    @property
    def figures(self) -> str:
        """What was measured on return, in a line; both figures where both are known."""
        revisit, said = self.report["revisit"], []
        if revisit["pairs"]:
            said.append(f"return against first visit {revisit['psnr_db']:.1f} dB")
        if self.start["pairs"]:
            said.append(f"against the start image {self.start['psnr_db']:.1f} dB")
        return "  ·  ".join(said) or "no place was found again"


def heat_map(
    first: np.ndarray,  # [H, W, 3] uint8
    again: np.ndarray,  # [H, W, 3] uint8
) -> np.ndarray:  # [H, W, 3] uint8
    """The largest difference of the three colours in each pixel, as warmth."""
    off = np.abs(first.astype(np.int16) - again).max(-1)
    return colormap_rgb(HEAT)[np.minimum(off, HOTTEST) * 255 // HOTTEST]
