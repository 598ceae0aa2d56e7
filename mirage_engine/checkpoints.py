"""Weights on disk: safetensors only, read strictly, written to a temporary name and renamed.

Knows tensors and names, and nothing of the networks that they belong to.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from mirage_engine.config import ConfigError
from mirage_engine.files import replacing
from mirage_engine.seal import UNSEALED, seal

ENGINE_DIR = Path(__file__).parent


def find(weights: str) -> Path:
    """A path as given, or beside the engine."""
    path = Path(weights)
    return path if path.exists() else ENGINE_DIR / weights


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


def load_into(module: nn.Module, state: dict[str, Tensor], name: str) -> None:
    """Every tensor must be there, none may be left over, shapes must agree."""
    wanted = module.state_dict()
    missing, extra = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if missing or extra:
        raise ConfigError(f"{name}: missing {missing[:3]}, unexpected {extra[:3]}")
    for key, value in wanted.items():
        if value.shape != state[key].shape:
            raise ConfigError(
                f"{name}: {key} has shape {tuple(state[key].shape)}, not {tuple(value.shape)}"
            )
    module.load_state_dict(state)
