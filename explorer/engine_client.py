"""The display's side of the engine process: asks, never waits, and brings it back when it dies.

Two threads: one sends, one receives, watches the heartbeat and restarts. The frame loop only
appends to queues and reads them. Knows messages; knows nothing of windows or pictures.
"""

from __future__ import annotations

import itertools
import queue
import shutil
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from explorer import protocol
from explorer.engine_events import EngineSettings, Event, GaveUp, Restarted, State, empty_cloud
from explorer.engine_link import EngineLink, LinkError
from explorer.protocol import CloudReset, Failure, Ready, SegmentReady, Stage, Start
from mirage_engine import Camera, Edit, Preset

MAX_FAILED_STARTS = 3
MAX_EVENTS = 512  # that the display has yet to read; then the engine waits


class EngineClient:
    """A world in another process.

    Attributes:
        state: what the engine is doing.
        pid: of the engine process, None while there is none.
        response_s: from the last answered request to its segment, None before the first.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.state: State = "starting"
        self.response_s: float | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="mirage-"))
        self._events: queue.Queue[Event] = queue.Queue(MAX_EVENTS)
        self._changed = threading.Condition()
        self._outbox: deque[protocol.Message] = deque()
        self._link: EngineLink | None = None
        self._thread: threading.Thread | None = None
        self._closing = False
        self._epoch = 0
        self._requests = 0
        self._begin: protocol.Begin | None = None
        self._restorable = False  # whether the autosave holds the world of this epoch
        self._previous: protocol.Begin | None = None  # a world to go back to if this fails
        self._have: set[int] = set()  # segments that the display has
        self._ask: protocol.Ask | None = None  # the newest, until it is answered
        self._asked_at_s = 0.0
        self._deadly = -1  # the request that an engine died over

    @property
    def pid(self) -> int | None:
        link = self._link
        return None if link is None else link.pid

    @property
    def asked(self) -> tuple[Camera, ...] | None:
        """The path being generated or waiting, None when nothing is."""
        ask = self._ask
        return None if ask is None else ask.path

    @property
    def epoch(self) -> int:
        """Grows with every world; events of earlier worlds are never returned."""
        return self._epoch

    def new_world(self, preset: Preset, seed: int, start: Start) -> None:
        """Begins another world, and starts the engine if need be. The old one is forgotten."""
        with self._changed:
            if self._restorable:
                self._previous = self._begin
            self._epoch += 1
            self._restorable, self._ask, self._deadly = False, None, -1
            self._have = set()
            autosave = str(self.folder / f"autosave{self._epoch}.mirage")
            self._begin = protocol.Begin(self._epoch, preset, seed, start, autosave)
            self._outbox.clear()
            self._outbox.append(self._begin)
            self.state = "starting"
            self._changed.notify_all()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def open(self, path: str | Path, preset: Preset, seed: int = 0) -> None:
        """Begins from a saved world, which brings its own preset and seed."""
        self.new_world(preset, seed, Start("file", path=str(path)))

    def ask(self, path: Sequence[Camera]) -> None:
        """Asks for what `path` sees; a newer request replaces an older one."""
        with self._changed:
            self._requests += 1
            self._ask = protocol.Ask(self._epoch, self._requests, tuple(path))
            self._asked_at_s = time.monotonic()
            if self.state == "idle":
                self.state = "generating"
            self._drop_waiting(protocol.Ask)
            self._outbox.append(self._ask)
            self._changed.notify_all()

    def cancel(self) -> None:
        """Gives up what is being generated, at the next step."""
        with self._changed:
            self._drop_waiting(protocol.Ask)
            self._ask = None
            if self.state == "generating":
                self.state = "idle"
        self._send(protocol.Cancel(self._epoch))

    def undo(self) -> None:
        """Takes the last segment or edit back; a CloudReset follows."""
        self.cancel()
        self._send(protocol.Undo(self._epoch))

    def change(self, edit: Edit) -> None:
        """Edits memory by hand; Changed or Failure follows. Undone like a segment."""
        self._send(protocol.Change(self._epoch, edit))

    def look(self, camera: Camera) -> None:
        """Asks what memory answers for a view; Looked follows, of the newest question only."""
        self._send_newest(protocol.Look(self._epoch, camera))

    def inspect(self, path: Sequence[Camera]) -> None:
        """Asks what would condition a segment along `path`; without one, what did the last one.

        Inspected or Failure follows, of the newest question only.
        """
        self._send_newest(protocol.Inspect(self._epoch, tuple(path)))

    def details(self, since_id: int) -> None:
        """Asks for counts, and for the features of points above `since_id`; DetailsReady follows.

        Questions and edits die with the engine: after a restart the display asks again.
        """
        self._send(protocol.Details(self._epoch, since_id))

    def save(self, path: str | Path) -> None:
        """Writes the world; Saved or Failure follows."""
        self._send(protocol.Save(self._epoch, str(path)))

    def poll(self) -> list[Event]:
        """What has happened since the last call. Never waits."""
        events: list[Event] = []
        while True:
            try:
                event = self._events.get_nowait()
            except queue.Empty:
                return events
            if event.epoch == self._epoch:
                events.append(event)

    def close(self) -> None:
        """Ends the engine process and forgets the autosave. Returns within a second."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._link is not None:
            self._link.kill()
        if self._thread is not None:
            self._thread.join(0.8)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _send(self, message: protocol.Message) -> None:
        with self._changed:
            self._outbox.append(message)
            self._changed.notify_all()

    def _send_newest(self, message: protocol.Message) -> None:
        with self._changed:
            self._drop_waiting(type(message))
            self._send(message)

    def _drop_waiting(self, kind: type) -> None:
        self._outbox = deque(m for m in self._outbox if not isinstance(m, kind))

    # The receiving thread.

    def _run(self) -> None:
        failed, tries = 0, 0
        while not self._closing:
            died = self._live(tries)
            tries += 1
            if self._closing:
                return
            failed = 0 if died.useful else failed + 1
            if failed >= MAX_FAILED_STARTS:
                self.state = "failed"
                self._emit(GaveUp(self._epoch, f"{died.why}; gave up after {failed} starts"))
                return
            self._prepare_restart(died.why)

    def _live(self, tries: int) -> _Death:
        """One engine process, from its start to its end."""
        self._emit(Stage(self._epoch, "starting python"))
        run = self.settings
        try:
            link = EngineLink(run.engine, run.device, run.threads, self.folder, tries)
        except (LinkError, OSError) as error:
            return _Death(str(error), useful=False)
        self._link = link
        if self._closing:  # closed while it started
            link.kill()
        sender = threading.Thread(target=self._send_all, args=(link,), daemon=True)
        sender.start()
        useful, why = False, ""
        heard = time.monotonic()
        while not why:
            try:
                data = link.receive(0.1)
            except (EOFError, OSError):
                why = "the engine process died"
                break
            now = time.monotonic()
            if data is None:
                if now - heard > self._timeout_s():
                    why = f"the engine process was silent for {now - heard:.0f} s"
                continue
            heard = now
            message = protocol.decode(data)
            useful = useful or isinstance(message, Ready)
            why = self._receive(message)
            heard = time.monotonic()  # a full queue is our own delay, not the engine's
        with self._changed:
            self._link = None
            self._changed.notify_all()
        link.kill()
        sender.join()
        return _Death(why, useful)

    def _timeout_s(self) -> float:
        loading = self.state in ("starting", "restarting")
        return self.settings.load_timeout_s if loading else self.settings.beat_timeout_s

    def _send_all(self, link: EngineLink) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._outbox or self._link is not link)
                if self._link is not link:
                    return
                message = self._outbox.popleft()
            try:
                link.send(protocol.encode(message))
            except OSError:
                return  # the receiving thread sees the same end and restarts

    def _receive(self, message: protocol.Message) -> str:
        """Takes note of a message; returns why the engine must be restarted, "" if it need not."""
        if isinstance(message, protocol.Heartbeat):
            loading = self.state in ("starting", "restarting")
            hangs = not loading and message.busy_s > self.settings.step_timeout_s
            return f"one step took more than {message.busy_s:.0f} s" if hangs else ""
        if message.epoch != self._epoch:
            return ""
        lost = isinstance(message, Failure) and message.doing in ("begin", "restore")
        if isinstance(message, Event) and not lost:
            self._emit(message)  # first: whoever sees an idle engine finds its answer, too
        with self._changed:
            self._note(message)
        if isinstance(message, Failure) and lost:
            self._recover(message)
        return ""

    def _note(self, message: protocol.Message) -> None:
        match message:
            case Ready():
                self._restorable = True
                self.state = "generating" if self._ask else "idle"
            case SegmentReady():
                self._have.add(message.segment.index)
                self._answered(message.request, got_it=True)
            case CloudReset():
                self._have &= set(range(message.segments))
            case protocol.Dropped():
                self._answered(message.request)
            case Failure():
                self._answered(message.request)

    def _answered(self, request: int, got_it: bool = False) -> None:
        if self._ask is None or request != self._ask.request:
            return
        self._ask = None
        if got_it:
            self.response_s = time.monotonic() - self._asked_at_s
        if self.state == "generating":
            self.state = "idle"

    def _prepare_restart(self, why: str) -> None:
        """Queues what brings a new process to where the old one was."""
        with self._changed:
            self.state = "restarting"
            begin = self._begin
            assert begin is not None
            if self._restorable:
                start = Start("file", path=begin.autosave)
                have = next(i for i in itertools.count() if i not in self._have)
                begin = replace(begin, start=start, have=have)
            self._outbox.clear()
            self._outbox.append(begin)
            if self._ask is not None and self._ask.request != self._deadly:
                self._deadly = self._ask.request
                self._outbox.append(self._ask)
            else:  # it died twice over the same request
                self._ask = None
        self._emit(Restarted(self._epoch, why))

    def _recover(self, failure: Failure) -> None:
        """A world could not be begun: goes on with the one before, or from the beginning."""
        begin, again = self._begin, self._restorable
        assert begin is not None
        if again:  # the autosave could not be read after a restart
            with self._changed:
                self._restorable, self._have, self._ask = False, set(), None
                self._outbox.append(begin)
            self._emit(empty_cloud(self._epoch))
        elif self._previous is not None:
            back, self._previous = self._previous, None
            self.new_world(back.preset, back.seed, Start("file", path=back.autosave))
        else:
            self.state = "failed"
        self._emit(replace(failure, epoch=self._epoch))

    def _emit(self, event: Event) -> None:
        while not self._closing:
            try:
                self._events.put(event, timeout=0.1)
                return
            except queue.Full:
                continue


@dataclass(frozen=True)
class _Death:
    why: str
    useful: bool  # whether it had a world before it ended
