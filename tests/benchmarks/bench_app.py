"""The real program in a real window, measured from outside: first minute, display, hands, a kill.

It runs on an X server of its own whose picture lies in a mapped file, so that looking costs the
program nothing. Keys go in through the XTest extension. `key_to_picture` is the time from a key's
press until that file shows what it did, and which display frame found the key and drew what it
did: 1 is the one under way at the press, 2 the one after it. Frame times are those from one picture
to the next, waits for the frame limit included.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.desk import MISSING, ROOT, Desk

WIDTH, HEIGHT = 960, 600
STILL_S, TURN_S = 6.0, 10.0
PRESSES = 8
HELP_DIMS = 0.7  # help makes the middle of the picture darker than this share


@dataclass(frozen=True)
class FrameLine:
    """One display frame; seconds of the monotonic clock."""

    poll_s: float
    present_s: float
    engine: str
    pid: str
    response_s: float  # of the newest segment that was asked for; 0 before the first
    key: bool  # whether this frame found a key pressed


class Watched(Desk):
    """The program with its stopwatch, keys and pixels."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.frames_file = folder / "frames.txt"
        program = str(ROOT / "tests" / "benchmarks" / "watched.py")
        size = f"{WIDTH}x{HEIGHT}"
        super().__init__(folder, ["--size", size, *flags], [program, str(self.frames_file)])
        self._keys = Keys(self.display)
        self._screen = screen_of(folder / "Xvfb_screen0")

    def press(self, key: str) -> None:
        self._keys.send(key, down=True)

    def release(self, key: str) -> None:
        self._keys.send(key, down=False)

    def tap(self, key: str) -> None:
        self.press(key)
        self.release(key)

    @contextlib.contextmanager
    def held(self, key: str) -> Iterator[None]:
        self.press(key)
        try:
            yield
        finally:
            self.release(key)

    def middle(self) -> float:
        """Brightness of the middle of the screen, 0..255."""
        return float(self._screen[300:468:3, 400:624:3, :3].mean())

    def frames(self) -> list[FrameLine]:
        if not self.frames_file.exists():
            return []
        whole = self.frames_file.read_text().rpartition("\n")[0].splitlines()
        return [frame_line(line) for line in whole]

    def last(self) -> FrameLine:
        with self.frames_file.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 200))
            return frame_line(file.read().decode().rpartition("\n")[0].splitlines()[-1])

    def keep_asking(self) -> None:
        """Waits a little; asks for new frames if the engine has nothing to do."""
        if self.last().engine == "idle":
            self.tap("g")
        time.sleep(0.05)

    def since(self, begin_s: float) -> list[FrameLine]:
        return [f for f in self.frames() if f.poll_s >= begin_s]


def frame_line(line: str) -> FrameLine:
    poll_s, present_s, engine, pid, response_s, key = line.split()
    return FrameLine(
        float(poll_s), float(present_s), engine, pid, float(response_s), bool(int(key))
    )


class Keys:
    """Presses keys at once, where starting a tool for each would take longer than a frame."""

    def __init__(self, display: str) -> None:
        self._x11, self._test = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXtst.so.6")
        self._x11.XOpenDisplay.restype = ctypes.c_void_p
        self._x11.XStringToKeysym.restype = ctypes.c_ulong
        self._display = ctypes.c_void_p(self._x11.XOpenDisplay(display.encode()))

    def send(self, key: str, down: bool) -> None:
        symbol = ctypes.c_ulong(self._x11.XStringToKeysym(key.encode()))
        code = self._x11.XKeysymToKeycode(self._display, symbol)
        self._test.XTestFakeKeyEvent(self._display, code, int(down), ctypes.c_ulong(0))
        self._x11.XFlush(self._display)


def screen_of(path: Path) -> np.ndarray:
    """[768, 1024, 4] the server's picture as it is at any moment; XWD with a header."""
    header = np.fromfile(path, ">u4", 25)
    size, colors, stride, height = header[0], header[19], header[12], header[5]
    begin = int(size + 12 * colors)
    data = np.memmap(path, np.uint8, "r", begin, (int(height), int(stride)))
    return data.reshape(int(height), -1, 4)


def run() -> dict[str, Any]:
    """Seconds, milliseconds and frames; `skipped` says why there are none."""
    if MISSING:
        return {"skipped": f"{' and '.join(MISSING)} not installed"}
    with tempfile.TemporaryDirectory(prefix="mirage-bench-") as folder:
        desk = Watched(Path(folder), "--scene", "950000")
        try:
            return measure(desk)
        finally:
            desk.close()


def measure(desk: Watched) -> dict[str, Any]:
    result = first_minute(desk)
    settle(desk)
    begin_s = time.monotonic()
    time.sleep(STILL_S)
    result["still"] = display(desk.since(begin_s))
    result["still"]["key_to_picture"] = key_to_picture(desk)
    result["generating"] = generating(desk)
    result["restart"] = restart(desk)
    return result


def first_minute(desk: Watched) -> dict[str, Any]:
    """From the start of the program, with a hand on a key as soon as there is a window."""
    desk.wait(lambda: desk.middle() > 0, "a picture", 0.01)
    picture_s = time.monotonic() - desk.started_s
    with desk.held("Right"):
        desk.wait(lambda: desk.lines("segment"), "the start image", 0.02)
        start_s = time.monotonic() - desk.started_s
        desk.wait(lambda: desk.lines("segment")[1:], "new frames", 0.02)
        new_s = time.monotonic() - desk.started_s
    return {"window_s": picture_s, "start_image_s": start_s, "first_new_frames_s": new_s}


def settle(desk: Watched) -> None:
    """Until nothing has been generated for a while."""

    def calm() -> bool:
        last = desk.since(time.monotonic() - 1.5)
        return bool(last) and all(f.engine == "idle" for f in last)

    desk.wait(calm, "the engine to be idle")


def display(frames: list[FrameLine]) -> dict[str, Any]:
    """Rate and times from picture to picture."""
    gaps_ms = np.diff([f.present_s for f in frames]) * 1e3
    work_ms = [(f.present_s - f.poll_s) * 1e3 for f in frames]
    return {
        "median_fps": 1e3 / float(np.median(gaps_ms)),
        "frame_ms_p95": float(np.percentile(gaps_ms, 95)),
        "frame_ms_max": float(gaps_ms.max()),
        "work_ms_median": statistics.median(work_ms),
    }


def generating(desk: Watched) -> dict[str, Any]:
    """Turning on and on, and asking for new frames as soon as the last ones are there."""
    begin_s, before = time.monotonic(), len(desk.lines("segment"))
    with desk.held("Right"):
        while time.monotonic() < begin_s + TURN_S:
            desk.keep_asking()
        turning = desk.since(begin_s)
        made = desk.lines("segment")[before:]
        keys = key_to_picture(desk, desk.keep_asking)
    responses_s = {f.response_s for f in turning[1:]} - {turning[0].response_s}
    return {
        **display([f for f in turning if f.engine == "generating"]),
        "share_of_time": sum(f.engine == "generating" for f in turning) / len(turning),
        "response_s_median": statistics.median(responses_s),
        "segment_s_median": statistics.median(x["seconds"]["total"] for x in made),
        "key_to_picture": keys,
    }


def key_to_picture(desk: Watched, meanwhile: Callable[[], None] | None = None) -> dict[str, Any]:
    """Opens and closes the help, and watches the middle of the screen."""
    waits_ms, counts = [], []
    for _ in range(PRESSES):
        if meanwhile is not None:
            meanwhile()
        bright = desk.middle()
        pressed_s = time.monotonic()
        desk.press("h")
        desk.wait(lambda b=bright: desk.middle() < HELP_DIMS * b, "help", 0.0005)
        seen_s = time.monotonic()
        waits_ms.append((seen_s - pressed_s) * 1e3)
        desk.release("h")
        time.sleep(0.13)
        finished = [f for f in desk.since(pressed_s - 1) if f.present_s > pressed_s]
        counts.append(1 + next(i for i, f in enumerate(finished) if f.key))
        desk.tap("h")
        time.sleep(0.37)
    return {
        "ms_median": statistics.median(waits_ms),
        "ms_max": max(waits_ms),
        "frames_most": max(counts),
    }


def restart(desk: Watched) -> dict[str, Any]:
    """Kills the engine in the middle of a segment."""
    settle(desk)
    desk.tap("g")
    desk.wait(lambda: desk.last().engine == "generating", "a segment", 0.005)
    known = desk.lines("segment")[-1]["index"]
    victim, killed_s = desk.last().pid, time.monotonic()
    os.kill(int(victim), signal.SIGKILL)

    def back() -> bool:
        return desk.last().pid not in (victim, "None") and desk.last().engine in (
            "idle",
            "generating",
        )

    desk.wait(back, "the engine", 0.02)
    back_s = time.monotonic() - killed_s
    desk.wait(lambda: desk.lines("segment")[-1]["index"] > known, "the next segment", 0.02)
    new_s = time.monotonic() - killed_s
    frames = display([f for f in desk.since(killed_s) if f.present_s < killed_s + back_s])
    return {
        "engine_back_s": back_s,
        "new_frames_s": new_s,
        "frame_ms_p95": frames["frame_ms_p95"],
        "frame_ms_max": frames["frame_ms_max"],
    }
