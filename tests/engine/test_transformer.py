"""The transformer against the official network, and the laws of its side branch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers.models.transformers.transformer_wan import WanTransformerBlock

from mirage_engine.config import ConfigError
from mirage_engine.generator.attention import MatmulAttnProcessor, project
from mirage_engine.generator.blocks import FrameBlock
from mirage_engine.generator.transformer import MirageTransformer3DModel
from mirage_engine.generator.weights import load_transformer
from tests.engine.golden_segments import cases, reader, references_of
from tests.engine.tiny_wan import official_wan, tiny_wan


@pytest.fixture(scope="module")
def official(golden):
    return official_wan(golden), np.load(golden / "model_fn.npz")


@pytest.mark.golden
@pytest.mark.parametrize(
    ("output", "branch", "scale"),
    [("out_base", True, 1.0), ("out_base_novace", False, 1.0), ("out_base_scale0p5", True, 0.5)],
)
@torch.no_grad()
def test_output_is_that_of_the_official_network(official, output, branch, scale):
    model, data = official
    for case in cases(data, output):
        read = reader(data, case)
        memory = read("vace_context")
        memory = memory if memory.ndim == 5 else memory[None]
        made = model(
            read("latents"),
            read("timestep"),
            read("context"),
            memory if branch else None,
            references_of(case),
            scale,
        )
        assert (made - read(output)).abs().max() < 1e-5, case


def inputs(frames: int = 3, batch: int = 1) -> tuple[torch.Tensor, ...]:
    chance = torch.Generator().manual_seed(0)
    latents = torch.randn(batch, 48, frames, 4, 6, generator=chance)
    memory = torch.randn(batch, 96, frames, 4, 6, generator=chance)
    times = torch.tensor([0.0] + [700.0] * (frames - 1))
    return latents, times, torch.randn(batch, 5, 64, generator=chance), memory


@torch.no_grad()
def test_an_untrained_side_branch_changes_nothing():
    torch.manual_seed(0)
    model = tiny_wan()
    latents, times, text, memory = inputs()
    plain = model(latents, times, text)
    assert torch.equal(model(latents, times, text, memory), plain)


@torch.no_grad()
def test_a_trained_side_branch_reaches_targets_and_is_scaled():
    torch.manual_seed(0)
    model = tiny_wan()
    torch.nn.init.normal_(model.memory_blocks[0].proj_out.weight, std=0.05)
    latents, times, text, memory = inputs()
    plain = model(latents, times, text)
    assert not torch.allclose(model(latents, times, text, memory), plain, atol=1e-3)
    assert torch.equal(model(latents, times, text, memory, 0, 0.0), plain)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.no_grad()
def test_a_block_on_frames_equals_the_library_block_on_tokens_bit_for_bit(dtype):
    """Modulation per frame and text projected once, against one row per token and plain text."""
    torch.manual_seed(0)
    plain = WanTransformerBlock(96, 192, 3, cross_attn_norm=True).eval().to(dtype)
    fast = FrameBlock(96, 192, 3, 1e-6).eval().to(dtype)
    fast.load_state_dict(plain.state_dict())
    frames, cells = 3, 20
    tokens = torch.randn(2, frames * cells, 96, dtype=dtype)
    text, modulation = torch.randn(2, 7, 96, dtype=dtype), torch.randn(2, frames, 6, 96)
    rope = (torch.randn(1, frames * cells, 1, 32), torch.randn(1, frames * cells, 1, 32))
    rope = tuple(table.repeat_interleave(2, -1)[..., :32] for table in rope)
    wanted = plain(tokens, text, modulation.repeat_interleave(cells, 1), rope)
    made = fast(tokens, project(fast.attn2, text), modulation, rope)
    assert torch.equal(made, wanted)


@torch.no_grad()
def test_what_was_prepared_serves_every_step():
    torch.manual_seed(0)
    model = tiny_wan()
    torch.nn.init.normal_(model.memory_blocks[0].proj_out.weight, std=0.05)
    latents, times, text, memory = inputs(frames=4)
    given = model.prepare(text, latents.shape[2:], memory[:, :, 1:], references=1)
    for noise in (0.1, 0.9):
        wanted = model(latents * noise, times * noise, text, memory[:, :, 1:], 1, 0.5)
        assert torch.equal(model(latents * noise, times * noise, given, hint_scale=0.5), wanted)


@torch.no_grad()
def test_attention_by_products_equals_the_library_attention():
    torch.manual_seed(0)
    model = tiny_wan()
    latents, times, text, memory = inputs(batch=2)
    wanted = model(latents, times, text, memory)
    model.set_attn_processor(MatmulAttnProcessor())
    assert torch.allclose(model(latents, times, text, memory), wanted, atol=2e-5)


def test_latents_that_do_not_fit_the_patches_are_refused():
    model = tiny_wan()
    with pytest.raises(ValueError, match="multiples"):
        model(torch.zeros(1, 48, 1, 5, 6), torch.zeros(1), torch.zeros(1, 1, 64))


def test_hint_layers_must_rise_within_the_network():
    with pytest.raises(ValueError, match="memory_layers"):
        tiny_wan(memory_layers=(0, 9))


def test_the_model_survives_a_diffusers_folder(tmp_path):
    torch.manual_seed(0)
    model = tiny_wan(memory_layers=(0, 3))
    model.save_pretrained(tmp_path / "model")
    again = MirageTransformer3DModel.from_pretrained(tmp_path / "model")
    assert again.hint_layers == {0: 0, 3: 1}
    for key, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key


def test_a_file_that_is_no_generator_is_refused_in_one_line(tmp_path):
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"nothing of the kind")
    with pytest.raises(ConfigError, match=r"bad\.safetensors"):
        load_transformer(str(bad))
