"""The revisit meter: notices that the walker is back at a place, and measures if it is the same.

"Then" is the first frame that was generated at the place. "Now" is the newest one there that was
generated after the walker had gone away; where there is none, what the window shows is still the
old frame, and nothing is measured. Measuring happens beside the frame loop. Knows nothing of
drawing or files.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from explorer.engine_events import Event
from explorer.known_world import KnownWorld
from explorer.places import AWAY_DEG, AWAY_M, Place, Places, Return
from explorer.protocol import CloudReset, SegmentReady
from explorer.warp import Likeness, Sight, likeness
from mirage_engine import Camera, Segment, pose_distance

NOW_M, NOW_DEG = 0.5, 20.0  # a frame this near a place was generated there
LATEST = 48  # frames among which one made anew is looked for
SHOW_S = 12.0  # a card stays after its last news
STEP_M, STEP_DEG = 0.1, 5.0  # between two remembered places of the way walked
STEPS_MOST = 20_000

FrameId = tuple[int, int]  # segment, and frame in it


@dataclass(frozen=True, eq=False)
class Step:
    """Where the walker was."""

    at_s: float  # since the world was entered
    camera: Camera


@dataclass(frozen=True, eq=False)
class Revisit:
    """A return to a place, and how alike it was; one row of the scoreboard."""

    number: int  # from 1
    at_s: float  # since the world was entered
    ago_s: float  # since the walker saw the place before
    walked_m: float  # until now
    metres: float  # from the place
    degrees: float
    place: Camera  # of the earlier frame
    thumbnail: np.ndarray  # [H / 2, W / 2, 3] uint8 of it
    then: FrameId
    now: FrameId | None = None  # None: nothing was generated there since
    pixels: int = 0  # that were compared
    share: float = 0.0  # 0..1 of all pixels
    psnr_db: float = float("nan")
    ssim: float = float("nan")

    @property
    def measured(self) -> bool:
        return bool(np.isfinite(self.psnr_db))


class Revisits:
    """The scoreboard of a world, fed with events and with where the walker is.

    Attributes:
        all: every return, oldest first.
        path: the way walked.
        likeness: the pictures of the return measured last, and `compared` which one that is.
    """

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1, "revisits")
        self._world_number = 0
        self._clear(0.0)

    def _clear(self, now_s: float) -> None:
        self.all: list[Revisit] = []
        self.path: list[Step] = []
        self.walked_m = 0.0
        self._last: Camera | None = None
        self.likeness: Likeness | None = None
        self.compared: Revisit | None = None
        self._began_s, self._news_s = now_s, -np.inf
        self._places, self._latest = Places(), deque[Place](maxlen=LATEST)
        self._heard: set[int] = set()  # segments
        self._here: Return | None = None  # until the walker leaves again
        self._work: tuple[Place, Future[Likeness]] | None = None

    def hear(self, event: Event, known: KnownWorld, now_s: float) -> None:
        """Takes in what the engine made or took back; after `known` did."""
        if known.world_number != self._world_number:
            self._world_number = known.world_number
            self._clear(now_s)
        match event:
            case SegmentReady():
                self._add(event.segment, now_s)
            case CloudReset():
                self._forget_from(event.segments)

    def think(self, known: KnownWorld, camera: Camera, now_s: float) -> None:
        """Once each display frame: the walker's way, returns, and measuring."""
        if known.start is None:
            return
        self._walk(camera, now_s)
        back = self._places.walk(camera, now_s)
        if back is not None:
            self._return(back, now_s)
        if self._here is not None:
            metres, degrees = pose_distance(self._here.place.camera.c2w, camera.c2w)
            if metres > AWAY_M or degrees > AWAY_DEG:
                self._here = None
        self._measure(now_s)

    def card(self, now_s: float) -> Revisit | None:
        """The newest return, as long as it is news."""
        return self.all[-1] if self.all and now_s - self._news_s < SHOW_S else None

    def _add(self, segment: Segment, now_s: float) -> None:
        if segment.index in self._heard:  # comes again after the engine was started again
            return
        self._heard.add(segment.index)
        shots = zip(segment.frames, segment.depth_m, segment.keep, segment.cameras, strict=True)
        for number, (frame, depth_m, keep, camera) in enumerate(shots):
            # Copies, as a view would keep the whole segment alive.
            sight = Sight(frame.copy(), depth_m.copy(), keep.copy(), camera)
            place = Place(sight, segment.index, number, now_s)
            self._places.add(place)
            self._latest.append(place)

    def _forget_from(self, segment: int) -> None:
        self._places.forget_from(segment)
        self._latest = deque((p for p in self._latest if p.segment < segment), maxlen=LATEST)
        self._heard = {index for index in self._heard if index < segment}
        if self._here is not None and self._here.place.segment >= segment:
            self._here = None

    def _walk(self, camera: Camera, now_s: float) -> None:
        if self._last is not None:
            self.walked_m += float(np.linalg.norm(camera.position - self._last.position))
        self._last = camera
        if self.path:
            metres, degrees = pose_distance(self.path[-1].camera.c2w, camera.c2w)
            if metres < STEP_M and degrees < STEP_DEG:
                return
        self.path.append(Step(now_s - self._began_s, camera))
        if len(self.path) > STEPS_MOST:
            del self.path[1:-1:2]

    def _return(self, back: Return, now_s: float) -> None:
        self._here, self._news_s, self._work = back, now_s, None
        revisit = Revisit(
            number=len(self.all) + 1,
            at_s=now_s - self._began_s,
            ago_s=now_s - back.seen_s,
            walked_m=self.walked_m,
            metres=back.metres,
            degrees=back.degrees,
            place=back.place.camera,
            thumbnail=back.place.sight.frame[::2, ::2].copy(),
            then=back.place.name,
        )
        self.all.append(revisit)

    def _measure(self, now_s: float) -> None:
        """Starts to compare if there is something newer than what was compared, and takes in."""
        if self._work is not None and self._work[1].done():
            (now, work), self._work = self._work, None
            self._measured(now, work.result(), now_s)
        if self._here is None or self._work is not None:
            return
        now = self._made_anew(self._here)
        if now is not None and now.name != self.all[-1].now:
            then = self._here.place.sight
            self._work = now, self._worker.submit(likeness, then, now.sight)

    def _made_anew(self, back: Return) -> Place | None:
        """The newest frame of the place that was generated after it had been left."""
        for place in reversed(self._latest):
            if place.made_s < back.left_s or place.segment <= back.place.segment:
                continue
            metres, degrees = pose_distance(place.camera.c2w, back.place.camera.c2w)
            if metres <= NOW_M and degrees <= NOW_DEG:
                return place
        return None

    def _measured(self, now: Place, found: Likeness, now_s: float) -> None:
        revisit = replace(
            self.all[-1],
            now=now.name,
            pixels=found.pixels,
            share=found.share,
            psnr_db=found.psnr_db,
            ssim=found.ssim,
        )
        self.all[-1], self._news_s = revisit, now_s
        self.likeness, self.compared = found, revisit
