"""The real program, with a stopwatch at its frame loop: `watched.py FRAMES.txt FLAGS...`.

Writes one line per display frame: when it looked for input, when its picture was handed to the
screen (seconds of the machine's monotonic clock), what the engine was doing, its process, and how
long the newest segment took to come, and whether a key was found pressed. Nothing else of the
program is changed.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from explorer import cli


def watch(path: str) -> None:
    """Puts the stopwatch in place."""
    import pygame

    from explorer.engine_client import EngineClient
    from explorer.event_log import EventLog
    from explorer.window import PygameWindow

    file = Path(path).open("w", buffering=1)  # noqa: SIM115 - as long as the program runs
    poll, present, display = PygameWindow.poll, PygameWindow.present, EventLog.display
    clients: list[EngineClient] = []
    begin = EngineClient.__init__
    times, keys = [time.monotonic()] * 2, [False]

    def kept(self: EngineClient, *values: Any) -> None:
        clients.append(self)
        begin(self, *values)

    def timed_poll(self: PygameWindow) -> Any:
        times[0] = time.monotonic()
        events = poll(self)
        keys[0] = any(event.type == pygame.KEYDOWN for event in events)
        return events

    def timed_present(self: PygameWindow) -> None:
        present(self)
        times[1] = time.monotonic()

    def noted(self: EventLog, *facts: Any) -> None:
        engine, pid, response_s = *facts[4:6], clients[-1].response_s or 0.0
        line = f"{times[0]:.6f} {times[1]:.6f} {engine} {pid} {response_s:.4f} {int(keys[0])}"
        file.write(line + "\n")
        display(self, *facts)

    for owner, name, replacement in (
        (PygameWindow, "poll", timed_poll),
        (PygameWindow, "present", timed_present),
        (EventLog, "display", noted),
        (EngineClient, "__init__", kept),
    ):
        setattr(owner, name, replacement)


if __name__ == "__main__":
    watch(sys.argv[1])
    raise SystemExit(cli.main(sys.argv[2:]))
