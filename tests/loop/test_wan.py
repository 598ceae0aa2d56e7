"""The large preset's classes, tiny and random, through the same door: flags to files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import pytest
import torch

from explorer.cli import main
from mirage_engine import load_config, open_world
from mirage_engine.generator.weights import save_transformer
from mirage_engine.loading import load_world
from mirage_engine.world import World
from tests.engine.test_depth import tiny_depth_anything
from tests.engine.test_wan_codec import tiny_vae
from tests.engine.tiny_engine import camera_at
from tests.engine.tiny_wan import save_tiny_text, tiny_wan

PRESET = """
name = "tiny-wan"
lens = {{ width = 96, height = 64 }}
codec = {{ kind = "wan", weights = "{0}" }}
planner = {{ frames = 33, preceding = 2, references = 4 }}
depth = {{ kind = "depth-anything", weights = "{0}/depth", input_px = 28, batch = 32 }}
static_filter = {{ kind = "residual" }}

[generator]
weights = "{0}/network.safetensors"
text = "{0}"
prompt = "a quiet room"
predict = "flow"
steps = 2
"""


@pytest.fixture(scope="module")
def preset(tmp_path_factory) -> Path:
    """A preset and its files: a diffusers folder, a depth estimator, a network of two layers."""
    folder = tmp_path_factory.mktemp("wan")
    save_tiny_text(folder)
    tiny_vae().save_pretrained(folder / "vae")
    tiny_depth_anything().save_pretrained(folder / "depth")
    save_transformer(tiny_wan(num_layers=2), folder / "network.safetensors")
    (folder / "tiny-wan.toml").write_text(PRESET.format(folder))
    return folder / "tiny-wan.toml"


@pytest.fixture(scope="module")
def walked(preset, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("walk") / "out"
    argv = ["--headless", "--config", preset, "--tour", "there-and-back", "--out", out]
    assert main([*map(str, argv), "--scene", "950000", "--device", "cpu"]) == 0
    return out


@pytest.fixture
def world(preset) -> World:
    """Walked for two segments and a branch from the first."""
    made = load_world(load_config(preset), device="cpu")
    made.begin(scene=950_000)
    made.advance(ahead(1, 32))
    made.advance(ahead(33, 8))
    made.advance([camera_at((0.3, 0, 0.05 * i), 20.0, size=(64, 96)) for i in range(8)])
    return made


def ahead(begin: int, count: int) -> list:
    return [camera_at((0, 0, 0.05 * i), size=(64, 96)) for i in range(begin, begin + count)]


def test_a_walk_there_and_back_leaves_the_same_report(walked):
    report: dict[str, Any] = json.loads((walked / "report.json").read_text())
    log = report["segments_log"]
    assert (report["config"], report["tour"]) == ("tiny-wan", "there-and-back")
    assert report["frames"] == sum(entry["frames"] for entry in log) > 32
    assert all(entry["frames"] % 4 == 0 for entry in log)
    assert all(math.isfinite(entry["seconds"]["total"]) for entry in log)
    assert report["revisit"]["pairs"] > 0
    frames = imageio.imread(walked / "video.mp4", plugin="FFMPEG")
    assert frames.shape[0] == report["frames"] + 1


def test_a_segment_is_decoded_behind_the_frames_that_it_follows(world):
    """All pictures of a line at once are the pictures of its segments, without a seam."""
    latents = torch.cat([entry.latents.float() for entry in world.entries[:3]])
    pictures = world.parts.codec.decode(latents).frames
    made = [world.segment(i).frames for i in (1, 2)]
    assert np.array_equal(pictures[1:], np.concatenate(made))


def test_the_network_is_given_references_target_and_what_was_before(world):
    given = world._condition(ahead(41, 8))
    assert len(given.preceding) == 2 == len(given.preceding_view.mask)
    told: list[tuple[int, int]] = []

    def watch(module, arguments):
        told.append((arguments[0].shape[2], arguments[2].references))

    with world.parts.generator.transformer.register_forward_pre_hook(watch):
        world.advance(ahead(41, 8))
    count = len(given.references)
    assert told == [(count + 3 + 2, count)] * 2


def test_words_may_change_between_segments(world):
    latents = []
    for prompt in ("a quiet room", "a quiet room", "a loud door"):
        world.prompt = prompt
        world.advance(ahead(41, 8))
        latents.append(world.entries[-1].latents)
        world.undo()
    assert torch.equal(latents[0], latents[1]) and not torch.equal(latents[0], latents[2])


def test_a_saved_world_goes_on_as_if_it_had_never_been_closed(world, tmp_path):
    world.save(tmp_path / "w.mirage")
    opened = open_world(tmp_path / "w.mirage", device="cpu")
    one, other = (w.advance(ahead(41, 8)) for w in (world, opened))
    assert np.array_equal(one.frames, other.frames)
    assert np.array_equal(one.points_world, other.points_world)


def test_an_x_ray_has_a_picture_for_each_latent_frame(world):
    xray = world.xray()
    assert len(xray.decoded) == len(xray.cameras) == 3
    assert xray.references.shape == (len(xray.reference_shares), 2)
