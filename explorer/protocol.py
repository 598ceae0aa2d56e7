"""What the display and the engine say to each other: typed messages, to bytes and back.

A message is a frozen dataclass; its bytes are a JSON header and the raw buffers of its arrays, and
a version and a checksum in front. Nothing is ever unpickled. Each message carries the session
epoch, which grows with every world that is begun or opened, and the segment that it is about, so
that nothing stale survives a reset. Knows nothing of processes, sockets or what messages do.
"""

from __future__ import annotations

import dataclasses
import json
import struct
import types
import typing
import zlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mirage_engine import Camera, Preset, Segment

VERSION = 1
MAGIC = b"MIRG"
HEAD = struct.Struct("<4sHxxIIQ8x")  # magic, version, crc32 of the rest, header, body bytes
ALIGN = 16  # array buffers start at multiples of this, so that numpy can read them in place


class ProtocolError(ValueError):
    """Bytes that are no message of this version; the message is one line."""


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
    """All points of memory anew, after an undo or a restored world; replaces earlier ones."""

    epoch: int
    segments: int  # that the world has; later ones are gone
    points_world: np.ndarray  # [N, 4] float32
    colors: np.ndarray  # [N, 3] uint8
    footprints_m: np.ndarray  # [N] float32
    born: np.ndarray  # [N] int, segment


@dataclass(frozen=True)
class Saved:
    epoch: int
    path: str


@dataclass(frozen=True)
class Failure:
    """What could not be done. `user` marks a mistake that its author can mend."""

    epoch: int
    doing: Literal["begin", "restore", "generate", "undo", "save", "autosave", "recall"]
    text: str  # one line
    user: bool
    request: int = -1


@dataclass(frozen=True)
class Dropped:
    """A request that was given up for a newer one or a cancel."""

    epoch: int
    request: int


Message = (
    Begin | Ask | Cancel | Undo | Save | Stop
    | Heartbeat | Stage | Ready | Progress | SegmentReady | CloudReset | Saved | Failure | Dropped
)  # fmt: skip
KINDS: dict[str, type] = {kind.__name__: kind for kind in typing.get_args(Message)}


def encode(message: Message) -> bytes:
    """The bytes of a message.

    Raises:
        TypeError: a field holds something that a message cannot carry.
    """
    arrays: list[np.ndarray] = []
    fields = _pack(message, arrays)
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
        return _unpack(fields, KINDS[name], _arrays(body[header_bytes:], shapes), name)
    except ProtocolError:
        raise
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ProtocolError(f"message that makes no sense: {error}") from error


def _arrays(body: memoryview, shapes: list[Any]) -> list[np.ndarray]:
    arrays, at = [], 0
    for dtype_name, shape in shapes:
        dtype = np.dtype(dtype_name)
        if dtype.hasobject or any(type(n) is not int or n < 0 for n in shape):
            raise ProtocolError(f"array of {dtype_name} {shape} cannot be carried")
        count = int(np.prod(shape, dtype=np.int64))
        arrays.append(np.frombuffer(body, dtype, count, at).reshape(shape))
        size = count * dtype.itemsize
        at += size + -size % ALIGN
    return arrays


def _pack(value: Any, arrays: list[np.ndarray]) -> Any:
    """`value` as JSON; arrays go to the list and leave their index."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _pack(getattr(value, f.name), arrays) for f in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError("arrays of Python objects cannot be sent")
        arrays.append(value)
        return len(arrays) - 1
    if isinstance(value, (tuple, list)):
        return [_pack(item, arrays) for item in value]
    if isinstance(value, dict):
        return {str(key): _pack(item, arrays) for key, item in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"cannot send a {type(value).__name__}")


def _unpack(item: Any, hint: Any, arrays: list[np.ndarray], where: str) -> Any:
    """`item` as the type that `hint` names; raises ProtocolError where it is something else."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _unpack_record(item, typing.cast(type, hint), arrays, where)
    if hint is np.ndarray or origin is np.ndarray:
        return arrays[_checked(item, int, where)]
    if origin in (typing.Union, types.UnionType):
        kinds = [a for a in args if a is not type(None)]
        return None if item is None else _unpack(item, kinds[0], arrays, where)
    if origin is tuple:
        items = _checked(item, list, where)
        kinds = [args[0]] * len(items) if args[-1] is Ellipsis else list(args)
        if len(kinds) != len(items):
            raise ProtocolError(f"{where}: {len(items)} entries, wanted {len(kinds)}")
        return tuple(_unpack(x, k, arrays, where) for x, k in zip(items, kinds, strict=True))
    if origin is dict:
        entries = _checked(item, dict, where).items()
        return {key: _unpack(x, args[1], arrays, f"{where}.{key}") for key, x in entries}
    if origin is Literal:
        if item not in args:
            raise ProtocolError(f"{where}: {item!r} is none of {args}")
        return item
    if hint is float and type(item) is int:
        return float(item)
    return _checked(item, hint, where)


def _unpack_record(item: Any, kind: type, arrays: list[np.ndarray], where: str) -> Any:
    fields = {f.name for f in dataclasses.fields(kind)}
    if _checked(item, dict, where).keys() != fields:
        raise ProtocolError(f"{where}: has {sorted(item)}, wanted {sorted(fields)}")
    hints = _hints(kind)
    return kind(**{k: _unpack(x, hints[k], arrays, f"{where}.{k}") for k, x in item.items()})


_HINTS: dict[type, dict[str, Any]] = {}  # reading annotations takes longer than a whole message


def _hints(kind: type) -> dict[str, Any]:
    if kind not in _HINTS:
        _HINTS[kind] = typing.get_type_hints(kind)
    return _HINTS[kind]


def _checked(item: Any, kind: Any, where: str) -> Any:
    if type(item) is not kind:
        raise ProtocolError(f"{where}: {type(item).__name__}, wanted {kind.__name__}")
    return item
