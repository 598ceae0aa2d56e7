"""The table of keys: key, what it does, and the words of the help screen, which is printed from it.

A key goes by what is printed on it; the layout says where on the keyboard that is, so that WASD and
ZQSD are the same four keys. Knows nothing of events or of what the actions do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from explorer.config import ControlsConfig
from mirage_engine import ConfigError


class Hold(StrEnum):
    """What lasts as long as its key is down."""

    FORWARD = "forward"
    LEFT = "left"
    BACK = "back"
    RIGHT = "right"
    LOOK_UP = "look_up"
    LOOK_LEFT = "look_left"
    LOOK_DOWN = "look_down"
    LOOK_RIGHT = "look_right"
    UP = "up"
    DOWN = "down"
    FAST = "fast"
    SLOW = "slow"


class Action(StrEnum):
    """What happens once per key press. TOGGLE_FLY and WALK_HOME travel inside the Controls."""

    TOGGLE_FLY = "toggle_fly"
    WALK_HOME = "walk_home"
    OVERLAY = "overlay"
    COLORS_1 = "colors_1"
    COLORS_2 = "colors_2"
    COLORS_3 = "colors_3"
    COLORS_4 = "colors_4"
    COLORS_5 = "colors_5"
    COLORS_6 = "colors_6"
    INSPECT = "inspect"
    STEP_BACK = "step_back"
    STEP_ON = "step_on"
    DELETE = "delete"
    MINIMAP = "minimap"
    TINT = "tint"
    FOG = "fog"
    THEN_NOW = "then_now"
    HELP = "help"
    PAUSE = "pause"
    SINGLE = "single"
    UNDO = "undo"
    GENERATE = "generate"
    TOUR = "tour"
    RECORD = "record"
    SCREENSHOT = "screenshot"
    FULLSCREEN = "fullscreen"
    SAVE = "save"
    LOAD = "load"
    NEW_WORLD = "new_world"
    ESCAPE = "escape"
    # Made of the ones above and of the mouse; no keys of their own.
    ASK_QUIT = "ask_quit"  # Escape once: say that a second one quits
    QUIT = "quit"
    CAPTURE_MOUSE = "capture_mouse"
    FREE_MOUSE = "free_mouse"
    DROP = "drop"  # a file was dropped on the window; `Bindings.dropped` says which


@dataclass(frozen=True)
class Binding:
    does: Hold | Action
    keys: tuple[str, ...]
    help: str  # neighbours with the same text share a row of the help screen


BINDINGS = (
    Binding(Hold.FORWARD, ("W",), "move"),
    Binding(Hold.LEFT, ("A",), "move"),
    Binding(Hold.BACK, ("S",), "move"),
    Binding(Hold.RIGHT, ("D",), "move"),
    Binding(Hold.LOOK_UP, ("Up", "I"), "look around"),
    Binding(Hold.LOOK_LEFT, ("Left", "J"), "look around"),
    Binding(Hold.LOOK_DOWN, ("Down", "K"), "look around"),
    Binding(Hold.LOOK_RIGHT, ("Right", "L"), "look around"),
    Binding(Hold.FAST, ("Shift",), "faster"),
    Binding(Hold.SLOW, ("Ctrl",), "slower"),
    Binding(Action.TOGGLE_FLY, ("V",), "walk or fly"),
    Binding(Hold.UP, ("Space",), "up and down, when flying"),
    Binding(Hold.DOWN, ("C",), "up and down, when flying"),
    Binding(Action.WALK_HOME, ("Backspace",), "walk home, the way you came"),
    Binding(Action.TOUR, ("T",), "play a tour"),
    Binding(Action.PAUSE, ("P",), "pause generating"),
    Binding(Action.SINGLE, (".",), "generate a single segment"),
    Binding(Action.GENERATE, ("G",), "generate here now"),
    Binding(Action.UNDO, ("Z",), "undo the last segment, or surgery"),
    Binding(Action.OVERLAY, ("Tab",), "points of memory: off, inset, inspector"),
    Binding(Action.INSPECT, ("E",), "inspector: its view, and the walker's"),
    Binding(Action.COLORS_1, ("1",), "colours of the points"),
    Binding(Action.COLORS_2, ("2",), "colours of the points"),
    Binding(Action.COLORS_3, ("3",), "colours of the points"),
    Binding(Action.COLORS_4, ("4",), "colours of the points"),
    Binding(Action.COLORS_5, ("5",), "colours of the points"),
    Binding(Action.COLORS_6, ("6",), "colours of the points"),
    Binding(Action.STEP_BACK, ("[",), "inspector: memory a segment earlier, later"),
    Binding(Action.STEP_ON, ("]",), "inspector: memory a segment earlier, later"),
    Binding(Action.DELETE, ("Delete",), "inspector: delete the selected points"),
    Binding(Action.MINIMAP, ("M",), "minimap"),
    Binding(Action.TINT, ("X",), "tint what memory covers"),
    Binding(Action.FOG, ("F",), "fog style"),
    Binding(Action.THEN_NOW, ("Y",), "a place seen twice: flicker, wipe, off"),
    Binding(Action.SCREENSHOT, ("F12",), "screenshot"),
    Binding(Action.RECORD, ("R",), "record a video, and stop"),
    Binding(Action.SAVE, ("Ctrl+S",), "save the world"),
    Binding(Action.LOAD, ("Ctrl+O",), "load a world"),
    Binding(Action.NEW_WORLD, ("N",), "new world"),
    Binding(Action.FULLSCREEN, ("F11",), "full screen"),
    Binding(Action.HELP, ("H", "F1"), "this help"),
    Binding(Action.ESCAPE, ("Esc",), "free the mouse; twice: quit"),
)
MOUSE_HELP = (("Mouse", "look around, after a click into the picture"),)
GAMEPAD_HELP = (
    ("Left stick", "move"),
    ("Right stick", "look around"),
    ("Triggers", "up and down, when flying"),
    ("Start", "this help"),
)
# Where ZQSD moves, undo gives way: it goes to the key where QWERTY has it.
LAYOUT_KEYS: dict[str, dict[str, tuple[str, ...]]] = {
    "wasd": {},
    "zqsd": {"forward": ("Z",), "left": ("Q",), "undo": ("W",)},
}

# What is printed on a key -> where it is: USB HID usage codes, which are SDL's scancodes.
PLACES: dict[str, tuple[int, ...]] = {
    **{chr(ord("A") + n): (4 + n,) for n in range(26)},
    **{str((n + 1) % 10): (30 + n,) for n in range(10)},
    **{f"F{n}": (57 + n,) for n in range(1, 13)},
    **{"Right": (79,), "Left": (80,), "Down": (81,), "Up": (82,)},
    **{"Ctrl": (224, 228), "Shift": (225, 229)},
    **{"Enter": (40, 88), "Esc": (41,), "Backspace": (42,), "Tab": (43,), "Space": (44,)},
    **{"Insert": (73,), "Home": (74,), "PageUp": (75,)},
    **{"Delete": (76,), "End": (77,), "PageDown": (78,)},
    **{"-": (45,), "=": (46,), "[": (47,), "]": (48,), ";": (51,), "'": (52,)},
    **{",": (54,), ".": (55,), "/": (56,)},
}
LAYOUT_PLACES: dict[str, dict[str, tuple[int, ...]]] = {
    "wasd": {},
    # AZERTY; "." and ";" are printed on one key there.
    "zqsd": {
        **{"A": PLACES["Q"], "Q": PLACES["A"], "Z": PLACES["W"], "W": PLACES["Z"]},
        **{"M": PLACES[";"], ",": PLACES["M"], ".": PLACES[","], ";": PLACES[","]},
    },
}
CHORD = "Ctrl+"


@dataclass(frozen=True)
class KeyMap:
    """The table with a person's layout and own keys, by place on the keyboard."""

    bindings: tuple[Binding, ...]
    plain: dict[int, Hold | Action]  # scancode
    chords: dict[int, Action]  # scancode, while Ctrl is down

    def help_rows(self) -> list[tuple[str, str]]:
        """(keys, what they do) for the help screen."""
        rows: list[tuple[list[Binding], str]] = []
        for binding in self.bindings:
            if rows and rows[-1][1] == binding.help:
                rows[-1][0].append(binding)
            else:
                rows.append(([binding], binding.help))
        printed = [(_printed(group), text) for group, text in rows]
        return [*printed, *MOUSE_HELP, *((f"Gamepad: {k}", text) for k, text in GAMEPAD_HELP)]


def make_key_map(config: ControlsConfig, source: str = "controls.toml") -> KeyMap:
    """Raises ConfigError: an unknown action or key, or one key for two actions."""
    bindings = _remapped(config, source)
    places = PLACES | LAYOUT_PLACES[config.layout]
    plain: dict[int, Hold | Action] = {}
    chords: dict[int, Action] = {}
    taken: dict[tuple[bool, int], Binding] = {}
    for binding in bindings:
        for key in binding.keys:
            chord = key.startswith(CHORD)
            name = key.removeprefix(CHORD)
            if name not in places:
                where = f"{source}: {binding.does.value}"
                raise ConfigError(f"{where}: no key '{key}'; {_nearest(name, places)}")
            if chord and not isinstance(binding.does, Action):
                raise ConfigError(f"{source}: {binding.does.value}: must be a key without Ctrl")
            for place in places[name]:
                other = taken.setdefault((chord, place), binding)
                if other is not binding:
                    raise ConfigError(
                        f"{source}: key '{key}' is given to both "
                        f"'{other.does.value}' and '{binding.does.value}'"
                    )
                if chord and isinstance(binding.does, Action):
                    chords[place] = binding.does
                else:
                    plain[place] = binding.does
    return KeyMap(bindings, plain, chords)


def _remapped(config: ControlsConfig, source: str) -> tuple[Binding, ...]:
    """The table with the layout's and the person's keys."""
    names = [binding.does.value for binding in BINDINGS]
    own: dict[str, tuple[str, ...]] = dict(LAYOUT_KEYS[config.layout])
    for name, keys in config.keys.items():
        if name not in names:
            raise ConfigError(f"{source}: no action '{name}'; {_nearest(name, names)}")
        keys = [keys] if isinstance(keys, str) else keys
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise ConfigError(f"{source}: {name} must be a key or a list of keys, got {keys!r}")
        own[name] = tuple(key.upper() if len(key) == 1 else key for key in keys)
    return tuple(Binding(b.does, own.get(b.does.value, b.keys), b.help) for b in BINDINGS)


def _printed(group: list[Binding]) -> str:
    """First keys of all, then their alternatives: "Up Left Down Right or I J K L"."""
    most = max(len(binding.keys) for binding in group)
    choices = [[b.keys[i] for b in group if i < len(b.keys)] for i in range(most)]
    return " or ".join(" ".join(keys) for keys in choices) or "no key"


def _nearest(word: str, known: Iterable[str]) -> str:
    known = list(known)
    by_fold = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), by_fold, n=1)
    return f"did you mean '{by_fold[close[0]]}'?" if close else f"known: {' '.join(known)}"
