"""What the display knows of the world, gathered from the engine's events.

Keyframes to show, the horizon, walls for the walker, the points of memory, the numbers of each
segment. Knows nothing of windows, keys or processes.
"""

from __future__ import annotations

import numpy as np

from explorer.engine_events import Event
from explorer.gone import NOTHING, Gone
from explorer.history import History
from explorer.horizon import Horizon
from explorer.memory_table import COLUMNS, MemoryTable
from explorer.observers import KeyframeIndex
from explorer.obstacles import Obstacles
from explorer.protocol import Changed, CloudReset, DetailsReady, Ready, SegmentReady
from explorer.timeline import Timeline
from mirage_engine import HIDDEN, LOCKED, Camera, Segment, WorldRecord

FLAGS = {"hide": (HIDDEN, True), "show": (HIDDEN, False)} | {
    "lock": (LOCKED, True),
    "unlock": (LOCKED, False),
}


class KnownWorld:
    """Fed with events; read by everything that draws and decides.

    Attributes:
        ready: the engine's word that the world can be walked; None before it.
        start: where the walker stands when this world appears; None before its first picture.
        newest: the segment generated last.
        table: the points of memory, the lost ones included.
        history: the numbers of each segment.
        keyframes: from where every generated frame was seen, and how deep.
        points_revision: grows when memory changed: a segment, surgery, an undo.
        surgeries: made since the newest segment; what an undo takes back first.
        world_number: grows when another world takes this one's place.
        unsaved: whether something was generated or changed since the last save.
    """

    def __init__(self, horizon: Horizon, obstacles: Obstacles) -> None:
        self.timeline, self.horizon, self.obstacles = Timeline(), horizon, obstacles
        self.table, self.history, self.keyframes = MemoryTable(), History(), KeyframeIndex()
        self.ready: Ready | None = None
        self.start: Camera | None = None
        self.newest: Segment | None = None
        self.points_revision = self.surgeries = self.world_number = 0
        self.unsaved = False
        self._epoch = -1
        self._known_segments = 0  # whose points are in the table
        self._away: dict[int, int] = {}  # ids that were deleted or hidden: newest segment then

    def take(self, event: Event, now_s: float) -> None:
        """Takes an event in; those that say nothing of the world are let pass."""
        if not isinstance(event, Ready | SegmentReady | CloudReset | Changed | DetailsReady):
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
            case Changed():
                self._change(event)
            case DetailsReady():
                found = event.details
                self.table.detail(found.ids, found.seen, found.new_ids, found.latents, found.frame)

    def open_record(self, record: WorldRecord) -> None:
        """Becomes a saved world, as far as its file tells: no picture but the last can be shown."""
        self._clear()
        names = [*(set(COLUMNS) - {"tints"}), "latents"]
        self.table.append({name: getattr(record.points, name) for name in names})
        for index, segment in enumerate(record.segments):
            self.history.add_saved(index, segment)
        self.start = record.segments[-1].cameras[-1]

    def _add(self, segment: Segment, now_s: float) -> None:
        if self.start is None:
            self.start = segment.cameras[-1]
        with_points = segment.index >= self._known_segments
        self.timeline.add(segment, now_s)
        self.horizon.add(segment, with_points)
        self.keyframes.add(segment)
        self.history.add(segment)
        if self.newest is None or segment.index >= self.newest.index:
            self.newest = segment
        if with_points:
            self._known_segments = segment.index + 1
            self.surgeries = 0
            self.points_revision += 1
            self.table.append(
                {
                    "ids": segment.point_ids,
                    "points_world": segment.points_world,
                    "colors": segment.colors,
                    "footprints_m": segment.footprints_m,
                    "born": np.full(len(segment.point_ids), segment.index, np.int32),
                }
            )
            self.table.kill(segment.removed_ids, segment.index)
            self.obstacles.see(self.horizon.points_world)

    def _reset(self, event: CloudReset) -> None:
        self.timeline.forget_from(event.segments)
        self.keyframes.forget_from(event.segments)
        self.history.forget_from(event.segments)
        self.surgeries = event.edits
        self._known_segments = event.segments
        self.points_revision += 1
        self.table.reconcile(
            event.segments,
            {
                "ids": event.ids,
                "points_world": event.points_world,
                "colors": event.colors,
                "footprints_m": event.footprints_m,
                "born": event.born,
                "flags": event.flags,
                "seen": event.seen,
            },
        )
        shown = event.ids[event.flags & HIDDEN == 0]
        self._away = {i: at for i, at in self._away.items() if i not in set(shown.tolist())}
        gone = self._gone()
        if len(gone.died) != len(event.gone_world):  # surgery that this display has not seen
            died = np.full(len(event.gone_world), event.segments - 1, np.int32)
            gone = Gone(event.gone_world, event.gone_footprints_m, died)
        self._look_again(event.segments, gone)
        if self.newest is not None and self.newest.index >= event.segments:
            self.newest = None
        self.history.change(event.segments - 1, len(event.ids), event.nbytes, 0)

    def _change(self, event: Changed) -> None:
        """Memory was edited by hand: pictures and horizon forget what it forgot."""
        table = self.table
        newest = 0 if self.newest is None else self.newest.index
        if event.kind in FLAGS:
            table.flag(event.ids, *FLAGS[event.kind])
        elif event.kind == "delete":
            table.kill(event.ids, newest)
        for i in event.ids.tolist() if event.kind in ("hide", "delete") else ():
            self._away[i] = newest
        for i in event.ids.tolist() if event.kind == "show" else ():
            self._away.pop(i, None)
        table.kill(event.removed_ids, newest)
        self.history.change(newest, event.points, event.nbytes, len(event.removed_ids))
        self.unsaved = True
        self.surgeries += 1
        self.points_revision += 1
        if event.kind in ("hide", "show", "delete", "budget"):
            self._look_again(newest + 1, self._gone())

    def _gone(self) -> Gone:
        """What was deleted or hidden, as far as the table knows the points."""
        table, ids = self.table, np.array(list(self._away), np.int64)
        ids = ids[np.isin(ids, table["ids"])]
        rows, died = table.rows(ids), np.array([self._away[i] for i in ids.tolist()], np.int32)
        return Gone(table["points_world"][rows], table["footprints_m"][rows], died)

    def _look_again(self, segments: int, gone: Gone) -> None:
        """Everything that was derived from the points, anew."""
        read = self.table.read
        points, footprints = self.table["points_world"][read], self.table["footprints_m"][read]
        self.timeline.hide_points(gone)
        self.horizon.reset(segments, points, footprints, gone)
        self.obstacles.see(self.horizon.points_world)

    def _clear(self) -> None:
        self.timeline.forget_from(0)
        self.timeline.hide_points(NOTHING)
        self.keyframes.clear()
        self.history.clear()
        self.table.clear()
        nothing = np.zeros((0, 4), np.float32)
        self.horizon.reset(0, nothing, np.zeros(0, np.float32))
        self.obstacles.see(nothing)
        self.ready = self.start = self.newest = None
        self.world_number += 1
        self.points_revision += 1
        self.surgeries = 0
        self.unsaved = False
        self._known_segments = 0
        self._away = {}
