"""How a network is run: precision, who computes attention, compilation. Explicit settings all.

Results stay the same up to rounding. Knows nothing of what the network computes.
"""

from __future__ import annotations

import torch

from mirage_engine.config import ConfigError, GeneratorConfig
from mirage_engine.generator.attention import MatmulAttnProcessor
from mirage_engine.generator.transformer import MirageTransformer3DModel

# Settings, and what diffusers calls them.
BACKENDS = {
    "cudnn": "_native_cudnn",
    "flash": "flash",
    "flash3": "_flash_3",
    "sage": "sage",  # int8: faster, not exact
}


def tune(network: MirageTransformer3DModel, config: GeneratorConfig) -> None:
    """Applies the settings in place. Raises ConfigError for what this machine cannot do."""
    on_cpu = next(network.parameters()).device.type == "cpu"
    half = config.dtype == "bfloat16"
    if half:
        halve(network)
    attention = config.attention
    if attention == "auto":
        attention = "products" if half and on_cpu else "native"
    if attention == "products":
        network.set_attn_processor(MatmulAttnProcessor())  # pyright: ignore[reportArgumentType]
    elif attention != "native":
        _fuse_attention(network, attention, on_cpu)
    if config.compile:
        # A block at a time: they are alike, so that one compilation serves all.
        network.compile_repeated_blocks(fullgraph=True)


def halve(network: torch.nn.Module) -> None:
    """Products in bfloat16, once and for all, where autocast would cast the weights every time.

    Modulation tables stay float32, as in diffusers.
    """
    for module in network.modules():
        if isinstance(
            module, torch.nn.Linear | torch.nn.Conv2d | torch.nn.Conv3d | torch.nn.RMSNorm
        ):
            module.to(torch.bfloat16)


def _fuse_attention(network: MirageTransformer3DModel, attention: str, on_cpu: bool) -> None:
    if on_cpu:
        raise ConfigError(
            f"generator.attention '{attention}' needs a CUDA device; try auto, native or products"
        )
    try:
        network.set_attention_backend(BACKENDS[attention])
    except RuntimeError as error:  # the package is missing; the message says which
        raise ConfigError(f"generator.attention '{attention}': {error}".splitlines()[0]) from None
