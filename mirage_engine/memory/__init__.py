"""Memories: what a world knows of the places that it has shown."""

from mirage_engine.memory.latent import LatentMemory
from mirage_engine.memory.none import NoMemory

__all__ = ["LatentMemory", "NoMemory"]
