"""The frame loop: hands in, one picture out, and the engine asked for what comes next.

    events -> bindings -> walker -> camera -> screen
                                       |  path ahead -> asker -> engine -> known world -> screen

Never waits for the engine. What single keys do stands in `explorer.actions`, what is drawn in
`explorer.screen`.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path

import mirage_engine
from explorer.actions import perform
from explorer.asker import Asker
from explorer.bindings import Bindings, open_gamepads
from explorer.cli import Options
from explorer.config import (
    CONTROLS_FILE,
    ExplorerConfig,
    read_controls_config,
    read_explorer_config,
)
from explorer.coverage import MapFacts, map_facts, path_coverage
from explorer.engine_client import EngineClient
from explorer.engine_events import EngineSettings, Event, GaveUp, Restarted
from explorer.engine_off import EngineOff
from explorer.event_log import EventLog, FrameTimes, clock_s
from explorer.files import world_name
from explorer.film import Film
from explorer.frame import Frame
from explorer.horizon import Horizon
from explorer.inspection import Inspection
from explorer.known_world import KnownWorld
from explorer.obstacles import Obstacles
from explorer.pictures import about
from explorer.protocol import (
    Changed,
    CloudReset,
    Failure,
    Progress,
    Ready,
    Saved,
    SegmentReady,
    Stage,
    Start,
)
from explorer.reel import Reel
from explorer.revisits import Revisits
from explorer.screen import Screen
from explorer.snapshots import Snapshots
from explorer.start import first_start, first_stops
from explorer.tape import Wish, thread_tape
from explorer.view import Toasts, View
from explorer.walker import Walker
from explorer.window import PygameWindow
from mirage_engine import (
    Camera,
    ConfigError,
    Preset,
    pinhole,
    pose,
)

log = logging.getLogger("mirage")

LOADING_FPS, SHARING_FPS = 20, 33
COVERAGE_S = 0.2  # between two looks at how much of the view is known
MAP_S = 0.25  # between two looks around
AHEAD = 5  # views ahead that stand for the next segment while none is needed


def play(options: Options, engine: str = "mirage_engine") -> int:
    """Opens the window and walks until it is closed; returns the exit code.

    Args:
        options: what the command line asked for.
        engine: the module that makes worlds.

    Raises:
        ConfigError: a settings file, the display or the start cannot be used.
    """
    config, controls = read_explorer_config(), read_controls_config()
    bindings = Bindings(controls, str(CONTROLS_FILE))
    with EventLog(options.log, clock_s()) as event_log:
        size = options.size or (config.window.width, config.window.height)
        fullscreen = options.fullscreen or config.window.fullscreen
        window = PygameWindow(size, fullscreen=fullscreen, vsync=config.window.vsync)
        settings = EngineSettings(device=options.device, engine=engine)
        client = EngineOff() if options.inspect is not None else EngineClient(settings)
        try:
            Explorer(options, config, bindings, window, client, event_log).run()
        finally:
            client.close()
            window.close()
    return 0


class Explorer:
    """Everything of a session, and its loop. Actions work on its members."""

    def __init__(
        self,
        options: Options,
        config: ExplorerConfig,
        bindings: Bindings,
        window: PygameWindow,
        client: EngineClient | EngineOff,
        event_log: EventLog,
    ) -> None:
        self.bindings, self.window, self.log = bindings, window, event_log
        self.preset: Preset = options.preset()
        lens = self.preset.lens
        size = (lens.height, lens.width)
        self.lens = Camera(pose([0, 0, 0]), pinhole(size, lens.hfov_deg), size)
        thread = thread_tape(options, config.pilot, self.lens, client, event_log)
        self.tape, self.client, pilot = thread
        self.options, self.config = options, replace(config, pilot=pilot)
        self.start, self.seed = first_start(options, size), options.seed
        self.world_path: Path | None = options.load  # where Ctrl+S saves
        obstacles = Obstacles(pilot.body_m, pilot.eye_height_m, pilot.step_m)
        self.known = KnownWorld(Horizon(self.preset.planner.horizon), obstacles)
        self.asker = Asker(self.client, self.known.horizon)
        self.view, self.toasts = View(), Toasts()
        self.inspection = Inspection(self.client)
        self.revisits = Revisits()
        self.walker = self._new_walker(self.lens)
        self.screen = Screen(window, config.draw, bindings.help_rows())
        self.times = FrameTimes()
        self.film: Film | None = None
        self.reel = Reel(options.record_frames)
        self.snapshots = Snapshots()
        self.now_s = clock_s()
        self.quit = False
        self.screenshot: Path | None = None  # where the next picture goes
        self.stages: list[str] = ["opening the window"]
        self.progress: Progress | None = None
        self.coverage, self._coverage_due_s = 0.0, 0.0
        self.remembered: float | None = None  # of the next segment
        self.map, self._map_due_s = MapFacts(), 0.0
        self._mapped: tuple[int, bytes] = (-1, b"")  # what the map was made for
        self._world_number = 0

    def run(self) -> None:
        """Draws until the person leaves."""
        self.screen.draw(self._frame())  # before anything slow, so that the window is never black
        self.window.present()
        open_gamepads()
        if self.options.record is not None:
            self.film = Film(self.options.record, self.now_s)
        if self.options.inspect is not None:
            self.inspection.open_record(self, self.options.inspect)
        else:
            self.begin(self.start, self.seed)
        if self.options.image is not None:
            self.say(about(self.options.image, self.preset))
        while not self.quit:
            began_s = clock_s()
            self.step(began_s)
            pace_s = self.tape.pace_s(1.0 / self._most_fps())
            time.sleep(max(0.0, pace_s - (clock_s() - began_s)))
            self.times.add(clock_s() - began_s)
        self.stop_film()
        self.reel.close()
        self.tape.close()

    def begin(self, start: Start, seed: int) -> None:
        """Begins another world; the old one stays on the screen until the new one shows."""
        self.start, self.seed, self.world_path = start, seed, None
        self.tape.begin(self.preset, seed, start)
        self.client.new_world(self.preset, seed, start)
        self.asker.forget()
        self.asker.paused = False

    def say(self, text: str) -> None:
        """A note on the screen, and for those who watch the terminal."""
        self.toasts.add(text, self.now_s)
        log.info("%s", text)

    def stop_film(self) -> None:
        if self.film is None:
            return
        film, self.film = self.film, None
        try:
            film.close()
            self.say(f"recorded {film.path}")
        except ConfigError as error:
            self.say(str(error))

    def step(self, now_s: float) -> None:
        """One display frame."""
        dt_s, self.now_s = now_s - self.now_s, now_s
        events = self.inspection.hands(self, self.window.poll())
        controls, actions = self.bindings.read(events, dt_s)
        self.window.capture_mouse(self.bindings.captured)
        for action in self.tape.actions(actions, self.bindings, now_s):
            perform(self, action)
        for event in self.client.poll():
            self.tape.hear(event)
            self._hear(event)
        held = self.asker.waiting and not self.asker.paused
        wish = Wish(self.inspection.steer(self, controls, dt_s), dt_s, held)
        camera = self.tape.move(self.walker, wish, now_s)
        if self.known.ready is not None:
            self.asker.think(self.walker.path_ahead, self.known.ready.new_frames, now_s)
        self._measure(camera)
        self.revisits.think(self.known, camera, now_s)
        self.inspection.think(self)
        self.screen.draw(self._frame())
        self._take_pictures()
        self.window.present()
        client = self.client
        self.log.display(now_s, self.times, camera, self.coverage, client.state, client.pid)

    @property
    def inspecting(self) -> bool:
        """Whether the inspector fills the window."""
        return self.view.overlay == "full" and self.known.start is not None

    def _most_fps(self) -> int:
        """Where the processor draws the picture too, a busy engine needs its share of it."""
        if not self.screen.software or self.client.state == "idle":
            return self.config.window.max_fps
        most = LOADING_FPS if self.known.start is None else SHARING_FPS
        return min(most, self.config.window.max_fps)

    def _hear(self, event: Event) -> None:
        """An event of the engine."""
        self.known.take(event, self.now_s)
        if self.known.world_number != self._world_number and self.known.start is not None:
            self.enter_world(self.known.start)
        self.inspection.hear(self, event)
        self.revisits.hear(event, self.known, self.now_s)
        match event:
            case Ready():
                self.preset, self.seed = event.preset, event.seed
                self.known.horizon.threshold = event.preset.planner.horizon
            case Stage():
                self.stages.append(event.text)
            case Progress():
                self.progress = event
            case SegmentReady():
                self.progress = None
                if event.request >= 0 or event.segment.index == 0:
                    self.log.segment(event.segment)
                    self.reel.add(event.segment)
            case Changed():
                segments = self.known.history.newest + 1
                self.log.memory(event.kind, len(event.ids), event.points, segments)
            case CloudReset():
                self.log.memory("reset", 0, len(event.ids), event.segments)
            case Saved():
                self.known.unsaved = False
                self.say(f"saved {event.path}")
            case Failure():
                self._fail(event)
            case Restarted():
                self.say(f"{event.why}: restarting it, your world is kept")
            case GaveUp():
                self.say(event.why)

    def _fail(self, failure: Failure) -> None:
        begun = self.known.start is not None
        if failure.doing in ("begin", "restore"):  # what comes back is not what was to be opened
            self.world_path = None
        if failure.user and failure.doing in ("begin", "restore") and not begun:
            raise ConfigError(failure.text)
        if failure.doing == "generate":  # the same again would fail again
            self.asker.paused = True
        self.say(f"could not {failure.doing}: {failure.text}")

    def enter_world(self, start: Camera) -> None:
        """Puts the walker where another world begins."""
        self._world_number = self.known.world_number
        self.inspection.forget()
        self.walker = self._new_walker(start)
        first = self._world_number == 1
        if first and (stops := first_stops(self.options, start)):
            self.walker.play(stops)

    def _new_walker(self, start: Camera) -> Walker:
        return Walker(start, self.config.pilot, self.known.obstacles.free_distance_m)

    def _measure(self, camera: Camera) -> None:
        if self.now_s >= self._coverage_due_s:
            self._coverage_due_s = self.now_s + COVERAGE_S
            self.coverage = self.known.horizon.coverage(camera)
            ahead = self.asker.ahead or self.walker.path_ahead()[:AHEAD]
            self.remembered = path_coverage(self.known.horizon, ahead)
        seen = self.known.points_revision, camera.c2w.tobytes()
        if self.view.minimap and self.now_s >= self._map_due_s and seen != self._mapped:
            self._map_due_s, self._mapped = self.now_s + MAP_S, seen
            path = self.walker.path_ahead()
            self.map = map_facts(self.known, camera, path, self.config.pilot.eye_height_m)

    def _frame(self) -> Frame:
        return Frame(
            camera=self.walker.camera,
            known=self.known,
            view=self.view,
            inspector=self.inspection.inspector,
            tint=self.inspection.inquiry.tint,
            map=self.map,
            revisits=self.revisits,
            now_s=self.now_s,
            coverage=self.coverage,
            remembered=self.remembered,
            fps=self.times.fps,
            mode=self.walker.mode,
            caption=self.walker.caption,
            toasts=self.toasts.shown(self.now_s),
            stages=self.stages,
            progress=self.progress,
            engine=self.client.state,
            response_s=self.client.response_s,
            paused=self.asker.paused,
            recording=self.film is not None,
        )

    def _take_pictures(self) -> None:
        """Between drawing and presenting: afterwards the picture is gone."""
        try:
            if self.screenshot is not None:
                path, self.screenshot = self.screenshot, None
                self.snapshots.take(path, self.window.read_pixels(), self._facts())
            if self.film is not None and self.film.due(self.now_s):
                self.film.add(self.window.read_pixels(), self.now_s)
        except ConfigError as error:
            self.film = None
            self.say(str(error))
        for line in self.snapshots.news():
            self.say(line)

    def _facts(self) -> dict[str, object]:
        """What a screenshot says of itself."""
        return {
            "Software": f"Mirage Explorer {mirage_engine.__version__}",
            "preset": self.preset.name,
            "seed": self.seed,
            "start": world_name(self.start),
            "pose": " ".join(f"{x:.6f}" for x in self.walker.camera.c2w.reshape(-1)),
        }
