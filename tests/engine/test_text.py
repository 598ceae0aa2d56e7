"""Prompts: transformers' own encoder at a tiny size, read once and let go."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

from mirage_engine.config import ConfigError, GeneratorConfig
from mirage_engine.generator.text import TOKENS, Prompts, load_prompts
from tests.engine.tiny_wan import save_tiny_text


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> GeneratorConfig:
    return GeneratorConfig(text=str(save_tiny_text(tmp_path_factory.mktemp("text"))))


def test_a_prompt_is_what_the_padded_encoder_says_and_zeros_behind(config):
    """As in the official code: all 512 tokens with a mask, and rows behind the words set to 0."""
    prompts = load_prompts(config)
    reader = prompts._load()
    words = "a quiet room with a blue door"
    tokens = reader.tokenizer(words, padding="max_length", max_length=TOKENS, return_tensors="pt")
    mask = tokens["attention_mask"]
    with torch.no_grad():
        rows = reader.encoder(tokens["input_ids"], mask).last_hidden_state[0]
    count = int(mask.sum())
    made = prompts(f"  {words}\n")
    assert made.shape == (TOKENS, 64) and 3 < count < TOKENS
    assert torch.allclose(made[:count], rows[:count], atol=1e-5)
    assert (made[count:] == 0).all()
    assert not torch.allclose(made, prompts("a loud room with a red door"))


def test_words_beyond_what_fits_are_cut(config):
    assert load_prompts(config)("room " * 2000).shape == (TOKENS, 64)


def test_the_encoder_is_loaded_when_a_prompt_is_new_and_let_go_afterwards(config):
    load, alive = load_prompts(config)._load, []

    def counted():
        reader = load()
        alive.append(weakref.ref(reader.encoder))
        return reader

    prompts = Prompts(counted)
    prompts.read(["one", "two"])
    first = prompts("one")
    assert len(alive) == 1 and torch.equal(prompts("one"), first)
    prompts("three")
    gc.collect()
    assert len(alive) == 2 and not any(each() for each in alive)


def test_an_encoder_that_is_not_here_is_told_before_it_is_needed(tmp_path):
    with pytest.raises(ConfigError, match="neither a folder nor in the hub's cache"):
        load_prompts(GeneratorConfig(text="nobody/no-such-encoder"))
    with pytest.raises(ConfigError, match=r"has no text_encoder.config\.json"):
        load_prompts(GeneratorConfig(text=str(tmp_path)))
