"""Samples: from a clip to what the generator meets while somebody walks.

Memory is built by the same class as at inference, from other frames of the clip, with the faults
that it will have there: depth off in scale, features off in value, holes. Past, return and unknown
ground are mixed, and both directions of time.
"""

from __future__ import annotations

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
        clean[0] + noise_like(clean[:1], rng)[0] * rng.uniform(0, 0.12) * (rng.random() < 0.6),
        pocket_condition(view, cameras),
        style_tokens(clip.latents[0].float()),
        view.mask,
    )


def choose_sources(
    order: np.ndarray, begin: int, window: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Which frames memory was built from, in the order in which they were walked."""
    kind = rng.random()
    if kind < 0.05:
        return order[:0]
    if kind < 0.15:
        return order[begin : begin + 1]
    if kind < 0.65:  # walking on: all that came before
        past = order[: begin + 1]
        count = int(rng.integers(1, 7))
        chosen = rng.choice(past, min(count, len(past)), replace=False)
        return np.unique(np.concatenate([chosen, past[:1], past[-1:]]))
    rest = np.setdiff1d(order, window[1:])
    chosen = rng.choice(rest, int(rng.integers(2, 7)), replace=False)
    if kind < 0.85:  # coming to a place seen from elsewhere
        return np.unique(chosen)
    return np.unique(np.concatenate([chosen, window[1:]]))  # coming back exactly


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
    noise = rng.uniform(0.0, 0.15) if rng.random() < 0.7 else 0.0
    scale = 1 + 0.03 * rng.standard_normal() * (rng.random() < 0.5)
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    if len(sources):
        latents = clip.latents[torch.from_numpy(sources)].float()
        shape = latents.shape[0], *latents.shape[-2:]
        latents = latents + noise * noise_like(latents, rng)
        depth = linear_depth(codec, latents)
        drift = 1 + 0.02 * noise / 0.15 * torch.randn(shape[0], 1, 1, generator=generator)
        depth = depth * scale * drift
        keep = holes(shape, rng, generator).repeat_interleave(4, 1).repeat_interleave(4, 2)
        views = [clip.cameras[i] for i in sources]
        memory.write(latents, depth, views, keep, segment=0)
    view = memory.read(cameras, codec.spec.latent_size(cameras[0].size))
    return replace(view, latents=codec.at_depth(view.latents, view.depth_m))


def noise_like(latents: Tensor, rng: np.random.Generator) -> Tensor:
    """Errors of about unit size, some independent from cell to cell and some in patches."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    rough = torch.randn(latents.shape, generator=generator)
    smooth = F.interpolate(F.avg_pool2d(rough, 4), latents.shape[-2:]) * 4
    return 0.6 * rough + 0.4 * smooth


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
    if rng.random() < 0.3:
        for _ in range(int(rng.integers(1, 4))):
            y, x = rng.integers(0, shape[1]), rng.integers(0, shape[2])
            keep[:, y : y + int(rng.integers(4, 20)), x : x + int(rng.integers(4, 30))] = False
    return keep


class SampleStream(IterableDataset):
    """Endless samples from the clips that are on disk at the moment."""

    def __init__(self, recipe: GeneratorRecipe, codec: PocketCodec, seed: int) -> None:
        self.recipe, self.codec, self.seed = recipe, codec, seed

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        info = torch.utils.data.get_worker_info()
        torch.set_num_threads(1)
        rng = np.random.default_rng((self.seed, info.id if info else 0))
        while True:
            paths = clip_paths(self.recipe.clips, "train")
            for _ in range(256):  # then look again for new clips
                clip = load_clip(paths[int(rng.integers(len(paths)))])
                for _ in range(2):
                    yield vars(make_sample(clip, self.codec, self.recipe, rng))
