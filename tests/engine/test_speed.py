"""How a network is run changes how long it takes, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mirage_engine.config import ConfigError, GeneratorConfig
from mirage_engine.generator.attention import MatmulAttnProcessor
from mirage_engine.generator.speed import halve, tune
from mirage_engine.generator.transformer import MirageTransformer3DModel
from tests.benchmarks.bench_wan import CODEC, Load, measure, segment_of, stages_of
from tests.engine.tiny_wan import tiny_wan

LOAD = Load(references=1, target=3, preceding=1, grid=(8, 12), words=7)
CONFIG = GeneratorConfig(steps=2, predict="flow")


def network() -> MirageTransformer3DModel:
    torch.manual_seed(0)
    made = tiny_wan(num_layers=2).requires_grad_(False)
    torch.nn.init.normal_(made.memory_blocks[0].proj_out.weight, std=0.05)
    return made


def latents(made: MirageTransformer3DModel, config: GeneratorConfig = CONFIG) -> torch.Tensor:
    torch.manual_seed(1)
    return segment_of(made, config, LOAD)().latents


def test_text_is_projected_once_for_all_steps_and_blocks_run_in_each():
    made, projected, steps = network(), [], []
    made.blocks[0].attn2.to_k.register_forward_hook(lambda *_: projected.append(1))
    made.memory_blocks[0].attn2.to_v.register_forward_hook(lambda *_: projected.append(1))
    made.blocks[0].attn1.to_k.register_forward_hook(lambda *_: steps.append(1))
    latents(made, replace(CONFIG, steps=5))
    assert (len(projected), len(steps)) == (2, 5)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.05)])
def test_attention_by_products_gives_the_segment_of_the_fused_kernel(dtype, tolerance):
    configs = [replace(CONFIG, dtype=dtype, attention=kind) for kind in ("native", "products")]
    one, two = (latents(network(), config) for config in configs)
    assert (one - two).abs().max() < tolerance


def test_left_alone_a_cpu_takes_products_for_half_precision_only():
    for dtype, products in (("float32", False), ("bfloat16", True)):
        made = network()
        tune(made, GeneratorConfig(dtype=dtype))
        kinds = {isinstance(p, MatmulAttnProcessor) for p in made.attn_processors.values()}
        assert kinds == {products}


@pytest.mark.parametrize("attention", ["flash", "flash3", "cudnn", "sage"])
def test_a_kernel_that_this_machine_has_not_is_refused_in_one_line(attention):
    with pytest.raises(ConfigError, match=rf"attention '{attention}'") as caught:
        tune(network(), GeneratorConfig(attention=attention))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_blocks_are_traced_whole_and_give_the_same_segment(dtype):
    """Without the compiler behind it, tracing must change nothing at all."""
    torch.compiler.reset()
    made, config = network(), replace(CONFIG, dtype=dtype)
    wanted = latents(made, config)
    made.compile_repeated_blocks(fullgraph=True, backend="eager")
    assert torch.equal(latents(made, config), wanted)


@pytest.mark.slow
def test_compiled_blocks_give_the_same_segment_up_to_rounding():
    torch.compiler.reset()
    wanted = latents(network())
    assert torch.allclose(latents(network(), replace(CONFIG, compile=True)), wanted, atol=1e-4)


def test_the_benchmark_counts_a_block_as_one_does_by_hand():
    """One evaluation: matrix products of every token, and attention in pairs of tokens."""
    with torch.device("meta"):
        made = MirageTransformer3DModel(num_layers=2, memory_layers=(0,))
        halve(made)
        step = stages_of(made, LOAD)["step"].flops
    dim, ffn, cells = 3072, 14336, 24
    all_tokens, near = 5 * cells, 4 * cells  # the branch does not see the reference
    linear = 2 * (6 * dim * dim + 2 * dim * ffn)  # q, k, v, o; q and o of the text; in and out

    def block(tokens: int) -> int:
        return tokens * linear + 4 * dim * tokens * (tokens + LOAD.words)

    wanted = 2 * block(all_tokens) + block(near) + 2 * 2 * near * dim * dim  # proj_in, proj_out
    wanted += 2 * all_tokens * dim * 2 * 48 * 4  # patches in and out
    wanted += 5 * 2 * (256 * dim + dim * dim + 6 * dim * dim)  # time, a row for each frame
    assert step == pytest.approx(wanted, rel=1e-6)


def test_the_benchmark_measures_on_any_device():
    sizes = dict(num_layers=1, num_attention_heads=1, ffn_dim=32, text_dim=8)
    codec = CODEC | {"base_dim": 4, "decoder_base_dim": 4, "num_res_blocks": 1}
    measured = measure(
        torch.device("cpu"), sizes, codec, LOAD, steps=(2, 1), repeats=1, compiled=False
    )
    assert measured.keys() == {"denoise_2_steps_eager", "denoise_1_steps_eager", "decode"}
    assert all(stage["seconds"] > 0 for stage in measured.values())
