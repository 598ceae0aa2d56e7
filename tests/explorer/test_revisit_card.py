"""Walking away and back with real keys: a card, what was made anew measured, then against now."""

import numpy as np
import pytest

from explorer.render.revisit_view import FLICKER_S, WIPE_S, duration, shows_then, wipe_share
from explorer.revisits import SHOW_S
from mirage_engine import pose_distance
from tests.explorer.test_app import hands, window  # noqa: F401  (the same desk)

pytestmark = pytest.mark.gl
WORDS = np.s_[145:200, 240:320]  # of the card, in a window too small for all of it


def look_away_and_back(h):
    """To the right until new ground was made there, and back until the start is in view."""
    start = h.app.known.start
    h.turn()
    h.down("Left")
    h.wait(lambda: pose_distance(h.app.walker.camera.c2w, start.c2w)[1] < 3)
    h.up("Left")
    h.wait(lambda: h.app.client.state == "idle")


def test_a_return_has_a_card_and_what_is_made_anew_is_measured(hands):  # noqa: F811
    h = hands().ready()
    h.press("Y")
    assert h.app.view.then_now == "off" and any("twice" in text for text in h.said())
    before = h.picture()
    look_away_and_back(h)
    assert h.app.revisits.all[-1].then == (0, 0)
    assert not h.app.revisits.all[-1].measured
    carded = h.picture()
    assert np.abs(carded - before)[WORDS].mean() > 5
    h.press("G")
    h.wait(lambda: h.app.revisits.all[-1].measured)
    revisit = h.app.revisits.all[-1]
    assert revisit.psnr_db > 25 and revisit.share > 0.7 and revisit.now[0] == h.segments()
    assert np.abs(h.picture() - carded)[WORDS].mean() > 1, "now it has figures"
    h.frames(int(SHOW_S * 30) + 2)
    assert h.app.revisits.card(h.app.now_s) is None


def test_one_key_flickers_wipes_and_ends(hands):  # noqa: F811
    h = hands().ready()
    look_away_and_back(h)
    h.press("G")
    h.wait(lambda: h.app.revisits.all[-1].measured)
    h.frames(int(SHOW_S * 30) + 2)
    walk = h.picture()
    found = h.app.revisits.likeness
    found.then[:] = found.then // 3 * 3  # differ in a way that shows where either is drawn
    found.then[..., 0] = 255
    found.now[..., 2] = 255
    reds = []
    h.press("Y")
    for _ in range(int(2 * FLICKER_S * 30)):
        h.frames()
        picture = h.picture()[80:130, 100:220]
        reds.append((picture[..., 0] == 255).mean() > 0.6)
        assert reds[-1] == shows_then(h.app.now_s)
    assert set(reds) == {True, False}
    h.press("Y")
    for _ in range(3):
        h.frames(int(WIPE_S * 30 / 7))
        row = h.picture()[100]
        divider = round(320 * wipe_share(h.app.now_s))
        left, right = row[: max(divider - 3, 0)], row[divider + 3 :]
        assert (left[:, 0] > 250).mean() > 0.6 and (right[:, 2] > 250).mean() > 0.6
    h.press("Y")
    h.frames(150)
    assert np.abs(h.picture() - walk).mean() < 1


def test_durations_are_words():
    assert [duration(s) for s in (0.4, 38.2, 59.7, 125)] == [
        "0 s",
        "38 s",
        "1 min 0 s",
        "2 min 5 s",
    ]
