"""LoRA files: which places they change, by how much, in every way that trainers write them.

Knows names and shapes. Knows nothing of how an adapter is applied.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mirage_engine.checkpoints.files import Checkpoint, Stored
from mirage_engine.checkpoints.names import to_ours
from mirage_engine.checkpoints.network import Shape
from mirage_engine.config import ConfigError

_NAME = re.compile(
    r"(?P<place>.+?)\.(?:(?P<part>lora_A|lora_B|lora_down|lora_up)(?:\.default)?(?:\.weight)?"
    r"|(?P<alpha>alpha))$"
)
_DOWN = ("lora_A", "lora_down")


@dataclass(frozen=True)
class Adapter:
    """A change of one weight [out, in] by up @ down."""

    down: Stored  # [rank, in]
    up: Stored  # [out, rank]
    alpha: Stored | None  # scalar; strength is alpha / rank, and 1 where the file has none

    @property
    def rank(self) -> int:
        return self.down.shape[0]


def is_adapter(checkpoint: Checkpoint) -> bool:
    return any("lora_" in name for name in checkpoint.tensors)


def adapters_of(checkpoint: Checkpoint) -> dict[str, Adapter]:
    """{our name of the place: its adapter}. Raises ConfigError for whatever is none."""
    parts: dict[str, dict[str, Stored]] = {}
    for name, tensor in checkpoint.tensors.items():
        found = _NAME.match(name)
        place = to_ours(found["place"]) if found else None
        if found is None or place is None:
            raise ConfigError(f"{checkpoint.name}: unexpected tensor {name}")
        part = found["alpha"] or ("down" if found["part"] in _DOWN else "up")
        twin = parts.setdefault(place, {}).setdefault(part, tensor)
        if twin is not tensor:
            raise ConfigError(f"{checkpoint.name}: {twin.name} and {name} are the same tensor")
    for place, found in parts.items():
        for part in {"down", "up"} - found.keys():
            raise ConfigError(f"{checkpoint.name}: {place} has no lora_{part}")
    return {
        place: Adapter(found["down"], found["up"], found.get("alpha"))
        for place, found in parts.items()
    }


def check_adapters(
    adapters: Mapping[str, Adapter],
    shapes: Mapping[str, Shape],  # of the network, by our names
    where: str,
) -> None:
    """Raises ConfigError naming an adapter that fits no weight of the network."""
    for place, adapter in adapters.items():
        weight = shapes.get(f"{place}.weight")
        if weight is None:
            raise ConfigError(f"{where}: the network has no {place} ({adapter.down.name})")
        wanted = {"down": (adapter.rank, *weight[1:]), "up": (weight[0], adapter.rank)}
        for part, tensor in (("down", adapter.down), ("up", adapter.up)):
            if tensor.shape != wanted[part]:
                raise ConfigError(
                    f"{where}: {tensor.name} has shape {tensor.shape}, not {wanted[part]}"
                )
