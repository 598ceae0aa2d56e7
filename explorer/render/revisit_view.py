"""A return to a place on the screen: a card that says how alike it is, and then against now.

The comparison fills the window as the generated pictures do. What was not compared is dim in both,
so that only what counts can flicker. Knows nothing of how a return is noticed.
"""

from __future__ import annotations

import moderngl
import numpy as np

from explorer.frame import Frame
from explorer.render.canvas import ACCENT, QUIET, Canvas
from explorer.render.flat import FlatPass
from explorer.render.hud import MARGIN, PANEL_WIDTH
from explorer.render.targets import size_of
from explorer.revisits import Revisit
from explorer.warp import Likeness

FLICKER_S = 0.5  # that each picture stays; three flashes a second could harm
WIPE_S = 6.0  # from left to right and back
WIPE_FROM, WIPE_TO = 0.3, 0.95  # of the width: what lies left of it is under the HUD
NO_RIM = (0.0, 0.0, 0.0, 0.0)
DIM = 0.3  # what was not compared
PAD, LINE = 14.0, 17.0
BELOW = 72.0  # under the card: chips, and what the tint's colours mean
LEAST_TOP = 250.0  # the panel of numbers ends above
NOTHING_NEW = "Nothing was made anew here: this is still the picture of then. G makes it anew."
TOO_LITTLE = "The frame made anew shows too little of it to compare."


class RevisitView:
    """Draws what the Frame says of returns."""

    def __init__(self, ctx: moderngl.Context, canvas: Canvas, flat: FlatPass) -> None:
        self._ctx, self._canvas, self._flat = ctx, canvas, flat
        self._thumbnail: tuple[Revisit, moderngl.Texture] | None = None
        self._pair: tuple[Likeness, moderngl.Texture, moderngl.Texture] | None = None

    def draw_comparison(self, target: moderngl.Framebuffer, frame: Frame) -> bool:
        """Then and now over the whole target, taking turns or with a divider that wanders.

        Returns whether there was something to compare; if not, the target is as it was.
        """
        likeness = frame.revisits.likeness
        if frame.view.then_now == "off" or likeness is None:
            return False
        then, now = self._textures(likeness)
        width, height = size_of(target)
        scale = max(width / then.width, height / then.height)
        size = then.width * scale, then.height * scale
        rect = (width - size[0]) / 2, (height - size[1]) / 2, *size
        if frame.view.then_now == "flicker":
            texture = then if shows_then(frame.now_s) else now
            self._flat.picture(target, texture, rect, 0.0, NO_RIM)
            return True
        divider = round(width * wipe_share(frame.now_s))
        self._flat.picture(target, now, rect, 0.0, NO_RIM)
        target.scissor = 0, 0, divider, height
        self._flat.picture(target, then, rect, 0.0, NO_RIM)
        target.scissor = None  # type: ignore[assignment]  # None takes the limit away
        ends = np.array([[divider, 0.0], [divider, height]])
        self._flat.line(target, ends, ACCENT, 2.0)
        return True

    def draw_card(self, frame: Frame) -> None:
        """Between the canvas's begin and end: the newest return, and names of what is compared."""
        self._name_sides(frame)
        revisit = frame.revisits.card(frame.now_s)
        if revisit is None or frame.view.help:
            return
        canvas, texture = self._canvas, self._thumbnail_of(revisit)
        measured = [r.psnr_db for r in frame.revisits.all if r.measured]
        words = [] if revisit.measured else canvas.wrap(_why(revisit), PANEL_WIDTH - 2 * PAD, 12.0)
        rows = _figures(revisit) if revisit.measured else []
        picture = PANEL_WIDTH * texture.height / texture.width
        height = picture + 50 + LINE * (len(rows) + len(words)) + (20 if measured else 0)
        x, y = self._corner(height)
        canvas.box(x, y, PANEL_WIDTH, height)
        canvas.picture(x, y, PANEL_WIDTH, picture, texture)
        canvas.rim(x, y, PANEL_WIDTH, height)
        left, right, y = x + PAD, x + PANEL_WIDTH - PAD, y + picture + 9
        canvas.text(left, y, f"seen {duration(revisit.ago_s)} ago", 15.0, bold=True)
        y += 25
        for label, value in rows:
            canvas.text(left, y, label, 12.0, QUIET)
            canvas.text(right, y, value, 12.0, align=1)
            y += LINE
        for line in words:
            canvas.text(left, y, line, 12.0, QUIET)
            y += LINE
        if measured:
            canvas.text(left, y + 3, _so_far(len(frame.revisits.all), measured), 12.0, ACCENT)

    def _corner(self, height: float) -> tuple[float, float]:
        """Under the panel of numbers; beside it where the window is too low for both."""
        y = self._canvas.height - BELOW - height
        return (MARGIN, y) if y >= LEAST_TOP else (2 * MARGIN + PANEL_WIDTH, MARGIN)

    def _name_sides(self, frame: Frame) -> None:
        revisit, mode = frame.revisits.compared, frame.view.then_now
        if revisit is None or mode == "off":
            return
        canvas = self._canvas
        y, then = canvas.height - MARGIN - 22, f"then, {duration(revisit.ago_s)} ago"
        middle = canvas.width * (0.5 if mode == "flicker" else wipe_share(frame.now_s))
        if mode == "wipe":
            canvas.chip(middle - canvas.measure(then, 12.0) - 26, y, then)
            canvas.chip(middle + 8, y, "now")
            return
        words = then if shows_then(frame.now_s) else "now"
        canvas.chip(middle - canvas.measure(words, 12.0) / 2 - 9, y, words)

    def _thumbnail_of(self, revisit: Revisit) -> moderngl.Texture:
        if self._thumbnail is None or self._thumbnail[0].thumbnail is not revisit.thumbnail:
            if self._thumbnail is not None:
                self._thumbnail[1].release()
            self._thumbnail = revisit, self._upload(revisit.thumbnail)
        return self._thumbnail[1]

    def _textures(self, likeness: Likeness) -> tuple[moderngl.Texture, moderngl.Texture]:
        """(then, now), lower row first, as `FlatPass.picture` takes them."""
        if self._pair is None or self._pair[0] is not likeness:
            for texture in self._pair[1:] if self._pair is not None else ():
                texture.release()
            dim = (likeness.now * DIM).astype(np.uint8)
            known = likeness.known[..., None]
            then, now = (np.where(known, p, dim)[::-1] for p in (likeness.then, likeness.now))
            self._pair = likeness, self._upload(then), self._upload(now)
        return self._pair[1], self._pair[2]

    def _upload(self, picture: np.ndarray) -> moderngl.Texture:
        size = picture.shape[1], picture.shape[0]
        texture = self._ctx.texture(size, 3, np.ascontiguousarray(picture), alignment=1)
        texture.repeat_x = texture.repeat_y = False
        return texture


def shows_then(now_s: float) -> bool:
    """Whether it is the turn of the earlier picture."""
    return int(now_s / FLICKER_S) % 2 == 0


def wipe_share(now_s: float) -> float:
    """0..1 of the width, where the divider stands."""
    swing = 0.5 - 0.5 * float(np.cos(2 * np.pi * now_s / WIPE_S))
    return WIPE_FROM + (WIPE_TO - WIPE_FROM) * swing


def duration(seconds: float) -> str:
    """In words: "38 s", "2 min 5 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _figures(revisit: Revisit) -> list[tuple[str, str]]:
    return [
        ("PSNR", f"{revisit.psnr_db:.1f} dB"),
        ("SSIM", f"{revisit.ssim:.3f}"),
        ("compared", f"{revisit.share:.0%}, {revisit.pixels:,} px"),
        ("Y", "then against now"),
    ]


def _why(revisit: Revisit) -> str:
    return NOTHING_NEW if revisit.now is None else TOO_LITTLE


def _so_far(returns: int, measured_db: list[float]) -> str:
    words = "return" if returns == 1 else "returns"
    return f"{returns} {words}, {len(measured_db)} measured: {np.mean(measured_db):.1f} dB"
