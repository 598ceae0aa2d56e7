"""The report's numbers against numbers made by hand."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from mirage_engine.camera import Camera, pinhole, pose
from mirage_engine.evaluation.metrics import depth_abs_rel, mean_or_none, psnr_db, ssim
from mirage_engine.evaluation.report import (
    revisit,
    revisit_pairs,
    seen_from,
    start_revisit,
    tour_report,
)
from mirage_engine.rooms import Scene
from mirage_engine.segment import Segment

SIZE = (40, 64)
FOCAL = 32  # px: 90 degrees across 64
SCENE = 900_003


def camera(position=(0.0, 0.0, 0.0), yaw_deg: float = 0.0, pitch_deg: float = 0.0) -> Camera:
    return Camera(pose(position, yaw_deg, pitch_deg), pinhole(SIZE, 90.0), SIZE)


def grey(value: int) -> np.ndarray:
    return np.full((*SIZE, 3), value, np.uint8)


def segment(index: int, cameras: list[Camera], frames: np.ndarray, depth_m: np.ndarray) -> Segment:
    nothing = np.zeros((0, 4), np.float32)
    return Segment(
        index,
        frames,
        depth_m,
        depth_m > 0,
        tuple(cameras),
        0.5,
        nothing,
        nothing[:, :3].astype(np.uint8),
        nothing[:, 0],
        nothing[:, 0].astype(np.int32),
        nothing[:, 0].astype(np.int32),
        0,
        0,
        0,
        0.0,
        {"total": 0.1},
    )


def world(scene: int | None = None) -> SimpleNamespace:
    return SimpleNamespace(scene=scene, camera=camera())


def test_psnr_of_a_constant_error_is_the_textbook_number():
    assert psnr_db(grey(100), grey(110)) == pytest.approx(20 * math.log10(255 / 10))
    assert psnr_db(grey(110), grey(100)) == psnr_db(grey(100), grey(110))
    assert psnr_db(grey(0), grey(255)) == pytest.approx(0.0)


def test_psnr_averages_squares_over_pixels_and_colours():
    one, other = grey(50), grey(50)
    other[:20, :, 0] += 30  # half of the pixels, one colour of three
    assert psnr_db(one, other) == pytest.approx(10 * math.log10(255**2 / (900 / 6)))


def test_psnr_counts_masked_pixels_only():
    one, other = grey(50), grey(50)
    other[:20] = 250
    other[20:] = 60
    mask = np.zeros(SIZE, bool)
    mask[25:30] = True
    assert psnr_db(one, other, mask) == pytest.approx(20 * math.log10(25.5))
    assert math.isnan(psnr_db(one, other, np.zeros(SIZE, bool)))


def test_equal_pictures_have_the_best_scores():
    assert psnr_db(grey(9), grey(9)) == 99.0
    noise = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)
    assert ssim(noise, noise) == pytest.approx(1.0)
    assert ssim(noise, noise[::-1]) < 0.2


def test_structural_similarity_counts_windows_inside_the_mask_only():
    rng = np.random.default_rng(1)
    one, other = rng.integers(0, 255, (2, *SIZE, 3), np.uint8)
    other[:, :40] = one[:, :40]
    mask = np.zeros(SIZE, bool)
    mask[:, :40] = True
    assert ssim(one, other) < 0.8 and ssim(one, other, mask) == pytest.approx(1.0)
    whole = structural_similarity(one, other, channel_axis=-1, data_range=255)
    assert ssim(one, other) == pytest.approx(whole)
    assert math.isnan(ssim(one, other, np.zeros(SIZE, bool)))


def test_depth_error_is_relative_and_counts_surfaces_only():
    true = np.array([[2.0, 4.0], [np.inf, 0.0]])
    made = np.array([[2.2, 3.0], [5.0, 5.0]])
    assert depth_abs_rel(made, true) == pytest.approx((0.1 + 0.25) / 2)
    assert math.isnan(depth_abs_rel(np.full((2, 2), np.inf), true))


def test_means_leave_out_what_is_no_number():
    assert mean_or_none([1.0, math.nan, 2.0]) == 1.5
    assert mean_or_none([math.nan]) is None
    assert mean_or_none([]) is None


def test_a_revisit_is_eight_frames_apart_or_more():
    still = [camera()] * 10
    assert revisit_pairs(still) == [(0, 8), (0, 9), (1, 9)]
    assert revisit_pairs(still[:8]) == []


@pytest.mark.parametrize(
    ("there", "same"),
    [
        (camera((0.049, 0, 0)), True),
        (camera((0, 0.03, 0.039)), True),
        (camera((0.051, 0, 0)), False),
        (camera((0, 0.04, 0.04)), False),
        (camera(yaw_deg=0.95), True),
        (camera(yaw_deg=1.05), False),
        (camera(pitch_deg=-0.95), True),
        (camera(pitch_deg=1.05), False),
        (camera((0.049, 0, 0), 0.95), True),
    ],
)
def test_a_revisit_is_within_five_centimetres_and_one_degree(there, same):
    path = [camera(), *[camera((0, 0, 1.0 + i)) for i in range(7)], there]
    assert revisit_pairs(path) == ([(0, 8)] if same else [])


def test_revisits_are_scored_between_first_visit_and_return():
    away = [camera((0, 0, 1.0 + i)) for i in range(7)]
    cameras = [camera(), *away, camera(), camera()]
    frames = np.stack([grey(100), *[grey(7 * i) for i in range(7)], grey(110), grey(105)])
    made = revisit(cameras, frames)
    wanted = [20 * math.log10(25.5), 20 * math.log10(51)]
    assert made["pairs"] == 2
    assert made["psnr_db"] == pytest.approx(sum(wanted) / 2, abs=1e-3)
    assert made["worst_psnr_db"] == pytest.approx(min(wanted), abs=1e-3)
    assert 0.9 < made["ssim"] <= 1


def test_the_start_image_is_scored_against_each_later_return_to_its_pose():
    """Frames 1 to 7 are too near; 8 and 11 are at the start again, off by 10 and by 20 levels."""
    away = camera((1.0, 0, 0))
    cameras = [*[camera()] * 8, camera((0.02, 0, 0), 0.5), away, away, camera()]
    frames = np.stack([grey(value) for value in [100] * 8 + [110, 0, 0, 120]])
    depth_m = np.ones((12, *SIZE), np.float32)
    made = start_revisit(
        [
            segment(0, cameras[:1], frames[:1], depth_m[:1]),
            segment(1, cameras[1:6], frames[1:6], depth_m[1:6]),
            segment(2, cameras[6:], frames[6:], depth_m[6:]),
        ]
    )
    both_db = 20 * math.log10(25.5), 20 * math.log10(12.75)
    assert made["pairs"] == 2
    assert made["psnr_db"] == pytest.approx(sum(both_db) / 2, abs=1e-3)
    assert made["worst_psnr_db"] == pytest.approx(both_db[1], abs=1e-3)
    assert 0 < made["ssim"] < 1


def test_a_walk_that_stays_away_has_no_scores_against_its_start():
    cameras = [camera((0, 0, 0.1 * k)) for k in range(20)]
    frames = np.stack([grey(k) for k in range(20)])
    depth_m = np.ones((20, *SIZE), np.float32)
    made = start_revisit(
        [
            segment(0, cameras[:1], frames[:1], depth_m[:1]),
            segment(1, cameras[1:], frames[1:], depth_m[1:]),
        ]
    )
    assert made == {"pairs": 0, "psnr_db": None, "ssim": None, "worst_psnr_db": None}


def test_a_walk_without_a_return_has_no_revisit_scores():
    made = revisit(
        [camera((0, 0, float(i))) for i in range(12)], np.zeros((12, *SIZE, 3), np.uint8)
    )
    assert made == {"pairs": 0, "psnr_db": None, "ssim": None, "worst_psnr_db": None}


def test_a_step_to_the_right_shows_a_strip_of_wall_that_was_not_seen():
    """A wall at 4 m: a metre is 8 columns, so the last 8 are new."""
    wall = np.full(SIZE, 4.0)
    seen = seen_from(camera(), wall, camera((1.0, 0, 0)), wall)
    assert seen[:, : 64 - FOCAL // 4].all()
    assert not seen[:, 64 - FOCAL // 4 :].any()


def test_a_step_down_shows_rows_that_were_not_seen():
    wall = np.full(SIZE, 4.0)
    seen = seen_from(camera(), wall, camera((0, 0.5, 0)), wall)
    assert seen[:36].all() and not seen[36:].any()


def test_a_step_ahead_shows_nothing_new_of_a_wall():
    seen = seen_from(camera(), np.full(SIZE, 4.0), camera((0, 0, 1.0)), np.full(SIZE, 3.0))
    assert seen.all()


def test_a_step_back_shows_the_wall_around_what_was_seen():
    """From 4 m to 8 m: what was seen is half as wide and half as high."""
    seen = seen_from(camera(), np.full(SIZE, 4.0), camera((0, 0, -4.0)), np.full(SIZE, 8.0))
    wanted = np.zeros(SIZE, bool)
    wanted[10:30, 16:48] = True
    assert np.array_equal(seen, wanted)


def test_a_surface_behind_another_was_not_seen():
    start_depth = np.full(SIZE, 4.0)
    start_depth[:, 30:34] = 2.0  # a post hid the wall
    seen = seen_from(camera(), start_depth, camera(), np.full(SIZE, 4.0))
    assert np.array_equal(seen, start_depth == 4.0)


@pytest.mark.parametrize(("off", "same"), [(0.02, True), (-0.02, True), (0.05, False)])
def test_the_same_surface_is_one_within_three_percent(off, same):
    start_depth = np.full(SIZE, 4.0 * (1 + off))
    assert seen_from(camera(), start_depth, camera(), np.full(SIZE, 4.0)).all() == same


def test_what_lies_behind_the_start_was_not_seen():
    wall = np.full(SIZE, 4.0)
    assert not seen_from(camera(), wall, camera(yaw_deg=180), wall).any()


def test_sky_is_the_same_wherever_one_stands():
    sky = np.full(SIZE, np.inf)
    assert seen_from(camera(), sky, camera((30.0, -2.0, 7.0)), sky).all()
    # Turned by 45 of 90 degrees: what is right of the middle was outside.
    seen = seen_from(camera(), sky, camera(yaw_deg=45), sky)
    assert seen[20, :31].all() and not seen[:, 33:].any()
    assert not seen_from(camera(), np.full(SIZE, 4.0), camera(), sky).any()


def truth_segment(cameras: list[Camera]) -> Segment:
    view = Scene(SCENE).render(cameras)
    return segment(1, cameras, view.frames.numpy(), view.depth_m.numpy())


def test_the_exact_scene_has_perfect_scores():
    made = tour_report([truth_segment([camera((0, 0, 0.2)), camera(yaw_deg=20)])], world(SCENE))
    assert made["truth"] == {"psnr_db_seen": 99.0, "psnr_db_all": 99.0, "depth_abs_rel": 0.0}


def test_truth_is_what_the_scene_shows_from_the_same_camera():
    exact = truth_segment([camera(yaw_deg=20)])
    darker = np.maximum(exact.frames.astype(int) - 10, 0).astype(np.uint8)
    made = tour_report(
        [segment(1, list(exact.cameras), darker, exact.depth_m * 1.1)], world(SCENE)
    )["truth"]
    assert made["psnr_db_all"] >= 20 * math.log10(25.5) - 1e-3
    assert made["psnr_db_all"] == pytest.approx(20 * math.log10(25.5), abs=0.2)
    assert made["depth_abs_rel"] == pytest.approx(0.1, abs=1e-3)


def test_the_start_image_is_not_judged():
    start = segment(0, [camera()], grey(0)[None], np.ones((1, *SIZE)))
    made = tour_report([start, truth_segment([camera(yaw_deg=10)])], world(SCENE))
    assert made["truth"]["psnr_db_all"] == 99.0


def test_without_a_scene_there_is_no_truth():
    made = tour_report([truth_segment([camera()])], world(None))
    assert made["truth"] is None and made["revisit"]["pairs"] == 0


def test_the_report_is_json_even_where_nothing_can_be_measured():
    """A look at the sky from a place that the start cannot see, and no segments at all."""
    up = camera((0, 0, 0), 180, 89)
    blind = segment(1, [up], grey(0)[None], np.full((1, *SIZE), np.inf, np.float32))
    for segments in ([blind], []):
        made = tour_report(segments, world(SCENE))
        assert set(made) == {"revisit", "truth"}
        assert set(made["revisit"]) == {"pairs", "psnr_db", "ssim", "worst_psnr_db"}
        assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert tour_report([blind], world(SCENE))["truth"]["depth_abs_rel"] is None
