"""A screen without a monitor, the real program on it, and hands: for tests and benchmarks.

Needs Xvfb and xdotool. Whoever uses it closes it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PATIENCE_S = 120.0

MISSING = [tool for tool in ("Xvfb", "xdotool") if shutil.which(tool) is None]


class Desk:
    """The explorer in a window of an X server of its own, which keeps its picture in `folder`."""

    def __init__(
        self,
        folder: Path,
        flags: Sequence[str],
        program: Sequence[str] = (str(ROOT / "run_explorer.py"),),
    ) -> None:
        self.folder, self.log = folder, folder / "log.ndjson"
        self.server, self.display = start_x_server(folder)
        self.env = {**os.environ, "DISPLAY": self.display, "SDL_VIDEODRIVER": "x11"}
        self.env["SDL_VIDEO_WINDOW_POS"] = "0,0"
        self.errors = (folder / "errors.txt").open("w")
        self.started_s = time.monotonic()
        self.app = subprocess.Popen(
            [sys.executable, *program, *flags, "--log", str(self.log)],
            cwd=folder,
            env=self.env,
            stderr=self.errors,
            stdin=subprocess.DEVNULL,
        )

    def hands(self, *words: object) -> None:
        """What xdotool is to do."""
        command = ["xdotool", *map(str, words)]
        subprocess.run(command, env=self.env, check=True, timeout=20)

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """The lines of one type that the program has logged so far."""
        if not self.log.exists():
            return []
        whole = self.log.read_text().rpartition("\n")[0].splitlines()
        return [x for x in map(json.loads, whole) if x["type"] == kind]

    def wait(self, done: Callable[[], Any], what: object, every_s: float = 0.1) -> Any:
        """Waits until `done()` and returns what it gave."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if found := done():
                return found
            assert self.app.poll() is None, (self.folder / "errors.txt").read_text()
            time.sleep(every_s)
        raise AssertionError(f"waited for {what}; last: {self.lines('display')[-1:]}")

    def now(self) -> dict[str, Any]:
        """The next display line."""
        seen = len(self.lines("display"))
        return self.wait(lambda: self.lines("display")[seen:], "a display line")[0]

    def wait_for_state(self, *states: str) -> dict[str, Any]:
        """The first display line on which the engine is in one of `states`."""
        return self.wait(
            lambda: next((x for x in [self.now()] if x["engine"] in states), None), states
        )

    def close(self) -> None:
        for process in (self.app, self.server):
            if process.poll() is None:
                process.terminate()
                process.wait(10)
        self.errors.close()


def start_x_server(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A server on a display that is free, and the display's name; its pixels are in `folder`."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1024x768x24", "-nolisten", "tcp"]
    command += ["-fbdir", str(folder)]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as pipe:
        return server, f":{pipe.readline().strip()}"
