"""The comparison's pictures, from walks of plain colours: what stands where can be read off."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.compare.sheet import draw_compare_sheet
from explorer.compare.video import EDGE, HEAD, LANE_PX, side_by_side
from explorer.compare.walked import HEAT, HOTTEST, Walked, heat_map
from explorer.contact_sheet import Shot
from explorer.render.colormaps import colormap_rgb
from explorer.sheet import CELL_PX, MARGIN
from mirage_engine import Camera, pinhole, pose

SIZE = (40, 64)
FACTS = {"tour": "a walk", "config": "pocket", "seed": 0, "frames": 20}
SCORES = {"pairs": 1, "psnr_db": 20.0}
NO_SCORES = {"pairs": 0, "psnr_db": None}


def flat(value: int) -> np.ndarray:
    return np.full((*SIZE, 3), value, np.uint8)


def walked(values: list[int], poses: list[np.ndarray], memory: str = "latent") -> Walked:
    lens = pinhole(SIZE, 77.0)
    shots = [
        Shot(flat(value), Camera(c2w, lens, SIZE), number, number)
        for number, (value, c2w) in enumerate(zip(values, poses, strict=True))
    ]
    return Walked(memory, f"{memory} memory", FACTS | {"revisit": SCORES}, NO_SCORES, shots)


def there_and_back(first: int, again: int, memory: str = "latent") -> Walked:
    """21 frames: level by level from `first` on the way there, from `again` at the end."""
    way = [pose((0, 0, 0.2 * k)) for k in range(11)]
    values = [first + k for k in range(11)] + [again + k for k in range(9, -1, -1)]
    return walked(values, way + way[-2::-1], memory)


def around(first: int, again: int, memory: str = "latent") -> Walked:
    """24 turns to the start again, and a return to nothing else."""
    values = [first] + [1] * 23 + [again]
    return walked(values, [pose((0, 0, 0), 15.0 * k) for k in range(25)], memory)


def down(sheet: np.ndarray, x: int, colors: list[np.ndarray]) -> list[int]:
    """Indices of the colours that the column `x` passes, each once, from the top."""
    passed: list[int] = []
    for pixel in sheet[:, x]:
        same = [i for i, color in enumerate(colors) if np.array_equal(pixel, color)]
        if same and passed[-1:] != same[:1]:
            passed.append(same[0])
    return passed


def test_equal_pictures_have_no_heat():
    assert (heat_map(flat(90), flat(90)) == colormap_rgb(HEAT)[0]).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_heat_is_where_the_difference_is_and_as_hot_as_its_largest_colour(sign):
    first, again = flat(128), flat(128)
    again[3, 5] = 128, 128 + sign * HOTTEST // 2, 128 - sign * 2
    again[30, 60] = 128 + sign * (HOTTEST + 9)
    heat, warmth = heat_map(first, again), colormap_rgb(HEAT)
    assert np.array_equal(heat[3, 5], warmth[127])
    assert np.array_equal(heat[30, 60], warmth[255])
    assert np.array_equal(np.argwhere((heat != warmth[0]).any(-1)), [(3, 5), (30, 60)])


def test_a_lane_shows_its_memory_s_frame_of_that_moment():
    walks = [there_and_back(100, 100), there_and_back(200, 150, "none")]
    pictures = list(side_by_side(walks))
    assert len(pictures) == 21
    width = pictures[0].shape[1] // 2
    assert width == LANE_PX + 2 * EDGE
    for number, picture in enumerate(pictures):
        for lane, walk in enumerate(walks):
            shown = picture[HEAD + 20, lane * width + width // 2]
            assert np.array_equal(shown, walk.shots[number].frame[0, 0]), (number, lane)


def test_a_return_is_shown_over_its_first_visit_and_the_difference():
    walk = there_and_back(100, 130)
    *_, before, last = side_by_side([walk, walk])
    y = HEAD + LANE_PX * SIZE[0] // SIZE[1] + 90
    assert np.array_equal(last[y, EDGE + 60], [100] * 3)
    assert np.array_equal(last[y, LANE_PX - 60], colormap_rgb(HEAT)[30 * 255 // HOTTEST])
    assert np.array_equal(before[y, EDGE + 60], [101] * 3)


def test_lanes_share_the_width_that_a_video_may_have():
    walk = there_and_back(100, 130)
    wide = Walked("none", "none", walk.report, walk.start, [
        Shot(np.zeros((100, 2000, 3), np.uint8), shot.camera, shot.number, 0) for shot in walk.shots
    ])  # fmt: skip
    assert next(side_by_side([wide] * 4)).shape[1] <= 3840


def test_the_sheet_has_visit_return_and_difference_under_one_another_for_each_memory():
    walks = [there_and_back(100, 110), there_and_back(100, 160, "none")]
    colors = [np.full(3, value) for value in (100, 110, 160)]
    colors += [colormap_rgb(HEAT)[off * 255 // HOTTEST] for off in (10, 60)]
    sheet = draw_compare_sheet(walks, "scene 1")
    start = [0]  # of each walk, in the rows at the bottom
    assert down(sheet, MARGIN + CELL_PX // 2, colors) == [0, 1, 3, 0, 2, 4, *start]


def test_a_single_return_is_shown_large_and_side_by_side():
    sheet = draw_compare_sheet([around(100, 110), around(100, 160, "none")], "scene 1")
    for again, off in ((110, 10), (160, 60)):
        heat = colormap_rgb(HEAT)[off * 255 // HOTTEST]
        rows = np.flatnonzero((sheet == again).all(-1).any(1))
        row = sheet[rows[len(rows) // 4]]
        counts = [(row == color).all(-1).sum() for color in ([100] * 3, [again] * 3, heat)]
        assert min(counts) > 1.8 * CELL_PX


def test_a_walk_without_returns_still_makes_a_sheet_and_a_video():
    way = [pose((0, 0, 0.2 * k)) for k in range(21)]
    walk = walked(list(range(100, 121)), way)
    lonely = Walked("none", "none", FACTS | {"revisit": NO_SCORES}, NO_SCORES, walk.shots)
    assert lonely.return_db is None
    assert draw_compare_sheet([lonely, lonely], "scene 1").shape[2] == 3
    assert len(list(side_by_side([lonely, lonely]))) == 21
