"""A saved world in the inspector alone: no engine, no model, and the same points."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pygame
import pytest

from explorer.app import Explorer
from explorer.bindings import Bindings
from explorer.cli import Options, main
from explorer.config import ControlsConfig, ExplorerConfig
from explorer.engine_off import EngineOff
from explorer.event_log import EventLog
from explorer.keymap import PLACES
from explorer.window import HeadlessWindow
from tests.engine.tiny_engine import tiny_world, walk

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    world = tiny_world()
    world.begin(scene=900_003)
    for _ in range(2):
        world.advance(walk())
    path = tmp_path_factory.mktemp("worlds") / "room.mirage"
    world.save(path)
    return world, path


@pytest.fixture
def looking(saved, tmp_path):
    """An explorer that looks into the file."""
    _, path = saved
    window = HeadlessWindow((960, 600))
    with EventLog(None, 0.0) as log:
        options = Options(inspect=path)
        bindings = Bindings(ControlsConfig())
        app = Explorer(options, ExplorerConfig(), bindings, window, EngineOff(), log)
        app.now_s = 0.0
        app.inspection.open_record(app, path)
        yield app
    assert window.ctx.error == "GL_NO_ERROR"
    window.close()


def frames(app, count=3, *events):
    app.window.put(events)
    for _ in range(count):
        app.step(app.now_s + 1 / 30)
    return app.window.read_pixels().astype(int)


def key(name):
    return pygame.event.Event(pygame.KEYDOWN, scancode=PLACES[name][0], mod=0)


@pytest.mark.gl
def test_every_point_of_the_file_is_there_with_its_past(saved, looking):
    world, _ = saved
    table, held = looking.known.table, world.points
    alive = table.alive
    order, theirs = np.argsort(table["ids"][alive]), np.argsort(held.ids)
    for name in ("ids", "points_world", "colors", "footprints_m", "born", "seen"):
        mine = table[name][alive][order]
        assert np.array_equal(mine, getattr(held, name)[theirs]), name
    assert np.isfinite(table.latents).all()
    assert len(looking.known.history) == 3
    assert looking.known.history.records[2].points == world.point_count


@pytest.mark.gl
def test_it_is_drawn_and_time_can_be_stepped(looking):
    now = frames(looking, 4)
    assert now[100:450, 250:620].std() > 5, "points on a dark ground"
    then = frames(looking, 4, key("["), key("["))
    assert looking.inspection.inspector.shown is not None
    assert np.abs(now - then).mean() > 0.1


@pytest.mark.gl
def test_nothing_can_be_changed_or_generated(looking):
    before = len(looking.known.table)
    looking.inspection.inspector.selection.replace(looking.known.table["ids"][:9])
    for name in ("Delete", "Z", "G", ".", "P", "X", "E", "W"):
        frames(looking, 2, key(name))
    assert len(looking.known.table) == before and looking.known.table.alive.any()
    assert looking.known.newest is None
    assert any("no engine" in text for text in looking.toasts.shown(looking.now_s))


def test_what_cannot_be_inspected_is_refused_in_one_line(tmp_path, capsys):
    assert main(["--inspect", str(tmp_path / "none.mirage")]) == 2
    assert main(["--inspect", str(tmp_path), "--tour", "square"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2
    assert "not a world folder" in lines[0] and "--tour does not go with --inspect" in lines[1]


def test_a_file_is_read_without_torch(saved):
    code = "import sys, explorer.cli as c; c.check(c.parse(sys.argv[1:]))"
    code += "; print('torch' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code, "--inspect", str(saved[1])],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout.strip()) == (0, "False"), run.stderr
