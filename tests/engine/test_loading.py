"""From a preset to a world: mistakes are told before anything is loaded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mirage_engine.config import ConfigError, LensConfig, load_config
from mirage_engine.loading import load_world


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
