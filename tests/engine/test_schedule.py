"""Noise levels and what the network's output means."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mirage_engine.generator.schedule import (
    add_noise,
    clean_from,
    scheduler,
    shifted,
    velocity_from,
)


@pytest.mark.golden
def test_noise_levels_and_trajectories_are_those_of_the_official_sampler(golden):
    data = np.load(golden / "scheduler.npz")
    tables = [key.split("/")[0] for key in data if key.endswith("/sigmas")]
    assert tables
    for table in tables:
        steps, shift = table.removeprefix("steps").split("_shift")
        made = scheduler(int(steps), float(shift))
        assert np.array_equal(made.sigmas.numpy(), data[f"{table}/sigmas"])
        assert made.timesteps.tolist() == data[f"{table}/timesteps"].tolist()


@pytest.mark.golden
def test_unipc_takes_the_official_path(golden):
    data = np.load(golden / "scheduler.npz")
    for key in (k for k in data if k.startswith("traj")):
        wanted = torch.from_numpy(data[key])
        steps = scheduler(len(wanted) - 1, 5.0)
        x = wanted[0]
        for i, t in enumerate(steps.timesteps):
            flow = torch.tanh(0.7 * x) - 0.3 * torch.roll(x, 1, 2) * (int(t) / 1000) + 0.1
            x = steps.step(flow, t, x, return_dict=False)[0]
            assert (x - wanted[i + 1]).abs().max() < 1e-6


@pytest.mark.parametrize("steps", [1, 2, 4, 20])
def test_a_perfect_velocity_field_gives_the_clean_latent_in_any_number_of_steps(steps):
    chance = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 1, 4, 3, 2, 2, generator=chance)
    made = scheduler(steps, 5.0)
    x = add_noise(clean, noise, made.sigmas[0])
    for t in made.timesteps:
        x = made.step(noise - clean, t, x, return_dict=False)[0]
    assert (x - clean).abs().max() < 1e-4


@pytest.mark.parametrize("predict", ["correction", "flow"])
def test_clean_and_velocity_tell_the_same(predict):
    chance = torch.Generator().manual_seed(1)
    output, noisy, readout = torch.randn(3, 2, 4, generator=chance)
    sigma = torch.tensor(0.6)
    clean = clean_from(output, noisy, sigma, readout, predict)
    flow = velocity_from(output, noisy, sigma, readout, predict)
    assert torch.allclose(noisy - sigma * flow, clean, atol=1e-6)


def test_no_correction_is_the_read_out():
    readout = torch.rand(3, 4)
    nothing = torch.zeros(3, 4)
    assert torch.equal(
        clean_from(nothing, torch.rand(3, 4), torch.tensor(0.5), readout, "correction"), readout
    )


def test_shift_keeps_the_ends_and_moves_the_middle_up():
    levels = shifted(torch.tensor([0.0, 0.5, 1.0]), 5.0)
    assert torch.allclose(levels, torch.tensor([0.0, 5 * 0.5 / 3, 1.0]))
