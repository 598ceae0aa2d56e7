"""The engine's own process: owns the World and serves one display.

    python -m explorer.engine_process --engine mirage_engine < key

Reads a secret from stdin, prints the address where it listens, and talks to the first display that
knows the secret. Leaves when the display goes away. Errors travel as results. Knows nothing of
windows; the World comes from the module that `--engine` names.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection, Listener
from typing import Any

from explorer import protocol
from explorer.mailbox import Mailbox, Question
from mirage_engine import ConfigError, Edit

log = logging.getLogger("mirage.engine")

BEAT_S = 0.5


class Wire:
    """Sends messages, from any thread, and remembers when the engine last finished something."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._lock = connection, threading.Lock()
        self.epoch = 0
        self.busy_since: float | None = None

    def send(self, message: protocol.Message) -> None:
        data = protocol.encode(message)
        try:
            with self._lock:
                self._connection.send_bytes(data)
        except OSError:
            leave("the display went away")

    def beat(self) -> None:
        while True:
            since = self.busy_since
            busy_s = 0.0 if since is None else time.monotonic() - since
            self.send(protocol.Heartbeat(self.epoch, busy_s))
            time.sleep(BEAT_S)

    def stage(self, text: str) -> None:
        self.busy_since = time.monotonic()
        self.send(protocol.Stage(self.epoch, text))


class Engine:
    """Answers messages with a World. Lives in one thread."""

    def __init__(self, module: str, device: str, threads: int, wire: Wire, mail: Mailbox) -> None:
        self._module, self._device, self._threads = module, device, threads
        self._wire, self._mail = wire, mail
        self._world: Any = None
        self._autosave = ""
        self._unsent: deque[int] = deque()  # restored segments that the display has yet to get

    def serve(self) -> None:
        """Works until told to stop."""
        while True:
            self._wire.busy_since = None
            message = self._mail.take(0.0 if self._unsent else None)
            for ask in self._mail.take_dropped():
                self._wire.send(protocol.Dropped(ask.epoch, ask.request))
            self._wire.busy_since = time.monotonic()
            if isinstance(message, protocol.Stop):
                return
            if message is None:
                self._try("restore", self._send_one)
            elif isinstance(message, protocol.Begin):
                self._begin(message)
            elif message.epoch == self._wire.epoch and self._world is not None:
                self._answer(message)

    def _answer(self, message: protocol.Message) -> None:
        match message:
            case protocol.Ask():
                self._try("generate", lambda: self._advance(message), message.request)
            case protocol.Undo():
                self._try("undo", self._undo)
            case protocol.Change():
                self._try("change", lambda: self._change(message.edit))
            case protocol.Look() | protocol.Inspect() | protocol.Details():
                self._try("inspect", lambda: self._tell(message))
            case protocol.Save():
                if self._try("save", lambda: self._world.save(message.path)):
                    self._wire.send(protocol.Saved(message.epoch, message.path))

    def _begin(self, begin: protocol.Begin) -> None:
        self._wire.epoch, self._autosave = begin.epoch, begin.autosave
        self._unsent.clear()
        restored = begin.start.kind == "file"
        work = self._open if restored else self._load
        if not self._try("restore" if restored else "begin", lambda: work(begin)):
            return
        world = self._world
        ready = protocol.Ready(
            begin.epoch, world.segments, world.camera, world.new_frames, world.seed, world.preset
        )
        self._wire.send(ready)

    def _load(self, begin: protocol.Begin) -> None:
        self._world = None  # two large worlds at once may not fit
        self._wire.stage("loading the engine")
        engine = importlib.import_module(self._module)
        load_world = engine.load_world
        world = load_world(begin.preset, begin.seed, self._device, self._wire.stage, self._threads)
        start = begin.start
        if start.kind == "image":
            first = world.begin(image=start.image)
        elif start.kind == "prompt":
            first = world.begin(prompt=start.prompt)
        else:
            first = world.begin(scene=start.scene)
        self._wire.send(protocol.SegmentReady(begin.epoch, first, -1))
        self._wire.stage("warming up")
        world.advance([world.camera] * world.new_frames)
        world.undo()
        self._world = world
        self._keep()

    def _open(self, begin: protocol.Begin) -> None:
        self._world = None
        self._wire.stage("opening the world")
        engine = importlib.import_module(self._module)
        path = begin.start.path
        world = engine.open_world(path, self._device, self._wire.stage, self._threads)
        self._world = world
        self._send_cloud()
        if begin.have < world.segments:
            # The newest first: it shows where the walk stood.
            self._unsent.extend([world.segments - 1, *range(begin.have, world.segments - 1)])
        if begin.start.path != begin.autosave:
            self._keep()

    def _advance(self, ask: protocol.Ask) -> None:
        world, epoch, answers = self._world, ask.epoch, []

        def on_step(step: int, total: int) -> bool:
            self._wire.busy_since = time.monotonic()
            self._wire.send(protocol.Progress(epoch, world.segments, step, total))
            answers.append(not self._mail.wants_stop(step, total))
            return answers[-1]

        try:
            segment = world.advance(ask.path, on_step)
        except Exception:
            if answers and not answers[-1]:  # it was told to stop, and did
                self._wire.send(protocol.Dropped(epoch, ask.request))
                return
            raise
        self._keep()  # before it is shown: what was seen once is never lost
        self._wire.send(protocol.SegmentReady(epoch, segment, ask.request))

    def _undo(self) -> None:
        if not self._world.undo():
            raise ConfigError("nothing to undo: this is the start")
        self._unsent = deque(i for i in self._unsent if i < self._world.segments)
        self._keep()
        self._send_cloud()

    def _change(self, edit: Edit) -> None:
        world, epoch = self._world, self._wire.epoch
        ids = world.edit(edit)
        self._keep()
        removed = ids if edit.kind == "budget" else ids[:0]
        points, nbytes, budget_mib = world.point_count, world.nbytes, edit.budget_mib
        self._wire.send(
            protocol.Changed(epoch, edit.kind, ids, removed, points, nbytes, budget_mib)
        )

    def _tell(self, question: Question) -> None:
        world, epoch = self._world, self._wire.epoch
        match question:
            case protocol.Look():
                self._wire.send(protocol.Looked(epoch, world.look(question.camera)))
            case protocol.Inspect():
                self._wire.send(protocol.Inspected(epoch, world.xray(question.path)))
            case protocol.Details():
                self._wire.send(protocol.DetailsReady(epoch, world.details(question.since_id)))

    def _send_cloud(self) -> None:
        world = self._world
        gone_world, gone_footprints_m = world.gone
        self._wire.send(
            protocol.CloudReset(
                self._wire.epoch,
                world.segments,
                **vars(world.points),
                gone_world=gone_world,
                gone_footprints_m=gone_footprints_m,
                nbytes=world.nbytes,
                edits=sum(edit.after == world.segments for edit in world.edits),
            )
        )

    def _send_one(self) -> None:
        segment = self._world.segment(self._unsent.popleft())
        self._wire.send(protocol.SegmentReady(self._wire.epoch, segment, -1))

    def _keep(self) -> None:
        if self._autosave:
            self._try("autosave", lambda: self._world.save(self._autosave))

    def _try(self, doing: Any, work: Callable[[], object], request: int = -1) -> bool:
        """Does it, or tells the display in one line why not."""
        try:
            work()
        except Exception as error:
            user = isinstance(error, ConfigError)
            if not user:
                log.exception("could not %s", doing)
            text = " ".join(str(error).split()) or type(error).__name__
            text = text if user else f"{type(error).__name__}: {text}"
            self._wire.send(protocol.Failure(self._wire.epoch, doing, text, user, request))
            return False
        return True


def leave(why: str) -> None:
    """Ends the process at once, whatever its threads do."""
    log.info("leaving: %s", why)
    logging.shutdown()
    os._exit(0)


def read_messages(connection: Connection, mail: Mailbox) -> None:
    """Fills the mailbox until the display is gone."""
    while True:
        try:
            mail.put(protocol.decode(connection.recv_bytes()))
        except (EOFError, OSError):
            leave("the display went away")
        except protocol.ProtocolError as error:
            log.error("refused: %s", error)


def watch_parent() -> None:
    """The display holds our stdin open as long as it lives."""
    while sys.stdin.buffer.read(1):
        pass
    leave("the parent process went away")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="explorer.engine_process", description=__doc__)
    parser.add_argument("--engine", default="mirage_engine", help="module with load_world")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--address", help="where to listen; chosen if not given")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")

    if hasattr(os, "nice"):
        os.nice(2)  # the display goes first, and has few cores to share
    key = bytes.fromhex(sys.stdin.readline())
    with Listener(options.address, authkey=key) as listener:
        sys.stdout.write(f"{listener.address}\n")
        sys.stdout.flush()
        os.dup2(2, 1)  # a library that prints must not fill a pipe that nobody reads
        threading.Thread(target=watch_parent, daemon=True).start()
        connection = listener.accept()
    mail, wire = Mailbox(), Wire(connection)
    threading.Thread(target=read_messages, args=(connection, mail), daemon=True).start()
    threading.Thread(target=wire.beat, daemon=True).start()
    Engine(options.engine, options.device, options.threads, wire, mail).serve()
    leave("told to stop")
    return 0


if __name__ == "__main__":
    sys.exit(main())
