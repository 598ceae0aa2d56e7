"""What happens in the window, one JSON object per line, for programs that watch from outside.

Lines of type `display`, `segment` and `input`; `memory` where it was changed by hand or anew; and
those that a replay needs besides (`explorer.walk_log`).
"""

from __future__ import annotations

import json
import math
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from mirage_engine import Camera, ConfigError, Segment

EVERY_S = 1.0
STAGES = ("read", "denoise", "decode", "depth", "filter", "write", "total")


class EventLog:
    """Writes lines of type `display` each second, the others as they come.

    Raises:
        ConfigError: the file cannot be written.
    """

    def __init__(self, path: Path | None, start_s: float) -> None:
        self._start_s, self._next_s = start_s, start_s
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._file = None if path is None else path.open("w", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"--log {path}: cannot be written ({error.strerror})") from None

    @property
    def on(self) -> bool:
        """Whether anything is written."""
        return self._file is not None

    def display(
        self,
        now_s: float,
        frames: FrameTimes,
        camera: Camera,
        coverage: float,
        engine: str,
        engine_pid: int | None,
    ) -> None:
        """Cheap to call in every display frame."""
        if self._file is None or now_s < self._next_s:
            return
        self._next_s = now_s + EVERY_S
        self.entry(
            "display",
            t=round(now_s - self._start_s, 3),
            fps=round(frames.fps, 2),
            frame_ms_p95=round(frames.p95_ms, 2),
            pose=camera.c2w.reshape(-1).tolist(),
            coverage=round(coverage, 4),
            engine=engine,
            engine_pid=engine_pid,
        )

    def segment(self, segment: Segment) -> None:
        self.entry("segment", **segment_entry(segment))

    def memory(self, what: str, changed: int, points: int, segments: int) -> None:
        """Surgery, or `what` "reset": the points were sent anew, as after an undo."""
        self.entry("memory", what=what, changed=changed, points=points, segments=segments)

    def input(self, now_s: float, **what: Any) -> None:
        self.entry("input", t=round(now_s - self._start_s, 3), **what)

    def entry(self, kind: str, **content: Any) -> None:
        """Any other line."""
        if self._file is not None:
            self._file.write(json.dumps({"type": kind, **content}) + "\n")
            self._file.flush()

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()


def segment_entry(segment: Segment) -> dict[str, Any]:
    """What logs and reports say of a segment; plain JSON, which knows no infinity."""
    stages = dict.fromkeys(STAGES, 0.0) | segment.seconds
    return {
        "index": segment.index,
        "frames": len(segment.frames),
        "coverage": segment.coverage if math.isfinite(segment.coverage) else None,
        "points_added": segment.points_added,
        "points": segment.points,
        "bytes": segment.nbytes,
        "seconds": {stage: stages[stage] for stage in STAGES},
    }


class FrameTimes:
    """Durations of the display frames of the last second."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque()
        self._total_s = 0.0

    def add(self, frame_s: float) -> None:
        self._seconds.append(frame_s)
        self._total_s += frame_s
        while self._total_s > 1.0 and len(self._seconds) > 1:
            self._total_s -= self._seconds.popleft()

    @property
    def fps(self) -> float:
        return len(self._seconds) / self._total_s if self._total_s > 0 else 0.0

    @property
    def p95_ms(self) -> float:
        return float(np.percentile(self._seconds, 95)) * 1000 if self._seconds else 0.0


def clock_s() -> float:
    """The one clock of the explorer's frame loop, in seconds."""
    return time.monotonic()
