"""Segments and losses against the official code, on the real classes with the official weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mirage_engine.checkpoints.names import to_ours
from mirage_engine.config import GeneratorConfig
from mirage_engine.generator.generator import WanGenerator, evaluate
from mirage_engine.generator.schedule import add_noise
from tests.engine.golden_segments import conditions_of, context_of, reader
from tests.engine.tiny_wan import official_wan

pytestmark = pytest.mark.golden


@pytest.mark.parametrize("case", ["R0P0", "R2P2", "R1P2_cfg", "R2P2_steps20"])
def test_a_segment_is_that_of_the_official_sampler(golden, case):
    read = reader(np.load(golden / "single_iteration.npz"), case)
    config = GeneratorConfig(
        steps=int(read("steps")), guidance=float(read("guidance")), predict="flow"
    )
    make = WanGenerator(official_wan(golden), config, conditions_of(read))
    made = make(context_of(read), read("noise")[0].transpose(0, 1), lambda *_: True)
    wanted = read("out")[0].transpose(0, 1)
    assert made.latents.shape == wanted.shape
    assert (made.latents - wanted).abs().max() < 5e-4


@pytest.mark.parametrize("case", ["R0P0", "R2P2"])
def test_the_condition_is_laid_out_as_the_official_one(golden, case):
    read = reader(np.load(golden / "single_iteration.npz"), case)
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
