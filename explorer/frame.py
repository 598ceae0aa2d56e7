"""Everything that one picture on the screen depends on, in one frozen record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from explorer.coverage import MapFacts
from explorer.inspector import Inspector
from explorer.known_world import KnownWorld
from explorer.protocol import Progress
from explorer.revisits import Revisits
from explorer.view import View
from mirage_engine import Camera, ViewRead


@dataclass(frozen=True)
class Frame:
    """What one picture shows."""

    camera: Camera  # the walker's, with the lens of the generated pictures
    known: KnownWorld
    view: View
    inspector: Inspector
    tint: ViewRead | None  # what memory says of a view near this one, while that is on show
    map: MapFacts
    revisits: Revisits
    now_s: float
    coverage: float
    remembered: float | None  # of the next segment, None while nothing is ahead
    fps: float
    mode: str
    caption: str
    toasts: Sequence[str]
    stages: Sequence[str]  # of loading, the last one going on
    progress: Progress | None
    engine: str
    response_s: float | None
    paused: bool
    recording: bool
