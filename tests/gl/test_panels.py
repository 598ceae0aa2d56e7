"""The inspector on the screen, with a mouse: panels that answer, a view that turns and picks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pygame
import pytest

from explorer.config import DrawConfig
from explorer.frame import Frame
from explorer.horizon import Horizon
from explorer.inspect_tools import InspectTools
from explorer.inspector import Inspector
from explorer.known_world import KnownWorld
from explorer.obstacles import Obstacles
from explorer.protocol import DetailsReady, SegmentReady
from explorer.render.panels import LEFT_WIDTH, MARGIN, RIGHT_WIDTH
from explorer.revisits import Revisits
from explorer.screen import Screen
from explorer.view import View
from explorer.window import HeadlessWindow
from mirage_engine import PointDetails, XRay, load_config, pose
from tests.explorer.fake_world import load_world

pytestmark = pytest.mark.gl
SIZE = (1120, 700)
TABS = ("point", "x-ray", "surgery", "curves", "export")


class Desk:
    """A walk through the fake room, and a mouse over the inspector that shows it."""

    def __init__(self, window: HeadlessWindow) -> None:
        self.window, self.now_s, self.engine = window, 10.0, "idle"
        self.screen = Screen(window, DrawConfig(), [("W", "move")])
        self.known = KnownWorld(Horizon(), Obstacles(0.25, 1.5, 0.35))
        self.inspector, self.view = Inspector(), View(overlay="full")
        self.tools = InspectTools(self.inspector)
        world = load_world(load_config("pocket"), on_stage=lambda _: None)
        segments = [world.begin(scene=7)]
        turns = [world.camera.moved(pose([0, 0, 0], 25.0 * i)) for i in range(4)]
        segments += [world.advance([camera] * 4) for camera in turns[1:]]
        for segment in segments:
            self.known.take(SegmentReady(0, segment, 1), 0.0)
        self.walker = world.camera
        ids = self.known.table["ids"]
        latents = np.random.default_rng(0).normal(0, 1, (len(ids), 6)).astype(np.float16)
        ones = np.ones(len(ids), np.int32)
        flags = np.zeros(len(ids), np.uint8)
        details = PointDetails(ids, ones, flags, ids, latents, flags)
        self.known.take(DetailsReady(0, details), 0.0)
        self.inspector.tint(self.known.table)
        self.inspector.enter(self.known.table, self.walker)

    def frame(self) -> Frame:
        return Frame(
            camera=self.walker,
            known=self.known,
            view=self.view,
            inspector=self.inspector,
            tint=None,
            map=None,
            revisits=Revisits(),
            now_s=self.now_s,
            coverage=0.5,
            remembered=0.5,
            fps=60.0,
            mode="walk",
            caption="",
            toasts=(),
            stages=(),
            progress=None,
            engine=self.engine,
            response_s=None,
            paused=False,
            recording=False,
        )

    def draw(self, count: int = 2) -> np.ndarray:
        for _ in range(count):
            self.now_s += 1 / 30
            self.screen.draw(self.frame())
        return self.window.read_pixels().astype(int)

    def mouse(self, *events: pygame.event.Event) -> None:
        """The events of one display frame, as the frame loop passes them on."""
        _, pointers = self.screen.hands(list(events))
        camera = self.screen.view_camera(self.inspector, self.walker)
        self.tools.use(pointers, self.known, camera, self.now_s)
        self.draw(1)

    def move(self, x: float, y: float, held: bool = False, rel: tuple[float, float] = (0, 0)):
        at, buttons = (round(x), round(y)), (int(held), 0, 0)
        self.mouse(pygame.event.Event(pygame.MOUSEMOTION, pos=at, rel=rel, buttons=buttons))

    def button(self, kind: int, x: float, y: float) -> None:
        self.mouse(pygame.event.Event(kind, pos=(round(x), round(y)), button=1))

    def click(self, x: float, y: float) -> None:
        self.move(x, y)
        self.button(pygame.MOUSEBUTTONDOWN, x, y)
        self.button(pygame.MOUSEBUTTONUP, x, y)
        self.draw(1)

    def drag(self, a: tuple[float, float], b: tuple[float, float], steps: int = 4) -> None:
        self.move(*a)
        self.button(pygame.MOUSEBUTTONDOWN, *a)
        for i in range(1, steps + 1):
            x, y = np.add(a, np.subtract(b, a) * i / steps)
            self.move(x, y, held=True, rel=tuple(np.subtract(b, a) / steps))
        self.button(pygame.MOUSEBUTTONUP, *b)

    def click_tab(self, name: str) -> None:
        step = (RIGHT_WIDTH - 24) / len(TABS)
        left = SIZE[0] - RIGHT_WIDTH - MARGIN + 12
        self.click(left + (TABS.index(name) + 0.5) * step, MARGIN + 20)


@pytest.fixture(scope="module")
def window():
    window = HeadlessWindow(SIZE)
    yield window
    window.close()


@pytest.fixture
def desk(window):
    yield Desk(window)
    assert window.ctx.error == "GL_NO_ERROR"


def test_every_tab_opens_under_the_mouse_and_draws_something_else(desk):
    pictures = {}
    for name in TABS:
        desk.click_tab(name)
        assert desk.inspector.tab == name
        pictures[name] = desk.draw()[:, -round(RIGHT_WIDTH) :]
    names = list(pictures)
    for one, other in pairwise(names):
        assert np.abs(pictures[one] - pictures[other]).mean() > 1, (one, other)


def test_a_click_on_a_panel_is_no_click_on_the_view(desk):
    before = desk.inspector.orbit.camera((600, 960)).c2w
    desk.drag((SIZE[0] - 100, 300), (SIZE[0] - 200, 350))
    assert np.array_equal(desk.inspector.orbit.camera((600, 960)).c2w, before)
    assert desk.inspector.picked is None


def test_dragging_the_view_turns_it_and_the_wheel_nears_it(desk):
    orbit, middle = desk.inspector.orbit, (LEFT_WIDTH + 250, 300)
    yaw, far = orbit.yaw_deg, orbit.distance_m
    desk.drag(middle, (middle[0] + 120, middle[1]))
    assert abs(orbit.yaw_deg - yaw) > 10
    desk.mouse(pygame.event.Event(pygame.MOUSEWHEEL, x=0, y=2))
    assert orbit.distance_m < far
    assert desk.inspector.picked is None, "a drag is no click"


def test_the_buttons_of_modes_choose_the_colours(desk):
    before = desk.draw()
    desk.click(MARGIN + 12 + 40, MARGIN + 64)  # second row, on the left
    assert desk.inspector.points.mode == 2
    assert np.abs(desk.draw() - before).mean() > 1


def test_a_click_picks_the_point_there_and_the_panel_tells_of_it(desk):
    desk.click_tab("curves")
    desk.inspector.in_space = False
    camera = desk.screen.view_camera(desk.inspector, desk.walker)
    table = desk.known.table
    ahead = table["points_world"] @ camera.w2c[:3].T @ camera.intrinsics.T
    pixels = ahead[:, :2] / ahead[:, 2:]
    row = int(np.argmin(np.linalg.norm(pixels - [480, 330], axis=1)))
    desk.click(*pixels[row])
    picked = desk.inspector.picked
    assert picked is not None and desk.inspector.tab == "point"
    found = table.rows(np.array([picked.id]))[0]
    assert np.linalg.norm(pixels[found] - pixels[row]) < 3
    assert len(picked.neighbours) == 8 and picked.id not in picked.neighbours
    assert 0 in picked.observers, "the start image saw it"
    assert desk.inspector.in_space, "the view flies there"


def test_a_box_selects_what_is_in_it_and_nothing_else(desk):
    desk.inspector.tool, desk.inspector.in_space = "box", False
    desk.inspector.visible_only = False
    desk.drag((400, 250), (520, 400))
    camera = desk.screen.view_camera(desk.inspector, desk.walker)
    table = desk.known.table
    ahead = table["points_world"] @ camera.w2c[:3].T @ camera.intrinsics.T
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = ahead[:, :2] / ahead[:, 2:]
    inside = (ahead[:, 2] > 0.05) & (pixels >= [400, 250]).all(1) & (pixels <= [520, 400]).all(1)
    selected = np.zeros(len(table), bool)
    selected[desk.inspector.selection.rows(table)] = True
    assert inside.sum() > 10 and np.array_equal(selected, inside)


def test_a_brush_adds_stroke_by_stroke(desk):
    desk.inspector.tool, desk.inspector.in_space = "brush", False
    desk.drag((400, 300), (410, 300))
    first = desk.inspector.selection.count
    desk.drag((560, 300), (570, 300))
    assert 0 < first < desk.inspector.selection.count


def test_the_past_is_shown_without_what_came_later(desk):
    now = desk.draw()
    desk.inspector.shown = 0
    then = desk.draw()
    assert np.abs(now - then)[100:500, 250:700].mean() > 0.05


def test_an_x_ray_lies_side_by_side_and_a_click_on_a_cell_asks_for_its_point(desk):
    newest = desk.known.newest
    t, (h, w) = 5, (40, 64)
    ids = np.full((t, h, w), int(desk.known.table["ids"][3]), np.int32)
    desk.inspector.xray = XRay(
        segment=newest.index,
        coming=False,
        cameras=(desk.walker,) * t,
        latents=np.zeros((t, 6, h, w), np.float16),
        mask=np.ones((t, h, w), bool),
        depth_m=np.ones((t, h, w), np.float32),
        point_ids=ids,
        decoded=np.full((t, *newest.frames.shape[1:]), 90, np.uint8),
        first=(1, 3),
        source_frames=np.array([[0, 0], [1, 2]], np.int32),
        source_shares=np.array([0.7, 0.3], np.float32),
        references=np.array([[0, 0]], np.int32),
        reference_shares=np.array([0.4], np.float32),
        residual=0.01,
        gone_first=np.zeros((h, w), bool),
    )
    desk.click_tab("x-ray")
    desk.draw()
    left = SIZE[0] - RIGHT_WIDTH - MARGIN
    desk.click(left + 70, MARGIN + 140)
    assert desk.inspector.picked is not None and desk.inspector.picked.id == ids[0, 0, 0]
    assert desk.inspector.take_wishes() == ["fly"]


def test_a_figure_is_twice_the_window_and_on_paper(desk):
    desk.draw()
    picture = desk.screen.figure(desk.frame())
    assert picture.shape == (2 * SIZE[1], 2 * SIZE[0], 3)
    assert picture[0, 0].min() > 200, "paper is light"
    turned = desk.screen.figure(desk.frame(), (200, 320), turn_deg=90.0)
    assert turned.shape == (200, 320, 3)


def test_surgery_is_wished_for_with_an_engine_and_not_without_one(desk):
    desk.inspector.selection.replace(desk.known.table["ids"][:5])
    desk.inspector.tab = "surgery"
    for engine, wishes in (("idle", ["hide"]), ("off", [])):
        desk.engine = engine
        desk.draw()
        desk.click(SIZE[0] - RIGHT_WIDTH + 20, 235)
        assert desk.inspector.take_wishes() == wishes
