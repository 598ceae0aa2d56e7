"""What conditions a segment: read-out, mask, where they come from; beside what came of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from imgui_bundle import imgui

from explorer.render.colormaps import colormap_rgb
from explorer.render.widgets import Desk, fact, note, toggle
from mirage_engine import Segment, XRay

GAP = 6.0
LIGHT, DARK = (226, 228, 231), (24, 26, 30)  # of masks


def xray_panel(desk: Desk) -> None:
    inspector = desk.inspector
    if desk.engine == "off":
        note("No engine runs: a world file says what memory holds, not what it would answer.")
        return
    width = imgui.get_content_region_avail().x
    for coming, words in ((False, "last segment"), (True, "coming segment")):
        if coming:
            imgui.same_line(0, 4)
        if toggle(words, inspector.xray_coming == coming, (width - 4) / 2):
            inspector.xray_coming = coming
    xray = inspector.xray
    if xray is None or xray.coming != inspector.xray_coming:
        note(
            "asking the engine"
            if desk.newest > 0 or inspector.xray_coming
            else "No segment was generated yet: walk on, or look at the coming one."
        )
        return
    last = len(xray.cameras) - 1
    imgui.set_next_item_width(-1)
    frame = min(max(inspector.xray_frame, 0), last)
    words = "clean first frame" if frame == 0 else f"frame %d of {last}"
    inspector.xray_frame = imgui.slider_int("##frame", frame, 0, last, words)[1]
    _pictures(desk, xray, min(inspector.xray_frame, last), (width - GAP) / 2)
    _sources(xray)


def _pictures(desk: Desk, xray: XRay, frame: int, width: float) -> None:
    """Two columns: what went in on the left, what came out on the right."""
    inspector = desk.inspector
    basis = inspector.basis
    latents = xray.latents[frame].transpose(1, 2, 0)
    made = None if xray.coming else _made(desk, xray, frame)
    cells: list[tuple[str, Callable[[], np.ndarray] | None]] = [
        (
            "read-out, features",
            (lambda: _masked(basis.rgb(latents), xray.mask[frame])) if basis is not None else None,
        ),
        ("read-out, decoded", lambda: xray.decoded[frame]),
        ("mask", lambda: _mask(xray, frame)),
        ("generated", None if made is None else lambda: made[0]),
        ("depth of memory", lambda: _depth(xray.depth_m[frame])),
        ("depth, generated", None if made is None else lambda: _depth(made[1])),
        ("kept", None if made is None else lambda: _bits(made[2])),
        (
            "the generator's change",
            None if made is None else lambda: _change(xray.decoded[frame], made[0]),
        ),
    ]
    version = id(xray), frame, id(basis)
    for n, (words, make) in enumerate(cells):
        if n % 2:
            imgui.same_line(0, GAP)
        imgui.begin_group()
        imgui.text_disabled(words)
        if make is None:
            _empty(width, xray)
        elif at := desk.pictures.show(f"xray{n}", version, make, width):
            _clicked(desk, xray, frame, at)
        imgui.end_group()


def _empty(width: float, xray: XRay) -> None:
    height, across = xray.mask.shape[1:]
    corner, size = imgui.get_cursor_screen_pos(), imgui.ImVec2(width, width * height / across)
    color = imgui.get_color_u32(imgui.Col_.frame_bg)
    end = corner.x + size.x, corner.y + size.y
    imgui.get_window_draw_list().add_rect_filled(corner, end, color, 5.0)
    words = "not made yet" if xray.coming else "not at hand"
    middle = imgui.calc_text_size(words)
    place = corner.x + (size.x - middle.x) / 2, corner.y + (size.y - middle.y) / 2
    color = imgui.get_color_u32(imgui.Col_.text_disabled)
    imgui.get_window_draw_list().add_text(place, color, words)
    imgui.dummy(size)


def _clicked(desk: Desk, xray: XRay, frame: int, at: tuple[float, float]) -> None:
    """A click on a cell picks its point."""
    height, width = xray.mask.shape[1:]
    row, column = min(int(at[1] * height), height - 1), min(int(at[0] * width), width - 1)
    if (point := int(xray.point_ids[frame, row, column])) >= 0:
        from explorer.inspector import Picked

        desk.inspector.picked = Picked(point)
        desk.inspector.wish("fly")


def _sources(xray: XRay) -> None:
    imgui.separator_text("where it comes from")
    covered = xray.mask[1:].mean()
    fact("remembered / invented", f"{covered:.0%} / {1 - covered:.0%}")
    fact("clean first frame", f"segment {xray.first[0]}, frame {xray.first[1]}")
    if np.isfinite(xray.residual):
        fact("depth off memory's by", f"{xray.residual:.1%}")
    if xray.gone_first.any():
        fact("first frame, taken out", f"{xray.gone_first.mean():.0%}")
    _bars(xray.source_frames, xray.source_shares)
    if len(xray.references):
        imgui.separator_text("shown beside it")
        _bars(xray.references, xray.reference_shares)


def _bars(frames: np.ndarray, shares: np.ndarray) -> None:
    """A line for each (segment, latent frame), as long as its share."""
    pen, width = imgui.get_window_draw_list(), imgui.get_content_region_avail().x
    for (segment, frame), share in zip(frames, shares, strict=True):
        corner = imgui.get_cursor_screen_pos()
        end = corner.x + width * float(share), corner.y + imgui.get_text_line_height() + 2
        pen.add_rect_filled(corner, end, imgui.get_color_u32(imgui.Col_.tab_selected), 3.0)
        fact(f" segment {segment}, frame {frame}", f"{share:.0%} ")


def _made(desk: Desk, xray: XRay, frame: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """(picture, depth, keep) that were generated for a frame, if they are at hand."""
    segment: Segment | None = desk.known.newest
    if segment is None or segment.index != xray.segment or frame == 0:
        return None
    group = len(segment.frames) // (len(xray.cameras) - 1)  # pictures per latent frame
    at = frame * group - 1
    return segment.frames[at], segment.depth_m[at], segment.keep[at]


def _masked(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.where(mask[..., None], picture, 24).astype(np.uint8)


def _mask(xray: XRay, frame: int) -> np.ndarray:
    """White where memory answers, dark where it does not, red where it was taken out by hand."""
    picture = _bits(xray.mask[frame])
    if frame == 0:
        picture[xray.gone_first] = 214, 92, 66
    return picture


def _bits(mask: np.ndarray) -> np.ndarray:
    return np.where(mask[..., None], LIGHT, DARK).astype(np.uint8)


def _change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """How far the generated picture is from the decoded read-out, up to a quarter of full scale."""
    away = np.abs(after.astype(np.float32) - before).mean(-1)
    return colormap_rgb("inferno")[np.clip(away * 4, 0, 255).astype(np.uint8)]


def _depth(depth_m: np.ndarray) -> np.ndarray:
    """Near is bright; sky and unknown are dark."""
    known = (depth_m > 0) & np.isfinite(depth_m)
    inverse = np.where(known, 1 / np.maximum(depth_m, 1e-3), 0.0)
    near = np.percentile(inverse[known], 99) if known.any() else 1.0
    shade = colormap_rgb("magma")[(np.clip(inverse / near, 0, 1) * 255).astype(int)]
    return np.where(known[..., None], shade, 18).astype(np.uint8)
