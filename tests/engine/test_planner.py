"""Which frames a segment is made of, against the official plans and by hand."""

from __future__ import annotations

import json

import pytest

from mirage_engine.config import PlannerConfig
from mirage_engine.parts import CodecSpec
from mirage_engine.planner import (
    Keyframe,
    anchor,
    check_path,
    latent_cameras,
    new_frames,
    split_path,
)
from tests.engine.tiny_engine import camera_at


def spec(temporal_stride: int) -> CodecSpec:
    return CodecSpec(11, 4, temporal_stride, 16, carries_depth=True)


def path(count: int, size: tuple[int, int] = (80, 128)) -> list:
    return [camera_at((0, 0, 0.1 * i), size=size) for i in range(count)]


PLANNER = PlannerConfig(frames=33)


def pieces_of(cameras: list) -> list[list]:
    """A whole trajectory as our loop walks it: the start, then segments of new cameras."""
    pieces = split_path(cameras[1:], new_frames(PLANNER, spec(4)))
    for piece in pieces:
        check_path(piece, PLANNER, spec(4))
    return pieces


@pytest.mark.golden
def test_plans_are_the_official_ones(golden):
    """Theirs count the start image to the first segment, and each clean first frame as a frame."""
    plans = json.loads((golden / "plans.json").read_text())["iteration_plan"]
    assert len(plans) > 100
    for frames, wanted in plans.items():
        if int(frames) > 1 and wanted == "ValueError":
            with pytest.raises(ValueError, match="groups of 4"):
                pieces_of(path(int(frames)))
        elif int(frames) > 1:
            made, end = [], 1
            for piece in pieces_of(path(int(frames))):
                start, end = end, end + len(piece)
                made.append([start if made else 0, end, len(piece) + 1])
            assert made == wanted, frames


@pytest.mark.golden
def test_latent_frames_have_the_official_cameras(golden):
    for case in json.loads((golden / "plans.json").read_text())["target_pose_indices"]:
        if case["num_frames"] == 1:
            continue  # the start image alone is no segment
        group, begin = spec(case["temporal_stride"]), case["start_frame"]
        cameras = path(begin + case["num_frames"])
        first, pieces = cameras[begin], pieces_of(cameras[begin:])
        for piece, wanted in zip(pieces, case["target_pose_indices"], strict=True):
            made = [first, *latent_cameras(piece, group)]
            assert [cameras.index(camera) for camera in made] == wanted
            first = piece[-1]


def test_every_picture_has_a_latent_frame_of_its_own_without_temporal_stride():
    cameras = path(4)
    assert latent_cameras(cameras, spec(1)) == cameras


def test_a_latent_frame_of_four_pictures_is_seen_from_the_last():
    cameras = path(8)
    assert latent_cameras(cameras, spec(4)) == [cameras[3], cameras[7]]


@pytest.mark.parametrize(
    ("frames", "stride", "wanted"), [(5, 1, 4), (33, 4, 32), (35, 4, 32), (1, 1, 0)]
)
def test_a_full_segment_adds_whole_groups_after_its_first_frame(frames, stride, wanted):
    assert new_frames(PlannerConfig(frames=frames), spec(stride)) == wanted


@pytest.mark.parametrize("count", [0, 5, 60])
def test_a_path_of_the_wrong_length_is_refused_with_what_would_do(count):
    with pytest.raises(ValueError, match=f"1 to 4 new cameras, got {count}"):
        check_path(path(count), PlannerConfig(frames=5), spec(1))


def test_a_path_that_breaks_a_group_is_refused():
    with pytest.raises(ValueError, match="groups of 4, got 6"):
        check_path(path(6), PlannerConfig(frames=33), spec(4))


def test_a_path_of_two_picture_sizes_is_refused():
    mixed = [*path(2), *path(1, (40, 64))]
    with pytest.raises(ValueError, match="same picture size"):
        check_path(mixed, PlannerConfig(frames=5), spec(1))


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_length_up_to_a_full_segment_will_do(count):
    check_path(path(count), PlannerConfig(frames=5), spec(1))


def test_a_long_path_is_cut_without_losing_or_doubling_a_camera():
    cameras = path(11)
    pieces = split_path(cameras, 4)
    assert [len(piece) for piece in pieces] == [4, 4, 3]
    assert [camera for piece in pieces for camera in piece] == cameras


def test_a_walk_that_goes_on_continues_from_the_newest_frame():
    """Also where an older one is nearer: 0.6 m and turns of 18 degrees still go on."""
    frames = [Keyframe(0, i, camera_at((0, 0, 0.1 * i))) for i in range(5)]
    assert anchor(frames, camera_at((0, 0, 0.1))) is frames[-1]
    assert anchor(frames, camera_at((0, 0, 0.4), 17.0)) is frames[-1]


def test_a_walk_over_known_ground_starts_from_the_nearest_frame():
    frames = [Keyframe(0, i, camera_at((0, 0, float(i)))) for i in range(5)]
    assert anchor(frames, camera_at((0.3, 0, 0.9))) is frames[1]
    turned = [Keyframe(0, i, camera_at((0, 0, 0), 40.0 * i)) for i in range(5)]
    assert anchor(turned, camera_at((0, 0, 0), 45.0)) is turned[1]


def test_looking_the_same_way_counts_beside_being_near():
    turned = Keyframe(0, 0, camera_at((0, 0, 0), 60.0))  # as far as two metres
    apart = Keyframe(1, 0, camera_at((0, 0, 1.5)))
    newest = Keyframe(2, 0, camera_at((0, 0, 50.0)))
    frames = [turned, apart, newest]
    assert anchor(frames, camera_at()) is apart
    assert anchor(frames, camera_at((0, 0, -1.0))) is apart
    assert anchor(frames, camera_at((0, 0, -1.0), 25.0)) is turned


def test_the_only_frame_starts_any_segment():
    only = Keyframe(0, 0, camera_at())
    assert anchor([only], camera_at((9.0, 0, 9.0), 180.0)) is only
