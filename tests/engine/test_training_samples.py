"""What is trained on: clips of scenes, memory with its faults, pictures of structure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mirage_engine.rooms import Scene
from mirage_engine.training.clips import load_clip, make_clip, missing, save_clip
from mirage_engine.training.samples import choose_sources, linear_depth, make_sample
from mirage_engine.training.structures import make_structure
from tests.engine.tiny_engine import CHANNELS, linear_codec
from tests.engine.tiny_training import CLIPS, FRAMES, GRID, LENS


def test_a_clip_is_the_same_for_the_same_scene_and_another_for_another():
    one, again = (make_clip(7, CLIPS, LENS, linear_codec()) for _ in range(2))
    other = make_clip(8, CLIPS, LENS, linear_codec())
    assert torch.equal(one.latents, again.latents)
    assert all(
        np.array_equal(a.c2w, b.c2w) for a, b in zip(one.cameras, again.cameras, strict=True)
    )
    assert not torch.equal(one.latents, other.latents)
    assert one.latents.shape == (12, CHANNELS, *GRID) and one.latents.dtype == torch.float16


def test_a_clip_shows_its_scene_from_its_cameras():
    clip = make_clip(7, CLIPS, LENS, linear_codec())
    truth = Scene(7).render(clip.cameras).frames.numpy().astype(float)
    made = linear_codec().decode(clip.latents.float()).frames
    assert 10 * np.log10(255**2 / np.square(made - truth).mean()) > 22


def test_a_clip_survives_its_file(tmp_path):
    clip = make_clip(7, CLIPS, LENS, linear_codec())
    save_clip(clip, tmp_path / "clip.safetensors")
    again = load_clip(tmp_path / "clip.safetensors")
    assert torch.equal(again.latents, clip.latents)
    for one, other in zip(again.cameras, clip.cameras, strict=True):
        assert np.array_equal(one.c2w, other.c2w) and one.size == other.size
        assert np.array_equal(one.intrinsics, other.intrinsics)
    assert [p.name for p in tmp_path.iterdir()] == ["clip.safetensors"]


def test_parts_of_the_work_share_the_clips_and_leave_out_what_is_there(tmp_path):
    config = replace(CLIPS, folder=str(tmp_path), clips=7)
    parts = [{path for _, path in missing(config, "train", k, 3)} for k in range(3)]
    assert [len(p) for p in parts] == [3, 2, 2]
    assert len(set.union(*parts)) == 7
    next(iter(parts[0])).touch()
    assert len(list(missing(config, "train", 0, 1))) == 6


@pytest.mark.parametrize("backwards", [False, True])
def test_memory_is_made_from_nothing_the_past_elsewhere_and_returns(backwards):
    order = np.arange(12)[::-1] if backwards else np.arange(12)
    begin, window = 4, order[4:7]
    kinds = set()
    for seed in range(200):
        sources = choose_sources(order, begin, window, np.random.default_rng(seed))
        places = [int(np.flatnonzero(order == s)[0]) for s in sources]
        assert places == sorted(set(places)), "in the order in which they were walked"
        shown = {5, 6} & set(places)
        if not places:
            kinds.add("nothing")
        elif places == [4]:
            kinds.add("only here")
        elif max(places) <= 4:
            kinds.add("past")
        else:
            kinds.add("return" if shown == {5, 6} else "elsewhere")
    assert kinds == {"nothing", "only here", "past", "elsewhere", "return"}


def test_a_sample_has_what_the_network_takes(recipe, clip):
    for seed in range(12):
        sample = make_sample(clip, linear_codec(), recipe, np.random.default_rng(seed))
        assert sample.clean.shape == (CHANNELS, FRAMES, *GRID)
        assert sample.first.shape == (CHANNELS, *GRID)
        assert sample.condition.shape == (2 * CHANNELS, FRAMES, *GRID)
        assert sample.text.shape[1] == 4 * CHANNELS
        assert torch.equal(sample.condition[CHANNELS], sample.mask.float())
        assert all(torch.isfinite(value).all() for value in vars(sample).values())


def test_samples_are_the_same_for_the_same_chance(recipe, clip):
    one, other = (
        make_sample(clip, linear_codec(), recipe, np.random.default_rng(5)) for _ in range(2)
    )
    for name, value in vars(one).items():
        assert torch.equal(value, getattr(other, name)), name


def test_what_memory_shows_resembles_the_truth(recipe, clip):
    """Where memory has something, the read-out is far nearer to the truth than chance is."""
    near, far = [], []
    for seed in range(20):
        sample = make_sample(clip, linear_codec(), recipe, np.random.default_rng(seed))
        readout, mask = sample.condition[:3], sample.mask
        near.append((readout - sample.clean[:3])[:, mask].square())
        far.append((readout.flip(-1) - sample.clean[:3])[:, mask].square())
    assert torch.cat(near, 1).mean() < 0.5 * torch.cat(far, 1).mean()


def test_depth_by_the_basis_is_what_an_untrained_decoder_says(clip):
    latents = clip.latents.float()
    wanted = linear_codec().decode(latents).depth_m
    assert torch.allclose(linear_depth(linear_codec(), latents), wanted, rtol=1e-4)


def test_structure_has_depth_everywhere_and_is_the_same_for_the_same_chance():
    for seed in range(6):
        image, depth = make_structure((48, 64), np.random.default_rng(seed))
        assert image.shape == (48, 64, 3) and image.dtype == torch.uint8
        assert depth.shape == (48, 64) and depth.dtype == torch.float32
        assert (depth > 0).all()
        again = make_structure((48, 64), np.random.default_rng(seed))
        assert torch.equal(again[0], image) and torch.equal(again[1], depth)
