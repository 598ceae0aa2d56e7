"""Whether the weights that a preset names lie on this disk: asked before anything is loaded.

Looks for files and folders, and opens none of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from mirage_engine.config import ConfigError, Preset
from mirage_engine.files import ENGINE_DIR, find


def check_weights(preset: Preset) -> None:
    """Raises ConfigError that names everything that is missing, and where it would be found."""
    if preset.codec.kind == "pocket":
        return  # its weights come with the engine
    missing = [
        f"{what} '{weights}'" for what, weights, part in _named(preset) if not _here(weights, part)
    ]
    if missing:
        raise ConfigError(
            f"preset '{preset.name}': missing {', '.join(dict.fromkeys(missing))}; names of files "
            f"count from {ENGINE_DIR}, models come with: hf download NAME; see docs/wan.md"
        )


def _named(preset: Preset) -> Iterator[tuple[str, str, str]]:
    """(what it is, its weights, folder within a model) of all that is to be loaded."""
    generator, keep = preset.generator, preset.static_filter
    named = [("codec", preset.codec.weights, "vae"), ("tiny decoder", preset.codec.tiny, "")]
    if preset.memory.kind != "copy":
        named += [
            ("generator", generator.weights, "transformer"),
            ("side branch", generator.branch, ""),
            *(("LoRA", lora.weights, "") for lora in generator.loras),
            ("text encoder", generator.text, "text_encoder"),
        ]
    named.append(("depth estimator", preset.depth.weights, ""))
    if keep.kind == "concepts":
        named += [("static filter", keep.weights, ""), ("proposer", keep.proposer, "")]
    return (each for each in named if each[1])


def _here(weights: str, part: str) -> bool:
    if find(weights).exists():
        return True
    # Only now, because the hub's library takes a moment to import.
    from mirage_engine.pretrained import pretrained_folder

    try:
        pretrained_folder(weights, part)
    except ConfigError:
        return False
    return True
