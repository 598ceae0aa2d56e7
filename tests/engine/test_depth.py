"""Depth estimators: transformers' own classes at a tiny size, and the way of pixels and back."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    DepthProConfig,
    DepthProForDepthEstimation,
    Dinov2Config,
)

from mirage_engine.camera import Camera, pinhole, pose
from mirage_engine.config import ConfigError, DepthConfig
from mirage_engine.depth import load_depth
from mirage_engine.depth.estimators import DepthAnything, DepthPro
from mirage_engine.depth.framing import (
    Framing,
    longer_side_cropped,
    shorter_side,
    stretch_to,
)
from mirage_engine.parts import Decoded
from tests.engine.tiny_engine import camera_at, linear_codec, rooms, tiny_world, walk

SIZE = (80, 128)
FRAMINGS = [
    stretch_to(SIZE, (64, 64)),
    shorter_side(SIZE, 70, 14),
    longer_side_cropped(SIZE, 112, 14),
    Framing(SIZE, (60, 100), (56, 84)),
    Framing((81, 127), (70, 106), (70, 98)),
]


@cache
def tiny_depth_anything(kind: str = "metric") -> DepthAnythingForDepthEstimation:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = DepthAnythingForDepthEstimation(
            DepthAnythingConfig(
                backbone_config=Dinov2Config(
                    image_size=56,
                    hidden_size=16,
                    num_hidden_layers=4,
                    num_attention_heads=2,
                    out_indices=[1, 2, 3, 4],
                    reshape_hidden_states=False,
                ),
                reassemble_hidden_size=16,
                neck_hidden_sizes=[4, 4, 8, 8],
                fusion_hidden_size=8,
                head_hidden_size=4,
                depth_estimation_type=kind,
                max_depth=20,
            )
        )
    return network.eval().requires_grad_(False)


@cache
def tiny_depth_pro(tells_lens: bool = True) -> DepthProForDepthEstimation:
    vit = {
        "model_type": "dinov2",
        "image_size": 16,
        "patch_size": 4,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    with torch.random.fork_rng():
        torch.manual_seed(2)
        network = DepthProForDepthEstimation(
            DepthProConfig(
                patch_size=16,
                fusion_hidden_size=8,
                intermediate_hook_ids=[1, 0],
                intermediate_feature_dims=[8, 8],
                scaled_images_ratios=[0.5, 1.0],
                scaled_images_overlap_ratios=[0.0, 0.2],
                scaled_images_feature_dims=[8, 8],
                use_fov_model=tells_lens,
                image_model_config=dict(vit),
                patch_model_config=dict(vit),
                fov_model_config=dict(vit),
            )
        )
    return network.eval().requires_grad_(False)


def decoded(count: int = 3) -> Decoded:
    return Decoded(rooms().frames[:count].numpy())


def plane_depth(camera: Camera, shift: float = 0.0) -> np.ndarray:  # [H, W] metres
    """A wall that is neither upright nor square to the camera, in closed form."""
    normal, distance = np.array([0.3, 0.2, 1.0]), 3.0 + shift
    return distance / (camera.rays() @ normal)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_depth_of_a_wall_comes_back_to_the_pixels_that_it_was_seen_through(framing):
    """The model's own rays, by its own lens, measure the wall; the frame's rays must agree."""
    camera = Camera(np.eye(4), pinhole(framing.frame, 77.0), framing.frame)
    model = Camera(np.eye(4), framing.intrinsics(camera), framing.size)
    seen = torch.from_numpy(plane_depth(model)).float()[None]
    found = framing.to_frame(seen)[0].numpy()
    truth = plane_depth(camera)
    top, left = framing.offset
    scale_y, scale_x = (framing.stretched[k] / framing.frame[k] for k in (0, 1))
    for row in range(framing.frame[0]):
        for column in range(framing.frame[1]):
            y, x = (row + 0.5) * scale_y - top, (column + 0.5) * scale_x - left
            inside = 0 <= y <= framing.size[0] and 0 <= x <= framing.size[1]
            assert (found[row, column] > 0) == inside
            # Half a pixel at the border is repeated, not extrapolated.
            if 0.5 <= y <= framing.size[0] - 0.5 and 0.5 <= x <= framing.size[1] - 0.5:
                assert found[row, column] == pytest.approx(truth[row, column], rel=1e-4)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_picture_and_its_lens_go_the_same_way(framing):
    """A bright spot is where the model's lens projects the point that the frame saw there."""
    camera = Camera(np.eye(4), pinhole(framing.frame, 60.0), framing.frame)
    frames = np.zeros((1, *framing.frame, 3), np.uint8)
    frames[0, 38:42, 60:64] = 255
    point = np.linalg.inv(camera.intrinsics) @ [62.0, 40.0, 1.0]
    x, y, _ = framing.intrinsics(camera) @ point
    light = framing.picture(frames)[0].mean(0)
    assert light.shape == framing.size
    rows = (torch.arange(framing.size[0]) + 0.5) @ light.sum(1) / light.sum()
    columns = (torch.arange(framing.size[1]) + 0.5) @ light.sum(0) / light.sum()
    assert (float(columns), float(rows)) == pytest.approx((x, y), abs=0.1)


def test_an_edge_gets_no_depth_between_its_two_surfaces():
    framing = Framing(SIZE, (50, 90), (50, 90))
    depth = torch.full((1, 50, 90), 2.0)
    depth[:, :, 41:] = 7.0
    depth[:, :10] = torch.inf
    depth[:, 45:] = 0.0
    found = {round(d, 4) for d in framing.to_frame(depth).unique().tolist()}
    assert found == {0.0, 2.0, 7.0, torch.inf}


def test_the_public_sizes_are_those_that_the_models_were_made_for():
    assert shorter_side((704, 1280), 518, 14).size == (518, 938)
    cropped = longer_side_cropped((704, 1280), 518, 14)
    assert (cropped.stretched, cropped.size) == ((285, 518), (280, 518))


def test_depth_anything_says_what_transformers_says():
    network = tiny_depth_anything()
    estimate = DepthAnything(network, DepthConfig(input_px=70, batch=2))
    depth = estimate(decoded(), [camera_at()] * 3)
    assert depth.shape == (3, *SIZE)
    framing = shorter_side(SIZE, 70, 14)
    mean, std = (
        torch.tensor(x)[:, None, None] for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    pictures = (framing.picture(decoded().frames) - mean) / std
    alone = torch.cat([network(p[None]).predicted_depth for p in pictures])
    assert torch.allclose(depth, framing.to_frame(alone), rtol=1e-4)


def test_the_farthest_that_a_model_can_say_is_sky():
    network = tiny_depth_anything()
    plain = DepthAnything(network, DepthConfig(input_px=70))(decoded(1), [camera_at()])
    split = float(plain.median())
    with_sky = DepthAnything(network, DepthConfig(input_px=70, sky_from_m=split))
    depth = with_sky(decoded(1), [camera_at()])
    assert torch.equal(torch.isinf(depth), plain > split)
    assert DepthAnything(network, DepthConfig()).sky_from_m == pytest.approx(19.0)


def test_depth_pro_scales_with_the_cameras_own_lens():
    """The network knows no lens: twice the focal length is twice the depth, exactly."""
    estimate = DepthPro(tiny_depth_pro(), DepthConfig(kind="depth-pro", sky_from_m=1e9))
    wide = camera_at()
    long = Camera(wide.c2w, np.diag([2.0, 2.0, 1.0]) @ wide.intrinsics, wide.size)
    near, far = estimate(Decoded(np.repeat(decoded(1).frames, 2, 0)), [wide, long])
    assert torch.allclose(far, 2 * near, rtol=1e-5)
    inverse = estimate._look(estimate._framing(decoded(1).frames).picture(decoded(1).frames))
    focal = wide.intrinsics[0, 0] / wide.size[1]
    canonical = focal / inverse.predicted_depth.clamp(min=1e-4)
    framing = stretch_to(SIZE, (32, 32))
    assert torch.allclose(near, framing.to_frame(canonical)[0], rtol=1e-4)


def test_depth_pro_tells_the_lens_of_a_picture():
    estimate = DepthPro(tiny_depth_pro(), DepthConfig(kind="depth-pro"))
    frame = decoded(1).frames[0]
    fov = float(estimate._look(estimate._framing(frame[None]).picture(frame[None])).field_of_view)
    focal = estimate.focal_px(frame)
    assert focal == pytest.approx(pinhole(SIZE, fov)[0, 0], rel=1e-4)
    blind = DepthPro(tiny_depth_pro(False), DepthConfig(kind="depth-pro"))
    with pytest.raises(ValueError, match="no field-of-view model"):
        blind.focal_px(frame)


@pytest.mark.parametrize(
    ("kind", "network"),
    [("depth-anything", tiny_depth_anything), ("depth-pro", tiny_depth_pro)],
)
def test_a_folder_of_the_users_is_loaded(kind, network, tmp_path):
    network().save_pretrained(tmp_path)
    config = DepthConfig(kind=kind, weights=str(tmp_path), input_px=70)
    cameras = [camera_at()] * 2
    classes = {"depth-anything": DepthAnything, "depth-pro": DepthPro}
    expected = classes[kind](network(), config)(decoded(2), cameras)
    assert torch.equal(load_depth(config)(decoded(2), cameras), expected)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (DepthConfig("depth-anything"), "Metric-Indoor-Large-hf: neither a folder nor in the hub"),
        (DepthConfig("depth-pro", weights="./nowhere at all"), "no such folder"),
        (DepthConfig("map-anything"), "package mapanything is not installed"),
    ],
)
def test_weights_that_are_not_here_are_told_in_one_line(config, words, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match=words) as error:
        load_depth(config)
    assert "\n" not in str(error.value)


def test_a_model_without_a_unit_is_refused():
    with pytest.raises(ConfigError, match="take a Metric Depth Anything"):
        DepthAnything(tiny_depth_anything("relative"), DepthConfig(weights="some/folder"))


def test_a_pose_does_not_matter_to_a_model_that_takes_none():
    estimate = DepthAnything(tiny_depth_anything(), DepthConfig(input_px=70))
    here, there = camera_at(), Camera(pose((1, 0, 2), 40), camera_at().intrinsics, SIZE)
    assert torch.equal(estimate(decoded(1), [here]), estimate(decoded(1), [there]))


class Skewed:
    """An estimator with the right shapes and the wrong scale and shift of inverse depth."""

    def __call__(self, decoded: Decoded, cameras: Sequence[Camera]) -> torch.Tensor:
        assert decoded.depth_m is not None
        return 1 / (1.4 / decoded.depth_m + 0.03)


def test_a_world_brings_an_estimators_depth_to_the_scale_of_its_memory():
    """Against the same world whose codec says the depth itself."""
    wrong, right = tiny_world(correction=0.0), tiny_world(correction=0.0)
    codec = copy.copy(linear_codec())
    codec.spec = replace(codec.spec, carries_depth=False)
    wrong.parts = replace(wrong.parts, codec=codec, depth=Skewed())
    made = []
    for world in (wrong, right):
        world.begin(scene=900_003)
        made.append(world.advance(walk()).depth_m)
    known = np.isfinite(made[1])
    error = np.abs(made[0] / made[1] - 1)[known]
    assert np.median(error) < 0.02 < 0.2 < np.median(np.abs(1 / (1.4 + 0.03 * made[1][known]) - 1))
    assert wrong.entries[1].residual < 0.05


def test_the_depth_of_a_users_picture_is_the_estimators():
    world = tiny_world()
    codec = copy.copy(linear_codec())
    codec.spec = replace(codec.spec, carries_depth=False)
    estimate = DepthAnything(tiny_depth_anything(), DepthConfig(input_px=70))
    world.parts = replace(world.parts, codec=codec, depth=estimate)
    frame = decoded(1).frames[0]
    assert np.array_equal(
        world.begin(image=frame).depth_m, estimate(decoded(1), [world.camera]).numpy()
    )
