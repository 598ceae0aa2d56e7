"""Whether files make a network together: backbone, side branch and adapters, from headers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mirage_engine.checkpoints.adapters import Adapter, adapters_of, check_adapters, is_adapter
from mirage_engine.checkpoints.files import Checkpoint, Stored
from mirage_engine.checkpoints.names import all_to_ours
from mirage_engine.checkpoints.network import (
    Shape,
    backbone_of,
    branch_of,
    compare,
    count,
    shapes_of,
)
from mirage_engine.config import ConfigError


@dataclass(frozen=True)
class Assembly:
    """A network and where each of its tensors lies."""

    network: dict[str, Any]  # the constructor's arguments
    tensors: dict[str, Stored]  # by our names
    adapters: list[dict[str, Adapter]]  # of each LoRA, by our names of the places

    @property
    def has_branch(self) -> bool:
        return count(self.tensors, "memory_blocks") > 0


def assemble(sources: Sequence[Checkpoint]) -> Assembly:
    """Backbone, side branch and LoRAs in any order, whole or in parts. Raises ConfigError.

    Without a side branch it is the plain backbone.
    """
    tensors: dict[str, Stored] = {}
    weights = [source for source in sources if not is_adapter(source)]
    where = " + ".join(source.name for source in weights)
    if not weights:
        raise ConfigError("no backbone among the files")
    for source in weights:
        for key, tensor in _by_our_names(source).items():
            if key in tensors:
                raise ConfigError(
                    f"{source.name}: {tensor.name} is also in {tensors[key].file.name}"
                )
            tensors[key] = tensor
    network = _network(weights, tensors, where)
    try:
        wanted = shapes_of(network)
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{where}: the header's network is damaged ({error})") from None
    repaired = network.get("repair_width", 0) > 0
    compare({k: v for k, v in tensors.items() if not repaired or k in wanted}, wanted, where)
    adapters = [adapters_of(source) for source in sources if is_adapter(source)]
    for found, source in zip(adapters, filter(is_adapter, sources), strict=True):
        check_adapters(found, wanted, source.name)
    return Assembly(network, tensors, adapters)


def _by_our_names(source: Checkpoint) -> dict[str, Stored]:
    if "network" in source.header:
        return source.tensors
    return {
        key: source.tensors[name] for key, name in all_to_ours(source.tensors, source.name).items()
    }


def _network(
    weights: Sequence[Checkpoint], tensors: dict[str, Stored], where: str
) -> dict[str, Any]:
    own = [source.header["network"] for source in weights if "network" in source.header]
    if len(own) > 1:
        raise ConfigError(f"{where}: more than one whole network")
    shapes: dict[str, Shape] = {key: tensor.shape for key, tensor in tensors.items()}
    if own:
        network = dict(own[0])
    else:
        config = next((s.config for s in weights if _is_backbone(s)), {})
        network = {**backbone_of(shapes, config, where), "memory_layers": ()}
    if network.get("memory_layers") in ((), []) and count(tensors, "memory_blocks"):
        network |= branch_of(shapes, network["num_layers"], where)
    return network


def _is_backbone(source: Checkpoint) -> bool:
    return any(
        name.endswith("patch_embedding.weight") and "vace" not in name for name in source.tensors
    )
