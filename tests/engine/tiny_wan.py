"""The large network at a size that tests can afford, with the official weights where there are."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file

from mirage_engine.generator.transformer import MirageTransformer3DModel
from tests.engine.official_names import ours


def tiny_wan(**changes: object) -> MirageTransformer3DModel:
    """The golden data's network, random."""
    sizes = {
        "num_attention_heads": 3,
        "attention_head_dim": 32,
        "in_channels": 48,
        "out_channels": 48,
        "text_dim": 64,
        "ffn_dim": 192,
        "num_layers": 4,
        "memory_in_channels": 96,
    }
    return MirageTransformer3DModel(**{**sizes, **changes}).eval()


def official_wan(golden: Path) -> MirageTransformer3DModel:
    """The golden data's network with its weights."""
    network = tiny_wan()
    state = {
        ours(key): value
        for name in ("tiny_dit", "tiny_vace")
        for key, value in load_file(golden / f"{name}.safetensors").items()
    }
    network.load_state_dict(state, strict=True)
    return network
