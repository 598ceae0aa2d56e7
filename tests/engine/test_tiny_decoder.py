"""The preview decoder: the public layout of its weights, and its stream."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from mirage_engine.codecs.tiny import TinyDecoder, load_tiny_decoder
from mirage_engine.codecs.wan import WanCodec
from mirage_engine.config import CodecConfig, ConfigError
from tests.engine.test_wan_codec import tiny_vae

GRID = (2, 3)
BLOCKS, GROWTH = (3, 4, 5, 9, 10, 11, 15, 16, 17), {7: 1, 13: 2, 19: 2}


@cache
def public_state() -> dict[str, torch.Tensor]:
    """Random weights under the names and shapes of TAEW2.2's file, its encoder's among them."""
    chance = torch.Generator().manual_seed(7)

    def weight(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=chance) / np.sqrt(np.prod(shape[1:]) or 1)

    state = {"encoder.0.weight": weight(64, 12, 3, 3)}
    for i, inputs, outputs in (
        (1, 48, 256),
        (8, 256, 128),
        (14, 128, 64),
        (20, 64, 64),
        (22, 64, 12),
    ):
        state[f"decoder.{i}.weight"] = weight(outputs, inputs, 3, 3)
        if i in (1, 22):
            state[f"decoder.{i}.bias"] = weight(outputs)
    for place, i in enumerate(BLOCKS):
        width = (256, 128, 64)[place // 3]
        for j in (0, 2, 4):
            inputs = 2 * width if j == 0 else width
            state[f"decoder.{i}.conv.{j}.weight"] = weight(width, inputs, 3, 3)
            state[f"decoder.{i}.conv.{j}.bias"] = 0.1 * weight(width)
    for (i, times), width in zip(GROWTH.items(), (256, 128, 64), strict=True):
        state[f"decoder.{i}.conv.weight"] = weight(width * times, width, 1, 1)
    return state


def plainly(latents: torch.Tensor) -> torch.Tensor:  # [t, 48, h, w] -> [4t - 3, 3, H, W] in 0..1
    """The layout written out, layer by layer over the whole video."""
    state = public_state()
    x = torch.tanh(latents / 3) * 3
    x = F.relu(F.conv2d(x, state["decoder.1.weight"], state["decoder.1.bias"], padding=1))
    for stage, (grow, times) in enumerate(GROWTH.items()):
        for i in BLOCKS[3 * stage : 3 * stage + 3]:
            past = torch.cat([torch.zeros_like(x[:1]), x[:-1]])
            y = torch.cat([x, past], 1)
            for j in (0, 2, 4):
                key = f"decoder.{i}.conv.{j}"
                y = F.conv2d(y, state[f"{key}.weight"], state[f"{key}.bias"], padding=1)
                y = F.relu(y) if j < 4 else y
            x = F.relu(x + y)
        x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        x = F.conv2d(x, state[f"decoder.{grow}.conv.weight"])
        x = x.unflatten(1, (times, -1)).flatten(0, 1)
        x = F.conv2d(x, state[f"decoder.{grow + 1}.weight"], padding=1)
    x = F.conv2d(F.relu(x), state["decoder.22.weight"], state["decoder.22.bias"], padding=1)
    return F.pixel_shuffle(x, 2).clamp(0, 1)[3:]


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "taew2_2.safetensors"
    save_file(public_state(), path)
    return path


def codec(weights: Path) -> WanCodec:
    config = CodecConfig(kind="wan", tiny=str(weights))
    return WanCodec(tiny_vae(), config, load_tiny_decoder(config.tiny))


def test_public_weights_decode_as_their_layout_says(weights):
    latents = torch.randn(3, 48, *GRID)
    pictures = codec(weights).preview(latents)
    wanted = plainly(latents).permute(0, 2, 3, 1).numpy() * 255
    assert pictures.shape == (9, 32, 48, 3)
    assert 0.2 < (wanted > 0).mean() < 1  # or the comparison would see nothing
    assert np.abs(pictures - wanted).max() <= 0.51


def test_previews_of_segments_in_turn_equal_the_whole_preview(weights):
    made, latents = codec(weights), torch.randn(12, 48, *GRID)
    whole = codec(weights).preview(latents)
    parts = [made.preview(latents[a:b], latents[:a]) for a, b in ((1, 4), (4, 5), (5, 12))]
    assert np.array_equal(np.concatenate(parts), whole[1:])
    assert np.array_equal(made.preview(latents[11:], latents[:11]), whole[-4:])


def test_no_preview_depends_on_more_latents_than_the_reach():
    torch.manual_seed(0)
    made = TinyDecoder().requires_grad_(False)
    far = made.reach
    latents = torch.randn(far + 2, 48, 1, 1)

    def last(video: torch.Tensor) -> torch.Tensor:
        features: list[torch.Tensor | None] = [None] * made.slots
        return [made.step(frame, features, i == 0) for i, frame in enumerate(video)][-1]

    def changed(index: int) -> torch.Tensor:
        other = latents.clone()
        other[index] = torch.randn(48, 1, 1)
        return other

    assert torch.equal(last(latents), last(changed(0)))
    assert torch.equal(last(latents), last(latents[1:]))
    assert not torch.equal(last(latents), last(changed(1)))


def test_of_a_file_that_grows_more_frames_the_last_ones_count(weights, tmp_path):
    state = load_file(weights)
    key = "decoder.7.conv.weight"
    state[key] = torch.cat([torch.randn_like(state[key]), state[key]])
    save_file(state, tmp_path / "longer.safetensors")
    latents = torch.randn(2, 48, *GRID)
    longer = codec(tmp_path / "longer.safetensors").preview(latents)
    assert np.array_equal(longer, codec(weights).preview(latents))


def test_a_file_of_another_layout_is_refused(weights, tmp_path):
    state = load_file(weights)
    del state["decoder.22.bias"]
    save_file(state, tmp_path / "broken.safetensors")
    with pytest.raises(ConfigError, match=r"missing \['decoder.22.bias'\]"):
        load_tiny_decoder(str(tmp_path / "broken.safetensors"))
    with pytest.raises(ConfigError, match="no such weights file"):
        load_tiny_decoder(str(tmp_path / "none.safetensors"))


def test_a_codec_without_a_tiny_decoder_says_how_to_get_previews():
    with pytest.raises(ValueError, match=r"set codec\.tiny"):
        WanCodec(tiny_vae(), CodecConfig(kind="wan")).preview(torch.randn(1, 48, *GRID))
