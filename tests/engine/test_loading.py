"""From a preset to a world: mistakes are told before anything is loaded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mirage_engine.config import (
    CodecConfig,
    ConfigError,
    DepthConfig,
    GeneratorConfig,
    LensConfig,
    PlannerConfig,
    load_config,
)
from mirage_engine.loading import load_world

WAN = CodecConfig(kind="wan", weights="nobody/no-such-model")
DEPTH = DepthConfig(kind="depth-anything", weights="nobody/no-such-model")


@pytest.mark.parametrize(
    ("lens", "words"),
    [
        (LensConfig(width=250), r"lens\.width must be a multiple of 16, got 250; 256 would do"),
        (LensConfig(height=0), r"lens\.height must be a multiple of 16, got 0; 16 would do"),
    ],
)
def test_a_picture_size_that_no_codec_can_make_is_refused(lens, words):
    with pytest.raises(ConfigError, match=words):
        load_world(replace(load_config("pocket"), lens=lens), device="cpu", on_stage=pytest.fail)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"codec": WAN}, "the wan codec carries no depth; set depth.kind to depth-anything"),
        ({"codec": WAN, "depth": DEPTH}, "reads words; set generator.text to its text encoder"),
        (
            {"planner": PlannerConfig(references=1)},
            "pocket generator is shown no frames",
        ),
        (
            {"codec": WAN, "depth": DEPTH, "lens": LensConfig(width=1280, height=720)},
            "height must be a multiple of 32, got 720; 704 would do",
        ),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(change, words):
    preset = replace(load_config("pocket"), **change)
    with pytest.raises(ConfigError, match=words):
        load_world(preset, device="cpu", on_stage=pytest.fail)


def test_weights_that_are_not_on_this_disk_are_told_in_one_line(tmp_path):
    here = str(tmp_path)
    preset = replace(
        load_config("pocket"),
        codec=replace(WAN, weights=here),
        depth=replace(DEPTH, weights=here),
        generator=GeneratorConfig(weights=here, text=here),
    )
    with pytest.raises(ConfigError, match=r"has no vae.config\.json"):
        load_world(preset, device="cpu")


def test_everything_that_is_missing_is_told_at_once_before_anything_is_loaded():
    generator = GeneratorConfig("wan", "nobody/no-such-model", "no.file", text="nobody/no-words")
    preset = replace(load_config("pocket"), codec=WAN, depth=DEPTH, generator=generator)
    with pytest.raises(ConfigError) as error:
        load_world(preset, device="cpu", on_stage=pytest.fail)
    for words in ("nobody/no-such-model", "nobody/no-words", "no.file", "docs/wan.md"):
        assert words in str(error.value)
    assert "\n" not in str(error.value)
