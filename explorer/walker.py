"""Who moves the camera now: the hands, or a tour. Knows nothing of windows or engines."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.config import PilotConfig
from explorer.obstacles import FreeDistance
from explorer.pilot import Controls, KeyboardPilot, TourPilot
from mirage_engine import Camera, TourStop


class Walker:
    """A walker at a place, steered by hand until a tour is played.

    A tour gives the camera back where it ends, or where the hands take over; the way home leads
    back along it to where this walker began.
    """

    def __init__(
        self, start: Camera, config: PilotConfig, free_distance_m: FreeDistance | None
    ) -> None:
        self._config = config
        self._pilot = KeyboardPilot(start, config, free_distance_m)
        self._tour: TourPilot | None = None

    @property
    def camera(self) -> Camera:
        return self._tour.camera if self._tour else self._pilot.camera

    @property
    def mode(self) -> str:
        """In a word, for the screen."""
        if self._tour:
            return "tour"
        if self._pilot.going_home:
            return "walking home"
        return "fly" if self._pilot.flying else "walk"

    @property
    def caption(self) -> str:
        """What the tour says here."""
        return self._tour.stop.caption if self._tour else ""

    def play(self, stops: Sequence[TourStop]) -> None:
        self._tour = TourPilot(stops, self._config)

    def stop_tour(self) -> bool:
        """Takes the hands back; whether there was a tour to end."""
        if self._tour is None:
            return False
        self._tour = None
        return True

    def move(
        self,
        controls: Controls,
        dt_s: float,
        held: bool,  # whether a tour must wait, as when generation is behind
    ) -> Camera:
        """The camera `dt_s` later. Moving hands, or its end, end a tour."""
        if self._tour and (controls.active or controls.go_home or self._tour.done):
            self.stop_tour()
        if self._tour:
            camera = self._tour.fly(0.0 if held else dt_s)
            self._pilot.carry(camera)
            return camera
        return self._pilot.fly(controls, dt_s)

    def path_ahead(self) -> list[Camera]:
        """Where the walker is, then where it is going."""
        pilot = self._tour or self._pilot
        return [self.camera, *pilot.predict(self._config.look_ahead_s)]
