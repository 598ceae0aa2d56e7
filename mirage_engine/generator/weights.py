"""From files to a network: any backbone, side branch and LoRAs that fit together, and back.

Tensors are read one by one into their final precision, so that the peak is the network itself.
Which files fit is the business of `checkpoints`.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mirage_engine.checkpoints import (
    Assembly,
    Checkpoint,
    assemble,
    check_hash,
    from_ours,
    hashes,
    load_into,
    open_checkpoint,
    save_state,
)
from mirage_engine.config import ConfigError, LoraConfig
from mirage_engine.generator.lora import apply_loras, plain_weights
from mirage_engine.generator.transformer import MirageTransformer3DModel

log = logging.getLogger("mirage")

# Small tensors that meet float32 numbers: kept in full, as in diffusers.
_FULL = ("scale_shift_table", "norm2.weight", "norm2.bias")


def load_transformer(
    weights: str,
    branch: str = "",
    loras: Sequence[LoraConfig] = (),
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> MirageTransformer3DModel:
    """A network from our own file, a diffusers folder or official files, LoRAs applied.

    Args:
        weights: the backbone, or a whole network: a file, a folder, a model in the hub's cache.
        branch: the side branch, where `weights` has none; empty for the plain backbone.

    Raises:
        ConfigError: files that are missing, damaged or do not fit together.
    """
    sources = [open_checkpoint(source) for source in (weights, branch) if source]
    assembly = assemble(sources)
    if not assembly.has_branch:
        log.warning("%s: no side branch, so that memory does not reach the pictures", weights)
    network = _hollow(assembly.network, weights)
    load_into(network, _read(assembly, sources, dtype, device), weights, assign=True)
    network.to(device)  # pyright: ignore
    apply_loras(network, loras)
    return network.eval().requires_grad_(False)


def save_transformer(
    network: MirageTransformer3DModel, path: Path, preset: str = "", step: int = 0
) -> None:
    """Our own file: the header says how to build the network, what it is for, and fingerprints."""
    state = {
        key: value.detach().cpu().contiguous() for key, value in plain_weights(network).items()
    }
    header = {
        "network": arguments(network),
        "preset": preset,
        "step": step,
        "hashes": hashes(state),
    }
    save_state(state, path, header)


def save_official(network: MirageTransformer3DModel, backbone: Path, branch: Path) -> None:
    """Two files under the official names: the DiT, and the side branch as its trainer writes it."""
    state = plain_weights(network)
    for path, memory in ((backbone, False), (branch, True)):
        part = {
            from_ours(key, "official"): value.detach().cpu().contiguous()
            for key, value in state.items()
            if key.startswith("memory_") is memory
        }
        save_state(part, path, {})


def arguments(network: MirageTransformer3DModel) -> dict[str, Any]:
    """What the constructor takes to build this network again."""
    known = inspect.signature(MirageTransformer3DModel.__init__).parameters
    return {key: value for key, value in network.config.items() if key in known}


def _hollow(sizes: Mapping[str, Any], where: str) -> MirageTransformer3DModel:
    """The network with parameters that take no memory until they are loaded."""
    try:
        with init_empty_weights(include_buffers=False):
            return MirageTransformer3DModel(**sizes)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: the header's network is damaged ({error})") from None


def _read(
    assembly: Assembly,
    sources: Sequence[Checkpoint],
    dtype: torch.dtype,
    device: torch.device | str,
) -> dict[str, Tensor]:
    headers: Mapping[Path, dict[str, Any]] = {
        tensor.file: source.header for source in sources for tensor in source.tensors.values()
    }
    state: dict[str, Tensor] = {}
    for path, header in headers.items():
        mine = {key: t.name for key, t in assembly.tensors.items() if t.file == path}
        try:
            with safe_open(path, "pt") as file:
                for key, name in mine.items():
                    value = file.get_tensor(name)
                    check_hash(name, value, header, str(path))
                    kept = torch.float32 if key.endswith(_FULL) else dtype
                    state[key] = value.to(device, kept)
        except (SafetensorError, OSError) as error:
            raise ConfigError(f"{path}: not a readable safetensors file ({error})") from None
    return state
