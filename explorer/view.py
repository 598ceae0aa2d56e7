"""What the person at the screen has switched on, and the short notes shown there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TOAST_S = 4.0
MOST_TOASTS = 4

Overlay = Literal["off", "inset", "full"]
ThenNow = Literal["off", "flicker", "wipe"]
THEN_NOW: tuple[ThenNow, ...] = ("off", "flicker", "wipe")
OVERLAYS: tuple[Overlay, ...] = ("off", "inset", "full")


@dataclass
class View:
    """The switches. Changed by actions, read by the screen."""

    overlay: Overlay = "off"
    minimap: bool = True
    tint: bool = False
    fog_style: int = 0
    help: bool = False
    then_now: ThenNow = "off"  # how a place seen twice is compared, over the picture

    def next_overlay(self) -> None:
        self.overlay = OVERLAYS[(OVERLAYS.index(self.overlay) + 1) % len(OVERLAYS)]

    def next_then_now(self) -> None:
        self.then_now = THEN_NOW[(THEN_NOW.index(self.then_now) + 1) % len(THEN_NOW)]


class Toasts:
    """Notes that go away by themselves."""

    def __init__(self) -> None:
        self._notes: list[tuple[str, float]] = []  # (text, when it goes)

    def add(self, text: str, now_s: float, stay_s: float = TOAST_S) -> None:
        """Shows `text` for a while; the same text again only stays longer."""
        self._notes = [note for note in self._notes if note[0] != text]
        self._notes = [*self._notes, (text, now_s + stay_s)][-MOST_TOASTS:]

    def shown(self, now_s: float) -> list[str]:
        """Oldest first."""
        self._notes = [note for note in self._notes if note[1] > now_s]
        return [text for text, _ in self._notes]
