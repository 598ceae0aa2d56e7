"""Validation of the generator on fixed samples from scenes that training never sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import default_collate

from mirage_engine.codecs.pocket import PocketCodec
from mirage_engine.config import ConfigError
from mirage_engine.generator.transformer import MirageTransformer3DModel
from mirage_engine.training.clips import clip_paths, load_clip
from mirage_engine.training.loss import cell_errors, generator_loss, noise_levels, predict
from mirage_engine.training.samples import make_sample
from mirage_engine.training.settings import GeneratorRecipe


class Validation:
    """The same samples and the same noise each time, at the first denoising step."""

    def __init__(self, recipe: GeneratorRecipe, codec: PocketCodec, device: torch.device) -> None:
        self.recipe, self.codec, self.device = recipe, codec, device
        rng = np.random.default_rng(1)
        clips = clip_paths(recipe.clips, "validation")[:24]
        if not clips:
            raise ConfigError(
                f"{recipe.clips.folder}: holds no validation clips; render them first with "
                "python -m mirage_engine.training.clips RECIPE.toml"
            )
        samples = [
            vars(make_sample(load_clip(p), codec, recipe, rng)) for p in clips for _ in range(2)
        ]
        self.batches = [default_collate(samples[i : i + 8]) for i in range(0, len(samples), 8)]

    @torch.no_grad()
    def score(self, network: MirageTransformer3DModel) -> dict[str, float]:
        """Loss, and PSNR in dB of seen and unseen cells, beside those of the filled read-out."""
        std, recipe = self.codec.latent_std.to(self.device), self.recipe
        totals: dict[str, list[Tensor]] = {}
        sheet: list[Tensor] = []
        generator = torch.Generator().manual_seed(2)
        for batch in self.batches:
            moved = {k: v.to(self.device) for k, v in batch.items()}
            clean, readout = moved["clean"], moved["condition"][:, : batch["clean"].shape[1]]
            sigma = noise_levels(len(clean), 1.0, recipe.shift, generator).to(self.device)
            noise = torch.randn(clean.shape, generator=generator).to(self.device)
            with torch.autocast(self.device.type, torch.bfloat16):
                guess = predict(
                    network, clean, moved["first"], moved["condition"], moved["text"], sigma, noise
                )
            loss = generator_loss(guess, clean, std, recipe.depth_weight)
            totals.setdefault("loss", []).append(loss[None])
            mask = moved["mask"][:, 1:]
            for name, latents in (("", guess.clean), ("copy_", readout)):
                picture, depth = cell_errors(latents[:, :, 1:], clean[:, :, 1:], std)
                totals.setdefault(f"{name}seen", []).append(picture[mask])
                totals.setdefault(f"{name}unseen", []).append(picture[~mask])
                totals.setdefault(f"{name}depth", []).append(depth[mask])
            sheet.append(
                torch.stack([clean[:, :, -1], readout[:, :, -1], guess.clean[:, :, -1]], 1)
            )
        self._draw(torch.cat(sheet)[::4][:12])
        means = {name: torch.cat(values).mean() for name, values in totals.items()}
        scores = {k: round(float(-10 * torch.log10(v)), 2) for k, v in means.items() if k != "loss"}
        return {"loss": round(float(means["loss"]), 5), **scores}

    def _draw(self, rows: Tensor) -> None:
        """Sheet of truth, filled read-out and generated, a sample a row, two rows side by side."""
        frames = [np.concatenate(list(self.codec.decode(row.cpu()).frames), 1) for row in rows]
        half = max(1, len(frames) // 2)
        halves = (frames[:half], frames[half : 2 * half])
        columns = [np.concatenate(part) for part in halves if part]
        Path(self.recipe.run).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.concatenate(columns, 1)).save(Path(self.recipe.run) / "validation.png")
