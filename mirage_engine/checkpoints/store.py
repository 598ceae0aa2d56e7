"""Weights on disk: safetensors only, read strictly, written to a temporary name and renamed.

Knows tensors and names, and nothing of the networks that they belong to.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from mirage_engine.config import ConfigError
from mirage_engine.files import replacing
from mirage_engine.seal import UNSEALED, seal


def save_weights(module: nn.Module, path: Path, header: dict[str, Any]) -> None:
    """The module's state and a JSON header (`network`: what is needed to build it again)."""
    state = {key: value.detach().cpu().contiguous() for key, value in module.state_dict().items()}
    save_state(state, path, header)


def save_state(state: dict[str, Tensor], path: Path, header: dict[str, Any]) -> None:
    """Raises OSError when the file cannot be written."""
    try:
        with replacing(path) as part:
            save_file(state, part, metadata={**UNSEALED, "mirage": json.dumps(header)})
            seal(part)
    except SafetensorError as error:
        raise OSError(str(error)) from None


def hashes(state: Mapping[str, Tensor]) -> dict[str, str]:
    """A fingerprint of each tensor's bytes, for the header."""
    return {key: fingerprint(value) for key, value in state.items()}


def fingerprint(tensor: Tensor) -> str:
    flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return hashlib.blake2b(flat.numpy().data, digest_size=16).hexdigest()


def check_hash(key: str, tensor: Tensor, header: Mapping[str, Any], name: str) -> None:
    """Raises ConfigError when the header has another fingerprint for the tensor."""
    wanted = header.get("hashes", {}).get(key)
    if wanted is not None and wanted != fingerprint(tensor):
        raise ConfigError(f"{name}: {key} is damaged: its fingerprint is not the header's")


def load_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, header). Raises ConfigError for a file that is missing or not ours."""
    if not path.exists():
        raise ConfigError(f"{path}: no such weights file")
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {}).get("mirage", "{}"))
            return {key: file.get_tensor(key) for key in file.keys()}, header  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ConfigError(f"{path}: not a readable safetensors file ({error})") from None


def load_into(module: nn.Module, state: dict[str, Tensor], name: str, assign: bool = False) -> None:
    """Every tensor must be there, none may be left over, shapes must agree.

    Args:
        assign: the module takes the tensors themselves, precision and all, instead of their values.
    """
    wanted = module.state_dict()
    missing, extra = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if missing or extra:
        raise ConfigError(f"{name}: missing {missing[:3]}, unexpected {extra[:3]}")
    for key, value in wanted.items():
        if value.shape != state[key].shape:
            raise ConfigError(
                f"{name}: {key} has shape {tuple(state[key].shape)}, not {tuple(value.shape)}"
            )
    module.load_state_dict(state, assign=assign)
