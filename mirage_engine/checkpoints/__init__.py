"""Weights on disk: our own files, and those of others under our names."""

from mirage_engine.checkpoints.adapters import Adapter, adapters_of, check_adapters
from mirage_engine.checkpoints.assembly import Assembly, assemble
from mirage_engine.checkpoints.files import Checkpoint, open_checkpoint
from mirage_engine.checkpoints.names import from_ours
from mirage_engine.checkpoints.store import (
    check_hash,
    hashes,
    load_into,
    load_state,
    save_state,
    save_weights,
)

__all__ = [
    "Adapter",
    "Assembly",
    "Checkpoint",
    "adapters_of",
    "assemble",
    "check_adapters",
    "check_hash",
    "from_ours",
    "hashes",
    "load_into",
    "load_state",
    "open_checkpoint",
    "save_state",
    "save_weights",
]
