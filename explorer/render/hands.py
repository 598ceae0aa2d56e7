"""The mouse over the inspector: first for ImGui's widgets, then as records for the view below.

Without a call of `tell` no widget ever reacts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pygame
from imgui_bundle import imgui

MOUSE = (pygame.MOUSEMOTION, pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP, pygame.MOUSEWHEEL)
KEYBOARD = (pygame.KEYDOWN, pygame.KEYUP, pygame.TEXTINPUT)
BUTTONS = {1: 0, 3: 1, 2: 2}  # pygame's left, right, middle
KEYS = {
    pygame.K_BACKSPACE: imgui.Key.backspace,
    pygame.K_DELETE: imgui.Key.delete,
    pygame.K_RETURN: imgui.Key.enter,
    pygame.K_KP_ENTER: imgui.Key.keypad_enter,
    pygame.K_ESCAPE: imgui.Key.escape,
    pygame.K_TAB: imgui.Key.tab,
    pygame.K_LEFT: imgui.Key.left_arrow,
    pygame.K_RIGHT: imgui.Key.right_arrow,
    pygame.K_HOME: imgui.Key.home,
    pygame.K_END: imgui.Key.end,
    pygame.K_a: imgui.Key.a,
    pygame.K_LCTRL: imgui.Key.mod_ctrl,
    pygame.K_RCTRL: imgui.Key.mod_ctrl,
}


def tell(events: Sequence[pygame.event.Event]) -> list[pygame.event.Event]:
    """Shows the widgets these events; returns those that they do not want."""
    io = imgui.get_io()
    left = []
    for event in events:
        if event.type in MOUSE:
            _mouse(io, event)
            # A button that goes up is news to whoever saw it go down.
            if io.want_capture_mouse and event.type != pygame.MOUSEBUTTONUP:
                continue
        elif event.type in KEYBOARD:
            _keyboard(io, event)
            if io.want_text_input and event.type != pygame.KEYUP:
                continue
        elif event.type == pygame.WINDOWLEAVE:
            io.add_mouse_pos_event(-1e6, -1e6)
        left.append(event)
    return left


@dataclass(frozen=True)
class Pointer:
    """What the mouse did over the view. Pixels from the upper left corner."""

    kind: Literal["down", "drag", "up", "wheel"]
    at_px: tuple[float, float] = (0.0, 0.0)
    moved_px: tuple[float, float] = (0.0, 0.0)
    button: Literal["left", "right", "middle"] = "left"
    wheel: float = 0.0  # notches, positive away from the hand
    add: bool = False  # Shift
    subtract: bool = False  # Ctrl


def pointers(events: Sequence[pygame.event.Event]) -> list[Pointer]:
    """What is left of the mouse after the widgets had their share."""
    mod = pygame.key.get_mods() if pygame.display.get_init() else 0
    add, subtract = bool(mod & pygame.KMOD_SHIFT), bool(mod & pygame.KMOD_CTRL)
    found = []
    for event in events:
        if event.type == pygame.MOUSEMOTION:
            held = [name for i, name in enumerate(("left", "middle", "right")) if event.buttons[i]]
            for name in held[:1]:
                found.append(Pointer("drag", event.pos, event.rel, name, 0.0, add, subtract))
        elif event.type == pygame.MOUSEWHEEL:
            found.append(Pointer("wheel", wheel=float(event.y)))
        elif event.type in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
            name = {1: "left", 2: "middle", 3: "right"}.get(event.button)
            if name is not None:
                kind = "down" if event.type == pygame.MOUSEBUTTONDOWN else "up"
                found.append(Pointer(kind, event.pos, (0.0, 0.0), name, 0.0, add, subtract))
    return found


def let_go() -> None:
    """The hands are elsewhere: nothing is hovered or held."""
    io = imgui.get_io()
    io.add_mouse_pos_event(-1e6, -1e6)
    for button in BUTTONS.values():
        io.add_mouse_button_event(button, False)


def _mouse(io: imgui.IO, event: pygame.event.Event) -> None:
    if event.type == pygame.MOUSEMOTION:
        io.add_mouse_pos_event(*event.pos)
    elif event.type == pygame.MOUSEWHEEL:
        io.add_mouse_wheel_event(float(event.x), float(event.y))
    elif event.button in BUTTONS:
        io.add_mouse_pos_event(*event.pos)
        io.add_mouse_button_event(BUTTONS[event.button], event.type == pygame.MOUSEBUTTONDOWN)


def _keyboard(io: imgui.IO, event: pygame.event.Event) -> None:
    if event.type == pygame.TEXTINPUT:
        io.add_input_characters_utf8(event.text)
    elif getattr(event, "key", None) in KEYS:
        io.add_key_event(KEYS[event.key], event.type == pygame.KEYDOWN)
