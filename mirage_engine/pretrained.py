"""Public models from this disk: a folder of the user's, or the hub's cache. Never a download.

Works for the classes of diffusers and transformers alike, and knows nothing of what they do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from safetensors import SafetensorError

from mirage_engine.config import ConfigError


def pretrained_folder(
    weights: str,  # a folder, or OWNER/NAME of a model that the hub's cache holds
    part: str = "",  # folder inside it, such as "vae"
) -> Path:
    """The folder with the model's config.json. Raises ConfigError when it is not on this disk."""
    folder = Path(weights).expanduser()
    if folder.is_dir():
        for place in (folder / part, folder):
            if (place / "config.json").is_file():
                return place
        raise ConfigError(f"{folder}: has no {Path(part) / 'config.json'}")
    try:
        found = try_to_load_from_cache(weights, str(Path(part) / "config.json"))
    except HFValidationError:
        raise ConfigError(f"{weights}: no such folder") from None
    if not isinstance(found, str):
        raise ConfigError(
            f"{weights}: neither a folder nor in the hub's cache; "
            f"fetch it once with: hf download {weights}"
        )
    return Path(found).parent


def load_network(network: Any, weights: str, part: str = "") -> Any:
    """A frozen network of the class `network`, every tensor of it read. Raises ConfigError."""
    folder = pretrained_folder(weights, part)
    try:
        made, info = network.from_pretrained(
            folder, local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        line = str(error).strip().partition("\n")[0]
        raise ConfigError(f"{folder}: no {network.__name__} ({line})") from None
    if info["missing_keys"]:
        raise ConfigError(f"{folder}: missing {sorted(info['missing_keys'])[:3]}")
    return made.eval().requires_grad_(False)
