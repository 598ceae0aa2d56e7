"""What a set of files is and needs, in words, from their headers alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

from mirage_engine.checkpoints.adapters import Adapter
from mirage_engine.checkpoints.assembly import assemble
from mirage_engine.checkpoints.files import Stored, open_checkpoint
from mirage_engine.checkpoints.network import hint_layers
from mirage_engine.config import ConfigError

_GB = 1e9
_HALF = 2  # bytes of a bfloat16
# One segment as the paper has it: latent frames of the target, before it, and references.
TARGET, PRECEDING, REFERENCES = 9, 2, 4
PICTURE = (704, 1280)  # px, (height, width) for 33 frames
_STRIDE = 16  # px per latent cell


def report(sources: Sequence[str]) -> list[str]:
    """Lines for people. Raises ConfigError when the files do not work together."""
    if not sources:
        raise ConfigError("no files named")
    assembly = assemble([open_checkpoint(source) for source in sources])
    network, tensors = assembly.network, assembly.tensors
    lines = [_network_line(network, tensors)]
    if assembly.has_branch:
        lines.append(_branch_line(network, tensors))
    else:
        lines.append("side branch: none, so that memory does not reach the pictures")
    lines += [_adapter_line(adapters) for adapters in assembly.adapters]
    files = [t for adapters in assembly.adapters for a in adapters.values() for t in (a.down, a.up)]
    lines.append(f"on disk: {_by_dtype([*tensors.values(), *files])}")
    weights = _HALF * sum(prod(t.shape) for t in tensors.values())
    tokens = segment_tokens(network)
    moving = activations(network, tokens)
    lines.append(
        f"memory in bfloat16: weights {_gb(weights)}, activations about {_gb(moving)} for 33 frames"
        f" at {PICTURE[0]}x{PICTURE[1]} ({tokens} tokens), together {_gb(weights + moving)}; "
        "codec, depth and text come on top"
    )
    return [*lines, "these files work together"]


def segment_tokens(network: Mapping[str, Any]) -> int:
    """Tokens of one evaluation, context and references included."""
    _, ph, pw = network["patch_size"]
    cells = (PICTURE[0] // _STRIDE // ph) * (PICTURE[1] // _STRIDE // pw)
    return (TARGET + PRECEDING + REFERENCES) * cells


def activations(network: Mapping[str, Any], tokens: int, words: int = 512) -> int:
    """Bytes at the peak of one evaluation without gradients, in bfloat16 and not compiled.

    Six rows of channels stand for each token: as embedded, as the backbone and the branch have it,
    and as a block takes, sees and returns it. Text has keys and values in every block; positions
    are float32. On top comes the larger of the feed-forward (two copies of its inside) and the
    norms in float32 (four of them at once).
    """
    dim = network["num_attention_heads"] * network["attention_head_dim"]
    blocks = network["num_layers"] + len(hint_layers(network))
    standing = 6 * tokens * dim * _HALF
    text = 2 * blocks * words * dim * _HALF
    positions = 2 * tokens * network["attention_head_dim"] * 4
    forward = 2 * tokens * network["ffn_dim"] * _HALF
    norms = 4 * tokens * dim * 4
    return standing + text + positions + max(forward, norms)


def _network_line(network: Mapping[str, Any], tensors: Mapping[str, Stored]) -> str:
    mine = [t for key, t in tensors.items() if not key.startswith("memory_")]
    dim = network["num_attention_heads"] * network["attention_head_dim"]
    return (
        f"backbone: {_count(mine)} parameters, {network['num_layers']} blocks of {dim} channels "
        f"and {network['num_attention_heads']} heads, {network['in_channels']} latent channels, "
        f"{_dtypes(mine)}"
    )


def _branch_line(network: Mapping[str, Any], tensors: Mapping[str, Stored]) -> str:
    mine = [t for key, t in tensors.items() if key.startswith("memory_")]
    layers = ", ".join(map(str, hint_layers(network)))
    return (
        f"side branch: {_count(mine)} parameters, hints for blocks {layers}; "
        f"{network['memory_in_channels']} condition channels, {_dtypes(mine)}"
    )


def _adapter_line(adapters: Mapping[str, Adapter]) -> str:
    ranks = sorted({adapter.rank for adapter in adapters.values()})
    said = "as its file says" if any(a.alpha for a in adapters.values()) else "taken as the rank"
    return f"LoRA: {len(adapters)} places, rank {', '.join(map(str, ranks))}, alpha {said}"


def _count(tensors: Iterable[Stored]) -> str:
    return f"{sum(prod(t.shape) for t in tensors) / 1e9:.3f} billion"


def _dtypes(tensors: Iterable[Stored]) -> str:
    return "/".join(sorted({t.dtype for t in tensors}))


def _by_dtype(tensors: Iterable[Stored]) -> str:
    sizes: Counter[str] = Counter()
    for tensor in tensors:
        sizes[tensor.dtype] += tensor.nbytes
    return ", ".join(f"{_gb(size)} in {dtype}" for dtype, size in sizes.most_common())


def _gb(size: int) -> str:
    return f"{size / _GB:.2f} GB"
