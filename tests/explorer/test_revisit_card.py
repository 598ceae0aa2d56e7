"""Walking away and back with real keys: a card, what was made anew measured, then against now."""

import json

import numpy as np
import pytest

from explorer.render.revisit_view import FLICKER_S, WIPE_S, duration, shows_then, wipe_share
from explorer.revisits import SHOW_S
from mirage_engine import pose_distance
from tests.explorer.test_app import hands, window  # noqa: F401  (the same desk)

pytestmark = pytest.mark.gl
WORDS = np.s_[145:200, 240:320]  # of the card, in a window too small for all of it


CLEAR = np.s_[90:150, 225:318]  # of the picture, with no words over it


def look_away_and_back(h):
    """To the right until new ground was made there; then back to the start, and nothing is made."""
    start = h.app.known.start
    h.turn()
    h.press("P")
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
    found.then[:], found.now[:] = (255, 0, 0), (0, 0, 255)
    h.press("Y")
    seen = set()
    for _ in range(int(2 * FLICKER_S * 30)):
        h.frames()
        picture, then = h.picture()[CLEAR], shows_then(h.app.now_s)
        seen.add(then)
        assert (
            (picture[..., 0] > 250).mean() > 0.9 if then else (picture[..., 2] > 250).mean() > 0.9
        )
    assert seen == {True, False}
    h.press("Y")
    for _ in range(4):
        h.frames(int(WIPE_S * 30 / 7))
        picture = h.picture()[CLEAR]
        divider = round(320 * wipe_share(h.app.now_s)) - CLEAR[1].start
        left, right = picture[:, : max(divider - 3, 0)], picture[:, max(divider + 3, 0) :]
        assert not left.size or (left[..., 0] > 250).mean() > 0.9
        assert not right.size or (right[..., 2] > 250).mean() > 0.9
    h.press("Y")
    h.frames(150)
    assert np.abs(h.picture() - walk).mean() < 1


def test_the_scoreboard_shows_in_the_inspector_and_is_written(hands):  # noqa: F811
    h = hands().ready()
    look_away_and_back(h)
    h.press("E")
    inspector = h.app.inspection.inspector
    inspector.tab = "export"
    h.frames(3)
    inspector.wish("revisits")
    h.wait(lambda: any("wrote" in text for text in h.said()))
    files = sorted(p.name.partition("-path")[1] + p.suffix for p in (h.folder / "out").iterdir())
    assert files == ["-path.csv", ".csv", ".json"]
    content = json.loads(next((h.folder / "out").glob("*.json")).read_text())
    assert content["returns"] == len(h.app.revisits.all) and len(content["path"]) > 10
    assert (content["seed"], content["start"]) == (h.app.seed, "scene-7")


def test_durations_are_words():
    assert [duration(s) for s in (0.4, 38.2, 59.7, 125)] == [
        "0 s",
        "38 s",
        "1 min 0 s",
        "2 min 5 s",
    ]
