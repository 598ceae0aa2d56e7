"""The contact sheet of a tour: the walk at a glance, then each place left and found again.

A person should see a room, and know it when the tour returns. Knows nothing of worlds or files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explorer.sheet import COLUMNS, FIRST, INK, RETURN, Cell, Color, Sheet
from mirage_engine import Camera, Segment, pose_distance

SAME_PLACE_M, SAME_PLACE_DEG = 0.05, 1.0
AWAY_M, AWAY_DEG = 0.3, 15.0  # further than this in between makes it a return
MIN_FRAMES_BETWEEN = 8


@dataclass(frozen=True, eq=False)
class Shot:
    """One frame of the tour."""

    frame: np.ndarray  # [H, W, 3] uint8
    camera: Camera
    number: int  # in the video, from 0
    segment: int


@dataclass(frozen=True)
class Titles:
    """The words around the pictures."""

    heading: str
    subheading: str
    revisit: str


def draw_contact_sheet(
    shots: Sequence[Shot],  # the whole tour in order, the start image first
    titles: Titles,
) -> np.ndarray:  # [H, W, 3] uint8
    """Pictures of the walk, and below them pairs of first visit and return, if there are any."""
    assert shots, "a tour has at least its start image"
    walk = spread(shots, 2 * COLUMNS)
    pairs = spread(returns(shots), COLUMNS)
    sheet = Sheet(shots[0].frame.shape[:2])
    sheet.heading(titles.heading, titles.subheading)
    sheet.section("The walk", "evenly spaced over the tour")
    for start in range(0, len(walk), COLUMNS):
        sheet.row([cell(shot) for shot in walk[start : start + COLUMNS]])
    if pairs:
        sheet.section("Left, and found again", titles.revisit)
        sheet.row([cell(first, "first visit", FIRST) for first, _ in pairs])
        sheet.row([cell(again, "return", RETURN) for _, again in pairs])
    return sheet.finished()


def shots_of(segments: Sequence[Segment]) -> list[Shot]:
    """Every frame of a tour; the first segment is its start image."""
    shots: list[Shot] = []
    for number, segment in enumerate(segments):
        for frame, camera in zip(segment.frames, segment.cameras, strict=True):
            shots.append(Shot(frame, camera, len(shots), number))
    return shots


def cell(shot: Shot, word: str = "", color: Color = INK) -> Cell:
    """The frame with its number, after a word where there is one."""
    return Cell(shot.frame, _caption(shot), word, color)


def returns(shots: Sequence[Shot]) -> list[tuple[Shot, Shot]]:
    """(first visit, last return) of every pose that the tour left and came back to."""
    found: list[tuple[Shot, Shot]] = []
    seen: set[int] = set()  # second visits, which are no first visits
    positions = np.array([shot.camera.position for shot in shots])
    for i, first in enumerate(shots):
        if i in seen:
            continue
        near = np.linalg.norm(positions - positions[i], axis=1) <= SAME_PLACE_M
        again = [
            j
            for j in np.flatnonzero(near).tolist()
            if j - i >= MIN_FRAMES_BETWEEN
            and _same_place(first.camera, shots[j].camera)
            and _was_away(shots, i, j)
        ]
        seen.update(again)
        if again:
            found.append((first, shots[again[-1]]))
    return found


def spread(items: Sequence, count: int) -> list:
    """At most `count` of the items, evenly spaced, the ends included."""
    if len(items) <= count:
        return list(items)
    return [items[round(k)] for k in np.linspace(0, len(items) - 1, count)]


def _same_place(a: Camera, b: Camera) -> bool:
    metres, degrees = pose_distance(a.c2w, b.c2w)
    return metres <= SAME_PLACE_M and degrees <= SAME_PLACE_DEG


def _was_away(shots: Sequence[Shot], start: int, end: int) -> bool:
    """Whether the walk left the pose of `start` before it came to `end`."""
    for shot in shots[start + 1 : end]:
        metres, degrees = pose_distance(shots[start].camera.c2w, shot.camera.c2w)
        if metres > AWAY_M or degrees > AWAY_DEG:
            return True
    return False


def _caption(shot: Shot) -> str:
    if shot.segment == 0:
        return "start image"
    return f"frame {shot.number} · segment {shot.segment}"
