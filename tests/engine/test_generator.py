"""The generator with a real, tiny network: from noise and memory to latents."""

from __future__ import annotations

import pytest
import torch

from mirage_engine.config import GeneratorConfig
from mirage_engine.generator.generator import WanGenerator
from mirage_engine.holes import fill_holes
from mirage_engine.parts import Cancelled, Context, MemoryView
from tests.engine.tiny_engine import CHANNELS, camera_at, tiny_network

GRID = (8, 12)
FRAMES = 3


def go_on(step: int, total: int) -> bool:
    return True


def context(preceding: int = 0, references: int = 0) -> Context:
    chance = torch.Generator().manual_seed(3)

    def latents(count: int) -> torch.Tensor:
        return torch.randn(count, CHANNELS, *GRID, generator=chance)

    mask = torch.rand(FRAMES, *GRID, generator=chance) < 0.6
    view = MemoryView(
        latents(FRAMES) * mask[:, None],
        mask,
        2.5 * mask,
        torch.where(mask, 0, -1),
        torch.zeros(FRAMES, 2, *GRID),
        mask.float(),
    )
    cameras = [camera_at((0, 0, 0.1 * i), size=(32, 48)) for i in range(FRAMES)]
    return Context(
        view, cameras, latents(1)[0], latents(preceding), None, latents(references), latents(1)[0]
    )


def noise(seed: int = 0) -> torch.Tensor:
    chance = torch.Generator().manual_seed(seed)
    return torch.randn(FRAMES, CHANNELS, *GRID, generator=chance)


def generator(correction: float = 0.3, **config: object) -> WanGenerator:
    sizes = {"repair_width": 8, "repair_blocks": 1}
    settings = GeneratorConfig(**{"steps": 2, **config})
    return WanGenerator(tiny_network(correction, **sizes), settings)


def test_the_same_noise_gives_the_same_bytes():
    make = generator()
    one, other = make(context(), noise(), go_on), make(context(), noise(), go_on)
    assert torch.equal(one.latents, other.latents)
    assert torch.equal(one.sure, other.sure)


def test_other_noise_gives_another_segment():
    make = generator()
    one, other = make(context(), noise(0), go_on), make(context(), noise(1), go_on)
    assert not torch.allclose(one.latents[1:], other.latents[1:], atol=1e-3)


def test_noise_is_left_as_it_was_given():
    given = noise()
    generator()(context(), given, go_on)
    assert torch.equal(given, noise())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_frame_0_is_the_frame_that_was_given(dtype):
    made = generator(dtype=dtype)(context(), noise(), go_on)
    assert made.latents.shape == (FRAMES, CHANNELS, *GRID)
    assert made.latents.dtype == torch.float32
    assert torch.equal(made.latents[0], context().first)


@pytest.mark.parametrize("stop", [0, 1, 2])
def test_a_no_between_steps_gives_the_segment_up(stop):
    asked = []

    def on_step(step: int, total: int) -> bool:
        asked.append((step, total))
        return step < stop

    with pytest.raises(Cancelled):
        generator(steps=3)(context(), noise(), on_step)
    assert asked == [(i, 3) for i in range(stop + 1)]


def test_the_last_report_says_that_all_steps_are_done():
    told = []
    generator(steps=2)(context(), noise(), lambda *step: told.append(step) or True)
    assert told == [(0, 2), (1, 2), (2, 2)]


@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_untrained_network_returns_the_filled_read_out(steps, dtype):
    """Copying what memory knows is where training starts, and never loses to it."""
    seen = context()
    made = generator(correction=0.0, steps=steps, dtype=dtype)(seen, noise(), go_on)
    wanted = fill_holes(seen.view.latents, seen.view.mask)
    assert torch.allclose(made.latents[1:], wanted[1:], atol=2e-3)


def test_sureness_is_a_probability_of_each_cell():
    sure = generator(correction=3.0)(context(), noise(), go_on).sure
    assert sure.shape == (FRAMES, *GRID)
    assert sure.min() >= 0 and sure.max() <= 1
    assert sure.std() > 0.01


def test_a_network_without_a_sureness_channel_claims_none():
    network = tiny_network(0.3, out_channels=CHANNELS)
    made = WanGenerator(network, GeneratorConfig(steps=1))(context(), noise(), go_on)
    assert made.sure is None


@pytest.mark.parametrize("steps", [1, 2])
def test_half_precision_is_close_to_full(steps):
    full = generator(steps=steps)(context(), noise(), go_on).latents
    half = generator(steps=steps, dtype="bfloat16")(context(), noise(), go_on).latents
    wanted = fill_holes(context().view.latents, context().view.mask)
    assert (half - full)[1:].abs().mean() < 0.03 * (full - wanted)[1:].abs().mean()


def test_context_and_references_take_part_and_are_not_returned():

    network = tiny_network(0.3)
    make = WanGenerator(network, GeneratorConfig(steps=1))
    plain = make(context(), noise(), go_on).latents
    with_references = make(context(references=2), noise(), go_on).latents
    assert with_references.shape == plain.shape
    assert not torch.allclose(with_references[1:], plain[1:], atol=1e-4)


def test_the_hint_scale_turns_the_side_branch_off():
    network = tiny_network(0.3)
    for block in network.memory_blocks:
        torch.nn.init.normal_(block.proj_out.weight, std=0.5)
    made = [
        WanGenerator(network, GeneratorConfig(steps=1, hint_scale=scale))(
            context(), noise(), go_on
        ).latents
        for scale in (0.0, 1.0)
    ]
    assert not torch.allclose(made[0], made[1], atol=1e-3)


def test_clean_frames_are_announced_as_clean_and_the_others_as_noisy_as_they_are():
    network, seen = tiny_network(0.3), []
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1].tolist()))
    WanGenerator(network, GeneratorConfig(steps=2, shift=5.0))(
        context(preceding=0, references=2), noise(), go_on
    )
    # Two references and the first frame are clean; two steps: 0.999, then half of it, shifted.
    half = 1000 * 5 * 0.4995 / (1 + 4 * 0.4995)
    assert [times[:3] for times in seen] == [[0, 0, 0]] * 2
    assert seen[0][3:] == pytest.approx([1000 * 5 * 0.999 / (1 + 4 * 0.999)] * 2, abs=1)
    assert seen[1][3:] == pytest.approx([half] * 2, abs=1)
