"""Where weights lie and what their headers say, without loading a tensor.

A source is a safetensors file (or several that belong together), a diffusers folder, or the name
of a model that lies in the hub's cache. Nothing is downloaded, and pickles are never opened.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

from mirage_engine.config import ConfigError
from mirage_engine.files import find

_BITS = {"F64": 64, "F32": 32, "BF16": 16, "F16": 16, "F8_E4M3": 8, "F8_E5M2": 8}
_HEADER_LIMIT = 100_000_000  # bytes, as safetensors itself has it
_PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl")


@dataclass(frozen=True)
class Stored:
    """Where a tensor lies and what it is like: one line of a header."""

    file: Path
    name: str  # in the file
    shape: tuple[int, ...]
    dtype: str  # as safetensors writes it: F32, BF16, ...

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * _BITS.get(self.dtype, 8) // 8


@dataclass(frozen=True)
class Checkpoint:
    """Tensors of one source by their names in it."""

    name: str
    tensors: dict[str, Stored]
    header: dict[str, Any] = field(default_factory=dict)  # ours, from the file
    config: dict[str, Any] = field(default_factory=dict)  # config.json beside it


def open_checkpoint(source: str | Path) -> Checkpoint:
    """Reads the headers of a source. Raises ConfigError."""
    return _read(locate(str(source)), str(source))


def locate(source: str) -> list[Path]:
    """The safetensors files of a source, in order. Raises ConfigError."""
    path = find(source)
    if path.suffix in _PICKLES:
        raise ConfigError(
            f"{source}: pickled weights can run code and are not read; if you trust the file, "
            "convert it once with torch.load and safetensors.torch.save_file"
        )
    if not path.exists():
        path = _cached(source)
    if path.is_file():
        return [path]
    for folder in (path / "transformer", path):
        if files := sorted(folder.glob("*.safetensors")):
            return _listed(folder, files)
    raise ConfigError(f"{source}: no safetensors files in this folder or its transformer/")


def _cached(source: str) -> Path:
    """A model's folder in the hub's cache."""
    missing = f"{source}: no such file, folder or model in the hub's cache"
    if source.count("/") != 1 or source.startswith(("/", ".", "~")):
        raise ConfigError(missing)
    try:
        return Path(snapshot_download(source, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        raise ConfigError(f"{missing}; to fetch it: hf download {source}") from None


def _listed(folder: Path, files: list[Path]) -> list[Path]:
    """The files that the folder's index names, all of which must be there; without one, all."""
    indices = sorted(folder.glob("*.safetensors.index.json"))
    if not indices:
        return files
    try:
        names = sorted(set(json.loads(indices[0].read_text("utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, OSError) as error:
        raise ConfigError(f"{indices[0]}: not a readable index ({error})") from None
    for name in names:
        if folder / name not in files:
            raise ConfigError(f"{folder}: {name} is missing; {indices[0].name} lists it")
    return [folder / name for name in names]


def _read(paths: Sequence[Path], name: str) -> Checkpoint:
    tensors: dict[str, Stored] = {}
    own: dict[str, Any] = {}
    for path in paths:
        found, metadata = read_header(path)
        for tensor in found:
            if tensor.name in tensors:
                other = tensors[tensor.name].file.name
                raise ConfigError(f"{path}: {tensor.name} is also in {other}")
            tensors[tensor.name] = tensor
        own |= _own(path, metadata)
    return Checkpoint(name, tensors, own, _config(paths[0].parent))


def read_header(path: Path) -> tuple[list[Stored], dict[str, str]]:
    """(tensors, metadata) of a safetensors file: eight bytes of length, then JSON, then data."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(_HEADER_LIMIT, size):
                raise ValueError("the header is longer than the file")
            header = json.loads(file.read(length))
        metadata = header.pop("__metadata__", {})
        tensors = [Stored(path, k, tuple(e["shape"]), e["dtype"]) for k, e in header.items()]
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
        if size != 8 + length + end:
            raise ValueError(f"{size} bytes long, {8 + length + end} expected")
    except (OSError, ValueError, struct.error, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: not a readable safetensors file ({error})") from None
    return tensors, metadata


def _own(path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    try:
        return json.loads(metadata.get("mirage", "{}"))
    except ValueError:
        raise ConfigError(f"{path}: the project's header is not JSON") from None


def _config(folder: Path) -> dict[str, Any]:
    """Sizes that shapes do not tell (the number of heads), where a model's folder gives them."""
    path = folder / "config.json"
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError, OSError) as error:
        raise ConfigError(f"{path}: not readable ({error})") from None
