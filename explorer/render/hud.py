"""The words over the picture: a quiet panel of numbers, marks, captions, notes, help and loading.

`Hud.draw` takes everything it says in one frozen record and never touches keyboard or mouse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import moderngl

from explorer.render.canvas import (
    ACCENT,
    FAINT,
    PANEL,
    QUIET,
    TEXT,
    WARNING,
    Canvas,
    Rgba,
)
from explorer.render.targets import size_of

MARGIN = 14.0
PANEL_WIDTH = 206.0
NAME = "Mirage Explorer"
MOTTO = "A world that is generated while you walk, and remembered."


@dataclass(frozen=True)
class Stage:
    """One step of loading."""

    name: str
    state: str = "waiting"  # waiting, now or done


@dataclass(frozen=True)
class HudState:
    """Everything that the HUD says. Shares are 0..1; None leaves a line out."""

    remembered: float | None = None  # of the next segment
    points: int = 0
    memory_mib: float = 0.0
    segment: int | None = None
    step: int = 0  # of denoising
    steps: int = 0
    generated_fps: float | None = None
    display_fps: float | None = None
    response_s: float | None = None  # from asking to new frames
    position_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    engine: str = "starting"  # starting, idle, generating or restarting
    message: str = ""  # of the engine
    mode: str = "walk"  # or fly
    paused: bool = False
    recording: bool = False
    reprojected: float = 0.0  # share of the picture that is drawn from other views
    overlay: str = ""  # name of what lies over the picture
    caption: str = ""  # of a tour
    toasts: tuple[str, ...] = ()
    loading: tuple[Stage, ...] = ()  # a full screen while not empty
    help_rows: tuple[tuple[str, str], ...] = ()  # (keys, what they do); shown if not empty
    legend: tuple[tuple[str, Rgba], ...] = ()  # what tints over the picture mean
    panel: bool = True
    extra: tuple[tuple[str, str], ...] = field(default=())  # more (label, value) lines


class Hud:
    """Draws a HudState over a target."""

    def __init__(self, ctx: moderngl.Context) -> None:
        self.canvas = Canvas(ctx)

    def draw(
        self,
        target: moderngl.Framebuffer,
        state: HudState,
        scale: float = 1.0,
        widgets: Callable[[], None] | None = None,
    ) -> None:
        """`scale` enlarges everything, for dense screens; `widgets` draws panels of its own."""
        canvas = self.canvas
        canvas.begin(size_of(target), scale)
        if widgets is not None:
            widgets()
        if state.loading:
            _loading(canvas, state)
        else:
            if state.panel:
                _panel(canvas, state)
                _marks(canvas, state)
            _legend(canvas, state)
            _caption(canvas, state.caption)
        if state.help_rows:
            _help(canvas, state.help_rows)
        _toasts(canvas, state.toasts)
        canvas.end(target)


def _panel(canvas: Canvas, state: HudState) -> None:
    rows = [*_numbers(state), *state.extra]
    working = state.engine == "generating" and state.steps > 0
    message = canvas.wrap(state.message, PANEL_WIDTH - 28, 12.0) if state.message else []
    height = 44 + 17 * len(rows) + (40 if state.remembered is not None else 0) + 16 * len(message)
    x, y = MARGIN, MARGIN
    canvas.box(x, y, PANEL_WIDTH, height + 8)
    canvas.rim(x, y, PANEL_WIDTH, height + 8)
    left, right = x + 14, x + PANEL_WIDTH - 14
    canvas.dot(left + 3.5, y + 19, 3.5, _engine_color(state))
    canvas.text(left + 14, y + 11, _engine_words(state), 14.0, bold=True)
    if working:
        canvas.text(right, y + 12, f"{state.step}/{state.steps}", 12.0, QUIET, align=1)
    share = state.step / state.steps if working else 0.0
    canvas.bar(left, y + 33, right - left, share, high=2)
    y += 42
    for line in message:
        canvas.text(left, y, line, 12.0, WARNING if state.engine == "restarting" else QUIET)
        y += 16
    if state.remembered is not None:
        share = round(100 * state.remembered)
        canvas.text(left, y, "next segment", 12.0, QUIET)
        canvas.bar(left, y + 17, right - left, state.remembered, high=2)
        canvas.text(left, y + 20, f"{share} % remembered", 12.0)
        canvas.text(right, y + 20, f"{100 - share} % invented", 12.0, ACCENT, align=1)
        y += 40
    for label, value in rows:
        canvas.text(left, y, label, 12.0, QUIET)
        canvas.text(right, y, value, 12.0, align=1)
        y += 17


def _numbers(state: HudState) -> list[tuple[str, str]]:
    x, y, z = (round(v, 2) + 0.0 for v in state.position_m)
    rows = [("memory", f"{state.points:,} points"), ("", f"{state.memory_mib:.1f} MiB")]
    if state.segment is not None:
        rows.append(("segment", str(state.segment)))
    if state.generated_fps is not None:
        rows.append(("generated", f"{state.generated_fps:.1f} frames/s"))
    if state.response_s is not None:
        rows.append(("response", f"{state.response_s:.2f} s"))
    if state.display_fps is not None:
        rows.append(("display", f"{state.display_fps:.0f} frames/s"))
    # The world's y points down; people count height upwards.
    rows.append(("position", f"{x:.2f}  {0.0 - y:.2f}  {z:.2f} m"))
    yaw, pitch = (round(v) + 0 for v in (state.yaw_deg, state.pitch_deg))
    rows.append(("looking", f"{yaw}°  {pitch:+d}°"))
    return rows


def _engine_color(state: HudState) -> Rgba:
    if state.engine == "restarting":
        return WARNING
    if state.engine == "generating":
        return ACCENT
    return QUIET if state.paused or state.engine == "starting" else (0.46, 0.78, 0.56, 1.0)


def _engine_words(state: HudState) -> str:
    if state.paused and state.engine == "idle":
        return "paused"
    return {"idle": "ready"}.get(state.engine, state.engine)


def _marks(canvas: Canvas, state: HudState) -> None:
    """Chips in the lower left corner."""
    x, y = MARGIN, canvas.height - MARGIN - 22
    if state.recording:
        x = canvas.chip(x, y, "recording", WARNING, dot=True)
    if state.mode:
        x = canvas.chip(x, y, state.mode)
    if state.paused:
        x = canvas.chip(x, y, "paused", ACCENT)
    if state.overlay:
        x = canvas.chip(x, y, state.overlay)
    if state.reprojected > 0.005:
        canvas.chip(x, y, f"reprojected {state.reprojected:.0%}", ACCENT, dot=True)


def _legend(canvas: Canvas, state: HudState) -> None:
    """What the colours of cells mean: over the chips, or over the inspector's strip of time."""
    x, y = (MARGIN, canvas.height - MARGIN - 50) if state.panel else (240.0, canvas.height - 112)
    for words, color in state.legend:
        x = canvas.chip(x, y, words, (*color[:3], 1.0), dot=True)


def _caption(canvas: Canvas, words: str) -> None:
    """A tour's words, low in the middle."""
    if not words:
        return
    lines = canvas.wrap(words, max(240.0, 0.36 * canvas.width - 36), 16.0)
    width = max(canvas.measure(line, 16.0) for line in lines) + 36
    height = 22.0 * len(lines) + 16
    middle = 0.47 * canvas.width  # clear of the inset in the right corner
    y = canvas.height - height - 54
    canvas.box(middle - width / 2, y, width, height)
    for i, line in enumerate(lines):
        canvas.text(middle, y + 8 + 22 * i, line, 16.0, align=0.5)


def _toasts(canvas: Canvas, notes: Sequence[str]) -> None:
    """Notes at the top, newest last."""
    y = MARGIN
    for note in notes:
        lines = canvas.wrap(note, min(460.0, canvas.width - 80), 13.0)
        width = max(canvas.measure(line, 13.0) for line in lines) + 30 if lines else 0.0
        height = 17.0 * len(lines) + 13
        canvas.box((canvas.width - width) / 2, y, width, height, (*PANEL[:3], 0.86))
        for i, line in enumerate(lines):
            canvas.text(canvas.width / 2, y + 6 + 17 * i, line, 13.0, align=0.5)
        y += height + 6


def _help(canvas: Canvas, rows: Sequence[tuple[str, str]]) -> None:
    """All keys in as many columns as the height asks for."""
    line = 20.0
    per_column = max(4, int((canvas.height - 2 * MARGIN - 70) / line))
    columns = -(-len(rows) // per_column)
    per_column = -(-len(rows) // columns)
    keys = max(canvas.measure(k, 12.0, bold=True) for k, _ in rows) + 16
    words = max(canvas.measure(w, 13.0) for _, w in rows) + 26
    width, height = columns * (keys + words) + 26, per_column * line + 62
    size = min(1.0, (canvas.width - 2 * MARGIN) / width, (canvas.height - 2 * MARGIN) / height)
    canvas.box(0, 0, canvas.width, canvas.height, (0.02, 0.025, 0.03, 0.45), 0)
    x, y = (canvas.width - width * size) / 2, (canvas.height - height * size) / 2
    canvas.box(x, y, width * size, height * size, (*PANEL[:3], 0.90))
    canvas.rim(x, y, width * size, height * size)
    canvas.text(x + 22 * size, y + 16 * size, "Keys", 17.0 * size, bold=True)
    for i, (key, meaning) in enumerate(rows):
        left = x + (22 + (i // per_column) * (keys + words)) * size
        top = y + (48 + (i % per_column) * line) * size
        label = canvas.measure(key, 12.0 * size, bold=True)
        canvas.box(left - 5 * size, top - size, label + 10 * size, 17 * size, FAINT, 4 * size)
        canvas.text(left, top + 0.5 * size, key, 12.0 * size, ACCENT, bold=True)
        canvas.text(left + keys * size, top, meaning, 13.0 * size, TEXT)


def _loading(canvas: Canvas, state: HudState) -> None:
    """The product's name and what is being got ready."""
    canvas.shade((0.078, 0.088, 0.106, 1.0), (0.035, 0.040, 0.050, 1.0))
    middle, y = canvas.width / 2, canvas.height * 0.30
    canvas.text(middle, y, NAME, 38.0, align=0.5, bold=True)
    canvas.text(middle, y + 52, MOTTO, 14.0, QUIET, align=0.5)
    done = sum(stage.state == "done" for stage in state.loading)
    width = min(320.0, canvas.width - 60)
    left, y = middle - width / 2, y + 100
    canvas.bar(left, y, width, (done + 0.35) / len(state.loading), high=2)
    y += 22
    for stage in state.loading:
        color = {"done": QUIET, "now": TEXT}.get(stage.state, (*QUIET[:3], 0.30))
        mark = {"done": (*ACCENT[:3], 0.55), "now": ACCENT}.get(stage.state, FAINT)
        canvas.dot(left + 4, y + 9, 3.5 if stage.state == "now" else 2.5, mark)
        canvas.text(left + 18, y, stage.name, 13.0, color)
        y += 22
    if state.message:
        for line in canvas.wrap(state.message, width + 120, 12.0):
            canvas.text(middle, y + 12, line, 12.0, WARNING, align=0.5)
            y += 16
