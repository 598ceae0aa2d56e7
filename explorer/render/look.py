"""How points appear: one frozen record, and the numbers behind the colours of each mode.

`mode_values` gives the very numbers that the shader turns into colours, for histograms and files.
Knows numpy only; nothing of OpenGL.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.memory_table import MemoryTable
from mirage_engine import Camera

Rgb = tuple[float, float, float]
Background = tuple[Rgb, Rgb]  # at the top and at the bottom, 0..1

NIGHT: Background = ((0.085, 0.095, 0.113), (0.052, 0.058, 0.070))
PAPER: Background = ((0.957, 0.949, 0.933), (0.886, 0.878, 0.863))  # for figures
INK: Rgb = (0.90, 0.38, 0.20)  # of lines on paper
NEAR_M = 0.05
WIDE_M = 1e9  # so far up that it cuts nothing


@dataclass(frozen=True)
class ModeFacts:
    """A way to colour points. Where there is no colour map, the colour is the point's own."""

    name: str
    unit: str = ""  # of the value
    colormap: str = ""
    low: float = 0.0  # value with the first colour of the map
    high: float = 1.0  # value with the last one
    log: bool = False  # whether equal ratios of the value are equal steps of colour


MODE_FACTS = (
    ModeFacts("colour"),
    ModeFacts("features"),
    ModeFacts("birth segment", "segment", "viridis", 0.0, np.inf),  # as high as the newest
    ModeFacts("depth", "m", "plasma", 0.5, 16.0, log=True),
    ModeFacts("footprint", "m", "cividis", 0.03, 0.5, log=True),
    ModeFacts("times seen", "frames", "viridis", 1.0, 128.0, log=True),
)
HEIGHT_FACTS = ModeFacts("height", "m", "viridis", -1.6, 1.6)  # above the first camera's eye
MODES = tuple(facts.name for facts in MODE_FACTS)
COLOUR, FEATURES, BIRTH, DEPTH, FOOTPRINT, SEEN = range(len(MODES))


@dataclass(frozen=True)
class Look:
    """How points appear. `None` and "" stand for the mode's own value."""

    mode: int = COLOUR  # index into MODES
    height: bool = False  # in mode depth: the height instead
    low: float | None = None
    high: float | None = None
    colormap: str = ""
    size: float = 1.0  # factor
    size_px: tuple[float, float] = (1.0, 32.0)  # least and most
    size_m: float | None = None  # instead of the footprint
    near_m: float = NEAR_M  # nothing nearer to the drawing camera is drawn
    age_fade: float = 0.0  # 0..1, how much the oldest dim
    shown: int | None = None  # memory as it was when this segment was the newest
    cut_above_m: float = WIDE_M  # height above the walker's eye from which nothing is drawn
    dome: bool = True  # whether sky is drawn
    dome_m: float = 30.0  # how far from the walker
    hidden: float = 0.0  # 0..1, strength of points that memory is told not to read
    highlight: bool = True  # selected points stand out
    most: int = 250_000  # points drawn at once; of more, every second, third ... one
    background: Background = NIGHT
    depth_shade: float = 1.0  # 0..1, how dark edges are drawn before what lies behind them

    @property
    def facts(self) -> ModeFacts:
        """Of the mode, height apart from depth."""
        return HEIGHT_FACTS if self.mode == DEPTH and self.height else MODE_FACTS[self.mode]

    def range(self, newest: int) -> tuple[float, float]:
        """The values with the first and the last colour, where `newest` is the newest segment."""
        low = self.facts.low if self.low is None else self.low
        high = self.facts.high if self.high is None else self.high
        return low, float(newest) if np.isinf(high) else high


PLAIN = Look()


def mode_values(
    table: MemoryTable,
    mode: int,  # one with a colour map
    walker: Camera,
    height: bool = False,  # in mode depth: the height instead
) -> NDArray[np.float32]:  # [N], in the unit of the mode
    """What the colours of a mode stand for. Sky has no end: its depth, height, footprint are inf.

    Depth is the distance from the walker's eye, whichever way the walker looks.
    """
    facts = Look(mode, height).facts
    assert facts.colormap, f"'{facts.name}' has no values"
    if mode in (BIRTH, SEEN):
        return table["born" if mode == BIRTH else "seen"].astype(np.float32)
    points = table["points_world"]
    if mode == FOOTPRINT:
        values = table["footprints_m"].copy()
    elif height:
        values = -points[:, 1]
    else:
        values = np.linalg.norm(points[:, :3] - walker.position.astype(np.float32), axis=1)
    values[points[:, 3] == 0] = np.inf
    return values
