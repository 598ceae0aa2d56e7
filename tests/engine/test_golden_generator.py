"""Segments and losses against the official code, on the real classes with the official weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mirage_engine.checkpoints.names import to_ours
from mirage_engine.generator.generator import evaluate
from mirage_engine.generator.schedule import add_noise
from tests.engine.golden_segments import (
    cases,
    conditions_of,
    context_of,
    iterations,
    loop_reader,
    reader,
    segment_of,
)
from tests.engine.tiny_wan import official_wan

pytestmark = pytest.mark.golden


def test_segments_are_those_of_the_official_sampler(golden):
    data, network = np.load(golden / "single_iteration.npz"), official_wan(golden)
    for case in cases(data, "out"):
        if not case.endswith("_lora"):  # those are in test_lora
            made, wanted = segment_of(network, reader(data, case))
            assert made.shape == wanted.shape
            assert (made - wanted).abs().max() < 5e-4, case


@pytest.mark.parametrize("run", ["e2e_p0", "e2e_p8_fixed"])
def test_a_whole_loop_is_that_of_the_official_code_segment_by_segment(golden, run):
    data, given = np.load(golden / f"{run}.npz"), np.load(golden / "e2e_inputs.npz")
    network = official_wan(golden)
    for iteration in range(iterations(data)):
        made, wanted = segment_of(network, loop_reader(data, given, iteration))
        assert (made - wanted).abs().max() < 5e-4, iteration


def test_the_condition_is_laid_out_as_the_official_one(golden):
    data = np.load(golden / "single_iteration.npz")
    for case in cases(data, "vace_context_96"):
        read = reader(data, case)
        assert torch.equal(conditions_of(read).memory(context_of(read)), read("vace_context_96"))


def test_loss_and_gradients_are_those_of_the_official_training(golden):
    data = np.load(golden / "training.npz")
    batch = {k.removeprefix("batch/"): torch.from_numpy(data[k]) for k in data if "batch/" in k}
    sigma, noise = torch.from_numpy(data["sigma"]), torch.from_numpy(data["noise"])
    network = official_wan(golden)
    network.requires_grad_(False)
    network.memory_blocks.requires_grad_(True)
    network.memory_patch_embedding.requires_grad_(True)
    references, target, preceding = batch["reference"], batch["target"], batch["preceding"]
    frames = references.shape[2] + target.shape[2] + preceding.shape[2]
    given = network.prepare(
        torch.from_numpy(data["context"]),
        (frames, *target.shape[3:]),
        batch["vace_context"],
        references.shape[2],
    )
    noisy = add_noise(target, noise, sigma[:, None, None])
    times = torch.from_numpy(data["target_timestep"])
    flow = evaluate(network, noisy, times, references, preceding, given)
    loss = F.mse_loss(flow[:, :, 1:], (noise - target)[:, :, 1:])
    loss.backward()
    assert abs(loss.item() - float(data["loss_vace_stage"])) < 1e-5
    norms = {k.removeprefix("grad_norm/vace."): float(data[k]) for k in data if "grad_norm" in k}
    assert len(norms) == sum(p.requires_grad for p in network.parameters())
    for key, norm in norms.items():
        made = network.get_parameter(to_ours(key)).grad
        assert float(made.norm()) == pytest.approx(norm, rel=1e-3), key
