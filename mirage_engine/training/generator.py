"""Trains the pocket generator: time-boxed, resumable, on CPU or CUDA.

Weights are saved before each validation; the exponential average is what ships, whenever it is the
best so far. Optimiser state is kept in safetensors beside the weights.
"""

from __future__ import annotations

import json
import logging
import signal
import threading
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from mirage_engine.checkpoints import load_into, load_state, save_state, save_weights
from mirage_engine.codecs.pocket import PocketCodec, load_codec
from mirage_engine.generator.attention import MatmulAttnProcessor
from mirage_engine.generator.condition import EXTRA_CHANNELS
from mirage_engine.generator.transformer import MirageTransformer3DModel
from mirage_engine.training.loss import generator_loss, noise_levels, predict
from mirage_engine.training.samples import SampleStream
from mirage_engine.training.settings import GeneratorRecipe, NetworkConfig
from mirage_engine.training.validation import Validation

log = logging.getLogger("mirage")


def network_config(size: NetworkConfig, channels: int) -> dict[str, Any]:
    """Constructor arguments of the pocket transformer; kept in the weights' header."""
    return {
        "patch_size": (1, 4, 4),
        "num_attention_heads": size.heads,
        "attention_head_dim": size.dim // size.heads,
        "in_channels": channels,
        "out_channels": channels + 1,  # the last one says how sure the network is
        "text_dim": 4 * channels,
        "freq_dim": 128,
        "ffn_dim": size.ffn,
        "num_layers": size.layers,
        "memory_in_channels": channels + EXTRA_CHANNELS,
        "repair_width": size.repair,
    }


class Trainer:
    """Network, its average and its optimiser, with their place on disk."""

    def __init__(self, recipe: GeneratorRecipe) -> None:
        self.recipe, self.run = recipe, Path(recipe.run)
        wanted = recipe.device
        cuda = torch.cuda.is_available() if wanted == "auto" else wanted.startswith("cuda")
        self.device = torch.device("cuda" if cuda else "cpu")
        self.codec: PocketCodec = load_codec(recipe.codec)
        self.latent_std = self.codec.latent_std.to(self.device)
        self.header = network_config(recipe.network, self.codec.spec.channels)
        self.network = MirageTransformer3DModel(**self.header)
        # The network starts as the read-out itself.
        torch.nn.init.zeros_(self.network.proj_out.weight)
        torch.nn.init.zeros_(self.network.proj_out.bias)
        self.network.to(self.device)  # pyright: ignore
        if self.device.type == "cpu":
            self.network.set_attn_processor(MatmulAttnProcessor())  # pyright: ignore
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            recipe.lr,
            (0.9, 0.98),
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        self.steps, self.samples, self.best, self.spent_s = 0, 0, float("inf"), 0.0

    def step(self, batch: dict[str, Tensor], rate: float, generator: torch.Generator) -> float:
        """One optimiser step; returns the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        moved = {k: v.to(self.device, non_blocking=True) for k, v in batch.items()}
        clean = moved["clean"]
        sigma = noise_levels(len(clean), self.recipe.start_share, self.recipe.shift, generator).to(
            self.device
        )
        noise = torch.randn(clean.shape, generator=generator).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16):
            guess = predict(
                self.network, clean, moved["first"], moved["condition"], moved["text"], sigma, noise
            )
        loss = generator_loss(guess, clean, self.latent_std, self.recipe.depth_weight)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.steps += 1
        self.samples += len(clean)
        # A short memory at first, so that the average is worth looking at early.
        keep = min(self.recipe.ema, (1 + self.steps) / (10 + self.steps))
        for key, value in self.network.state_dict().items():
            self.average[key].lerp_(value, 1 - keep)
        return float(loss.detach())

    def save(self) -> None:
        """Everything that a resumed run needs."""
        self.run.mkdir(parents=True, exist_ok=True)
        save_weights(self.network, self.run / "network.safetensors", {"network": self.header})
        save_state(self.average, self.run / "average.safetensors", {"network": self.header})
        moments = {
            f"{key}.{name}": value
            for key, entry in self.optimizer.state_dict()["state"].items()
            for name, value in entry.items()
        }
        counts = {
            "steps": self.steps,
            "samples": self.samples,
            "best": self.best,
            "spent_s": self.spent_s,
        }
        save_state(moments, self.run / "optimizer.safetensors", counts)

    def resume(self) -> None:
        """Goes on where `save` left off; a fresh run where it never did."""
        if not (self.run / "optimizer.safetensors").exists():
            if self.recipe.start_from:
                self._start_from(Path(self.recipe.start_from))
            return
        load_into(self.network, load_state(self.run / "network.safetensors")[0], "network")
        self.average = load_state(self.run / "average.safetensors")[0]
        self.average = {k: v.to(self.device) for k, v in self.average.items()}
        moments, counts = load_state(self.run / "optimizer.safetensors")
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in moments.items():
            index, name = key.split(".", 1)
            state.setdefault(int(index), {})[name] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        self.steps, self.samples = counts["steps"], counts["samples"]
        self.best, self.spent_s = counts["best"], counts["spent_s"]

    def _start_from(self, path: Path) -> None:
        """Shipped weights as the beginning: their average is all there is, and counts as seen."""
        state, header = load_state(path)
        load_into(self.network, {k: v.float() for k, v in state.items()}, str(path))
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.samples = header.get("samples", 0)

    def measure(self, validation: Validation) -> None:
        """Sets the score that is to be beaten to that of the weights as they are."""
        self.best = validation.score(self.network.eval())["loss"]
        self.network.train()

    def validate(self, validation: Validation) -> dict[str, float]:
        """Scores the average, and ships it when it is the best so far."""
        kept = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.network.load_state_dict(self.average)
        scores = validation.score(self.network.eval())
        if scores["loss"] < self.best:
            self.best = scores["loss"]
            header = {"network": self.header, "samples": self.samples, "scores": scores}
            half = {k: v.half() for k, v in self.average.items()}
            save_state(half, Path(self.recipe.output), header)
        self.network.load_state_dict(kept)
        self.network.train()
        with (self.run / "log.ndjson").open("a") as file:
            line = {"steps": self.steps, "samples": self.samples, "spent_s": self.spent_s, **scores}
            file.write(json.dumps(line) + "\n")
        return scores


def train_generator(recipe: GeneratorRecipe, minutes: float) -> None:
    """Trains for `minutes` from where the run's folder stands."""
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    trainer = Trainer(recipe)
    trainer.resume()
    if recipe.compile:
        trainer.network.compile_repeated_blocks()
    validation = Validation(recipe, trainer.codec, trainer.device)
    if trainer.steps == 0 and recipe.start_from:
        trainer.measure(validation)
    generator = torch.Generator().manual_seed(recipe.seed + trainer.samples + 1)
    stream = SampleStream(recipe, trainer.codec, recipe.seed + trainer.samples)
    loader = DataLoader(
        stream,
        recipe.batch,
        num_workers=recipe.workers,
        prefetch_factor=4 if recipe.workers else None,
    )
    asked_to_stop = stop_signals()
    started, base_s, losses = time.monotonic(), trainer.spent_s, []
    bar = tqdm(total=round(minutes * 60), unit="s", desc="generator", mininterval=5)
    for batch in loader:
        spent = time.monotonic() - started
        left_min = minutes - spent / 60
        rate = recipe.lr * min(1.0, (trainer.steps + 1) / recipe.warmup)
        if recipe.decay_minutes > 0:
            rate *= max(0.1, min(1.0, left_min / recipe.decay_minutes))
        losses.append(trainer.step(batch, rate, generator))
        bar.n = round(spent)
        bar.set_postfix(loss=f"{losses[-1]:.4f}", samples=trainer.samples, refresh=False)
        bar.update(0)
        last = left_min <= 0 or asked_to_stop.is_set()
        if trainer.steps % recipe.validate_every == 0 or last:
            trainer.spent_s = base_s + spent
            trainer.save()
            scores = trainer.validate(validation)
            mean = sum(losses) / len(losses)
            log.info(
                "step %d, %d samples, loss %.4f: %s", trainer.steps, trainer.samples, mean, scores
            )
            losses.clear()
        if last:
            break
    bar.close()


def stop_signals() -> threading.Event:
    """Set by Ctrl+C or a termination: the run then saves, validates and ends."""
    event = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: event.set())
    return event
