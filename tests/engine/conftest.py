"""Clips and a recipe for the tests of training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mirage_engine.checkpoints import save_weights
from mirage_engine.training.clips import Clip, load_clip, make_clip, missing, save_clip
from mirage_engine.training.settings import GeneratorRecipe, NetworkConfig
from tests.engine.tiny_engine import linear_codec
from tests.engine.tiny_training import CLIPS, FRAMES, LENS


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Path:
    """A folder with a codec and a few clips."""
    folder = tmp_path_factory.mktemp("training")
    save_weights(linear_codec(), folder / "codec.safetensors", {})
    config = replace(CLIPS, folder=str(folder / "clips"))
    for split in ("train", "validation"):
        for seed, path in missing(config, split, 0, 1):
            save_clip(make_clip(seed, config, LENS, linear_codec()), path)
    return folder


@pytest.fixture
def recipe(rendered, tmp_path) -> GeneratorRecipe:
    return GeneratorRecipe(
        "generator",
        codec=str(rendered / "codec.safetensors"),
        output=str(tmp_path / "generator.safetensors"),
        run=str(tmp_path / "run"),
        frames=FRAMES,
        batch=2,
        workers=0,
        device="cpu",
        lens=LENS,
        network=NetworkConfig(dim=32, heads=2, layers=2, ffn=32, repair=8),
        clips=replace(CLIPS, folder=str(rendered / "clips")),
    )


@pytest.fixture
def clip(recipe) -> Clip:
    return load_clip(next(iter(sorted(Path(recipe.clips.folder, "train").iterdir()))))
