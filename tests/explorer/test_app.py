"""The frame loop with real keys, a real engine process and a window without a screen."""

import json
import time
from dataclasses import replace

import imageio_ffmpeg
import numpy as np
import pygame
import pytest
from PIL import Image

from explorer.actions import ACTIONS
from explorer.app import Explorer
from explorer.bindings import Bindings
from explorer.cli import Options
from explorer.config import ControlsConfig, ExplorerConfig
from explorer.engine_client import EngineClient
from explorer.engine_events import EngineSettings
from explorer.event_log import EventLog
from explorer.keymap import PLACES, Action
from explorer.window import HeadlessWindow
from mirage_engine import ConfigError

pytestmark = pytest.mark.gl
PATIENCE_S = 60.0
CALM = 150  # frames after which notes and fading pictures are gone
FAKE = EngineSettings(engine="tests.explorer.fake_world", threads=1)


class Hands:
    """An explorer, and somebody at its keys. Its clock ticks 1/30 s per frame."""

    def __init__(self, folder, window, client, **options):
        self.folder, self.window = folder, window
        config = replace(
            ExplorerConfig(), worlds_dir=str(folder / "worlds"), out_dir=str(folder / "out")
        )
        log = EventLog(folder / "log.ndjson", 0.0)
        self.app = Explorer(
            Options(**{"scene": 7, **options}),
            config,
            Bindings(ControlsConfig()),
            window,
            client,
            log,
        )
        self.app.now_s = 0.0
        self.app.begin(self.app.start, self.app.seed)

    def frames(self, count=1):
        for _ in range(count):
            self.app.step(self.app.now_s + 1 / 30)

    def wait(self, done):
        end = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < end, f"{self.app.client.state}: {self.said()}"
            self.frames()
            time.sleep(0.005)

    def ready(self):
        self.wait(lambda: self.app.known.ready is not None and self.app.client.state == "idle")
        return self

    def down(self, key, mod=0):
        event = pygame.event.Event(pygame.KEYDOWN, scancode=PLACES[key][0], mod=mod)
        self.window.put([event])
        self.frames()

    def up(self, key):
        self.window.put([pygame.event.Event(pygame.KEYUP, scancode=PLACES[key][0], mod=0)])
        self.frames()

    def press(self, key, mod=0):
        self.down(key, mod)
        self.up(key)

    def drop(self, path):
        self.window.put([pygame.event.Event(pygame.DROPFILE, file=str(path))])
        self.frames()

    def turn(self, count=40):
        """Looks to the right until new ground has been made."""
        before = self.segments()
        self.down("Right")
        for _ in range(count):  # the clock stands while the engine works: it is fast enough
            self.frames()
            end = time.monotonic() + PATIENCE_S
            while self.app.client.state == "generating" and time.monotonic() < end:
                time.sleep(0.002)
        self.up("Right")
        self.wait(lambda: self.segments() > before)
        before = -1
        while before < self.segments():  # until it has looked ahead again, and found all known
            before = self.segments()
            self.frames(10)
            self.wait(lambda: not self.app.asker.waiting and self.app.client.state == "idle")
            self.frames()  # takes in what came at the last moment

    def segments(self):
        newest = self.app.known.newest
        return -1 if newest is None else newest.index

    def said(self):
        return self.app.toasts.shown(self.app.now_s)

    def picture(self):
        self.app.screen.draw(self.app._frame())
        return self.window.read_pixels().astype(int)


@pytest.fixture(scope="module")
def window():
    window = HeadlessWindow((320, 200))
    yield window
    assert window.ctx.error == "GL_NO_ERROR"
    window.close()


@pytest.fixture
def hands(tmp_path, window):
    clients = []

    def make(**options):
        clients.append(EngineClient(FAKE))
        window.poll()
        return Hands(tmp_path, window, clients[-1], **options)

    yield make
    for client in clients:
        client.close()


def test_every_action_is_in_the_table():
    assert set(ACTIONS) == set(Action)


def test_turning_makes_new_ground_and_turning_back_makes_none(hands):
    h = hands().ready()
    h.turn()
    made = h.segments()
    assert made > 0 and h.app.known.horizon.coverage(h.app.walker.camera) > 0.8
    h.down("Left")
    h.frames(15)  # it looks ahead by half as much again
    h.up("Left")
    h.frames(30)
    assert h.segments() == made and h.app.client.state == "idle"


def test_a_key_changes_the_picture_in_the_next_frame(hands):
    h = hands().ready()
    before = h.picture()
    h.down("Right")
    h.frames()
    assert np.abs(h.picture() - before).mean() > 0.5


def test_help_and_overlays_show(hands):
    h = hands().ready()
    plain = h.picture()
    for key in ("H", "Tab", "Tab", "E", "2"):
        h.press(key)
        h.frames(12)
        now = h.picture()
        assert np.abs(now - plain).mean() > 0.2, key
        plain = now


def test_pause_single_and_undo(hands):
    h = hands().ready()
    h.press("P")
    h.down("Right")
    h.frames(40)
    h.up("Right")
    h.frames(20)
    assert h.segments() == 0
    h.press(".")
    h.wait(lambda: h.segments() == 1)
    h.frames(20)
    assert h.segments() == 1
    h.press("Z")
    h.wait(lambda: len(h.app.known.timeline) == 1)
    h.press("P")
    h.wait(lambda: h.segments() >= 1)


def test_a_saved_world_is_opened_where_it_was_left(hands):
    h = hands().ready()
    h.turn()
    h.press("P")
    h.wait(lambda: h.app.client.state == "idle")
    h.frames(10)
    segments, camera = h.segments(), h.app.known.newest.cameras[-1]
    assert h.app.known.unsaved
    h.press("S", pygame.KMOD_CTRL)
    h.wait(lambda: not h.app.known.unsaved)
    assert (h.folder / "worlds" / "scene-7.mirage").exists()
    h.press("N")
    h.wait(lambda: h.app.start.scene == 8 and h.segments() == 0 and h.app.known.ready)
    h.press("O", pygame.KMOD_CTRL)
    h.wait(lambda: len(h.app.known.timeline) >= 1 + 4 * segments)
    assert np.allclose(h.app.walker.camera.c2w, camera.c2w, atol=1e-6)


def test_a_dropped_picture_begins_a_world_and_a_dropped_folder_opens_one(hands):
    h = hands().ready()
    Image.new("RGB", (90, 60)).save(h.folder / "photo.png")
    h.app.client.save(h.folder / "mine.mirage")
    h.wait(lambda: any("saved" in text for text in h.said()))
    h.drop(h.folder / "photo.png")
    h.wait(lambda: h.app.start.kind == "image" and h.app.known.ready and h.segments() == 0)
    assert any("photo.png" in text and "outside" in text for text in h.said())
    h.drop(h.folder / "mine.mirage")
    h.wait(lambda: h.app.start.kind == "file" and h.app.known.ready and h.segments() == 0)
    assert h.app.world_path == h.folder / "mine.mirage"


def test_what_is_dropped_and_is_no_picture_changes_nothing(hands):
    h = hands().ready()
    (h.folder / "notes.txt").write_text("hello")
    for name in ("notes.txt", "."):
        h.drop(h.folder / name)
        assert any(str(h.folder / name) in text for text in h.said())
    assert (h.app.start.kind, h.app.world_path, h.app.client.state) == ("scene", None, "idle")


def test_a_world_that_cannot_be_opened_is_not_saved_over(hands):
    h = hands().ready()
    h.press("P")
    (h.folder / "broken.mirage").mkdir()
    (h.folder / "broken.mirage" / "world.json").write_text("{}")
    h.drop(h.folder / "broken.mirage")
    h.wait(lambda: any("could not restore" in text for text in h.said()))
    assert h.app.world_path is None


def test_a_tour_goes_there_and_back_without_running_ahead_of_what_is_known(hands):
    h = hands(tour="there-and-back").ready()
    assert h.app.walker.mode == "tour"
    worst = 1.0
    end = time.monotonic() + PATIENCE_S
    while h.app.walker.mode == "tour":
        assert time.monotonic() < end
        h.frames()
        time.sleep(0.002)
        worst = min(worst, h.app.known.horizon.coverage(h.app.walker.camera))
    assert h.segments() > 2 and worst > 0.4
    assert np.linalg.norm(h.app.walker.camera.position) < 0.3


def test_screenshots_and_recordings_are_files(hands):
    h = hands().ready()
    h.press("F12")
    h.press("R")
    h.frames(20)
    h.press("R")
    h.wait(lambda: any("screenshot" in text for text in h.said()))
    kinds = sorted(p.suffix for p in (h.folder / "out").iterdir())
    assert kinds == [".mp4", ".png"]
    assert any("recorded" in text for text in h.said())


def test_generate_here_makes_a_segment_on_known_ground(hands):
    h = hands().ready()
    h.press("G")
    h.wait(lambda: h.segments() == 1)


def test_escape_asks_first(hands):
    h = hands().ready()
    h.press("Esc")
    assert not h.app.quit and any("Esc again" in text for text in h.said())
    h.press("Esc")
    assert h.app.quit


def test_a_start_that_cannot_be_is_the_users_mistake_in_one_line(hands, tmp_path):
    h = hands(load=tmp_path / "none.mirage", scene=None)
    with pytest.raises(ConfigError, match=r"none\.mirage: not a world"):
        h.wait(lambda: False)


def test_the_log_tells_of_display_segments_and_input(hands):
    h = hands().ready()
    h.turn()
    lines = [json.loads(x) for x in (h.folder / "log.ndjson").read_text().splitlines()]
    told = {"display", "segment", "input"}  # and what a replay needs
    assert {x["type"] for x in lines} == told | {"walk", "begin", "engine", "frame"}
    assert [x["index"] for x in lines if x["type"] == "segment"] == list(range(h.segments() + 1))


def test_the_tint_shows_what_the_engine_says_and_costs_nothing_when_off(hands):
    h = hands().ready()
    h.frames(CALM)
    plain = h.picture()
    h.press("X")
    h.wait(lambda: h.app.inspection.inquiry.tint is not None)
    h.frames(2)
    tinted = h.picture()
    assert np.abs(tinted - plain).mean() > 1
    h.press("X")
    h.frames(CALM)
    assert h.app.inspection.inquiry.tint is None
    assert np.abs(h.picture() - plain).mean() < 1


def test_the_inspector_has_a_camera_of_its_own_and_one_key_jumps_between_the_views(hands):
    h = hands().ready()
    h.press("E")
    inspector = h.app.inspection.inspector
    assert h.app.view.overlay == "full" and inspector.in_space
    aim, stood = inspector.orbit.aim.copy(), h.app.walker.camera.position.copy()
    h.down("W")
    h.frames(10)
    h.up("W")
    assert np.linalg.norm(inspector.orbit.aim - aim) > 0.2
    assert np.array_equal(h.app.walker.camera.position, stood)
    space = h.picture()
    h.press("E")
    assert not inspector.in_space
    assert np.abs(h.picture() - space).mean() > 2
    h.down("Left")
    h.frames(10)
    h.up("Left")
    assert not np.allclose(h.app.walker.camera.c2w[:3, :3], np.eye(3), atol=0.05)
    h.press("Tab")
    assert h.app.view.overlay == "off"


def test_a_click_in_the_inspector_takes_no_mouse(hands):
    h = hands().ready()
    h.press("E")
    at = (160, 90)
    for kind in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
        h.window.put([pygame.event.Event(kind, pos=at, button=1)])
        h.frames()
    assert not h.app.bindings.captured
    h.press("Tab")
    h.window.put([pygame.event.Event(pygame.MOUSEBUTTONDOWN, pos=at, button=1)])
    h.frames()
    assert h.app.bindings.captured


def test_details_and_x_rays_come_while_the_inspector_is_open(hands):
    h = hands().ready()
    h.turn()
    inspector = h.app.inspection.inspector
    assert inspector.xray is None and not h.app.known.table.latents.shape[1]
    h.press("E")
    h.wait(lambda: inspector.basis is not None)
    assert np.isfinite(h.app.known.table.latents).all()
    assert len(np.unique(h.app.known.table["tints"], axis=0)) > 2
    inspector.tab = "x-ray"
    h.wait(lambda: inspector.xray is not None)
    assert inspector.xray.segment == h.segments() and not inspector.xray.coming
    inspector.xray_coming = True
    h.wait(lambda: inspector.xray.coming)
    assert inspector.xray.segment == h.segments() + 1


def delete_where(h, chosen):
    """Deletes the points of a [N] mask, and waits until memory has followed."""
    h.press("E")
    inspector, table = h.app.inspection.inspector, h.app.known.table
    inspector.selection.replace(table["ids"][chosen & table.alive])
    before = int(table.alive.sum())
    h.press("Delete")
    h.wait(lambda: table.alive.sum() < before)
    h.press("Tab")


def test_what_is_deleted_leaves_picture_and_horizon_and_comes_back_by_undo(hands):
    h = hands().ready()
    h.press("P")
    h.frames(CALM)
    plain, known = h.picture(), h.app.known
    points = known.table["points_world"][known.table.alive]
    delete_where(h, known.table["points_world"][:, 0] > 2.4)
    assert known.horizon.coverage(h.app.walker.camera) < 0.95
    h.frames(CALM)
    changed = np.abs(h.picture() - plain).mean(-1)
    assert changed[60:150, 290:].mean() > 10, "the right wall is fog"
    assert changed[60:150, 140:180].mean() < 2, "the far wall is as it was"
    h.press("Z")
    h.wait(lambda: known.table.alive.sum() == len(points))
    assert any("surgery" in text for text in h.said())
    h.frames(CALM)
    assert np.abs(h.picture() - plain).mean() < 1


def test_a_deleted_wall_is_invented_anew_and_undo_goes_back_step_by_step(hands):
    h = hands().ready()
    known = h.app.known
    before = set(known.table["ids"][known.table.alive].tolist())
    delete_where(h, known.table["points_world"][:, 0] > 0.8)
    h.wait(lambda: h.segments() >= 1)  # unasked: what is before the walker is unknown now
    h.press("P")
    h.wait(lambda: h.app.client.state == "idle")
    h.frames(10)
    wall = known.table.read & (known.table["points_world"][:, 0] > 0.8)
    assert wall.any() and not before & set(known.table["ids"][wall].tolist())
    while h.segments() > 0:
        made = h.segments()
        h.press("Z")
        h.wait(lambda made=made: h.segments() < made)
    h.press("Z")
    h.wait(lambda: set(known.table["ids"][known.table.alive].tolist()) == before)


def test_files_of_the_inspector_are_written(hands):
    h = hands().ready()
    h.press("E")
    h.frames(3)
    for what in ("ply", "npz", "picture"):
        h.app.inspection.inspector.wish(what)
    h.wait(lambda: sum("wrote" in text for text in h.said()) == 3)
    files = {p.suffix: p for p in (h.folder / "out").iterdir()}
    assert set(files) == {".ply", ".npz", ".png"}
    with np.load(files[".npz"], allow_pickle=False) as data:
        assert len(data["ids"]) == len(h.app.known.table)


def test_a_turntable_is_filmed_a_picture_at_a_time(hands, monkeypatch):
    monkeypatch.setattr("explorer.inspect_actions.TURN_FRAMES", 6)
    monkeypatch.setattr("explorer.inspect_actions.TURN_SIZE", (96, 160))
    h = hands().ready()
    h.press("E")
    h.app.inspection.inspector.wish("turntable")
    h.frames(3)
    assert not list((h.folder / "out").glob("*.mp4")), "not before it is whole"
    h.wait(lambda: any("wrote" in text for text in h.said()))
    (path,) = (h.folder / "out").glob("*.mp4")
    frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(path))
    assert frames == 6 and seconds == pytest.approx(0.2, abs=0.01)
