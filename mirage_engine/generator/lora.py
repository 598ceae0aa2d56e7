"""LoRA through peft: attach, scale, fuse. The only module that knows peft.

Public LoRA files rarely say their alpha; without one, or a setting, it is the rank, as the
official inference has it (W + up @ down).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import torch
from peft import LoraConfig as PeftConfig
from peft import inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from torch import nn

from mirage_engine.checkpoints import Adapter, adapters_of, check_adapters, open_checkpoint
from mirage_engine.config import ConfigError, LoraConfig
from mirage_engine.generator.transformer import MirageTransformer3DModel


def apply_loras(network: MirageTransformer3DModel, loras: Sequence[LoraConfig]) -> None:
    """Fuses those that are to be fused, attaches the others. Raises ConfigError."""
    for lora in loras:
        if lora.fuse:
            fuse(network, attach(network, lora))
    for lora in loras:
        if not lora.fuse:
            attach(network, lora)
    network.requires_grad_(False)


def attach(network: MirageTransformer3DModel, lora: LoraConfig) -> str:
    """Puts a LoRA beside the weights; returns the name by which it can be scaled and fused.

    Raises:
        ConfigError: a file that cannot be read, or that does not fit the network.
    """
    source = open_checkpoint(lora.weights)
    adapters = adapters_of(source)
    shapes = {key: tuple(value.shape) for key, value in plain_weights(network).items()}
    check_adapters(adapters, shapes, source.name)
    name = adapter_name(lora.weights)
    if any(name in layer.lora_A for _, layer in _layers(network)):
        raise ConfigError(f"{lora.weights}: a LoRA of this name is attached already")
    alphas = {place: _alpha(adapter, lora) for place, adapter in adapters.items()}
    config = PeftConfig(
        target_modules=list(adapters),
        rank_pattern={place: adapter.rank for place, adapter in adapters.items()},
        alpha_pattern=alphas,
    )
    with warnings.catch_warnings():
        # More than one adapter is what is meant.
        warnings.filterwarnings("ignore", "Already found a `peft_config`")
        inject_adapter_in_model(config, network, name)
    files = {a.down.file for a in adapters.values()}
    values = {key: value for file in files for key, value in load_file(file).items()}
    for place, layer in _layers(network):
        if place not in adapters:
            continue
        with torch.no_grad():
            cast(nn.Linear, layer.lora_A[name]).weight.copy_(values[adapters[place].down.name])
            cast(nn.Linear, layer.lora_B[name]).weight.copy_(values[adapters[place].up.name])
        layer.set_adapter(list(layer.lora_A))
    set_scale(network, name, lora.scale)
    return name


def set_scale(network: MirageTransformer3DModel, name: str, scale: float) -> None:
    """Strength of an attached LoRA: 0 is off, 1 as it was trained."""
    for _, layer in _layers(network):
        layer.set_scale(name, scale)


def fuse(network: MirageTransformer3DModel, name: str) -> None:
    """Adds an attached LoRA to the weights for good and takes it off."""
    for place, layer in list(_layers(network)):
        if name not in layer.lora_A:
            continue
        layer.merge(adapter_names=[name])  # pyright: ignore[reportCallIssue]
        layer.merged_adapters.remove(name)
        layer.delete_adapter(name)
        if not layer.lora_A:
            parent, _, child = place.rpartition(".")
            setattr(network.get_submodule(parent), child, layer.get_base_layer())


def adapter_name(path: str) -> str:
    """The file's name, without what peft does not take in one."""
    return re.sub(r"\W", "_", Path(path).stem)


def plain_weights(network: MirageTransformer3DModel) -> dict[str, torch.Tensor]:
    """The network's own tensors by their usual names, whatever is attached."""
    return {
        key.replace(".base_layer.", "."): value
        for key, value in network.state_dict().items()
        if ".lora_" not in key
    }


def _alpha(adapter: Adapter, lora: LoraConfig) -> float:
    if lora.alpha > 0:
        return lora.alpha
    if adapter.alpha is None:
        return float(adapter.rank)
    return float(load_file(adapter.alpha.file)[adapter.alpha.name])


def _layers(network: MirageTransformer3DModel) -> Iterator[tuple[str, LoraLayer]]:
    for place, module in network.named_modules():
        if isinstance(module, LoraLayer):
            yield place, module
