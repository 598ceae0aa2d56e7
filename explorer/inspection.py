"""The inspector in the frame loop: its hands, its questions to the engine, its wishes, its files.

One object that the loop calls at three places; nothing here runs while the inspector is closed and
nothing is tinted.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.engine_events import Event, Restarted
from explorer.inquiry import Client, Inquiry
from explorer.inspect_actions import WISHES, Exports
from explorer.inspect_tools import InspectTools
from explorer.inspector import Inspector
from explorer.pilot import Controls
from explorer.protocol import Changed, DetailsReady, Inspected, Looked
from mirage_engine import Camera, read_record

if TYPE_CHECKING:
    from explorer.app import Explorer

AT_REST = Controls()


class Inspection:
    """The inspector of a session."""

    def __init__(self, client: Client) -> None:
        self.inspector, self.inquiry = Inspector(), Inquiry(client)
        self._tools, self._exports = InspectTools(self.inspector), Exports()
        self._was_open = False

    def hands(self, e: Explorer, events: list[Any]) -> list[Any]:
        """Gives the inspector, where it is open, its share of the events; returns the rest."""
        inspector, open_ = self.inspector, e.inspecting
        e.bindings.may_capture = not open_
        inspector.play(e.known.history.newest, e.now_s)
        if not open_:
            if self._was_open:
                self._tools.drop()
                e.screen.let_go()
            self._was_open = False
            return events
        self._was_open = True
        inspector.orbit.glide(e.now_s)
        events, pointers = e.screen.hands(events)
        camera = e.screen.view_camera(inspector, e.walker.camera)
        self._tools.use(pointers, e.known, camera, e.now_s)
        return events

    def steer(self, e: Explorer, controls: Controls, dt_s: float) -> Controls:
        """Flies the inspector's camera where the window shows that; returns what is left."""
        if not (e.inspecting and self.inspector.in_space):
            return controls
        self.inspector.orbit.fly(controls, dt_s)
        return AT_REST

    def hear(self, e: Explorer, event: Event) -> None:
        """An answer of the engine."""
        match event:
            case DetailsReady():
                self.inspector.tint(e.known.table)
            case Looked():
                self.inquiry.tint = event.view
            case Inspected():
                self.inspector.xray = event.xray
            case Changed():
                e.say(f"{event.kind}: {len(event.ids):,} points; Z takes it back")
            case Restarted():
                self.inquiry.forget()

    def think(self, e: Explorer) -> None:
        """Grants wishes, asks the engine what is due, goes on with files that take a while."""
        for wish in self.inspector.take_wishes():
            WISHES[wish](e)
        self._exports.work(e)
        in_space = e.inspecting and self.inspector.in_space
        self.inquiry.think(
            self.inspector,
            e.known,
            open_=e.inspecting,
            inset=e.view.overlay == "inset",
            tinted=e.view.tint and not in_space,
            walker=e.walker.camera,
            path=lambda: coming(e),
            now_s=e.now_s,
        )

    def export(self, e: Explorer, what: str) -> None:
        self._exports.begin(e, what)

    def enter(self, e: Explorer) -> None:
        """Opens the inspector over the whole window."""
        e.view.overlay = "full"
        self.inspector.enter(e.known.table, e.walker.camera)

    def forget(self) -> None:
        """For another world."""
        self.inspector.forget()
        self.inquiry.forget()

    def open_record(self, e: Explorer, path: Path) -> None:
        """A saved world without an engine: the inspector has the window from the start."""
        e.known.open_record(read_record(path))
        assert e.known.start is not None, "a world file has a picture"
        e.enter_world(e.known.start)
        self.enter(e)
        self.inspector.tint(e.known.table)


def coming(e: Explorer) -> list[Camera]:
    """The cameras of the coming segment, as far as can be said."""
    assert e.known.ready is not None, "asked for only when the world is ready"
    frames = e.known.ready.new_frames
    return e.asker.ahead or e.known.horizon.ask_for(e.walker.path_ahead(), frames)
