"""The network that a set of tensors makes: its sizes, and every tensor that such a network has.

A network is the dictionary of its constructor's arguments, as our headers and diffusers' configs
have it. Knows shapes and names, not torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

from mirage_engine.checkpoints.files import Stored
from mirage_engine.config import ConfigError

Shape = tuple[int, ...]
_HEAD = 128  # channels of an attention head in every public Wan model


def backbone_of(
    shapes: Mapping[str, Shape],  # by our names
    config: Mapping[str, Any],  # config.json beside the weights, or empty
    where: str,
) -> dict[str, Any]:
    """Sizes of the backbone. Raises ConfigError where they cannot be told."""
    for key in ("patch_embedding.weight", "blocks.0.ffn.net.0.proj.weight", "proj_out.weight"):
        if key not in shapes:
            raise ConfigError(f"{where}: no backbone of Wan: {key} is missing")
    dim, channels, *patch = shapes["patch_embedding.weight"]
    embedder = "condition_embedder"
    try:
        sizes = {
            "patch_size": tuple(patch),
            "in_channels": channels,
            "out_channels": shapes["proj_out.weight"][0] // prod(patch),
            "text_dim": shapes[f"{embedder}.text_embedder.linear_1.weight"][1],
            "freq_dim": shapes[f"{embedder}.time_embedder.linear_1.weight"][1],
            "ffn_dim": shapes["blocks.0.ffn.net.0.proj.weight"][0],
            "num_layers": count(shapes, "blocks"),
        }
    except (KeyError, IndexError) as error:
        raise ConfigError(f"{where}: no backbone of Wan: {error} is missing or no matrix") from None
    heads = config.get("num_attention_heads", config.get("num_heads", dim // _HEAD))
    if not isinstance(heads, int) or heads < 1 or dim % heads or (dim // heads) % 2:
        raise ConfigError(
            f"{where}: cannot tell the number of heads of {dim} channels; "
            "put the model's config.json beside it"
        )
    sizes["eps"] = float(config.get("eps", 1e-6))
    return {"num_attention_heads": heads, "attention_head_dim": dim // heads, **sizes}


def branch_of(shapes: Mapping[str, Shape], layers: int, where: str) -> dict[str, Any]:
    """Sizes of the side branch for a backbone of `layers` blocks. Raises ConfigError."""
    blocks = count(shapes, "memory_blocks")
    if not blocks or len(shapes.get("memory_patch_embedding.weight", ())) < 2:
        raise ConfigError(f"{where}: no side branch: vace_blocks or vace_patch_embedding missing")
    # Every second block, every fourth in Spatia's: the widest even spacing that has room for all.
    step = -(-layers // blocks)
    hints = tuple(range(0, layers, step))
    if len(hints) != blocks:
        raise ConfigError(
            f"{where}: {blocks} blocks of the side branch do not fit a backbone of {layers}"
        )
    channels = shapes["memory_patch_embedding.weight"][1]
    return {"memory_in_channels": channels, "memory_layers": hints}


def count(names: Iterable[str], blocks: str) -> int:
    """How many blocks of a list have tensors."""
    return len({name.split(".")[1] for name in names if name.startswith(f"{blocks}.")})


def hint_layers(network: Mapping[str, Any]) -> tuple[int, ...]:
    """Backbone blocks that receive a hint; every second one where the network does not say."""
    layers = network.get("memory_layers")
    return tuple(range(0, network["num_layers"], 2) if layers is None else layers)


def shapes_of(network: Mapping[str, Any]) -> dict[str, Shape]:
    """Every tensor of a network by our names, but for those of its `ReadoutRepair`."""
    dim = network["num_attention_heads"] * network["attention_head_dim"]
    patch = tuple(network["patch_size"])
    embedder = "condition_embedder"
    shapes = {
        **_affine("patch_embedding", dim, network["in_channels"], *patch),
        **_affine(f"{embedder}.text_embedder.linear_1", dim, network["text_dim"]),
        **_affine(f"{embedder}.text_embedder.linear_2", dim, dim),
        **_affine(f"{embedder}.time_embedder.linear_1", dim, network["freq_dim"]),
        **_affine(f"{embedder}.time_embedder.linear_2", dim, dim),
        **_affine(f"{embedder}.time_proj", 6 * dim, dim),
        **_affine("proj_out", network["out_channels"] * prod(patch), dim),
        "scale_shift_table": (1, 2, dim),
    }
    for i in range(network["num_layers"]):
        shapes |= _block(f"blocks.{i}", dim, network["ffn_dim"])
    hints = hint_layers(network)
    if hints:
        shapes |= _affine("memory_patch_embedding", dim, network["memory_in_channels"], *patch)
    for i in range(len(hints)):
        shapes |= _block(f"memory_blocks.{i}", dim, network["ffn_dim"])
        shapes |= _affine(f"memory_blocks.{i}.proj_out", dim, dim)
    if hints:
        shapes |= _affine("memory_blocks.0.proj_in", dim, dim)
    return shapes


def compare(found: Mapping[str, Stored], wanted: Mapping[str, Shape], where: str) -> None:
    """Raises ConfigError naming what is missing, surplus or misshapen."""
    if missing := sorted(wanted.keys() - found.keys()):
        raise ConfigError(f"{where}: {_some(missing)} missing")
    if extra := sorted(found.keys() - wanted.keys()):
        named = [found[key].name for key in extra]
        raise ConfigError(f"{where}: {_some(named)} unexpected")
    for key, shape in wanted.items():
        if found[key].shape != shape:
            raise ConfigError(
                f"{where}: {found[key].name} has shape {found[key].shape}, not {shape}"
            )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _affine(place: str, out: int, *into: int) -> dict[str, Shape]:
    return {f"{place}.weight": (out, *into), f"{place}.bias": (out,)}


def _block(place: str, dim: int, ffn: int) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {f"{place}.scale_shift_table": (1, 6, dim)}
    for attention in ("attn1", "attn2"):
        for part in ("to_q", "to_k", "to_v", "to_out.0"):
            shapes |= _affine(f"{place}.{attention}.{part}", dim, dim)
        for part in ("norm_q", "norm_k"):
            shapes[f"{place}.{attention}.{part}.weight"] = (dim,)
    shapes |= {f"{place}.norm2.weight": (dim,), f"{place}.norm2.bias": (dim,)}
    shapes |= _affine(f"{place}.ffn.net.0.proj", ffn, dim)
    shapes |= _affine(f"{place}.ffn.net.2", dim, ffn)
    return shapes
