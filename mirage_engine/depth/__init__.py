"""Depth: who says how far the decoded pixels are."""

from mirage_engine.depth.estimators import load_depth
from mirage_engine.depth.prior import CodecDepth, room_prior

__all__ = ["CodecDepth", "load_depth", "room_prior"]
