"""When to ask the engine for what: looks ahead ten times a second, asks past the horizon only.

Knows nothing of keys or drawing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from explorer.horizon import Horizon
from mirage_engine import Camera

THINK_S = 0.1  # between two looks ahead
CHANGE_S = 0.5  # between two changes of mind while the engine works
ELSEWHERE = 5.0  # frames between the end asked for and the end needed, to change one's mind


class Client(Protocol):
    """The members of `EngineClient` that asking needs."""

    @property
    def state(self) -> str: ...
    @property
    def asked(self) -> Sequence[Camera] | None: ...
    def ask(self, path: Sequence[Camera]) -> None: ...


class Asker:
    """Keeps generation just ahead of the walker.

    Attributes:
        paused: nothing is asked for, except by `once`.
        waiting: whether something ahead is unknown and not there yet.
        ahead: the cameras of the segment that is needed next; None while all ahead is known.
    """

    def __init__(self, client: Client, horizon: Horizon) -> None:
        self.paused = False
        self.waiting = False
        self.ahead: list[Camera] | None = None
        self._client, self._horizon = client, horizon
        self._next_s = 0.0
        self._asked_s = -CHANGE_S
        self._once: list[Camera] | None = None

    def once(self, path: list[Camera]) -> None:
        """Asks for this at the next chance, paused or not."""
        self._once = path

    def forget(self) -> None:
        """For a new world: nothing is wanted any more."""
        self._once, self.ahead, self.waiting = None, None, False

    def think(
        self,
        predict: Callable[[], Sequence[Camera]],  # where the walker is, then where it is going
        new_frames: int,
        now_s: float,
    ) -> None:
        """Asks if need be. Cheap to call in every display frame."""
        if self._client.state not in ("idle", "generating"):
            return
        if self._once is not None:
            path, self._once = self._once, None
            self._ask(path, now_s)
            return
        idle = self._client.asked is None
        if now_s < self._next_s and not (idle and self.waiting):
            return
        self._next_s = now_s + THINK_S
        path = None if self.paused else self._horizon.path_ahead(predict(), new_frames)
        self.waiting, self.ahead = path is not None, path
        if path is not None and (idle or self._changed(path, now_s)):
            self._ask(path, now_s)

    def _ask(self, path: list[Camera], now_s: float) -> None:
        self._asked_s = now_s
        self._client.ask(path)

    def _changed(self, path: list[Camera], now_s: float) -> bool:
        """Whether what is being generated is of no more use."""
        asked = self._client.asked
        if asked is None or now_s - self._asked_s < CHANGE_S:
            return False
        return self._horizon.spacing.steps(asked[-1], path[-1]) > ELSEWHERE
