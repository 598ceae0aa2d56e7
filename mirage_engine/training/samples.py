"""Samples: from a clip to what the generator meets while somebody walks.

Memory is built by the same class as at inference, from other frames of the clip, with the faults
that it will have there: depth off in scale, features off in value, holes. Past, return and unknown
ground are mixed, and both directions of time.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import IterableDataset

from mirage_engine.camera import Camera
from mirage_engine.codecs.pocket import PICTURE, SKY_FROM_M, PocketCodec
from mirage_engine.generator.condition import pocket_condition, style_tokens
from mirage_engine.memory import LatentMemory
from mirage_engine.parts import MemoryView
from mirage_engine.training.clips import Clip, clip_paths, load_clip
from mirage_engine.training.settings import GeneratorRecipe


@dataclass(frozen=True)
class Sample:
    """One training example; batches stack the fields."""

    clean: Tensor  # [C, t, h, w]
    first: Tensor  # [C, h, w] frame 0 as the network gets it: generated, so not quite right
    condition: Tensor  # [C + 11, t, h, w]; the first C are the filled read-out
    text: Tensor  # [L, 4C]
    mask: Tensor  # [t, h, w] bool, True where memory had something


def make_sample(
    clip: Clip, codec: PocketCodec, recipe: GeneratorRecipe, rng: np.random.Generator
) -> Sample:
    """A random window of the clip with a random memory of the rest."""
    order = np.arange(len(clip.cameras))
    if rng.random() < 0.4:
        order = order[::-1].copy()
    begin = int(rng.integers(0, len(order) - recipe.frames + 1))
    stride = 2 if rng.random() < 0.25 and begin + 2 * recipe.frames <= len(order) else 1
    window = order[begin : begin + stride * recipe.frames : stride]
    sources = np.ascontiguousarray(choose_sources(order, begin, window, rng))
    clean = clip.latents[torch.from_numpy(window.copy())].float()
    cameras = [clip.cameras[i] for i in window]
    view = remember(clip, sources, cameras, codec, recipe, rng)
    return Sample(
        clean.transpose(0, 1).contiguous(),
        worn(clean[:1], rng)[0],
        pocket_condition(view, cameras),
        style_tokens(clip.latents[0].float()),
        view.mask,
    )


def choose_sources(
    order: np.ndarray, begin: int, window: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Which frames memory was built from, in the order in which they were walked."""
    kind = rng.random()
    past, rest = order[: begin + 1], np.setdiff1d(order, window[1:])
    count = int(rng.integers(1, 7))
    if kind < 0.1:  # nothing is known
        chosen = order[:0]
    elif kind < 0.18:  # only what stands before the walker
        chosen = past[-1:]
    elif kind < 0.65:  # walking on: what came before, the start and the last frame among it
        some = rng.choice(past, min(count, len(past)), replace=False)
        chosen = np.concatenate([some, past[:1], past[-1:]])
    else:  # coming to a place seen from elsewhere, and sometimes from exactly here
        chosen = rng.choice(rest, min(count + 1, len(rest)), replace=False)
        if kind > 0.85:
            chosen = np.concatenate([chosen, window[1:]])
    return order[np.isin(order, chosen)]


def remember(
    clip: Clip,
    sources: np.ndarray,
    cameras: list[Camera],
    codec: PocketCodec,
    recipe: GeneratorRecipe,
    rng: np.random.Generator,
) -> MemoryView:
    """Memory's view of `cameras` after it was shown `sources` with the faults of real use."""
    memory = LatentMemory(codec.spec.channels, recipe.memory)
    scale, drift = 0.02 * rng.standard_normal(2) * (rng.random(2) < 0.4)
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    if len(sources):
        latents = clip.latents[torch.from_numpy(sources)].float()
        shape = latents.shape[0], *latents.shape[-2:]
        latents = worn(latents, rng)
        depth = linear_depth(codec, latents)
        depth = depth * (1 + scale + drift * torch.randn(shape[0], 1, 1, generator=generator))
        keep = holes(shape, rng, generator).repeat_interleave(4, 1).repeat_interleave(4, 2)
        views = [clip.cameras[i] for i in sources]
        memory.write(latents, depth, views, keep, segment=0)
    view = memory.read(cameras, codec.spec.latent_size(cameras[0].size))
    return replace(view, latents=codec.at_view(view))


def worn(latents: Tensor, rng: np.random.Generator) -> Tensor:
    """Frames [T, C, h, w] as the generator might have made them: a little off in value, and in
    some blocks, as where it had to guess, without detail."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    if rng.random() < 0.4:
        noise = torch.randn(latents.shape, generator=generator)
        patches = F.interpolate(F.avg_pool2d(noise, 4), latents.shape[-2:]) * 4
        latents = latents + rng.uniform(0, 0.06) * (0.5 * noise + 0.5 * patches)
    if rng.random() < 0.4:
        size = int(rng.choice([2, 4, 8]))
        vague = F.interpolate(F.avg_pool2d(latents, size), latents.shape[-2:], mode="bilinear")
        shape = (len(latents), *latents.shape[-2:])
        sharp = blocks(shape, rng)[:, None]
        latents = torch.where(sharp, latents, vague)
    return latents


def linear_depth(codec: PocketCodec, latents: Tensor) -> Tensor:
    """[T, H, W] metres, by the codec's basis without its network: fast, and a little wrong."""
    raw = (latents * codec.latent_std[:, None, None])[:, PICTURE:].permute(0, 2, 3, 1)
    patches = (raw @ codec.depth_basis + codec.depth_mean).permute(0, 3, 1, 2)
    depth = F.pixel_shuffle(patches, codec.spec.stride)[:, 0].exp()
    return torch.where(depth > SKY_FROM_M, torch.inf, depth)


def holes(
    shape: tuple[int, ...], rng: np.random.Generator, generator: torch.Generator
) -> Tensor:  # [T, h, w] bool keep
    """Random thinning and missing blocks."""
    keep = torch.ones(shape, dtype=torch.bool)
    if rng.random() < 0.3:
        keep &= torch.rand(shape, generator=generator) > rng.uniform(0, 0.4)
    return keep & blocks(shape, rng) if rng.random() < 0.3 else keep


def blocks(shape: tuple[int, ...], rng: np.random.Generator) -> Tensor:  # [T, h, w] bool
    """False in one to three random rectangles, the same in every frame."""
    mask = torch.ones(shape, dtype=torch.bool)
    for _ in range(int(rng.integers(1, 4))):
        y, x = rng.integers(0, shape[1]), rng.integers(0, shape[2])
        mask[:, y : y + int(rng.integers(4, 20)), x : x + int(rng.integers(4, 30))] = False
    return mask


class SampleStream(IterableDataset):
    """Endless samples from the clips that are on disk at the moment."""

    def __init__(self, recipe: GeneratorRecipe, codec: PocketCodec, seed: int) -> None:
        self.recipe, self.codec, self.seed = recipe, codec, seed

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        info = torch.utils.data.get_worker_info()
        torch.set_num_threads(1)
        if info:  # a stop is for the trainer to hear, which then ends its workers
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        rng = np.random.default_rng((self.seed, info.id if info else 0))
        while True:
            paths = clip_paths(self.recipe.clips, "train")
            for _ in range(256):  # then look again for new clips
                clip = load_clip(paths[int(rng.integers(len(paths)))])
                for _ in range(2):
                    yield vars(make_sample(clip, self.codec, self.recipe, rng))
