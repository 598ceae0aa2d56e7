"""The mouse over the inspector: first for ImGui's widgets, then as records for the view below.

Without a call of `tell` no widget ever reacts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pygame
from imgui_bundle import imgui

from explorer.pointer import Button, Pointer

MOUSE = (pygame.MOUSEMOTION, pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP, pygame.MOUSEWHEEL)
KEYBOARD = (pygame.KEYDOWN, pygame.KEYUP, pygame.TEXTINPUT)
BUTTONS = {1: 0, 3: 1, 2: 2}  # pygame's left, right, middle
HELD: tuple[Button, ...] = ("left", "middle", "right")  # as pygame counts them
PRESSES: dict[int, Literal["down", "up"]] = {
    pygame.MOUSEBUTTONDOWN: "down",
    pygame.MOUSEBUTTONUP: "up",
}
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


def pointers(events: Sequence[pygame.event.Event]) -> list[Pointer]:
    """What is left of the mouse after the widgets had their share."""
    mod = pygame.key.get_mods() if pygame.display.get_init() else 0
    add, subtract = bool(mod & pygame.KMOD_SHIFT), bool(mod & pygame.KMOD_CTRL)
    found: list[Pointer] = []
    for event in events:
        if event.type == pygame.MOUSEMOTION:
            held: Button | None = next(
                (b for b, down in zip(HELD, event.buttons, strict=True) if down), None
            )
            if held is not None:
                found.append(Pointer("drag", event.pos, event.rel, held, 0.0, add, subtract))
        elif event.type == pygame.MOUSEWHEEL:
            found.append(Pointer("wheel", wheel=float(event.y)))
        elif event.type in PRESSES and 1 <= event.button <= len(HELD):
            button = HELD[event.button - 1]
            kind = PRESSES[event.type]
            found.append(Pointer(kind, event.pos, (0.0, 0.0), button, 0.0, add, subtract))
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
