"""NoMemory: the baseline that remembers nothing, so that every view is blank."""

# ruff: noqa: ARG002  (a memory that ignores everything)

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mirage_engine.camera import Camera
from mirage_engine.config import ConfigError
from mirage_engine.inspection import Edit
from mirage_engine.parts import MemoryView


class NoMemory:
    """Has the members of a Memory and no state."""

    def __init__(self, channels: int, device: torch.device | str = "cpu") -> None:
        self.channels = channels
        self.device = torch.device(device)

    def write(
        self,
        latents: Tensor,
        depth_m: Tensor,
        cameras: Sequence[Camera],
        keep: Tensor,
        segment: int,
    ) -> int:
        return 0

    def read(self, cameras: Sequence[Camera], size: tuple[int, int]) -> MemoryView:
        return blank_view(len(cameras), self.channels, size, self.device)

    def coverage(self, camera: Camera, size: tuple[int, int]) -> float:
        return 0.0

    def undo(self, segment: int) -> None: ...

    def cloud(self, since: int = 0) -> dict[str, np.ndarray]:
        return {
            "points_world": np.zeros((0, 4), np.float32),
            "latents": np.zeros((0, self.channels), np.float32),
            "footprints_m": np.zeros(0, np.float32),
            "born": np.zeros(0, np.int32),
            "frame": np.zeros(0, np.uint8),
            "seen": np.zeros(0, np.int32),
            "ids": np.zeros(0, np.int32),
            "flags": np.zeros(0, np.uint8),
        }

    def origins(self, source: Tensor) -> Tensor:
        return torch.full((3, *source.shape), -1, dtype=torch.int32, device=self.device)

    def added(self, segment: int) -> int:
        return 0

    def edit(self, edit: Edit, number: int) -> np.ndarray:
        """Raises ConfigError."""
        raise ConfigError("this memory holds nothing to edit")

    def revert(self, number: int) -> None: ...

    def gone(self) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((0, 4), np.float32), np.zeros(0, np.float32)

    def gone_mask(self, cameras: Sequence[Camera], size: tuple[int, int], since: int = 0) -> Tensor:
        return torch.zeros((len(cameras), *size), dtype=torch.bool, device=self.device)

    @property
    def edits(self) -> tuple[int, ...]:
        return ()

    @property
    def removed(self) -> np.ndarray:
        return np.zeros(0, np.int32)

    @property
    def nbytes(self) -> int:
        return 0

    def __len__(self) -> int:
        return 0

    def save(self, path: Path) -> None:
        """Writes nothing: there is nothing to remember."""

    def load(self, path: Path) -> None:
        """Reads nothing."""


def blank_view(
    views: int, channels: int, size: tuple[int, int], device: torch.device
) -> MemoryView:
    """A view in which no cell is known."""
    grid = (views, *size)

    def zeros(*shape: int) -> Tensor:
        return torch.zeros(shape, device=device)

    return MemoryView(
        latents=zeros(views, channels, *size),
        mask=torch.zeros(grid, dtype=torch.bool, device=device),
        depth_m=zeros(*grid),
        source=torch.full(grid, -1, dtype=torch.int64, device=device),
        offset=zeros(views, 2, *size),
        scale=zeros(*grid),
    )
