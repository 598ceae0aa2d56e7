"""The scale at which tests train."""

from __future__ import annotations

from mirage_engine.config import LensConfig
from mirage_engine.training.settings import ClipConfig

LENS = LensConfig(width=64, height=48)
GRID = (12, 16)
FRAMES = 3
CLIPS = ClipConfig(frames=12, clips=3, validation=2)
