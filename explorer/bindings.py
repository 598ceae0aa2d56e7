"""Hands to Controls: pygame events of keyboard, mouse and gamepad, by the table in `keymap`.

Keeps what is held down, the mouse capture and the two presses of Escape. Knows nothing of what the
actions do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pygame

from explorer.config import ControlsConfig
from explorer.keymap import Action, Hold, make_key_map
from explorer.pilot import Controls

__all__ = ["Action", "Bindings", "Controls", "Hold", "open_gamepads"]

QUIT_WITHIN_S = 2.0  # between the two presses of Escape
AXIS_FULL = 32767  # of an SDL game controller
IN_CONTROLS = (Action.TOGGLE_FLY, Action.WALK_HOME)


class Bindings:
    """Reads the events of each display frame.

    `captured` says whether the mouse looks around; the window hides and holds it accordingly. A
    click captures, unless it may not; Escape or another window frees.
    """

    def __init__(self, config: ControlsConfig, source: str = "controls.toml") -> None:
        """Raises ConfigError: see `keymap.make_key_map`."""
        self._config = config
        self._map = make_key_map(config, source)
        self.captured = False
        self._may_capture = True
        self.dropped: Path | None = None  # the last file that was dropped on the window
        self._down: set[int] = set()  # scancodes, so that key repeat is no new press
        self._held: set[Hold] = set()
        self._axes: dict[int, float] = {}  # gamepad, -1..1
        self._pads: dict[int, Any] = {}
        self._look_deg_s = [0.0, 0.0]  # of keys and stick, eased: right, up
        self._since_escape_s = math.inf

    @property
    def may_capture(self) -> bool:
        """Whether a click into the picture takes the mouse; one that has other work goes free."""
        return self._may_capture

    @may_capture.setter
    def may_capture(self, may: bool) -> None:
        self._may_capture = may
        self.captured = self.captured and may

    def help_rows(self) -> list[tuple[str, str]]:
        """(keys, what they do) for the help screen."""
        return self._map.help_rows()

    def read(
        self, events: Sequence[pygame.event.Event], dt_s: float
    ) -> tuple[Controls, list[Action]]:
        """What the hands want during this frame, and what they asked for once, in order."""
        self._since_escape_s += dt_s
        tapped: set[Hold] = set()  # a press and release within one slow frame still counts
        actions: list[Action] = []
        mouse_px = [0.0, 0.0]
        for event in events:
            if event.type == pygame.MOUSEMOTION and self.captured:
                mouse_px[0] += event.rel[0]
                mouse_px[1] += event.rel[1]
            elif event.type == pygame.KEYDOWN:
                self._press(event, tapped, actions)
            elif event.type == pygame.KEYUP:
                self._release(event.scancode)
            else:
                self._other(event, actions)
        controls = self._controls(self._held | tapped, mouse_px, dt_s, actions)
        return controls, [action for action in actions if action not in IN_CONTROLS]

    def let_go(self) -> None:
        """Forgets everything held, as when the window loses the keyboard."""
        self._down.clear()
        self._held.clear()
        self._axes.clear()
        self._look_deg_s = [0.0, 0.0]

    def _press(self, event: Any, tapped: set[Hold], actions: list[Action]) -> None:
        place, mod = event.scancode, getattr(event, "mod", 0)
        if place in self._down:
            return
        self._down.add(place)
        if mod & (pygame.KMOD_CTRL | pygame.KMOD_META) and place in self._map.chords:
            actions.append(self._map.chords[place])
            return
        if mod & (pygame.KMOD_ALT | pygame.KMOD_META):  # the window manager's, not ours
            return
        does = self._map.plain.get(place)
        if isinstance(does, Hold):
            self._held.add(does)
            tapped.add(does)
        elif does is Action.ESCAPE:
            actions += self._escape()
        elif does is not None:
            actions.append(does)

    def _release(self, place: int) -> None:
        self._down.discard(place)
        does = self._map.plain.get(place)
        # Two keys may hold the same thing: it ends with the last of them.
        if isinstance(does, Hold) and not any(self._map.plain.get(p) is does for p in self._down):
            self._held.discard(does)

    def _escape(self) -> list[Action]:
        if self._since_escape_s <= QUIT_WITHIN_S:
            return [Action.QUIT]
        self._since_escape_s = 0.0
        return [*self._free_mouse(), Action.ASK_QUIT]

    def _free_mouse(self) -> list[Action]:
        was, self.captured = self.captured, False
        return [Action.FREE_MOUSE] if was else []

    def _other(self, event: Any, actions: list[Action]) -> None:
        kind = event.type
        if kind == pygame.QUIT:
            actions.append(Action.QUIT)
        elif kind == pygame.WINDOWFOCUSLOST:
            self.let_go()
            actions += self._free_mouse()
        elif kind == pygame.MOUSEBUTTONDOWN and event.button == 1 and not self.captured:
            if not self._may_capture:
                return
            self.captured = True
            actions.append(Action.CAPTURE_MOUSE)
        elif kind == pygame.DROPFILE:
            self.dropped = Path(event.file)
            actions.append(Action.DROP)
        elif kind == pygame.CONTROLLERAXISMOTION:
            self._axes[event.axis] = max(-1.0, event.value / AXIS_FULL)
        elif kind == pygame.CONTROLLERBUTTONDOWN and event.button == pygame.CONTROLLER_BUTTON_START:
            actions.append(Action.HELP)
        elif kind == pygame.CONTROLLERDEVICEADDED:
            self._pads[event.device_index] = _open_gamepad(event.device_index)
        elif kind == pygame.CONTROLLERDEVICEREMOVED:
            self._axes.clear()

    def _controls(
        self, held: set[Hold], mouse_px: list[float], dt_s: float, actions: list[Action]
    ) -> Controls:
        c = self._config
        down = -1.0 if c.invert_look else 1.0  # mouse down looks down
        keys_deg, per_px = self._look(held, dt_s), c.mouse_deg_per_px
        return Controls(
            forward=_clip(_axis(held, Hold.FORWARD, Hold.BACK) - self._stick(1)),
            right=_clip(_axis(held, Hold.RIGHT, Hold.LEFT) + self._stick(0)),
            up=_clip(_axis(held, Hold.UP, Hold.DOWN) + self._trigger(5) - self._trigger(4)),
            turn_deg=mouse_px[0] * per_px + keys_deg[0],
            look_deg=-mouse_px[1] * per_px * down + keys_deg[1],
            fast=Hold.FAST in held,
            slow=Hold.SLOW in held,
            toggle_fly=actions.count(Action.TOGGLE_FLY) % 2 == 1,
            go_home=Action.WALK_HOME in actions,
        )

    def _look(self, held: set[Hold], dt_s: float) -> tuple[float, float]:
        """Degrees to the right and up in this frame, by keys and stick, eased in and out."""
        c = self._config
        ease_s = max(c.look_ease_s, 1e-6)
        left = math.exp(-dt_s / ease_s)
        stick_up = self._stick(3) if c.invert_look else -self._stick(3)
        turned = []
        for i, (keys, stick) in enumerate(
            [
                (_axis(held, Hold.LOOK_RIGHT, Hold.LOOK_LEFT), self._stick(2)),
                (_axis(held, Hold.LOOK_UP, Hold.LOOK_DOWN), stick_up),
            ]
        ):
            target = keys * c.key_look_deg_s + stick * c.stick_look_deg_s
            lag = self._look_deg_s[i] - target
            if target == 0 and abs(lag) < 0.5:  # come to rest, so that stillness is still
                lag = 0.0
            turned.append(target * dt_s + lag * ease_s * (1 - left))
            self._look_deg_s[i] = target + lag * left
        return turned[0], turned[1]

    def _stick(self, axis: int) -> float:
        """-1..1 beyond the dead zone, gentle near the middle."""
        value, dead = self._axes.get(axis, 0.0), self._config.stick_dead_zone
        beyond = max(0.0, abs(value) - dead) / (1 - dead)
        return math.copysign(min(beyond, 1.0) ** 1.5, value)

    def _trigger(self, axis: int) -> float:
        return max(0.0, self._stick(axis))


def open_gamepads() -> None:
    """Lets pads report, now and when plugged in; call it once after pygame.init()."""
    from pygame._sdl2 import controller  # SDL's own mapping makes all pads look alike

    controller.init()


def _open_gamepad(device: int) -> Any:
    """The pad, which reports for as long as it is kept; None if SDL does not know it."""
    from pygame._sdl2 import controller

    try:
        return controller.Controller(device)
    except pygame.error:
        return None


def _axis(held: set[Hold], positive: Hold, negative: Hold) -> float:
    return float(positive in held) - float(negative in held)


def _clip(value: float) -> float:
    return min(max(value, -1.0), 1.0)
