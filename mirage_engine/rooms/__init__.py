"""Rooms: procedural houses with exact colour, depth and masks from any camera."""

from mirage_engine.rooms.scene import SPLITS, RoomView, Scene

__all__ = ["SPLITS", "RoomView", "Scene"]
