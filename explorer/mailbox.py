"""What waits for the engine: commands, questions, and the newest request. Knows what may wait."""

from __future__ import annotations

import threading
from collections import deque

from explorer import protocol

Question = protocol.Look | protocol.Inspect | protocol.Details


class Mailbox:
    """What the display wants next: commands in order, questions, and the newest request only.

    Of looks and X-rays only the newest is kept, too. Filled by a reader thread, emptied by the
    thread that owns the World.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._commands: deque[protocol.Message] = deque()
        self._questions: deque[Question] = deque()
        self._answered = False  # a question was taken last: a request may go first now
        self._ask: protocol.Ask | None = None
        self._dropped: list[protocol.Ask] = []
        self._cancelled = False

    def put(self, message: protocol.Message) -> None:
        with self._changed:
            if isinstance(message, protocol.Ask | protocol.Cancel):
                if self._ask is not None:
                    self._dropped.append(self._ask)
                self._ask = message if isinstance(message, protocol.Ask) else None
                self._cancelled |= isinstance(message, protocol.Cancel)
            elif isinstance(message, Question):
                self._add_question(message)
            else:
                self._commands.append(message)
            self._changed.notify()

    def take(self, wait_s: float | None) -> protocol.Message | None:
        """The next command, else a question or the newest request, else None after `wait_s`.

        Questions and requests take turns, so that neither waits for ever.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._commands or self._questions or self._ask, wait_s)
            self._cancelled = False
            if self._commands:
                return self._commands.popleft()
            if self._questions and not (self._answered and self._ask):
                self._answered = True
                return self._questions.popleft()
            self._answered = False
            message, self._ask = self._ask, None
            return message

    def take_dropped(self) -> list[protocol.Ask]:
        """Requests that newer ones replaced before they were begun."""
        with self._changed:
            dropped, self._dropped = self._dropped, []
            return dropped

    def wants_stop(self, step: int, total: int) -> bool:
        """Whether a segment at this step should be given up: for a command, not for a question.

        A newer request only stops one that is not half done: a display that changes its mind all
        the time would otherwise never see anything.
        """
        with self._changed:
            newer = self._ask is not None and 2 * step < total
            urgent = any(not isinstance(c, protocol.Save) for c in self._commands)
            return self._cancelled or urgent or newer

    def _add_question(self, question: Question) -> None:
        if not isinstance(question, protocol.Details):
            others = (q for q in self._questions if type(q) is not type(question))
            self._questions = deque(others)
        self._questions.append(question)
