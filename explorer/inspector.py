"""The inspector's state: how points look, what is selected, picked and asked for.

Changed by panels and hands, read by everything that draws it. Wishes are what the frame loop has to
see to. Knows nothing of drawing, engines or files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from explorer.features import FeatureBasis, fit_basis
from explorer.memory_table import MemoryTable
from explorer.orbit import OrbitCamera
from explorer.selection import Selection
from mirage_engine import Camera, XRay

Tool = Literal["look", "box", "brush"]
Tab = Literal["point", "x-ray", "surgery", "curves", "export"]
SizeUnit = Literal["footprint", "pixels", "metres"]

PLAY_S = 0.18  # a segment of the past stays on the screen
FAR = 2.5  # points further than this many times the median are left out of the first view
LEAST_FEATURES = 64  # points whose features are known before their colours are chosen

# What the frame loop is asked to do, by a panel.
Wish = Literal[
    "hide", "show", "lock", "unlock", "delete", "undo", "budget", "outliers",
    "refresh", "ply", "npz", "picture", "turntable", "revisits", "fly",
]  # fmt: skip


@dataclass
class Points:
    """How the points of memory appear, whoever draws them."""

    mode: int = 0
    height: bool = False  # depth mode shows the height above the floor instead
    ranges: dict[int, tuple[float, float]] = field(default_factory=dict)  # by mode; else automatic
    unit: SizeUnit = "footprint"
    size: dict[str, float] = field(
        default_factory=lambda: {"footprint": 1.0, "pixels": 3.0, "metres": 0.03}
    )
    near_m: float = 0.05  # nothing nearer to the eye is drawn
    age_fade: float = 0.0
    dome: bool = True  # sky, as a dome around the walker
    ceiling: bool = False  # what is above the walker's head
    hidden: bool = True  # shows hidden points as shadows


@dataclass(frozen=True)
class Picked:
    """A point that was clicked."""

    id: int
    neighbours: tuple[int, ...] = ()  # ids, nearest in feature space first
    observers: tuple[int, ...] = ()  # keyframes that saw it, indices of the KeyframeIndex


class Inspector:
    """State of one session. `in_space` is its own camera; otherwise it sees the walker's picture.

    Attributes:
        shown: the segment at which memory is shown; None is now.
        overlaid: whether points lie over the walker's picture.
        drag: the rectangle (x, y, x, y) px that is being drawn, or the brush's place (x, y).
    """

    def __init__(self) -> None:
        self.orbit = OrbitCamera()
        self.points = Points()
        self.selection = Selection()
        self.in_space, self.framed = True, False
        self.overlaid = True
        self.tab: Tab = "point"
        self.tool: Tool = "look"
        self.visible_only = True
        self.brush_px = 24.0
        self.drag: tuple[float, ...] = ()
        self.shown: int | None = None
        self.playing = False
        self._played_s: float | None = None  # when the last step was made
        self.births: tuple[int, int] = (0, 0)
        self.outlier_score = 4.0
        self.scores: np.ndarray | None = None  # [N] of the table's rows, for the selection
        self.budget_mib = 0.0
        self.picked: Picked | None = None
        self.xray: XRay | None = None
        self.xray_coming, self.xray_frame = False, 1
        self.basis: FeatureBasis | None = None
        self._tinted_id = -1  # points up to it have their colours of features
        self.wishes: list[Wish] = []

    def wish(self, what: Wish) -> None:
        self.wishes.append(what)

    def take_wishes(self) -> list[Wish]:
        wishes, self.wishes = self.wishes, []
        return wishes

    def enter(self, table: MemoryTable, walker: Camera) -> None:
        """Somebody opens the inspector: the first time, its camera frames what there is."""
        solid = table["points_world"][table.read & (table["points_world"][:, 3] > 0), :3]
        if not self.framed and len(solid):
            self.framed = True
            away = np.linalg.norm(solid - walker.position, axis=1)
            # A landscape behind a window is far larger than the rooms that are meant.
            self.orbit.frame(solid[away <= FAR * np.median(away)], walker)

    def forget(self) -> None:
        """For another world: what was chosen there means nothing here; how points look stays."""
        points = self.points
        self.__init__()
        self.points = points
        self.points.ranges.clear()

    def play(self, newest: int, now_s: float) -> None:
        """Lets the memory grow on the screen, while `playing`."""
        if not self.playing:
            return
        if self._played_s is None:
            self._played_s = now_s
        if now_s - self._played_s < PLAY_S:
            return
        self._played_s = now_s
        at = newest if self.shown is None else self.shown + 1
        self.shown = at
        if at >= newest:
            self.shown, self.playing = None, False

    def start_playing(self, newest: int) -> None:
        self.playing, self._played_s = True, None
        if self.shown is None or self.shown >= newest:
            self.shown = 0

    def seek(self, steps: int, newest: int) -> None:
        """A step through the segments; past the newest it is now."""
        self.playing = False
        at = (newest if self.shown is None else self.shown) + steps
        self.shown = None if at >= newest else max(0, at)

    def tint(self, table: MemoryTable, refresh: bool = False) -> None:
        """Colours of features for points that have none yet; with another basis, for all."""
        known = np.isfinite(table.latents).all(1) & (table.latents.shape[1] > 0)
        if int(known.sum()) < LEAST_FEATURES:
            return
        if self.basis is None or refresh:
            self.basis = fit_basis(table.latents[known & table.read])
            self._tinted_id = -1
        rows = np.flatnonzero(known & (table["ids"] > self._tinted_id))
        if len(rows):
            self._tinted_id = int(table["ids"][rows].max())
            table.tint(rows, self.basis.rgb(table.latents[rows]))
