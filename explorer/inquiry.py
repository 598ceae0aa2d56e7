"""What is asked of the engine only while somebody looks: details of points, X-rays, single views.

While the inspector is closed and nothing is tinted, nothing is asked and the engine does no work.
Knows nothing of drawing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from explorer.inspector import Inspector
from explorer.known_world import KnownWorld
from mirage_engine import Camera, ViewRead, pose_distance

DETAILS_S, XRAY_S, LOOK_S = 0.5, 0.3, 0.05  # least time between two questions of a kind
NEEDS_DETAILS = (1, 5)  # modes whose colours are features and times seen
STILL_M, STILL_DEG = 1e-4, 0.01


class Client(Protocol):
    """The members of `EngineClient` that asking needs."""

    @property
    def state(self) -> str: ...
    def look(self, camera: Camera) -> None: ...
    def inspect(self, path: Sequence[Camera]) -> None: ...
    def details(self, since_id: int) -> None: ...


class Inquiry:
    """Asks, and remembers what was asked last.

    Attributes:
        tint: what memory says of the newest view asked about; None while nothing is tinted.
    """

    def __init__(self, client: Client) -> None:
        self.tint: ViewRead | None = None
        self._client = client
        self._detailed = -1  # revision of the table
        self._details_s = self._xray_s = self._look_s = -1e9
        self._xrayed: tuple = ()
        self._looked: tuple[int, Camera] | None = None

    def forget(self) -> None:
        """For another world, or an engine that started anew."""
        self.tint, self._looked = None, None
        self._detailed, self._xrayed = -1, ()

    def think(
        self,
        inspector: Inspector,
        known: KnownWorld,
        open_: bool,  # the full inspector
        inset: bool,
        tinted: bool,
        walker: Camera,
        path: Callable[[], Sequence[Camera]],  # what the coming segment would see
        now_s: float,
    ) -> None:
        """Asks what is due. Cheap to call in every display frame."""
        if not tinted:
            self.tint, self._looked = None, None
        if self._client.state not in ("idle", "generating") or known.ready is None:
            return
        if open_ or (inset and inspector.points.mode in NEEDS_DETAILS):
            self._ask_details(known, now_s)
        if open_ and inspector.tab == "x-ray":
            self._ask_xray(inspector, known, path, now_s)
        if tinted:
            self._ask_look(known, walker, now_s)

    def _ask_details(self, known: KnownWorld, now_s: float) -> None:
        table = known.table
        if now_s - self._details_s < DETAILS_S or known.points_revision == self._detailed:
            return
        self._details_s, self._detailed = now_s, known.points_revision
        self._client.details(table.detailed_id)

    def _ask_xray(
        self,
        inspector: Inspector,
        known: KnownWorld,
        path: Callable[[], Sequence[Camera]],
        now_s: float,
    ) -> None:
        newest = 0 if known.newest is None else known.newest.index
        if now_s - self._xray_s < XRAY_S or (newest == 0 and not inspector.xray_coming):
            return
        cameras = tuple(path()) if inspector.xray_coming else ()
        poses = tuple(camera.c2w.round(3).tobytes() for camera in cameras)
        wanted = (known.points_revision, inspector.xray_coming, poses)
        if wanted != self._xrayed:
            self._xrayed, self._xray_s = wanted, now_s
            self._client.inspect(cameras)

    def _ask_look(self, known: KnownWorld, walker: Camera, now_s: float) -> None:
        if now_s - self._look_s < LOOK_S:
            return
        if self._looked is not None and self._looked[0] == known.points_revision:
            metres, degrees = pose_distance(self._looked[1].c2w, walker.c2w)
            if metres < STILL_M and degrees < STILL_DEG:
                return
        self._looked, self._look_s = (known.points_revision, walker), now_s
        self._client.look(walker)
