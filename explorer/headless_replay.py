"""The world of a recorded walk, made again without window or engine process.

Only what the engine was asked for counts here, and the order of its answers. Knows nothing of what
becomes of the segments.
"""

from __future__ import annotations

import logging
from pathlib import Path

from explorer.walk_log import frames_crc
from explorer.walk_reader import read_walk
from mirage_engine import ConfigError, Segment, World

log = logging.getLogger("mirage")


def check_one_world(path: Path) -> None:
    """Raises ConfigError: the walk went through more than one world."""
    worlds = len(read_walk(path).begins)
    if worlds > 1:
        raise ConfigError(f"--replay {path}: {worlds} worlds; --headless makes the files of one")


def walk_again(world: World, first: Segment, path: Path) -> list[Segment]:
    """Does with a begun world what the log says was done; the segments that stand at the end.

    Args:
        world: as it was when the walk began.
        first: its newest segment.
        path: of the log.
    """
    segments, different = [first], 0
    requests = [answer for answer in read_walk(path).answers if answer.asked]
    for request in requests:
        if request.what == "changed":
            world.edit(request.change())
        elif request.what == "undone":
            segments = _undone(world, segments)
        else:
            segments.append(world.advance(request.path(world.camera)))
            different += frames_crc(segments[-1]) != request.crc
            log.info("walking again: segment %d, %d points", request.index, segments[-1].points)
    if different:
        log.warning("%d segments are not what they were", different)
    return segments


def _undone(world: World, segments: list[Segment]) -> list[Segment]:
    """Takes the last segment or edit back."""
    world.undo()
    standing = [segment for segment in segments if segment.index < world.segments]
    return standing or [world.segment(world.segments - 1)]
