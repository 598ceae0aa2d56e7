"""Columns of points that grow without copying each time, and their file.

Knows names, shapes and rows. Knows nothing of what the columns mean.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mirage_engine.config import ConfigError
from mirage_engine.files import replacing
from mirage_engine.seal import UNSEALED, seal

_GROWTH = 1.5

Layout = dict[str, tuple[int, torch.dtype]]  # name -> (values per row, or 0 for a plain number)


class PointStore:
    """A table of points, preallocated; rows keep their order."""

    def __init__(self, layout: Layout, device: torch.device) -> None:
        self.layout = layout
        self.device = device
        self.rows = 0
        self._columns = {name: self._blank(name, 0) for name in layout}

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, name: str) -> Tensor:
        """The column's rows in use, [rows] or [rows, values]; a view."""
        return self._columns[name][: self.rows]

    @property
    def row_bytes(self) -> int:
        return sum(max(n, 1) * dtype.itemsize for n, dtype in self.layout.values())

    @property
    def nbytes(self) -> int:
        """Bytes of the rows in use."""
        return self.rows * self.row_bytes

    def append(self, values: dict[str, Tensor]) -> None:
        """Adds rows; `values` holds every column."""
        assert values.keys() == self.layout.keys(), "every column of a row comes together"
        added = len(next(iter(values.values())))
        if added == 0:
            return
        self._reserve(self.rows + added)
        for name, value in values.items():
            self._columns[name][self.rows : self.rows + added] = value
        self.rows += added

    def take(self, rows: Tensor) -> dict[str, Tensor]:
        """Copies of the rows [M] int64."""
        return {name: self[name].index_select(0, rows) for name in self.layout}

    def retain(self, rows: Tensor) -> None:
        """Drops all but the rows [M] int64, and takes on their order."""
        kept = self.take(rows)
        self.rows = 0
        self._columns = {name: self._blank(name, 0) for name in self.layout}
        self.append(kept)

    def drop(self, rows: Tensor) -> None:
        """Drops the rows [M] int64; the others keep their order."""
        stays = torch.ones(self.rows, dtype=torch.bool, device=self.device)
        stays[rows] = False
        self.retain(stays.nonzero().squeeze(1))

    def _blank(self, name: str, rows: int) -> Tensor:
        values, dtype = self.layout[name]
        shape = (rows, values) if values else (rows,)
        return torch.empty(shape, dtype=dtype, device=self.device)

    def _reserve(self, rows: int) -> None:
        capacity = len(next(iter(self._columns.values())))
        if rows <= capacity:
            return
        capacity = max(rows, int(capacity * _GROWTH))
        for name in self.layout:
            grown = self._blank(name, capacity)
            grown[: self.rows] = self[name]
            self._columns[name] = grown


def save_stores(path: Path, stores: dict[str, PointStore], metadata: dict[str, str]) -> None:
    """Writes all stores into one safetensors file; a half-written one never takes its name.

    Raises:
        ConfigError: the file cannot be written.
    """
    tensors = {
        f"{part}.{name}": store[name].cpu().contiguous()
        for part, store in stores.items()
        for name in store.layout
    }
    try:
        with replacing(path) as draft:
            save_file(tensors, draft, {**UNSEALED, **metadata})
            seal(draft)
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{path}: memory cannot be written ({error})") from None


def read_stores(
    path: Path, stores: dict[str, PointStore], metadata: dict[str, str]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """(rows for `fill_stores`, all metadata) of a file, found to be whole; nothing changes yet.

    Raises:
        ConfigError: the file cannot be read, was made with other `metadata`, or a part of it is
            missing, unknown, misshapen or damaged; the line names the part.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            found = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such memory file") from None
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{path}: memory is damaged or no safetensors file ({error})") from None
    for name, value in metadata.items():
        if found.get(name) != value:
            raise ConfigError(
                f"{path}: memory was saved with {name} {found.get(name, 'unnamed')}, "
                f"this world needs {value}"
            )
    wanted = {f"{part}.{name}" for part, store in stores.items() for name in store.layout}
    for name in sorted(wanted ^ tensors.keys()):
        problem = "is missing" if name in wanted else "is unknown"
        raise ConfigError(f"{path}: memory part '{name}' {problem}; the file is of another version")
    for part, store in stores.items():
        _check(path, part, store, tensors)
    return tensors, found


def fill_stores(stores: dict[str, PointStore], tensors: dict[str, Tensor]) -> None:
    """Replaces the rows of all stores by those of `read_stores`."""
    for part, store in stores.items():
        store.rows = 0
        store.append({name: tensors[f"{part}.{name}"] for name in store.layout})


def _check(path: Path, part: str, store: PointStore, tensors: dict[str, Tensor]) -> None:
    rows = len(tensors[f"{part}.{next(iter(store.layout))}"])
    for name, (values, dtype) in store.layout.items():
        tensor = tensors[f"{part}.{name}"]
        shape = (rows, values) if values else (rows,)
        if tensor.dtype != dtype or tensor.shape != shape:
            raise ConfigError(
                f"{path}: memory part '{part}.{name}' is {tensor.dtype} {list(tensor.shape)}, "
                f"must be {dtype} {list(shape)}"
            )
        if dtype.is_floating_point and not torch.isfinite(tensor).all():
            raise ConfigError(f"{path}: memory part '{part}.{name}' holds broken numbers")
