"""Which places the contact sheet shows as left and found again."""

from __future__ import annotations

import numpy as np

from explorer.contact_sheet import COLUMNS, Shot, Titles, draw_contact_sheet, returns, spread
from mirage_engine import Camera, pinhole, pose

SIZE = (160, 256)
TITLES = Titles("a walk", "some facts", "30 dB")


def shots(poses: list[np.ndarray]) -> list[Shot]:
    lens = pinhole(SIZE, 77.0)
    return [
        Shot(np.full((*SIZE, 3), 5 * n, np.uint8), Camera(c2w, lens, SIZE), n, (n + 3) // 4)
        for n, c2w in enumerate(poses)
    ]


def there(frames: int) -> list[np.ndarray]:
    return [pose((0, 0, 0.2 * k)) for k in range(frames)]


def test_a_walk_there_and_back_pairs_each_place_with_its_return():
    walk = shots([*there(11), *there(10)[::-1]])
    pairs = [(first.number, again.number) for first, again in returns(walk)]
    assert pairs == [(k, 20 - k) for k in range(7)]  # nearer the turn, too few frames lie between


def test_a_walk_that_never_returns_has_no_pairs():
    assert returns(shots(there(30))) == []


def test_standing_still_is_no_return():
    assert returns(shots([pose((0, 0, 0))] * 30)) == []


def test_the_same_spot_looking_elsewhere_is_no_return():
    assert returns(shots([pose((0, 0, 0), 5.0 * k) for k in range(40)])) == []


def test_a_full_turn_finds_the_start_again():
    pairs = returns(shots([pose((0, 0, 0), 7.5 * k) for k in range(49)]))
    assert [(first.number, again.number) for first, again in pairs] == [(0, 48)]


def test_the_sheet_grows_by_two_rows_of_pictures_for_returns():
    without = draw_contact_sheet(shots(there(21)), TITLES)
    with_pairs = draw_contact_sheet(shots([*there(11), *there(10)[::-1]]), TITLES)
    assert without.dtype == np.uint8 and without.shape[2] == 3
    assert with_pairs.shape[0] > without.shape[0] + 2 * SIZE[0]


def test_one_frame_makes_a_sheet():
    assert draw_contact_sheet(shots(there(1)), TITLES).shape[1] > COLUMNS * 200


def test_spread_keeps_both_ends():
    assert spread(list(range(100)), 4) == [0, 33, 66, 99]
    assert spread([1, 2], 4) == [1, 2]
