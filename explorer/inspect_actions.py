"""What the inspector's wishes do: one table from wish to a function on the explorer, and its files.

A file that takes longer than a frame is made beside the frame loop, or a picture at a time.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from explorer.actions import undo
from explorer.exports import export_npz, export_ply
from explorer.files import free_name
from explorer.inspect_tools import pick_row
from explorer.inspector import Wish
from explorer.recorder import VideoRecorder, write_png
from explorer.revisit_files import write_revisits
from explorer.selection import outlier_scores
from mirage_engine import ConfigError, Edit

if TYPE_CHECKING:
    from explorer.app import Explorer

SUFFIXES = {
    "ply": ".ply",
    "npz": ".npz",
    "picture": ".png",
    "turntable": ".mp4",
    "revisits": ".json",
}
TURN_FRAMES, TURN_FPS = 180, 30.0
TURN_SIZE = (640, 1024)  # (height, width) px of the turntable


def change(kind: str) -> Callable[[Explorer], None]:
    """Surgery on what is selected."""

    def do(e: Explorer) -> None:
        inspector = e.inspection.inspector
        if e.client.state not in ("idle", "generating"):
            e.say("memory can be changed when the engine is ready")
            return
        ids = e.known.table["ids"][inspector.selection.rows(e.known.table)]
        if not len(ids):
            e.say("nothing is selected")
            return
        e.client.cancel()  # what is being generated would use the memory of before
        e.client.change(Edit(kind, ids.astype(np.int32)))  # type: ignore[arg-type]
        if kind == "delete":
            inspector.selection.clear()

    return do


def budget(e: Explorer) -> None:
    e.client.change(Edit("budget", budget_mib=round(e.inspection.inspector.budget_mib, 2)))


def outliers(e: Explorer) -> None:
    e.inspection.export(e, "outliers")


def refresh(e: Explorer) -> None:
    e.inspection.inspector.tint(e.known.table, refresh=True)


def fly(e: Explorer) -> None:
    """To the point that a panel picked."""
    inspector = e.inspection.inspector
    if inspector.picked is not None:
        rows = e.known.table.rows(np.array([inspector.picked.id]))
        if len(rows):
            pick_row(inspector, e.known, int(rows[0]), e.now_s)


def export(what: str) -> Callable[[Explorer], None]:
    return lambda e: e.inspection.export(e, what)


WISHES: dict[Wish, Callable[[Explorer], None]] = {
    "hide": change("hide"),
    "show": change("show"),
    "lock": change("lock"),
    "unlock": change("unlock"),
    "delete": change("delete"),
    "undo": undo,
    "budget": budget,
    "outliers": outliers,
    "refresh": refresh,
    "fly": fly,
    "ply": export("ply"),
    "npz": export("npz"),
    "picture": export("picture"),
    "turntable": export("turntable"),
    "revisits": export("revisits"),
}


class Exports:
    """Files and sums that take a while."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1, "exports")
        self._waiting: list[tuple[str, Future]] = []
        self._turn: VideoRecorder | None = None

    def begin(self, e: Explorer, what: str) -> None:
        """Starts one of `ply npz picture turntable revisits outliers`."""
        table = e.known.table
        if what == "outliers":
            rows = np.flatnonzero(table.alive)
            points, footprints = table["points_world"][rows], table["footprints_m"][rows]
            work = self._worker.submit(outlier_scores, points, footprints)
            self._waiting.append(("outliers", work))
            return
        stem = f"{'revisits' if what == 'revisits' else 'memory'}-{time.strftime('%Y%m%d-%H%M%S')}"
        path = free_name(Path(e.config.out_dir), stem, SUFFIXES[what])
        if what == "turntable":
            self._begin_turn(e, path)
            return
        if what == "picture":
            picture = e.screen.figure(e._frame())
            work = self._worker.submit(write_png, path, picture)
        elif what == "revisits":
            all_, way = list(e.revisits.all), list(e.revisits.path)
            work = self._worker.submit(write_revisits, path, all_, way, e._facts())
        else:
            write = {"ply": export_ply, "npz": export_npz}[what]
            work = self._worker.submit(write, path, table.copy())
        self._waiting.append((str(path), work))

    def work(self, e: Explorer) -> None:
        """Once each display frame: the next picture of a turntable, and what has become ready."""
        if self._turn is not None:
            self._step_turn(e, self._turn)
        ready = [item for item in self._waiting if item[1].done()]
        self._waiting = [item for item in self._waiting if item not in ready]
        for name, work in ready:
            try:
                found = work.result()
            except ConfigError as error:
                e.say(str(error))
                continue
            if name == "outliers":
                self._select(e, found)
            else:
                e.say(f"wrote {name}")

    def _select(self, e: Explorer, scores: np.ndarray) -> None:
        inspector, table = e.inspection.inspector, e.known.table
        ids = table["ids"][table.alive]
        if len(ids) != len(scores):  # memory changed in between
            e.say("memory changed while outliers were looked for; try again")
            return
        inspector.selection.replace(ids[scores > inspector.outlier_score])

    def _begin_turn(self, e: Explorer, path: Path) -> None:
        if self._turn is not None:
            e.say("a turntable is being made already")
            return
        try:
            self._turn = VideoRecorder(path, TURN_FPS)
            e.say(f"turntable: {path}, {TURN_FRAMES / TURN_FPS:.0f} s of video")
        except ConfigError as error:
            e.say(str(error))

    def _step_turn(self, e: Explorer, video: VideoRecorder) -> None:
        share = video.frames / TURN_FRAMES
        try:
            video.add(e.screen.figure(e._frame(), TURN_SIZE, turn_deg=360.0 * share))
            if video.frames == TURN_FRAMES:
                self._turn = None
                video.close()
                e.say(f"wrote {video.path}")
        except ConfigError as error:
            self._turn = None
            with contextlib.suppress(ConfigError):
                video.abort()
            e.say(str(error))
