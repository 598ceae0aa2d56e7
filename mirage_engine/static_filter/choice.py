"""From settings to a static filter."""

from __future__ import annotations

import torch

from mirage_engine.config import StaticFilterConfig
from mirage_engine.parts import StaticFilter
from mirage_engine.static_filter.concepts import load_concepts
from mirage_engine.static_filter.once import Once
from mirage_engine.static_filter.plain import CodecFilter, KeepAll
from mirage_engine.static_filter.residual import ResidualFilter


def load_filter(config: StaticFilterConfig, device: torch.device | str = "cpu") -> StaticFilter:
    """The filter that a preset asks for. Raises ConfigError when its weights are not here."""
    if config.kind == "none":
        return KeepAll()
    if config.kind == "codec":
        return CodecFilter()
    if config.kind == "residual":
        return Once(ResidualFilter(config, device))
    return Once(load_concepts(config, device))
