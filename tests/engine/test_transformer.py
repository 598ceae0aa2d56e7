"""The transformer against the official network, and the laws of its side branch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mirage_engine.config import ConfigError
from mirage_engine.generator.attention import MatmulAttnProcessor
from mirage_engine.generator.transformer import MirageTransformer3DModel, load_transformer
from tests.engine.official_names import ours

CASES = [
    (case, *output)
    for case in ("R0P0", "R0P2", "R2P2", "R3P0", "B2R2P1")
    for output in (
        ("out_base", True, 1.0),
        ("out_base_novace", False, 1.0),
        ("out_base_scale0p5", True, 0.5),
    )
    if case != "B2R2P1" or output[0] == "out_base"  # the batch of two has no other output
]


def tiny(**changes: object) -> MirageTransformer3DModel:
    sizes = {
        "num_attention_heads": 3,
        "attention_head_dim": 32,
        "in_channels": 48,
        "out_channels": 48,
        "text_dim": 64,
        "ffn_dim": 192,
        "num_layers": 4,
        "memory_in_channels": 96,
    }
    return MirageTransformer3DModel(**{**sizes, **changes}).eval()


@pytest.fixture(scope="module")
def official(golden):
    model = tiny()
    state = {
        ours(key): value
        for name in ("tiny_dit", "tiny_vace")
        for key, value in load_file(golden / f"{name}.safetensors").items()
    }
    model.load_state_dict(state, strict=True)
    return model, np.load(golden / "model_fn.npz")


@pytest.mark.golden
@pytest.mark.parametrize(("case", "output", "branch", "scale"), CASES)
@torch.no_grad()
def test_output_is_that_of_the_official_network(official, case, output, branch, scale):
    model, data = official

    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(data[f"{case}/{name}"]).float()

    memory = tensor("vace_context")
    memory = memory if memory.ndim == 5 else memory[None]
    references = int(case[case.index("R") + 1])
    made = model(
        tensor("latents"),
        tensor("timestep"),
        tensor("context"),
        memory if branch else None,
        references,
        scale,
    )
    assert (made - tensor(output)).abs().max() < 2e-5


def inputs(frames: int = 3, batch: int = 1) -> tuple[torch.Tensor, ...]:
    chance = torch.Generator().manual_seed(0)
    latents = torch.randn(batch, 48, frames, 4, 6, generator=chance)
    memory = torch.randn(batch, 96, frames, 4, 6, generator=chance)
    times = torch.tensor([0.0] + [700.0] * (frames - 1))
    return latents, times, torch.randn(batch, 5, 64, generator=chance), memory


@torch.no_grad()
def test_an_untrained_side_branch_changes_nothing():
    torch.manual_seed(0)
    model = tiny()
    latents, times, text, memory = inputs()
    plain = model(latents, times, text)
    assert torch.equal(model(latents, times, text, memory), plain)


@torch.no_grad()
def test_a_trained_side_branch_reaches_targets_and_is_scaled():
    torch.manual_seed(0)
    model = tiny()
    torch.nn.init.normal_(model.memory_blocks[0].proj_out.weight, std=0.05)
    latents, times, text, memory = inputs()
    plain = model(latents, times, text)
    assert not torch.allclose(model(latents, times, text, memory), plain, atol=1e-3)
    assert torch.equal(model(latents, times, text, memory, 0, 0.0), plain)


@torch.no_grad()
def test_attention_by_products_equals_the_library_attention():
    torch.manual_seed(0)
    model = tiny()
    latents, times, text, memory = inputs(batch=2)
    wanted = model(latents, times, text, memory)
    model.set_attn_processor(MatmulAttnProcessor())
    assert torch.allclose(model(latents, times, text, memory), wanted, atol=2e-5)


def test_latents_that_do_not_fit_the_patches_are_refused():
    model = tiny()
    with pytest.raises(ValueError, match="multiples"):
        model(torch.zeros(1, 48, 1, 5, 6), torch.zeros(1), torch.zeros(1, 1, 64))


def test_hint_layers_must_rise_within_the_network():
    with pytest.raises(ValueError, match="memory_layers"):
        tiny(memory_layers=(0, 9))


def test_the_model_survives_a_diffusers_folder(tmp_path):
    torch.manual_seed(0)
    model = tiny(memory_layers=(0, 3))
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
