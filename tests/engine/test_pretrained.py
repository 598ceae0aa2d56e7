"""Public models are found on this disk, and never fetched."""

from __future__ import annotations

import pytest

from mirage_engine.config import ConfigError
from mirage_engine.pretrained import pretrained_folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A hub cache, as its client lays it out, with one model that has a part."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    model = tmp_path / "models--somebody--a-model"
    snapshot = model / "snapshots" / "0123456789abcdef"
    (snapshot / "vae").mkdir(parents=True)
    (snapshot / "vae" / "config.json").write_text("{}")
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("0123456789abcdef")
    return snapshot


def test_a_model_of_the_hub_is_found_in_its_cache(cache):
    assert pretrained_folder("somebody/a-model", "vae") == cache / "vae"


def test_a_folder_is_taken_with_its_part_or_as_the_part_itself(cache):
    assert pretrained_folder(str(cache), "vae") == cache / "vae"
    assert pretrained_folder(str(cache / "vae"), "vae") == cache / "vae"


@pytest.mark.parametrize(
    ("weights", "part", "words"),
    [
        ("somebody/a-model", "unet", "hf download somebody/a-model"),
        ("somebody/another", "", "hf download somebody/another"),
        ("no/such/folder", "", "no/such/folder: no such folder"),
    ],
)
def test_what_is_not_here_is_told_with_what_would_help(cache, weights, part, words):
    with pytest.raises(ConfigError, match=words):
        pretrained_folder(weights, part)
