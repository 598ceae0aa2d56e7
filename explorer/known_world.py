"""What the display knows of the world, gathered from the engine's events.

Keyframes to show, the horizon, walls for the walker, the cloud of points. Knows nothing of
windows, keys or processes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explorer.engine_events import Event
from explorer.horizon import Horizon
from explorer.obstacles import Obstacles
from explorer.protocol import CloudReset, Ready, SegmentReady
from explorer.timeline import Timeline
from mirage_engine import Camera, Segment


@dataclass(frozen=True, eq=False)
class Cloud:
    """Points of memory."""

    points_world: np.ndarray  # [N, 4] float32; w 0 is sky
    colors: np.ndarray  # [N, 3] uint8
    footprints_m: np.ndarray  # [N] float32
    born: np.ndarray  # [N] int32, segment, rising


class KnownWorld:
    """Fed with events; read by everything that draws and decides.

    Attributes:
        ready: the engine's word that the world can be walked; None before it.
        start: where the walker stands when this world appears; None before its first picture.
        newest: the segment generated last.
        new_points: clouds to be added to what is drawn, in order; the reader empties it.
        world_number: grows when another world takes this one's place.
        cloud_number: grows when the points are to be drawn anew from `new_points`.
        unsaved: whether something was generated since the last save.
    """

    def __init__(self, horizon: Horizon, obstacles: Obstacles) -> None:
        self.timeline, self.horizon, self.obstacles = Timeline(), horizon, obstacles
        self.ready: Ready | None = None
        self.start: Camera | None = None
        self.newest: Segment | None = None
        self.new_points: list[Cloud] = []
        self.world_number = self.cloud_number = 0
        self.unsaved = False
        self._epoch = -1
        self._cloud_segments = 0  # whose points are known

    def take(self, event: Event, now_s: float) -> None:
        """Takes an event in; those that say nothing of the world are let pass."""
        if not isinstance(event, Ready | SegmentReady | CloudReset):
            return
        if event.epoch != self._epoch:
            self._epoch = event.epoch
            self._clear()
        match event:
            case Ready():
                self.ready = event
            case SegmentReady():
                self._add(event.segment, now_s)
                self.unsaved |= event.request >= 0
            case CloudReset():
                self._reset(event)

    def _add(self, segment: Segment, now_s: float) -> None:
        if self.start is None:
            self.start = segment.cameras[-1]
        with_points = segment.index >= self._cloud_segments
        self.timeline.add(segment, now_s)
        self.horizon.add(segment, with_points)
        if self.newest is None or segment.index >= self.newest.index:
            self.newest = segment
        if with_points:
            self._cloud_segments = segment.index + 1
            born = np.full(len(segment.points_world), segment.index, np.int32)
            self.new_points.append(
                Cloud(segment.points_world, segment.colors, segment.footprints_m, born)
            )
            self.obstacles.see(self.horizon.points_world)

    def _reset(self, event: CloudReset) -> None:
        self.timeline.forget_from(event.segments)
        self.horizon.reset(event.segments, event.points_world, event.footprints_m)
        self.obstacles.see(self.horizon.points_world)
        self.cloud_number += 1
        self._cloud_segments = event.segments
        order = np.argsort(event.born, kind="stable")
        facts = (event.points_world, event.colors, event.footprints_m, event.born.astype(np.int32))
        self.new_points = [Cloud(*(fact[order] for fact in facts))]
        if self.newest is not None and self.newest.index >= event.segments:
            self.newest = None

    def _clear(self) -> None:
        self.timeline.forget_from(0)
        nothing = np.zeros((0, 4), np.float32)
        self.horizon.reset(0, nothing, np.zeros(0, np.float32))
        self.obstacles.see(nothing)
        self.ready = self.start = self.newest = None
        self.new_points = []
        self.world_number += 1
        self.cloud_number += 1
        self.unsaved = False
        self._cloud_segments = 0
