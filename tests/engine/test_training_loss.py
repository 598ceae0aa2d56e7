"""What is trained: noise levels, errors, gradients, and that sampling does the same."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mirage_engine.config import (
    GeneratorConfig,
)
from mirage_engine.generator.condition import pocket_condition, style_tokens
from mirage_engine.generator.generator import WanGenerator
from mirage_engine.generator.schedule import SIGMA_MAX
from mirage_engine.parts import Context, MemoryView
from mirage_engine.training.loss import (
    Prediction,
    cell_errors,
    generator_loss,
    noise_levels,
    predict,
)
from tests.engine.tiny_engine import CHANNELS, camera_at, linear_codec, tiny_network
from tests.engine.tiny_training import FRAMES, GRID


def test_noise_levels_stay_in_range_and_start_at_pure_noise_as_often_as_asked():
    chance = torch.Generator().manual_seed(0)
    levels = noise_levels(4000, 0.7, 5.0, chance)
    assert levels.min() >= 0.02 and levels.max() == SIGMA_MAX
    assert (levels == SIGMA_MAX).float().mean() == pytest.approx(0.7, abs=0.03)
    assert (noise_levels(100, 1.0, 5.0, chance) == SIGMA_MAX).all()
    spread = noise_levels(4000, 0.0, 1.0, chance)
    assert float(spread.mean()) == pytest.approx(0.5, abs=0.03)


def some_latents(batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, CHANNELS, FRAMES, *GRID)


def test_a_perfect_and_sure_prediction_costs_nothing_but_the_floor():
    clean = some_latents()
    sure = torch.full((2, FRAMES, *GRID), 30.0)
    loss = generator_loss(Prediction(clean, sure), clean, linear_codec().latent_std, 1.0)
    assert float(loss) == pytest.approx(1.5 * 0.01, abs=1e-5)


def test_errors_and_misplaced_trust_cost_more_the_greater_they_are():
    clean = some_latents()
    sure = torch.full((2, FRAMES, *GRID), 8.0)

    def loss(off: float, trust: torch.Tensor) -> float:
        guess = Prediction(clean + off * torch.randn_like(clean), trust)
        return float(generator_loss(guess, clean, linear_codec().latent_std, 1.0))

    losses = [loss(off, sure) for off in (0.0, 0.1, 0.5, 2.0)]
    assert losses == sorted(losses)
    assert loss(0.0, -sure) > loss(0.0, sure)


def test_the_clean_first_frame_is_not_judged():
    clean, sure = some_latents(), torch.zeros(2, FRAMES, *GRID)
    guess = clean.clone()
    guess[:, :, 0] += 5
    std = linear_codec().latent_std
    wanted = generator_loss(Prediction(clean, sure), clean, std, 1.0)
    assert torch.equal(generator_loss(Prediction(guess, sure), clean, std, 1.0), wanted)


def test_errors_are_those_of_pixels_and_of_log_depth():
    codec, clean, guess = linear_codec(), some_latents(1), some_latents(1)
    picture, depth = cell_errors(guess, clean, codec.latent_std)
    pairs = [codec(x[0].transpose(0, 1)) for x in (guess, clean)]
    for made, channel in ((picture, 0), (depth, 1)):
        off = (pairs[0][channel] - pairs[1][channel]).square().mean(1, keepdim=True)
        assert torch.allclose(made[0], F.avg_pool2d(off, 4)[:, 0], rtol=1e-3, atol=1e-6)


def network_with_head(**changes: object) -> torch.nn.Module:
    return tiny_network(0.3, repair_width=8, repair_blocks=1, **changes)


def example(batch: int = 2) -> dict[str, torch.Tensor]:
    return {
        "clean": some_latents(batch),
        "first": torch.randn(batch, CHANNELS, *GRID),
        "condition": torch.randn(batch, 2 * CHANNELS, FRAMES, *GRID),
        "text": torch.randn(batch, 2, 4 * CHANNELS),
        "sigma": torch.full((batch,), 0.7),
        "noise": some_latents(batch),
    }


def test_gradients_reach_backbone_side_branch_and_repair():
    network = network_with_head().requires_grad_(True)
    batch = example()
    guess = predict(network, **batch)
    generator_loss(guess, batch["clean"], linear_codec().latent_std, 1.0).backward()
    for name in (
        "blocks.0.attn1.to_q.weight",
        "memory_blocks.0.proj_out.weight",
        "repair.head.weight",
        "proj_out.weight",
    ):
        gradient = network.get_parameter(name).grad
        assert gradient is not None and gradient.abs().max() > 0, name


@torch.no_grad()
def test_an_untrained_network_predicts_its_read_out():
    batch = example()
    guess = predict(tiny_network(0.0), **batch)
    assert torch.allclose(guess.clean, batch["condition"][:, :CHANNELS], atol=1e-6)


@torch.no_grad()
def test_the_network_is_told_that_the_first_frame_is_clean():
    network, seen = tiny_network(0.0), []
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[:2]))
    batch = example()
    predict(network, **batch)
    latents, times = seen[0]
    assert torch.equal(latents[:, :, 0], batch["first"])
    assert torch.allclose(times, torch.tensor([0.0, 700.0, 700.0]).expand(2, 3))
    mixed = 0.3 * batch["clean"] + 0.7 * batch["noise"]
    assert torch.allclose(latents[:, :, 1:], mixed[:, :, 1:], atol=1e-6)


@torch.no_grad()
def test_training_sees_what_sampling_does():
    """One step from noise, as the generator takes it, gives the prediction that was trained."""
    network, batch = network_with_head(), example(1)
    mask = torch.rand(FRAMES, *GRID) < 0.5
    view = MemoryView(
        torch.randn(FRAMES, CHANNELS, *GRID) * mask[:, None],
        mask,
        3.0 * mask,
        torch.where(mask, 0, -1),
        torch.zeros(FRAMES, 2, *GRID),
        mask.float(),
    )
    cameras = [camera_at((0, 0, 0.1 * i), size=(48, 64)) for i in range(FRAMES)]
    start, nothing = torch.randn(CHANNELS, *GRID), torch.zeros(0, CHANNELS, *GRID)
    context = Context(view, cameras, batch["first"][0], nothing, None, nothing, start)
    noise = batch["noise"][0].transpose(0, 1)
    made = WanGenerator(network, GeneratorConfig(steps=1))(context, noise, lambda *_: True)

    condition = pocket_condition(view, cameras)[None]
    batch |= {"condition": condition, "text": style_tokens(start)[None]}
    batch["sigma"] = torch.tensor([SIGMA_MAX])
    guess = predict(network, **batch).clean[0].transpose(0, 1)
    correction = guess - network.readout(condition)[0].transpose(0, 1)
    assert (made.latents - guess)[1:].abs().mean() < 0.01 * correction[1:].abs().mean()
