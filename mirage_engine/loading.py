"""From a preset to a World: where settings meet classes, and devices are chosen.

Mistakes that can be seen without loading anything are reported before anything is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from mirage_engine.codecs import wan
from mirage_engine.codecs.pocket import PocketCodec, load_codec
from mirage_engine.config import CodecConfig, ConfigError, GeneratorConfig, Preset
from mirage_engine.depth import load_depth
from mirage_engine.generator.condition import Score, WanConditions
from mirage_engine.generator.generator import WanGenerator
from mirage_engine.generator.text import load_prompts
from mirage_engine.generator.transformer import MirageTransformer3DModel
from mirage_engine.generator.weights import load_transformer
from mirage_engine.memory import LatentMemory, NoMemory
from mirage_engine.parts import Codec, Memory, Parts
from mirage_engine.presence import check_weights
from mirage_engine.static_filter import load_filter
from mirage_engine.world import World
from mirage_engine.world_record import read_header

OnStage = Callable[[str], None]


def load_world(
    preset: Preset,
    seed: int = 0,
    device: str = "auto",
    on_stage: OnStage | None = None,
    threads: int | None = None,
) -> World:
    """Builds the world that a preset describes; begin it before walking.

    Args:
        device: auto, cpu, cuda or cuda:N.
        on_stage: told, in a few words, what is being loaded.
        threads: CPU threads for the model; None leaves torch's own choice.

    Raises:
        ConfigError: a device that is not there, weights that cannot be read, or a part that
            this preset asks for and the engine does not have.
    """
    tell = on_stage or (lambda _: None)
    if threads is not None:
        torch.set_num_threads(max(1, threads))
    place = _device(device)
    _check(preset)
    check_weights(preset)
    tell("loading the codec")
    codec = _codec(preset.codec, place)
    generator = None
    if preset.memory.kind != "copy":
        generator = _generator(preset.generator, codec, place, tell)
    if preset.depth.kind != "codec":
        tell("loading the depth estimator")
    depth = load_depth(preset.depth, place)
    memory = _memory(preset, codec.spec.channels)
    keep = load_filter(preset.static_filter, place)
    parts = Parts(memory, generator, codec, depth, keep)
    return World(preset, seed, parts, str(place))


def open_world(
    path: Path | str,
    device: str = "auto",
    on_stage: OnStage | None = None,
    threads: int | None = None,
) -> World:
    """A saved world, ready to go on. Raises ConfigError, naming the part that is damaged."""
    header = read_header(Path(path))
    world = load_world(header["preset"], header["seed"], device, on_stage, threads)
    world.load(path)
    return world


def _generator(
    config: GeneratorConfig, codec: Codec, device: torch.device, tell: OnStage
) -> WanGenerator:
    if not isinstance(codec, wan.WanCodec):
        tell("loading the generator")
        return WanGenerator(_transformer(config, device), config)
    prompts = load_prompts(config, device)
    tell("reading the prompt")  # first, because encoder and generator together are large
    prompts.read([config.prompt] if config.guidance == 1 else [config.prompt, ""])
    tell("loading the generator")
    network = _transformer(config, device)
    scored = network.config["memory_in_channels"] == 2 * codec.spec.channels
    conditions = WanConditions(prompts, _score(codec) if scored else None)
    return WanGenerator(network, config, conditions)


def _score(codec: wan.WanCodec) -> Score:
    return lambda frames, grid: codec.score(frames, grid).transpose(0, 1)


def _transformer(config: GeneratorConfig, device: torch.device) -> MirageTransformer3DModel:
    dtype = torch.bfloat16 if config.dtype == "bfloat16" else torch.float32
    return load_transformer(config.weights, config.branch, config.loras, dtype, device)


def _device(wanted: str) -> torch.device:
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise ConfigError(f"--device {wanted}: must be auto, cpu, cuda or cuda:N") from None
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            raise ConfigError(f"--device {wanted}: this machine has {count} CUDA devices; try cpu")
    elif device.type != "cpu":
        raise ConfigError(f"--device {wanted}: must be auto, cpu, cuda or cuda:N")
    return device


def _check(preset: Preset) -> None:
    """Raises ConfigError for parts that this version does not have, and sizes that none can."""
    lens = preset.lens
    multiple = {"pocket": PocketCodec.spec.multiple, "wan": wan.MULTIPLE}[preset.codec.kind]
    for key, pixels in (("width", lens.width), ("height", lens.height)):
        if pixels < multiple or pixels % multiple:
            fit = max(multiple, round(pixels / multiple) * multiple)
            raise ConfigError(
                f"preset '{preset.name}': lens.{key} must be a multiple of {multiple}, "
                f"got {pixels}; {fit} would do"
            )
    if preset.depth.kind == "codec" and preset.codec.kind != "pocket":
        raise ConfigError(
            f"preset '{preset.name}': the {preset.codec.kind} codec carries no depth; "
            "set depth.kind to depth-anything, depth-pro or map-anything"
        )
    if preset.codec.kind == "wan" and not preset.generator.text:
        raise ConfigError(
            f"preset '{preset.name}': the wan generator reads words; "
            "set generator.text to its text encoder"
        )
    if preset.codec.kind == "pocket" and (preset.planner.preceding or preset.planner.references):
        raise ConfigError(
            f"preset '{preset.name}': the pocket generator is shown no frames of the past; "
            "set planner.preceding and planner.references to 0"
        )
    if preset.memory.kind == "rgb":
        raise ConfigError("--memory rgb: this version has no RGB baseline; try latent, none, copy")


def _codec(config: CodecConfig, device: torch.device) -> Codec:
    if config.kind == "wan":
        return wan.load_wan_codec(config, device)
    return load_codec(config.weights).to(device)


def _memory(preset: Preset, channels: int) -> Memory:
    kind = preset.memory.kind
    if kind == "none":
        return NoMemory(channels)
    return LatentMemory(channels, preset.memory)
