"""The comparison sheet: the same places on first visit and on return, memory by memory.

A person should see at a glance which memory found the same place again. Knows nothing of worlds
or files.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explorer.compare.walked import HEAT, HOTTEST, Return, Walked
from explorer.contact_sheet import cell, spread
from explorer.render.colormaps import colormap_rgb
from explorer.sheet import COLUMNS, FIRST, RETURN, Cell, Sheet


def draw_compare_sheet(
    walks: Sequence[Walked],  # over the same cameras
    start: str,  # where they began, in words
) -> np.ndarray:  # [H, W, 3] uint8
    """Places found again with each memory, if there are any, and below them the walks."""
    sheet, facts = Sheet(walks[0].shots[0].frame.shape[:2]), walks[0].report
    known = [(walk.memory, walk.return_db) for walk in walks if walk.return_db is not None]
    results = "  ·  ".join(f"{memory} {db:.1f} dB" for memory, db in known)
    sheet.heading(
        f"Back at the same place: {results}" if known else "No place was found again",
        f"{facts['tour']}  ·  {facts['config']}  ·  {start}  ·  seed {facts['seed']}  ·  "
        f"{facts['frames']} frames from the same poses",
    )
    if walks[0].returns:
        sheet.legend(colormap_rgb(HEAT), "no difference", f"{HOTTEST} of 255 or more")
    for walk in walks:
        places = spread(walk.returns, COLUMNS)
        if places:
            sheet.section(f"Back again with {walk.name}", walk.figures)
            _add_places(sheet, places)
    for walk in walks:
        sheet.section(f"The walk with {walk.name}", "evenly spaced over the tour")
        sheet.row([cell(shot) for shot in spread(walk.shots, COLUMNS)])
    return sheet.finished()


def _add_places(sheet: Sheet, places: Sequence[Return]) -> None:
    """The two visits and their difference, under one another; side by side where there is room."""
    first = [cell(place.first, "first visit", FIRST) for place in places]
    again = [cell(place.again, "return", RETURN) for place in places]
    heat = [Cell(place.heat, "difference", f"{place.psnr_db:.1f} dB") for place in places]
    if 3 * len(places) <= COLUMNS:
        trios = zip(first, again, heat, strict=True)
        sheet.row([one for trio in trios for one in trio], 3 * len(places))
    else:
        for row in (first, again, heat):
            sheet.row(row)
