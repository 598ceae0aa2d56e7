"""What the mouse did over a view: plain records, so that tools know nothing of windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Button = Literal["left", "right", "middle"]
Px = tuple[float, float]  # x, y


@dataclass(frozen=True)
class Pointer:
    """One thing that the mouse did. Pixels from the upper left corner."""

    kind: Literal["down", "drag", "up", "wheel"]
    at_px: Px = (0.0, 0.0)
    moved_px: Px = (0.0, 0.0)
    button: Button = "left"
    wheel: float = 0.0  # notches, positive away from the hand
    add: bool = False  # Shift
    subtract: bool = False  # Ctrl
