"""Settings of the training recipes: one frozen dataclass per stage, from `configs/train_*.toml`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mirage_engine.config import LensConfig, MemoryConfig


@dataclass(frozen=True)
class NetworkConfig:
    """Size of the pocket transformer."""

    dim: int = 256
    heads: int = 4
    layers: int = 6
    ffn: int = 1024
    repair: int = 48  # width of the convolutions that mend the read-out


@dataclass(frozen=True)
class ClipConfig:
    """Walks through training scenes, rendered once and stored as latents."""

    folder: str = "runs/pocket/clips"
    frames: int = 24  # per clip
    clips: int = 4000  # at most, per split folder
    validation: int = 48  # clips from the validation scenes
    wide: float = 0.3  # share of clips with another field of view
    hfov_deg: tuple[float, float] = (58.0, 90.0)
    seed: int = 0


@dataclass(frozen=True)
class CodecRecipe:
    stage: Literal["codec"]
    output: str = "mirage_engine/pocket/codec.safetensors"
    run: str = "runs/pocket/codec"
    minutes: float = 15.0
    rooms: int = 600  # training pictures of scenes
    structures: int = 160  # training pictures of leaves, gradients, text-like shapes and noise
    batch: int = 8
    lr: float = 6e-4
    latent_noise: float = 0.08  # on the latents while training the decoder, in latent units
    threads: int = 1
    seed: int = 0
    lens: LensConfig = field(default_factory=LensConfig)


@dataclass(frozen=True)
class GeneratorRecipe:
    stage: Literal["generator"]
    codec: str = "mirage_engine/pocket/codec.safetensors"
    output: str = "mirage_engine/pocket/generator.safetensors"
    run: str = "runs/pocket/generator"
    start_from: str = ""  # weights that a fresh run begins with; "" begins with nothing
    minutes: float = 60.0
    frames: int = 5  # per segment, the clean first frame counted
    batch: int = 8
    lr: float = 8e-4
    warmup: int = 200  # steps
    decay_minutes: float = 15.0  # the learning rate falls to a tenth over the last minutes
    weight_decay: float = 1e-2
    ema: float = 0.999
    shift: float = 5.0
    start_share: float = 0.7  # share of samples at pure noise, where few-step sampling starts
    depth_weight: float = 1.0
    validate_every: int = 250  # steps
    threads: int = 1
    workers: int = 1  # processes that make samples
    seed: int = 0
    device: str = "auto"
    compile: bool = False
    lens: LensConfig = field(default_factory=LensConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    clips: ClipConfig = field(default_factory=ClipConfig)
