"""Clips: walks through procedural scenes, rendered once and kept as latents with their cameras.

`python -m mirage_engine.training.clips RECIPE.toml [--part K --parts N]` renders until the recipe's
number of clips is there; it can be stopped and started at any time, and several may run at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from mirage_engine.camera import Camera, pinhole
from mirage_engine.codecs.pocket import PocketCodec, load_codec
from mirage_engine.config import LensConfig, load_config
from mirage_engine.files import replacing
from mirage_engine.rooms import SPLITS, Scene
from mirage_engine.training.settings import ClipConfig, GeneratorRecipe


@dataclass(frozen=True)
class Clip:
    """One walk. Cameras are at picture size."""

    latents: Tensor  # [T, C, h, w] float16
    cameras: tuple[Camera, ...]  # T


def make_clip(scene_seed: int, config: ClipConfig, lens: LensConfig, codec: PocketCodec) -> Clip:
    """Renders and encodes one walk; the same for the same arguments."""
    rng = np.random.default_rng((config.seed, scene_seed))
    scene, size = Scene(scene_seed), (lens.height, lens.width)
    hfov = rng.uniform(*config.hfov_deg) if rng.random() < config.wide else lens.hfov_deg
    intrinsics = pinhole(size, hfov)
    step_m, step_deg = rng.uniform(0.08, 0.4), rng.uniform(3.0, 12.0)
    path = scene.walk(rng, config.frames, step_m=step_m, step_deg=step_deg)
    cameras = tuple(Camera(c2w, intrinsics, size) for c2w in path)
    view = scene.render(cameras)
    with torch.no_grad():
        return Clip(codec.encode(view.frames, view.depth_m).half(), cameras)


def save_clip(clip: Clip, path: Path) -> None:
    """Writes to a temporary name first, so that a reader never sees half a clip."""
    poses = np.stack([c.c2w for c in clip.cameras])
    data = {
        "latents": clip.latents.contiguous(),
        "c2w": torch.from_numpy(poses),
        "intrinsics": torch.from_numpy(clip.cameras[0].intrinsics),
        "size": torch.tensor(clip.cameras[0].size),
    }
    with replacing(path) as part:
        save_file(data, part)


def load_clip(path: Path) -> Clip:
    with safe_open(path, "pt") as file:
        data = {key: file.get_tensor(key) for key in ("latents", "c2w", "intrinsics", "size")}
    size = (int(data["size"][0]), int(data["size"][1]))
    intrinsics = data["intrinsics"].numpy()
    return Clip(data["latents"], tuple(Camera(p.numpy(), intrinsics, size) for p in data["c2w"]))


def clip_paths(config: ClipConfig, split: str) -> list[Path]:
    """The clips that are there now, in order."""
    return sorted((Path(config.folder) / split).glob("*.safetensors"))


def missing(config: ClipConfig, split: str, part: int, parts: int) -> Iterator[tuple[int, Path]]:
    """(scene seed, path) of this part's clips that are not there yet."""
    folder = Path(config.folder) / split
    folder.mkdir(parents=True, exist_ok=True)
    count = config.validation if split == "validation" else config.clips
    for i in range(part, count, parts):
        seed = SPLITS[split][i]
        path = folder / f"{seed:06d}.safetensors"
        if not path.exists():
            yield seed, path


def main() -> None:
    parser = argparse.ArgumentParser(description="Render training clips.")
    parser.add_argument("recipe")
    parser.add_argument("--part", type=int, default=0)
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    recipe = load_config(args.recipe, GeneratorRecipe)
    codec = load_codec(recipe.codec)
    for split in ("validation", "train"):
        todo = list(missing(recipe.clips, split, args.part, args.parts))
        for seed, path in tqdm(todo, desc=split, mininterval=10):
            save_clip(make_clip(seed, recipe.clips, recipe.lens, codec), path)


if __name__ == "__main__":
    main()
