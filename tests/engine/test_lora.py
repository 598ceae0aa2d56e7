"""LoRA: against the official outputs, and the laws of attaching, scaling and fusing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mirage_engine.config import ConfigError, LoraConfig
from mirage_engine.generator.lora import attach, fuse, plain_weights, set_scale
from tests.engine.golden_segments import cases, reader, references_of, segment_of
from tests.engine.tiny_wan import official_wan, tiny_wan, write

PLACES = {"blocks.0.self_attn.q": (96, 96), "blocks.3.ffn.2": (96, 192)}
OURS = ("blocks.0.attn1.to_q", "blocks.3.ffn.net.2")


@pytest.fixture(params=["fused", "beside the weights"])
def with_lora(request, golden):
    lora = LoraConfig(str(golden / "tiny_lora.safetensors"), fuse=request.param == "fused")
    return official_wan(golden, (lora,)), "fused" if lora.fuse else "peft"


@pytest.mark.golden
@torch.no_grad()
def test_output_is_that_of_the_official_network_with_its_lora(golden, with_lora):
    network, kind = with_lora
    data = np.load(golden / "model_fn.npz")
    for case in cases(data, f"out_lora_{kind}"):
        read = reader(data, case)
        made = network(
            read("latents"),
            read("timestep"),
            read("context"),
            read("vace_context")[None],
            references_of(case),
        )
        assert (made - read(f"out_lora_{kind}")).abs().max() < 1e-5, case


@pytest.mark.golden
def test_segments_with_a_lora_are_those_of_the_official_sampler(golden, with_lora):
    data = np.load(golden / "single_iteration.npz")
    found = [case for case in cases(data, "out") if case.endswith("_lora")]
    assert found
    for case in found:
        made, wanted = segment_of(with_lora[0], reader(data, case))
        assert (made - wanted).abs().max() < 5e-4, case


def lora_state(seed: int, rank: int = 2, style: str = "AB") -> dict[str, torch.Tensor]:
    """A LoRA for two places under the official names; the second has twice the rank."""
    down, up = {"AB": ("lora_A", "lora_B"), "down-up": ("lora_down", "lora_up")}[style]
    chance = torch.Generator().manual_seed(seed)
    state = {}
    for i, (place, (out, into)) in enumerate(PLACES.items()):
        size = rank * (i + 1)
        state[f"pipe.dit.{place}.{down}.weight"] = torch.randn(size, into, generator=chance)
        state[f"pipe.dit.{place}.{up}.weight"] = torch.randn(out, size, generator=chance)
    return state


def products(state: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """up @ down of both places, by hand."""
    first, second, third, fourth = state.values()
    return [second @ first, fourth @ third]


@pytest.fixture
def file(tmp_path) -> Path:
    return Path(write(lora_state(0), tmp_path / "style.safetensors"))


def weights(network) -> list[torch.Tensor]:
    state = plain_weights(network)
    return [state[f"{place}.weight"].clone() for place in OURS]


def looked(network) -> torch.Tensor:
    chance = torch.Generator().manual_seed(4)
    latents = torch.randn(1, 48, 2, 4, 4, generator=chance)
    text = torch.randn(1, 3, 64, generator=chance)
    return network(latents, torch.tensor([0.0, 500.0]), text)


@pytest.mark.parametrize("scale", [1.0, -0.5])
@torch.no_grad()
def test_fusing_adds_scale_times_up_times_down_and_leaves_nothing_behind(file, scale):
    network = tiny_wan()
    before, kinds = weights(network), [type(m) for m in network.modules()]
    fuse(network, attach(network, LoraConfig(str(file), scale)))
    for old, new, change in zip(before, weights(network), products(lora_state(0)), strict=True):
        assert torch.allclose(new - old, scale * change, atol=1e-5)
    assert [type(m) for m in network.modules()] == kinds


@torch.no_grad()
def test_an_attached_lora_can_be_turned_off_and_up_again(file):
    network = tiny_wan()
    plain = looked(network)
    name = attach(network, LoraConfig(str(file)))
    full = looked(network)
    assert not torch.allclose(full, plain, atol=1e-3)
    set_scale(network, name, 0.0)
    assert torch.equal(looked(network), plain)
    set_scale(network, name, 1.0)
    assert torch.equal(looked(network), full)


@torch.no_grad()
def test_loras_add_up_fused_or_not(file, tmp_path):
    other = write(lora_state(1), tmp_path / "fast.safetensors")
    beside, fused = tiny_wan(), tiny_wan()
    fused.load_state_dict(beside.state_dict())
    names = [attach(beside, LoraConfig(str(file))), attach(beside, LoraConfig(other, 0.3))]
    for lora in (LoraConfig(str(file)), LoraConfig(other, 0.3)):
        fuse(fused, attach(fused, lora))
    assert torch.allclose(looked(beside), looked(fused), atol=1e-4)
    for name in names:
        fuse(beside, name)
    for one, two in zip(weights(beside), weights(fused), strict=True):
        assert torch.allclose(one, two, atol=1e-5)


@pytest.mark.parametrize(
    ("style", "in_file", "in_config", "strengths"),
    [
        ("AB", None, 0.0, (1.0, 1.0)),  # the rank, as the official code takes it
        ("AB", None, 1.0, (1 / 2, 1 / 4)),
        ("down-up", 4.0, 0.0, (2.0, 1.0)),
        ("down-up", 4.0, 1.0, (1 / 2, 1 / 4)),  # a setting has the last word
    ],
)
@torch.no_grad()
def test_strength_is_alpha_by_rank(tmp_path, style, in_file, in_config, strengths):
    state = lora_state(0, style=style)
    changes = products(state)
    if in_file is not None:
        state |= {f"pipe.dit.{place}.alpha": torch.tensor(in_file) for place in PLACES}
    network = tiny_wan()
    before = weights(network)
    path = write(state, tmp_path / "lora.safetensors")
    fuse(network, attach(network, LoraConfig(path, alpha=in_config)))
    for old, new, change, s in zip(before, weights(network), changes, strengths, strict=True):
        assert torch.allclose(new - old, s * change, atol=1e-5)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("pipe.dit.blocks.9.ffn.0.lora_A.weight", torch.zeros(2, 96), "blocks.9"),
        ("pipe.dit.blocks.0.self_attn.q.lora_A.weight", torch.zeros(2, 95), "95"),
        ("pipe.dit.blocks.0.self_attn.q.lora_B.weight", torch.zeros(96, 3), "3"),
        ("pipe.dit.blocks.0.self_attn.q.diff_b", torch.zeros(96), "diff_b"),
        ("pipe.dit.blocks.0.self_attn.z.lora_A.weight", torch.zeros(2, 96), "self_attn.z"),
    ],
)
def test_a_lora_that_does_not_fit_is_refused_by_the_tensor_s_name(tmp_path, key, value, said):
    path = write({**lora_state(0), key: value}, tmp_path / "bad.safetensors")
    with pytest.raises(ConfigError, match=said):
        attach(tiny_wan(), LoraConfig(path))
