"""What the display and the engine say to each other: typed messages, to bytes and back.

A message is a frozen dataclass; its bytes are a JSON header and the raw buffers of its arrays, and
a version and a checksum in front. Nothing is ever unpickled. Each message carries the session
epoch, which grows with every world that is begun or opened, and the segment that it is about, so
that nothing stale survives a reset. Knows nothing of processes, sockets or what messages do.
"""

from __future__ import annotations

import json
import struct
import typing
import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from explorer.packing import ALIGN, ProtocolError, pack, read_arrays, unpack
from mirage_engine import (
    Camera,
    Edit,
    EditKind,
    PointDetails,
    Preset,
    Segment,
    ViewRead,
    XRay,
)

VERSION = 2
MAGIC = b"MIRG"
HEAD = struct.Struct("<4sHxxIIQ8x")  # magic, version, crc32 of the rest, header, body bytes


@dataclass(frozen=True, eq=False)
class Start:
    """Where a world begins."""

    kind: Literal["scene", "image", "prompt", "file"] = "scene"
    scene: int = 0
    image: np.ndarray | None = None  # [H, W, 3] uint8
    prompt: str = ""
    path: str = ""  # of a saved world


# Display to engine.


@dataclass(frozen=True, eq=False)
class Begin:
    """Make a world and begin it; `have` segments are already on the display and not sent again."""

    epoch: int
    preset: Preset
    seed: int
    start: Start
    autosave: str  # world file written after every segment; "" for none
    have: int = 0


@dataclass(frozen=True, eq=False)
class Ask:
    """Generate what this path sees. A newer request replaces an older one."""

    epoch: int
    request: int
    path: tuple[Camera, ...]


@dataclass(frozen=True)
class Cancel:
    """Forget what was asked for, and stop at the next step."""

    epoch: int


@dataclass(frozen=True)
class Undo:
    epoch: int


@dataclass(frozen=True, eq=False)
class Change:
    """Edit memory by hand, as soon as an undo would be done."""

    epoch: int
    edit: Edit


@dataclass(frozen=True, eq=False)
class Look:
    """What does memory answer for this view? Between segments; a newer one replaces it."""

    epoch: int
    camera: Camera


@dataclass(frozen=True, eq=False)
class Inspect:
    """What would condition a segment along `path`, or, without one, what conditioned the last?

    Between segments; a newer one replaces it.
    """

    epoch: int
    path: tuple[Camera, ...]


@dataclass(frozen=True)
class Details:
    """Counts and flags of all points, and features of those above `since_id`. Between segments."""

    epoch: int
    since_id: int


@dataclass(frozen=True)
class Save:
    epoch: int
    path: str


@dataclass(frozen=True)
class Stop:
    epoch: int


# Engine to display.


@dataclass(frozen=True)
class Heartbeat:
    epoch: int
    busy_s: float  # since the engine last finished a step; 0 while it waits


@dataclass(frozen=True)
class Stage:
    """A word on what loading is doing."""

    epoch: int
    text: str


@dataclass(frozen=True, eq=False)
class Ready:
    """A world stands and can be walked."""

    epoch: int
    segments: int  # how many it has
    camera: Camera  # of the start image
    new_frames: int  # cameras per segment
    seed: int
    preset: Preset


@dataclass(frozen=True)
class Progress:
    epoch: int
    segment: int
    step: int
    total: int


@dataclass(frozen=True, eq=False)
class SegmentReady:
    epoch: int
    segment: Segment
    request: int  # -1 for segments that were not asked for: the start and restored ones


@dataclass(frozen=True, eq=False)
class CloudReset:
    """All points of memory anew, after an undo or a restored world; replaces earlier ones.

    The columns are those of `Points`.
    """

    epoch: int
    segments: int  # that the world has; later ones are gone
    points_world: np.ndarray  # [N, 4] float32
    colors: np.ndarray  # [N, 3] uint8
    footprints_m: np.ndarray  # [N] float32
    born: np.ndarray  # [N] int32, segment
    ids: np.ndarray  # [N] int32, rising
    flags: np.ndarray  # [N] uint8, HIDDEN and LOCKED
    seen: np.ndarray  # [N] int32, frames that showed it
    gone_world: np.ndarray  # [M, 4] float32, points that edits deleted or hid
    gone_footprints_m: np.ndarray  # [M] float32
    nbytes: int = 0  # of memory
    edits: int = 0  # made since the newest segment: what undo takes back first


@dataclass(frozen=True, eq=False)
class Changed:
    """An edit was done. Lists of ids are rising."""

    epoch: int
    kind: EditKind
    ids: np.ndarray  # [K] int32, points that it really changed
    removed_ids: np.ndarray  # [M] int32, points that a new budget forgot
    points: int  # in memory afterwards
    nbytes: int  # of memory afterwards
    budget_mib: float = 0.0  # that an edit of the budget set


@dataclass(frozen=True, eq=False)
class Looked:
    epoch: int
    view: ViewRead


@dataclass(frozen=True, eq=False)
class Inspected:
    epoch: int
    xray: XRay


@dataclass(frozen=True, eq=False)
class DetailsReady:
    epoch: int
    details: PointDetails


@dataclass(frozen=True)
class Saved:
    epoch: int
    path: str


@dataclass(frozen=True)
class Failure:
    """What could not be done. `user` marks a mistake that its author can mend."""

    epoch: int
    doing: Literal[
        "begin", "restore", "generate", "undo", "change", "inspect", "save", "autosave", "recall"
    ]
    text: str  # one line
    user: bool
    request: int = -1


@dataclass(frozen=True)
class Dropped:
    """A request that was given up for a newer one or a cancel."""

    epoch: int
    request: int


Message = (
    Begin | Ask | Cancel | Undo | Change | Look | Inspect | Details | Save | Stop
    | Heartbeat | Stage | Ready | Progress | SegmentReady | CloudReset
    | Changed | Looked | Inspected | DetailsReady | Saved | Failure | Dropped
)  # fmt: skip
KINDS: dict[str, type] = {kind.__name__: kind for kind in typing.get_args(Message)}


def encode(message: Message) -> bytes:
    """The bytes of a message.

    Raises:
        TypeError: a field holds something that a message cannot carry.
    """
    arrays: list[np.ndarray] = []
    fields = pack(message, arrays)
    shapes = [[a.dtype.str, list(a.shape)] for a in arrays]
    header = json.dumps([type(message).__name__, fields, shapes], separators=(",", ":")).encode()
    parts = [header + b" " * (-len(header) % ALIGN)]
    for array in arrays:
        data = np.ascontiguousarray(array).tobytes()
        parts.append(data + bytes(-len(data) % ALIGN))
    body = b"".join(parts)
    return HEAD.pack(MAGIC, VERSION, zlib.crc32(body), len(parts[0]), len(body)) + body


def decode(data: bytes) -> Message:
    """The message in these bytes; its arrays are read-only views of them.

    Raises:
        ProtocolError: damaged, cut off, of another version, or of an unknown kind.
    """
    if len(data) < HEAD.size or not data.startswith(MAGIC):
        raise ProtocolError("not a message of this program")
    _, version, crc, header_bytes, body_bytes = HEAD.unpack_from(data)
    if version != VERSION:
        raise ProtocolError(f"message version {version}, this program speaks {VERSION}")
    body = memoryview(data)[HEAD.size :]
    if len(body) != body_bytes or zlib.crc32(body) != crc:
        raise ProtocolError(f"damaged message: {len(body)} of {body_bytes} bytes, or changed ones")
    try:
        name, fields, shapes = json.loads(bytes(body[:header_bytes]))
        if name not in KINDS:
            raise ProtocolError(f"unknown message kind {name!r}")
        return unpack(fields, KINDS[name], read_arrays(body[header_bytes:], shapes), name)
    except ProtocolError:
        raise
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ProtocolError(f"message that makes no sense: {error}") from error
