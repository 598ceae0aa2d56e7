"""`--check`: says from headers alone whether files fit, and how much memory they take."""

from __future__ import annotations

import json
import struct
from math import prod
from pathlib import Path

import pytest
import torch

from mirage_engine.checkpoints import from_ours
from mirage_engine.checkpoints.__main__ import main
from mirage_engine.checkpoints.check import activations, report, segment_tokens
from mirage_engine.checkpoints.network import shapes_of
from mirage_engine.generator.speed import halve
from mirage_engine.generator.transformer import MirageTransformer3DModel
from mirage_engine.generator.weights import arguments
from tests.engine.live_bytes import LiveBytes

BITS = {"F32": 32, "BF16": 16}


def hollow(shapes: dict[str, tuple[int, ...]], dtype: str, path: Path) -> str:
    """A safetensors file with a true header and a hole in the place of its tensors."""
    header, end = {}, 0
    for key, shape in shapes.items():
        size = prod(shape) * BITS[dtype] // 8
        header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    return str(path)


def large(**changes: object) -> dict:
    """Wan2.2-TI2V-5B, as constructor arguments."""
    with torch.device("meta"):
        return arguments(MirageTransformer3DModel(**changes))


@pytest.fixture
def files(tmp_path) -> list[str]:
    """The 5B backbone in float32 and a side branch in bfloat16, official names, 25 GB of holes."""
    shapes = shapes_of(large())
    parts = [
        {from_ours(k, "official"): v for k, v in shapes.items() if k.startswith("memory_") is side}
        for side in (False, True)
    ]
    return [
        hollow(parts[0], "F32", tmp_path / "dit.safetensors"),
        hollow(parts[1], "BF16", tmp_path / "step_0010000_vace.safetensors"),
    ]


def test_files_of_full_size_are_judged_from_their_headers(files, capsys):
    assert main(["--check", *files]) == 0
    said = capsys.readouterr().out
    # Counted by hand: 30 blocks of 3072 channels, 14336 within; 15 of them again, with outlets.
    assert "5.000 billion parameters, 30 blocks of 3072 channels and 24 heads" in said
    assert "hints for blocks 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28" in said
    assert "in F32" in said and "in BF16" in said
    assert "13200 tokens" in said
    assert said.rstrip().endswith("these files work together")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_weights_are_counted_in_the_precision_they_will_have(files, order):
    params = sum(prod(shape) for shape in shapes_of(large()).values())
    memory = next(line for line in report([files[i] for i in order]) if "memory" in line)
    assert f"weights {2 * params / 1e9:.2f} GB" in memory


def test_spatia_s_branch_works_with_the_same_backbone(files, tmp_path):
    shapes = shapes_of(large(memory_layers=tuple(range(0, 30, 4))))
    branch = {from_ours(k, "official"): v for k, v in shapes.items() if k.startswith("memory_")}
    lines = report([files[0], hollow(branch, "BF16", tmp_path / "spatia.safetensors")])
    assert any("hints for blocks 0, 4, 8, 12, 16, 20, 24, 28;" in line for line in lines)


def test_a_lora_is_counted_and_checked(files, tmp_path, capsys):
    pair = {"lora_A.weight": (32, 3072), "lora_B.weight": (3072, 32)}
    lora = {f"pipe.dit.blocks.{i}.self_attn.q.{k}": v for i in range(30) for k, v in pair.items()}
    good = hollow(lora, "BF16", tmp_path / "lora.safetensors")
    assert any("LoRA: 30 places, rank 32" in line for line in report([*files, good]))
    lora |= {f"pipe.dit.blocks.30.self_attn.q.{k}": v for k, v in pair.items()}
    bad = hollow(lora, "BF16", tmp_path / "long.safetensors")
    assert main(["--check", *files, bad]) == 2
    assert "blocks.30.attn1.to_q" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ([1], "patch_embedding.weight is missing"),  # a branch alone
        ([0, 0], "is also in"),
        (["nowhere.safetensors"], "no such file"),
        (["weights.pt"], "convert it once"),
    ],
)
def test_what_does_not_work_together_ends_with_2_and_one_line(files, capsys, chosen, said):
    named = [files[c] if isinstance(c, int) else c for c in chosen]
    assert main(["--check", *named]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


@pytest.mark.parametrize("sizes", [(3, 1792, 4), (6, 3584, 2)])
def test_the_activations_are_those_of_a_real_evaluation(sizes):
    """Proportions of the large network at a fraction of its width; within a tenth."""
    heads, ffn, layers = sizes
    network = MirageTransformer3DModel(
        num_attention_heads=heads, ffn_dim=ffn, num_layers=layers, text_dim=64
    )
    halve(network.eval().requires_grad_(False))
    shape = (5, 16, 24)
    latents, memory = torch.randn(1, 48, *shape), torch.randn(1, 96, 4, 16, 24)
    text, times = torch.randn(1, 512, 64), torch.full((5,), 500.0)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16), LiveBytes() as live:
        network(latents, times, network.prepare(text, shape, memory, 1))
    estimate = activations(arguments(network), tokens=5 * 8 * 12)
    assert estimate == pytest.approx(live.peak, rel=0.1)


def test_a_segment_of_the_paper_has_nine_target_two_preceding_and_four_reference_frames():
    assert segment_tokens({"patch_size": (1, 2, 2)}) == (9 + 2 + 4) * 22 * 40
