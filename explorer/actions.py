"""What a single key press does: one table from action to a function on the explorer."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.cli import DEFAULT_SCENE, DEFAULT_TOUR, Options
from explorer.files import free_name, newest_world, world_name
from explorer.film import Film
from explorer.keymap import Action
from explorer.pictures import about
from explorer.protocol import Start
from explorer.start import first_start
from mirage_engine import ConfigError, load_tour, tour_cameras

if TYPE_CHECKING:
    from explorer.app import Explorer

HIDDEN, SHOWN = "off", "on"


def toggle(name: str, words: str) -> Callable[[Explorer], None]:
    """Flips a switch of the view, and says so."""

    def flip(e: Explorer) -> None:
        on = not getattr(e.view, name)
        setattr(e.view, name, on)
        if words:
            e.say(f"{words} {SHOWN if on else HIDDEN}")

    return flip


def color_points(index: int) -> Callable[[Explorer], None]:
    def choose(e: Explorer) -> None:
        e.inspection.inspector.points.mode = index
        if e.view.overlay == "off":
            e.view.overlay = "inset"

    return choose


def overlay(e: Explorer) -> None:
    e.view.next_overlay()
    if e.view.overlay == "full":
        e.inspection.enter(e)
    else:
        e.say(f"points: {e.view.overlay}")


def inspect(e: Explorer) -> None:
    """From the walk to the inspector, and there between its own view and the walker's."""
    inspector = e.inspection.inspector
    if e.view.overlay == "full":
        inspector.in_space = not inspector.in_space
    else:
        e.inspection.enter(e)


def seek(steps: int) -> Callable[[Explorer], None]:
    return lambda e: e.inspection.inspector.seek(steps, e.known.history.newest)


def delete(e: Explorer) -> None:
    if e.view.overlay == "full":
        e.inspection.inspector.wish("delete")


def fog(e: Explorer) -> None:
    e.view.fog_style += 1


def then_now(e: Explorer) -> None:
    """The place that was measured last, as it was and as it is."""
    revisit = e.revisits.compared
    if revisit is None:
        e.view.then_now = "off"
        e.say("no place was made twice yet: walk away, come back, and press G")
        return
    e.view.next_then_now()
    e.say(f"then and now: {e.view.then_now}")


def pause(e: Explorer) -> None:
    e.asker.paused = not e.asker.paused
    if e.asker.paused:
        e.client.cancel()
    e.say("generating paused; P goes on" if e.asker.paused else "generating goes on")


def single(e: Explorer) -> None:
    """One segment along the way, then a pause."""
    if e.known.ready is None:
        return
    e.asker.paused = True
    frames, path = e.known.ready.new_frames, e.walker.path_ahead()
    e.asker.once(e.known.horizon.path_ahead(path, frames) or e.known.horizon.ask_for(path, frames))


def generate(e: Explorer) -> None:
    if e.known.ready is not None:
        here = [e.walker.camera]
        e.asker.once(e.known.horizon.ask_for(here, e.known.ready.new_frames))
        e.say("generating here")


def undo(e: Explorer) -> None:
    """Takes back the last segment, or the last surgery; a segment would only come again: pauses."""
    surgery = e.known.surgeries > 0
    if not surgery:
        e.asker.paused = True
    e.asker.forget()
    e.client.undo()
    words = "the last surgery" if surgery else "the last segment"
    e.say(f"took {words} back" + ("" if surgery else "; P generates again"))


def tour(e: Explorer) -> None:
    if e.walker.stop_tour():
        e.say("tour ended")
        return
    name = e.options.tour or DEFAULT_TOUR
    e.walker.play(tour_cameras(load_tour(name), e.walker.camera))
    e.asker.paused = False
    e.say(f"tour: {Path(name).stem}; moving ends it")


def record(e: Explorer) -> None:
    if e.film is not None:
        e.stop_film()
        return
    path = free_name(Path(e.config.out_dir), f"walk-{time.strftime('%Y%m%d-%H%M%S')}", ".mp4")
    try:
        e.film = Film(path, e.now_s)
        e.say(f"recording {path}; R stops")
    except ConfigError as error:
        e.say(str(error))


def screenshot(e: Explorer) -> None:
    name = f"view-{time.strftime('%Y%m%d-%H%M%S')}"
    e.screenshot = free_name(Path(e.config.out_dir), name, ".png")


def fullscreen(e: Explorer) -> None:
    e.window.toggle_fullscreen()


def save(e: Explorer) -> None:
    folder = Path(e.config.worlds_dir)
    if e.world_path is None:
        e.world_path = free_name(folder, world_name(e.start), ".mirage")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        e.say(f"{folder}: cannot be written ({error.strerror})")
        return
    e.client.save(e.world_path.absolute())
    e.say(f"saving {e.world_path}")


def load(e: Explorer) -> None:
    path = newest_world(Path(e.config.worlds_dir))
    if path is None:
        e.say(f"no saved world in {e.config.worlds_dir}; Ctrl+S saves one")
        return
    open_world(e, path)


def open_world(e: Explorer, path: Path) -> None:
    e.begin(Start("file", path=str(path.absolute())), e.seed)
    e.world_path = path
    e.say(f"opening {path}")


def drop(e: Explorer) -> None:
    """Opens a world folder; any other file is a picture to begin in."""
    path = e.bindings.dropped
    assert path is not None, "the bindings keep what was dropped"
    if (path / "world.json").is_file():
        open_world(e, path)
        return
    options = Options(e.options.config, image=path, memory=e.options.memory, fit=e.options.fit)
    try:
        preset, start = options.preset(), first_start(options, e.lens.size)
    except ConfigError as error:
        e.say(str(error).removeprefix("--image "))
        return
    e.preset = preset
    e.begin(start, e.seed)
    e.say(about(path, preset))


def new_world(e: Explorer) -> None:
    """The next scene; from a picture or words, the same with the next seed."""
    if e.start.kind == "scene":
        e.begin(Start("scene", scene=(e.start.scene + 1) % 1_000_000), e.seed)
        e.say(f"new world: scene {e.start.scene}")
    elif e.start.kind == "file":
        e.begin(Start("scene", scene=DEFAULT_SCENE), e.seed)
        e.say(f"new world: scene {e.start.scene}")
    else:
        e.begin(e.start, e.seed + 1)
        e.say(f"new world: seed {e.seed}")


def ask_quit(e: Explorer) -> None:
    unsaved = e.known.unsaved
    e.say("Esc again quits" + (", and this world is not saved (Ctrl+S)" if unsaved else ""))


def leave(e: Explorer) -> None:
    e.quit = True


def nothing(e: Explorer) -> None:
    """The mouse and the controls have been seen to already."""


NO_ENGINE = "no engine runs here; open the world with --load to walk on or change it"
NEED_ENGINE = {
    Action.PAUSE,
    Action.SINGLE,
    Action.UNDO,
    Action.GENERATE,
    Action.TOUR,
    Action.SAVE,
    Action.LOAD,
    Action.NEW_WORLD,
    Action.DROP,
}


def perform(e: Explorer, action: Action) -> None:
    """Does what a key asks for, where there is an engine if it needs one."""
    if e.client.state == "off" and action in NEED_ENGINE:
        e.say(NO_ENGINE)
    else:
        ACTIONS[action](e)


ACTIONS: dict[Action, Callable[[Explorer], None]] = {
    Action.OVERLAY: overlay,
    Action.COLORS_1: color_points(0),
    Action.COLORS_2: color_points(1),
    Action.COLORS_3: color_points(2),
    Action.COLORS_4: color_points(3),
    Action.COLORS_5: color_points(4),
    Action.COLORS_6: color_points(5),
    Action.INSPECT: inspect,
    Action.STEP_BACK: seek(-1),
    Action.STEP_ON: seek(1),
    Action.DELETE: delete,
    Action.MINIMAP: toggle("minimap", ""),
    Action.TINT: toggle("tint", "coverage tint"),
    Action.FOG: fog,
    Action.HELP: toggle("help", ""),
    Action.THEN_NOW: then_now,
    Action.PAUSE: pause,
    Action.SINGLE: single,
    Action.UNDO: undo,
    Action.GENERATE: generate,
    Action.TOUR: tour,
    Action.RECORD: record,
    Action.SCREENSHOT: screenshot,
    Action.FULLSCREEN: fullscreen,
    Action.SAVE: save,
    Action.LOAD: load,
    Action.NEW_WORLD: new_world,
    Action.ASK_QUIT: ask_quit,
    Action.QUIT: leave,
    Action.CAPTURE_MOUSE: nothing,
    Action.FREE_MOUSE: nothing,
    Action.DROP: drop,
    Action.TOGGLE_FLY: nothing,
    Action.WALK_HOME: nothing,
    Action.ESCAPE: nothing,
}
