"""The engine of a replay: does what a log says it was asked for, and answers when it did then.

Stands where the client stands. What the walk asks for is let pass: the log knows which requests
were answered, and in which order, so that the world never depends on who was faster. Works ahead
of the walk where it can.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from explorer.engine_client import EngineClient
from explorer.engine_events import Event
from explorer.protocol import Failure, Start
from explorer.walk_log import Answer, WalkLog, answer_of, begin_entry, check_same
from mirage_engine import Camera, ConfigError, Edit, Preset

AHEAD = 3  # answers that may wait for their frame

log = logging.getLogger("mirage")


class ReplayedEngine:
    """The members of `EngineClient`.

    Attributes:
        worlds: begun so far.
        checked: segments made so far.
        different: segments whose frames are not what they were.
    """

    def __init__(self, client: EngineClient, walk: WalkLog, lens: Camera) -> None:
        self._client, self._lens = client, lens
        self._begins = deque(walk.begins)
        self._asked = _requests(walk)  # of each world, what was asked for in it
        self._requests: deque[Answer] = deque()
        self._busy, self._begun = True, False
        self._came: list[tuple[Answer, Event]] = []  # that wait for their frame
        self._due: list[Event] = []
        self.worlds = self.checked = self.different = 0

    @property
    def state(self) -> str:
        return self._client.state

    @property
    def pid(self) -> int | None:
        return self._client.pid

    @property
    def response_s(self) -> float | None:
        return self._client.response_s

    @property
    def asked(self) -> Sequence[Camera] | None:
        return self._client.asked

    def new_world(self, preset: Preset, seed: int, start: Start) -> None:
        """Raises ConfigError: another world began here when the walk was recorded, or none."""
        if not self._begins:
            raise ConfigError("--replay: no world began here when the walk was recorded")
        check_same(self._begins.popleft(), begin_entry(preset, seed, start))
        self.worlds += 1
        self._requests = self._asked.popleft()
        self._busy, self._begun, self._came = True, False, []
        self._client.new_world(preset, seed, start)

    def arrived(self, answers: Sequence[Answer]) -> bool:
        """Whether these are there; `poll` then returns them.

        Raises:
            ConfigError: the engine died, or cannot do what it could.
        """
        self._work(len(answers))
        left, found = list(self._came), []
        for answer in answers:
            match = next((item for item in left if _alike(item[0], answer)), None)
            if match is None:
                return False
            left.remove(match)
            found.append(match)
        self._came = left
        for answer, (mine, event) in zip(answers, found, strict=True):
            self._compare(answer, mine)
            self._due.append(event)
        return True

    def poll(self) -> list[Event]:
        """News, and the answers of the frame that `arrived` let begin."""
        events, self._due = self._due, []
        return events

    def ask(self, path: Sequence[Camera]) -> None: ...
    def cancel(self) -> None: ...
    def undo(self) -> None: ...
    def change(self, edit: Edit) -> None: ...
    def save(self, path: str | Path) -> None: ...

    def look(self, camera: Camera) -> None:
        self._client.look(camera)

    def inspect(self, path: Sequence[Camera]) -> None:
        self._client.inspect(path)

    def details(self, since_id: int) -> None:
        self._client.details(since_id)

    def close(self) -> None:
        self._client.close()

    def _work(self, wanted: int) -> None:
        """Takes in what the engine has done, and tells it what comes next."""
        for event in self._client.poll():
            self._take(event)
        if not self._busy and self._requests and len(self._came) < AHEAD + wanted:
            self._busy = True
            self._tell(self._requests.popleft())

    def _tell(self, request: Answer) -> None:
        if request.what == "segment":
            self._client.ask(request.path(self._lens))
        elif request.what == "undone":
            self._client.undo()
        else:
            self._client.change(request.change())

    def _take(self, event: Event) -> None:
        if isinstance(event, Failure) and event.doing in ("generate", "undo", "change"):
            raise ConfigError(f"--replay: could not {event.doing}: {event.text}")
        if isinstance(event, Failure) and event.doing in ("begin", "restore"):
            self._due.append(event)  # the loop knows what to say
            return
        try:
            answer = answer_of(event, self._begun)
        except ConfigError:
            raise ConfigError(f"--replay: {getattr(event, 'why', 'the engine was lost')}") from None
        if answer is None:
            self._due.append(event)
            return
        self._came.append((answer, event))
        self._begun = self._begun or answer.what == "ready"
        if answer.asked or answer.what == "ready":
            self._busy = False

    def _compare(self, then: Answer, now: Answer) -> None:
        if then.what not in ("segment", "shown"):
            return
        self.checked += 1
        if then.crc != now.crc:
            self.different += 1
            log.warning("segment %d is not what it was", then.index)


def _alike(a: Answer, b: Answer) -> bool:
    return (a.what, a.index) == (b.what, b.index)


def _requests(walk: WalkLog) -> deque[deque[Answer]]:
    worlds: deque[deque[Answer]] = deque(deque() for _ in walk.begins)
    for frame in walk.frames:
        worlds[frame.begins - 1].extend(a for a in frame.answers if a.asked)
    return worlds
