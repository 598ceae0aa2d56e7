"""The words over the picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explorer.bindings import Bindings
from explorer.config import ControlsConfig
from explorer.render import hud as hud_module
from explorer.render.canvas import Canvas
from explorer.render.hud import Hud, HudState, Stage

pytestmark = pytest.mark.gl

SIZE = (600, 960)
FULL = HudState(
    remembered=0.5,
    points=81_920,
    memory_mib=2.8,
    segment=4,
    step=1,
    steps=2,
    generated_fps=17.0,
    display_fps=58.0,
    response_s=0.3,
    engine="generating",
)


@pytest.fixture
def words(monkeypatch):
    """Every text that is drawn, in order, with its place."""
    said = []
    text = Canvas.text

    def listen(self, x, y, words, *rest, **more):
        said.append((words, x, y))
        text(self, x, y, words, *rest, **more)

    monkeypatch.setattr(Canvas, "text", listen)
    return said


@pytest.fixture(scope="module")
def hud(gl_context):
    return Hud(gl_context)


@pytest.fixture
def show(hud, ctx, canvas, look):
    def draw(state, size=SIZE, scale=1.0):
        target = canvas(size)
        target.clear(0.5, 0.5, 0.5, 1.0)
        hud.draw(target, state, scale)
        return look(target)

    return draw


def test_the_panel_is_in_the_upper_left_and_the_middle_stays_free(show):
    picture = show(FULL).astype(int)
    changed = np.abs(picture - 128).max(-1) > 2
    assert changed[14:200, 14:220].mean() > 0.5
    assert not changed[60:540, 240:].any()


def test_the_panel_says_the_numbers(show, words):
    show(FULL)
    said = " ".join(word for word, _, _ in words)
    for part in (
        "generating",
        "1/2",
        "50 % remembered",
        "81,920",
        "2.8 MiB",
        "17.0",
        "58",
        "0.30 s",
    ):
        assert part in said


def test_a_picture_from_elsewhere_is_marked(show, words):
    show(replace(FULL, reprojected=0.97))
    assert "reprojected 97%" in [word for word, _, _ in words]
    words.clear()
    show(FULL)
    assert not [word for word, _, _ in words if "reprojected" in word]


@pytest.mark.parametrize("size", [(600, 960), (240, 400), (1080, 1920)])
def test_the_help_screen_lists_every_key_inside_the_window(show, words, size):
    rows = tuple(Bindings(ControlsConfig()).help_rows())
    show(replace(FULL, panel=False, help_rows=rows), size)
    said = [word for word, _, _ in words]
    for key, meaning in rows:
        assert key in said
        assert meaning in said
    assert all(0 <= x < size[1] and 0 <= y < size[0] - 8 for _, x, y in words)


def test_loading_covers_everything_and_names_the_stages(show, words):
    stages = (Stage("Loading the model", "now"), Stage("First picture"))
    picture = show(HudState(loading=stages)).astype(int)
    assert picture[:, :5].max() < 60
    said = [word for word, _, _ in words]
    assert hud_module.NAME in said
    assert "Loading the model" in said
    assert "First picture" in said


def test_captions_notes_and_flags_are_said(show, words):
    show(replace(FULL, caption="Is it the same room?", toasts=("Saved", "Undone"), paused=True))
    said = [word for word, _, _ in words]
    assert {"Is it the same room?", "Saved", "Undone", "paused"} <= set(said)


def test_a_dense_screen_gets_larger_words(show):
    small, large = (np.abs(show(FULL, scale=s).astype(int) - 128).max(-1) > 2 for s in (1, 2))
    assert large.sum() > 2.5 * small.sum()


def test_drawing_again_and_at_other_sizes_works(show):
    first = show(FULL)
    show(FULL, (300, 400))
    np.testing.assert_array_equal(show(FULL), first)


def test_the_words_fit_a_window_that_was_resized(ctx, canvas, look):
    resized, fresh = canvas((900, 1200)), canvas(SIZE)
    resized.viewport = (0, 0, SIZE[1], SIZE[0])  # its framebuffer still reports the old size
    hud = Hud(ctx)
    for target in (resized, fresh):
        hud.draw(target, FULL)
    assert look(fresh).max() > 150
    assert np.array_equal(look(resized)[-SIZE[0] :, : SIZE[1]], look(fresh))
