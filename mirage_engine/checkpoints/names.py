"""What a tensor is called: one table for our names, the official ones and diffusers'.

A name is a place (`blocks.3.attn1.to_q`) with a tail (`.weight`). Ours are diffusers' but for the
side branch. Knows nothing of files, shapes or torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from mirage_engine.config import ConfigError

Dialect = Literal["ours", "official", "diffusers"]
DIALECTS: tuple[Dialect, ...] = ("ours", "official", "diffusers")

# Lists of blocks, places within a block, places outside of all blocks.
LISTS = [
    # ours, official, diffusers
    ("blocks", "blocks", "blocks"),
    ("memory_blocks", "vace_blocks", "vace_blocks"),
]
INSIDE = [
    ("attn1.to_q", "self_attn.q", "attn1.to_q"),
    ("attn1.to_k", "self_attn.k", "attn1.to_k"),
    ("attn1.to_v", "self_attn.v", "attn1.to_v"),
    ("attn1.to_out.0", "self_attn.o", "attn1.to_out.0"),
    ("attn1.norm_q", "self_attn.norm_q", "attn1.norm_q"),
    ("attn1.norm_k", "self_attn.norm_k", "attn1.norm_k"),
    ("attn2.to_q", "cross_attn.q", "attn2.to_q"),
    ("attn2.to_k", "cross_attn.k", "attn2.to_k"),
    ("attn2.to_v", "cross_attn.v", "attn2.to_v"),
    ("attn2.to_out.0", "cross_attn.o", "attn2.to_out.0"),
    ("attn2.norm_q", "cross_attn.norm_q", "attn2.norm_q"),
    ("attn2.norm_k", "cross_attn.norm_k", "attn2.norm_k"),
    ("norm2", "norm3", "norm2"),
    ("ffn.net.0.proj", "ffn.0", "ffn.net.0.proj"),
    ("ffn.net.2", "ffn.2", "ffn.net.2"),
    ("scale_shift_table", "modulation", "scale_shift_table"),
    ("proj_in", "before_proj", "proj_in"),  # of the first memory block
    ("proj_out", "after_proj", "proj_out"),  # of every memory block
]
_TEXT, _TIME = "condition_embedder.text_embedder", "condition_embedder.time_embedder"
OUTSIDE = [
    ("patch_embedding", "patch_embedding", "patch_embedding"),
    (f"{_TEXT}.linear_1", "text_embedding.0", f"{_TEXT}.linear_1"),
    (f"{_TEXT}.linear_2", "text_embedding.2", f"{_TEXT}.linear_2"),
    (f"{_TIME}.linear_1", "time_embedding.0", f"{_TIME}.linear_1"),
    (f"{_TIME}.linear_2", "time_embedding.2", f"{_TIME}.linear_2"),
    ("condition_embedder.time_proj", "time_projection.1", "condition_embedder.time_proj"),
    ("proj_out", "head.head", "proj_out"),
    ("scale_shift_table", "head.modulation", "scale_shift_table"),
    ("memory_patch_embedding", "vace_patch_embedding", "vace_patch_embedding"),
]
# What trainers and their wrappers put before a name, any number of times.
PREFIXES = (
    "module.",
    "model.",
    "base_model.",
    "_fsdp_wrapped_module.",
    "_orig_mod.",
    "state_dict.",
    "generator.",
    "lora.",
    "pipe.",
    "dit.",
    "vace.",
    "transformer.",
    "diffusion_model.",
)


def bare(name: str) -> str:
    """Without prefixes."""
    while prefix := next((p for p in PREFIXES if name.startswith(p)), None):
        name = name.removeprefix(prefix)
    return name


def rename(name: str, source: Dialect, target: Dialect) -> str | None:
    """The same place in another dialect, with or without a tail; None for what has no place."""
    tail = next((t for t in (".weight", ".bias") if name.endswith(t)), "")
    place, before = name.removesuffix(tail), ""
    columns = DIALECTS.index(source), DIALECTS.index(target)
    blocks, _, inside = place.partition(".")
    index, _, inside = inside.partition(".")
    lists, table = _between(LISTS, *columns), OUTSIDE
    if blocks in lists and index.isdecimal() and len(index) < 5:
        before, place, table = f"{lists[blocks]}.{int(index)}.", inside, INSIDE
    places = _between(table, *columns)
    return before + places[place] + tail if place in places else None


def from_ours(name: str, target: Dialect) -> str:
    """Raises ConfigError for what only our own networks have."""
    other = rename(name, "ours", target)
    if other is None:
        raise ConfigError(f"{name} has no {target} name")
    return other


def to_ours(name: str) -> str | None:
    """Our name of a tensor or place that may be named in any dialect, under any prefix."""
    name = bare(name)
    for dialect in DIALECTS:
        if (mine := rename(name, dialect, "ours")) is not None:
            return mine
    return None


def all_to_ours(names: Iterable[str], where: str) -> dict[str, str]:
    """{our name: name in the file}. Raises ConfigError for a name that has no place or a twin."""
    found: dict[str, str] = {}
    for name in names:
        mine = to_ours(name)
        if mine is None:
            raise ConfigError(f"{where}: unexpected tensor {name}")
        if mine in found:
            raise ConfigError(f"{where}: {found[mine]} and {name} are the same tensor")
        found[mine] = name
    return found


def _between(table: list[tuple[str, str, str]], source: int, target: int) -> dict[str, str]:
    return {row[source]: row[target] for row in table}
