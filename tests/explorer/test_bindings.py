"""Keys, mouse and gamepad: events in, controls and actions out."""

from __future__ import annotations

from pathlib import Path

import pygame
import pytest

from explorer.bindings import Action, Bindings
from explorer.config import (
    ControlsConfig,
    ExplorerConfig,
    read_controls_config,
    read_explorer_config,
)
from explorer.keymap import BINDINGS, PLACES, Hold
from explorer.pilot import Controls
from mirage_engine import ConfigError

FRAME_S = 1 / 60


def key(scancode: int, down: bool = True, mod: int = 0) -> pygame.event.Event:
    kind = pygame.KEYDOWN if down else pygame.KEYUP
    return pygame.event.Event(kind, scancode=scancode, key=0, mod=mod)


def motion(x: int, y: int) -> pygame.event.Event:
    return pygame.event.Event(pygame.MOUSEMOTION, rel=(x, y), pos=(0, 0), buttons=(0, 0, 0))


CLICK = pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=(5, 5))
FOCUS_LOST = pygame.event.Event(pygame.WINDOWFOCUSLOST)


@pytest.fixture
def bindings() -> Bindings:
    return Bindings(ControlsConfig())


def test_the_places_of_keys_are_sdls_scancodes():
    for name in "AMWZ019":
        assert PLACES[name] == (getattr(pygame, f"KSCAN_{name}"),)
    for name, scancodes in {
        ".": (pygame.KSCAN_PERIOD,),
        ";": (pygame.KSCAN_SEMICOLON,),
        "'": (pygame.KSCAN_APOSTROPHE,),
        "/": (pygame.KSCAN_SLASH,),
        "-": (pygame.KSCAN_MINUS,),
        "[": (pygame.KSCAN_LEFTBRACKET,),
        "F1": (pygame.KSCAN_F1,),
        "F12": (pygame.KSCAN_F12,),
        "Up": (pygame.KSCAN_UP,),
        "Left": (pygame.KSCAN_LEFT,),
        "Esc": (pygame.KSCAN_ESCAPE,),
        "Tab": (pygame.KSCAN_TAB,),
        "Enter": (pygame.KSCAN_RETURN, pygame.KSCAN_KP_ENTER),
        "Space": (pygame.KSCAN_SPACE,),
        "Backspace": (pygame.KSCAN_BACKSPACE,),
        "PageUp": (pygame.KSCAN_PAGEUP,),
        "Delete": (pygame.KSCAN_DELETE,),
        "Ctrl": (pygame.KSCAN_LCTRL, pygame.KSCAN_RCTRL),
        "Shift": (pygame.KSCAN_LSHIFT, pygame.KSCAN_RSHIFT),
    }.items():
        assert PLACES[name] == scancodes, name


def test_a_held_key_moves_until_it_is_let_go(bindings):
    assert bindings.read([key(pygame.KSCAN_W)], FRAME_S)[0].forward == 1.0
    assert bindings.read([], FRAME_S)[0].forward == 1.0
    assert bindings.read([key(pygame.KSCAN_W, down=False)], FRAME_S)[0].forward == 0.0


def test_all_moves_have_their_sign(bindings):
    for scancode, wanted in {
        pygame.KSCAN_W: Controls(forward=1.0),
        pygame.KSCAN_S: Controls(forward=-1.0),
        pygame.KSCAN_D: Controls(right=1.0),
        pygame.KSCAN_A: Controls(right=-1.0),
        pygame.KSCAN_SPACE: Controls(up=1.0),
        pygame.KSCAN_C: Controls(up=-1.0),
        pygame.KSCAN_LSHIFT: Controls(fast=True),
        pygame.KSCAN_RCTRL: Controls(slow=True),
        pygame.KSCAN_V: Controls(toggle_fly=True),
        pygame.KSCAN_BACKSPACE: Controls(go_home=True),
    }.items():
        assert bindings.read([key(scancode)], FRAME_S) == (wanted, [])
        bindings.read([key(scancode, down=False)], FRAME_S)


def test_opposite_keys_cancel_and_two_keys_for_one_thing_end_with_the_last(bindings):
    both = [key(pygame.KSCAN_W), key(pygame.KSCAN_S)]
    assert bindings.read(both, FRAME_S)[0].forward == 0.0
    bindings.let_go()
    bindings.read([key(pygame.KSCAN_LSHIFT), key(pygame.KSCAN_RSHIFT)], FRAME_S)
    assert bindings.read([key(pygame.KSCAN_LSHIFT, down=False)], FRAME_S)[0].fast
    assert not bindings.read([key(pygame.KSCAN_RSHIFT, down=False)], FRAME_S)[0].fast


def test_a_tap_within_one_slow_frame_still_moves(bindings):
    tap = [key(pygame.KSCAN_W), key(pygame.KSCAN_W, down=False)]
    assert bindings.read(tap, 0.1)[0].forward == 1.0
    assert bindings.read([], 0.1)[0].forward == 0.0


def test_losing_the_focus_lets_go_of_everything(bindings):
    bindings.read([CLICK, key(pygame.KSCAN_W), key(pygame.KSCAN_L)], FRAME_S)
    controls, actions = bindings.read([FOCUS_LOST], FRAME_S)
    assert controls == Controls()
    assert actions == [Action.FREE_MOUSE]
    assert not bindings.captured
    assert bindings.read([], FRAME_S)[0] == Controls()
    assert bindings.read([key(pygame.KSCAN_W)], FRAME_S)[0].forward == 1.0, "and may press again"


def test_the_arrows_turn_at_their_rate_whatever_the_frame_rate():
    turned = []
    for hz in (20, 120):
        bindings = Bindings(ControlsConfig())
        degrees = [bindings.read([key(pygame.KSCAN_RIGHT)], 1 / hz)[0].turn_deg]
        degrees += [bindings.read([], 1 / hz)[0].turn_deg for _ in range(hz - 1)]
        assert degrees[0] < degrees[-1], "it starts softly"
        bindings.read([key(pygame.KSCAN_RIGHT, down=False)], 0.0)
        degrees += [bindings.read([], 1 / hz)[0].turn_deg for _ in range(hz)]
        assert degrees[-1] == 0.0, "it comes to rest"
        turned.append(sum(degrees))
    assert turned == pytest.approx([ControlsConfig().key_look_deg_s] * 2, abs=0.1)


@pytest.mark.parametrize(
    ("scancode", "axis", "sign"),
    [
        (pygame.KSCAN_UP, "look_deg", 1),
        (pygame.KSCAN_K, "look_deg", -1),
        (pygame.KSCAN_J, "turn_deg", -1),
        (pygame.KSCAN_L, "turn_deg", 1),
    ],
)
def test_arrows_and_ijkl_look(bindings, scancode, axis, sign):
    bindings.read([key(scancode)], FRAME_S)
    assert getattr(bindings.read([], 0.5)[0], axis) * sign > 20


def test_the_mouse_looks_only_after_a_click_and_every_event_counts(bindings):
    assert bindings.read([motion(50, 0)], FRAME_S)[0] == Controls()
    assert bindings.read([CLICK], FRAME_S)[1] == [Action.CAPTURE_MOUSE]
    controls, _ = bindings.read([motion(30, -10), motion(20, -10), motion(-10, 0)], FRAME_S)
    per_px = ControlsConfig().mouse_deg_per_px
    assert controls.turn_deg == pytest.approx(40 * per_px)
    assert controls.look_deg == pytest.approx(20 * per_px), "mouse up looks up"


def test_looking_can_be_inverted():
    bindings = Bindings(ControlsConfig(invert_look=True))
    assert bindings.read([CLICK, motion(0, -10)], FRAME_S)[0].look_deg < 0


def test_escape_frees_the_mouse_and_twice_quits(bindings):
    press, release = key(pygame.KSCAN_ESCAPE), key(pygame.KSCAN_ESCAPE, down=False)
    bindings.read([CLICK], FRAME_S)
    assert bindings.read([press, release], FRAME_S)[1] == [Action.FREE_MOUSE, Action.ASK_QUIT]
    assert not bindings.captured
    assert bindings.read([press, release], 0.5)[1] == [Action.QUIT]


def test_two_presses_of_escape_far_apart_do_not_quit(bindings):
    press, release = key(pygame.KSCAN_ESCAPE), key(pygame.KSCAN_ESCAPE, down=False)
    assert bindings.read([press, release], FRAME_S)[1] == [Action.ASK_QUIT]
    bindings.read([], 3.0)
    assert bindings.read([press, release], FRAME_S)[1] == [Action.ASK_QUIT]


def test_each_press_acts_once_even_while_the_key_repeats(bindings):
    assert bindings.read([key(pygame.KSCAN_M)], FRAME_S)[1] == [Action.MINIMAP]
    assert bindings.read([key(pygame.KSCAN_M)], FRAME_S)[1] == []
    bindings.read([key(pygame.KSCAN_M, down=False)], FRAME_S)
    assert bindings.read([key(pygame.KSCAN_M)], FRAME_S)[1] == [Action.MINIMAP]


def test_ctrl_s_saves_and_does_not_walk_back(bindings):
    ctrl = pygame.KMOD_LCTRL
    events = [key(pygame.KSCAN_LCTRL, mod=ctrl), key(pygame.KSCAN_S, mod=ctrl)]
    controls, actions = bindings.read(events, FRAME_S)
    assert actions == [Action.SAVE]
    assert controls == Controls(slow=True)


def test_ctrl_still_only_slows_the_other_keys(bindings):
    ctrl = pygame.KMOD_LCTRL
    events = [key(pygame.KSCAN_LCTRL, mod=ctrl), key(pygame.KSCAN_W, mod=ctrl)]
    assert bindings.read(events, FRAME_S)[0] == Controls(forward=1.0, slow=True)


def test_alt_tab_is_not_ours(bindings):
    assert bindings.read([key(pygame.KSCAN_TAB, mod=pygame.KMOD_LALT)], FRAME_S)[1] == []


def test_closing_the_window_quits(bindings):
    assert bindings.read([pygame.event.Event(pygame.QUIT)], FRAME_S)[1] == [Action.QUIT]


def axis(number: int, value: float) -> pygame.event.Event:
    kind = pygame.CONTROLLERAXISMOTION
    return pygame.event.Event(kind, axis=number, value=round(value * 32767), instance_id=0)


def test_the_gamepad_moves_looks_and_flies(bindings):
    bindings.read([axis(0, 1.0), axis(1, -1.0), axis(5, 1.0)], FRAME_S)
    controls = bindings.read([], FRAME_S)[0]
    assert (controls.right, controls.forward, controls.up) == (1.0, 1.0, 1.0)
    bindings.read([axis(2, 1.0), axis(3, -1.0), axis(5, 0.0), axis(4, 1.0)], FRAME_S)
    controls = bindings.read([], 0.5)[0]
    assert controls.turn_deg > 20
    assert controls.look_deg > 20
    assert controls.up == -1.0


def test_a_resting_stick_is_still_and_start_opens_the_help(bindings):
    assert bindings.read([axis(0, 0.1), axis(3, -0.1)], FRAME_S)[0] == Controls()
    button = pygame.CONTROLLER_BUTTON_START
    start = pygame.event.Event(pygame.CONTROLLERBUTTONDOWN, button=button, instance_id=0)
    assert bindings.read([start], FRAME_S)[1] == [Action.HELP]


def test_zqsd_moves_with_the_same_four_keys():
    bindings = Bindings(ControlsConfig(layout="zqsd"))
    for scancode, wanted in {
        pygame.KSCAN_W: Controls(forward=1.0),
        pygame.KSCAN_A: Controls(right=-1.0),
        pygame.KSCAN_S: Controls(forward=-1.0),
        pygame.KSCAN_D: Controls(right=1.0),
    }.items():
        assert bindings.read([key(scancode)], FRAME_S)[0] == wanted
        bindings.let_go()
    assert bindings.read([key(pygame.KSCAN_SEMICOLON)], FRAME_S)[1] == [Action.MINIMAP]
    assert bindings.help_rows()[0] == ("Z Q S D", "move")
    assert ("W", "undo the last segment, or surgery") in bindings.help_rows()


def test_a_dropped_file_is_an_action_that_knows_its_path(bindings):
    drop = pygame.event.Event(pygame.DROPFILE, file="/somewhere/my photo.jpg")
    assert bindings.read([drop], FRAME_S) == (Controls(), [Action.DROP])
    assert bindings.dropped == Path("/somewhere/my photo.jpg")


def test_the_help_is_the_table(bindings):
    rows = dict(bindings.help_rows())
    assert rows["W A S D"] == "move"
    assert rows["Up Left Down Right or I J K L"] == "look around"
    assert rows["Space C"] == "up and down, when flying"
    assert rows["H or F1"] == "this help"
    assert rows["1 2 3 4 5 6"] == "colours of the points"
    assert {b.help for b in BINDINGS} <= set(rows.values())


def test_every_hold_and_action_with_a_key_is_in_the_table_once():
    made = {Action.ASK_QUIT, Action.QUIT, Action.CAPTURE_MOUSE, Action.FREE_MOUSE, Action.DROP}
    does = [binding.does for binding in BINDINGS]
    assert len(set(does)) == len(does)
    assert set(does) == set(Hold) | set(Action) - made


def test_keys_can_be_given_anew():
    own = ControlsConfig(keys={"minimap": "b", "up": ["Space", "PageUp"], "undo": "Ctrl+Z"})
    bindings = Bindings(own)
    assert bindings.read([key(pygame.KSCAN_M)], FRAME_S)[1] == []
    assert bindings.read([key(pygame.KSCAN_B)], FRAME_S)[1] == [Action.MINIMAP]
    assert bindings.read([key(pygame.KSCAN_PAGEUP)], FRAME_S)[0].up == 1.0
    assert bindings.read([key(pygame.KSCAN_Z)], FRAME_S)[1] == []
    bindings.let_go()
    undo = key(pygame.KSCAN_Z, mod=pygame.KMOD_LCTRL)
    assert bindings.read([undo], FRAME_S)[1] == [Action.UNDO]
    assert ("B", "minimap") in bindings.help_rows()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"minmap": "B"}, ["no action 'minmap'", "'minimap'"]),
        ({"minimap": "Spce"}, ["minimap", "no key 'Spce'", "'Space'"]),
        ({"minimap": "W"}, ["'W'", "'forward'", "'minimap'"]),
        ({"minimap": 3}, ["minimap", "3"]),
        ({"forward": "Ctrl+W"}, ["forward", "without Ctrl"]),
    ],
)
def test_a_wrong_key_file_is_told_what_is_wrong(keys, words):
    with pytest.raises(ConfigError) as error:
        Bindings(ControlsConfig(keys=keys), "my.toml")
    for word in ["my.toml", *words]:
        assert word in str(error.value)


def test_the_shipped_files_hold_and_change_no_default():
    assert read_explorer_config() == ExplorerConfig()
    assert read_controls_config() == ControlsConfig()
    Bindings(read_controls_config())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[pilot]\nwalk_m_s = -1.0", ["pilot", "walk_m_s", "-1"]),
        ("[pilot]\nwalk_m_s = nan", ["walk_m_s", "nan"]),
        ("[window]\nwidth = 20", ["width", "20", "160"]),
        ("[window]\nwidht = 20", ["widht", "width"]),
        ("[draw]\nkeyframes = 2.5", ["keyframes", "2.5"]),
    ],
)
def test_a_wrong_explorer_file_is_told_what_is_wrong(tmp_path, content, words):
    path = tmp_path / "mine.toml"
    path.write_text(content)
    with pytest.raises(ConfigError) as error:
        read_explorer_config(path)
    for word in ["mine.toml", *words]:
        assert word in str(error.value)
