"""From what is drawn to the words over it: fills the HUD's record. Knows nothing of drawing."""

from __future__ import annotations

import numpy as np

from explorer.frame import Frame
from explorer.render.canvas import Rgba
from explorer.render.hud import HudState, Stage
from explorer.render.look import MODES
from explorer.render.tint import STATES
from mirage_engine import yaw_pitch_deg

OVERLAY_WORDS = {"off": "", "inset": "points by", "full": ""}


def hud_state(
    frame: Frame,
    reprojected: float,  # share of the picture, 0..1
    help_rows: tuple[tuple[str, str], ...],
) -> HudState:
    """What the HUD says of a frame."""
    newest, progress = frame.known.newest, frame.progress
    memory = frame.known.history.last
    yaw_deg, pitch_deg = yaw_pitch_deg(frame.camera)
    x, y, z = (float(v) for v in np.round(frame.camera.position, 3))
    overlay = OVERLAY_WORDS[frame.view.overlay]
    total_s = newest.seconds.get("total", 0.0) if newest is not None else 0.0
    made = newest is not None and newest.index > 0 and total_s > 0
    return HudState(
        remembered=frame.remembered,
        points=memory.points if memory else 0,
        memory_mib=memory.nbytes / 2**20 if memory else 0.0,
        segment=newest.index if newest else None,
        step=progress.step if progress else 0,
        steps=progress.total if progress else 0,
        generated_fps=len(newest.frames) / total_s if newest is not None and made else None,
        display_fps=frame.fps,
        response_s=frame.response_s,
        position_m=(x, y, z),
        yaw_deg=yaw_deg,
        pitch_deg=pitch_deg,
        engine=frame.engine,
        message=_message(frame),
        mode=frame.mode,
        paused=frame.paused,
        recording=frame.recording,
        reprojected=reprojected,
        overlay=f"{overlay} {MODES[frame.inspector.points.mode]}" if overlay else "",
        caption=frame.caption,
        toasts=tuple(frame.toasts),
        loading=_loading(frame),
        help_rows=help_rows if frame.view.help else (),
        legend=_legend(frame),
        panel=frame.view.overlay != "full",
    )


def _legend(frame: Frame) -> tuple[tuple[str, Rgba], ...]:
    """The tint's colours in words, while it is on show."""
    in_space = frame.view.overlay == "full" and frame.inspector.in_space
    if not frame.view.tint or in_space:
        return ()
    return tuple((state.word, state.color) for state in STATES)


def _message(frame: Frame) -> str:
    if frame.engine == "restarting":
        return "engine restarting, your world is kept"
    if frame.engine == "failed":
        return "the engine could not be started again; Ctrl+O or N tries once more"
    return frame.stages[-1] if frame.engine == "starting" and frame.stages else ""


def _loading(frame: Frame) -> tuple[Stage, ...]:
    """All steps so far, the last of them going on; none once there is a picture."""
    if frame.known.start is not None:
        return ()
    *done, now = frame.stages or ("opening the window",)
    return (*(Stage(name, "done") for name in done), Stage(now, "now"))
