"""The lines that programs read from outside."""

import json

import numpy as np
import pytest

from explorer.event_log import EventLog, FrameTimes
from mirage_engine import ConfigError, Preset
from tests.explorer.fake_world import FakeWorld

DISPLAY = {
    "type",
    "t",
    "fps",
    "frame_ms_p95",
    "pose",
    "coverage",
    "engine",
    "engine_pid",
}
SEGMENT = {"type", "index", "frames", "coverage", "points_added", "points", "bytes", "seconds"}


def test_every_line_has_the_promised_keys(tmp_path):
    world, times = FakeWorld(Preset("pocket"), 0), FrameTimes()
    times.add(0.02)
    with EventLog(tmp_path / "a" / "log.ndjson", 100.0) as log:
        for i in range(31):
            log.display(100 + i / 10, times, world.camera, 0.5, "idle", None)
        log.segment(world.begin(scene=0))
        log.input(103.5, action="help")
    lines = [json.loads(x) for x in (tmp_path / "a" / "log.ndjson").read_text().splitlines()]
    shown = [x for x in lines if x["type"] == "display"]
    assert [x["t"] for x in shown] == [0.0, 1.0, 2.0, 3.0]
    assert all(set(x) == DISPLAY for x in shown)
    assert np.array_equal(np.reshape(shown[0]["pose"], (4, 4)), world.camera.c2w)
    (segment,) = (x for x in lines if x["type"] == "segment")
    assert set(segment) == SEGMENT and set(segment["seconds"]) >= {"read", "denoise", "total"}
    assert lines[-1] == {"type": "input", "t": 3.5, "action": "help"}


def test_without_a_file_nothing_is_written():
    with EventLog(None, 0.0) as log:
        log.input(1.0, action="help")


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"--log .*log.ndjson: cannot be written"):
        EventLog(tmp_path / "file" / "log.ndjson", 0.0)


def test_frame_times_are_those_of_the_last_second():
    times = FrameTimes()
    for _ in range(100):
        times.add(0.5)
    for _ in range(100):
        times.add(0.01)
    assert times.fps == pytest.approx(100, rel=0.02)
    assert times.p95_ms == pytest.approx(10)
    times.add(0.3)
    assert times.fps < 80
