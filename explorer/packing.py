"""Frozen records as plain JSON and a list of arrays, and back: what every message is made of.

Reads strictly, by the types that the record's fields name. Knows nothing of messages or processes.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any, Literal

import numpy as np

ALIGN = 16  # array buffers start at multiples of this, so that numpy can read them in place


class ProtocolError(ValueError):
    """Bytes that are no message of this version; the message is one line."""


def read_arrays(body: memoryview, shapes: list[Any]) -> list[np.ndarray]:
    """Read-only views of the buffers, each with its dtype's name and shape in `shapes`."""
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


def pack(value: Any, arrays: list[np.ndarray]) -> Any:
    """`value` as JSON; arrays go to the list and leave their index."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: pack(getattr(value, f.name), arrays) for f in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError("arrays of Python objects cannot be sent")
        arrays.append(value)
        return len(arrays) - 1
    if isinstance(value, (tuple, list)):
        return [pack(item, arrays) for item in value]
    if isinstance(value, dict):
        return {str(key): pack(item, arrays) for key, item in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"cannot send a {type(value).__name__}")


def unpack(item: Any, hint: Any, arrays: list[np.ndarray], where: str) -> Any:
    """`item` as the type that `hint` names; raises ProtocolError where it is something else."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _unpack_record(item, typing.cast(type, hint), arrays, where)
    if hint is np.ndarray or origin is np.ndarray:
        return arrays[_checked(item, int, where)]
    if origin in (typing.Union, types.UnionType):
        kinds = [a for a in args if a is not type(None)]
        return None if item is None else unpack(item, kinds[0], arrays, where)
    if origin is tuple:
        items = _checked(item, list, where)
        kinds = [args[0]] * len(items) if args[-1] is Ellipsis else list(args)
        if len(kinds) != len(items):
            raise ProtocolError(f"{where}: {len(items)} entries, wanted {len(kinds)}")
        return tuple(unpack(x, k, arrays, where) for x, k in zip(items, kinds, strict=True))
    if origin is dict:
        entries = _checked(item, dict, where).items()
        return {key: unpack(x, args[1], arrays, f"{where}.{key}") for key, x in entries}
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
    return kind(**{k: unpack(x, hints[k], arrays, f"{where}.{k}") for k, x in item.items()})


_HINTS: dict[type, dict[str, Any]] = {}  # reading annotations takes longer than a whole message


def _hints(kind: type) -> dict[str, Any]:
    if kind not in _HINTS:
        _HINTS[kind] = typing.get_type_hints(kind)
    return _HINTS[kind]


def _checked(item: Any, kind: Any, where: str) -> Any:
    if type(item) is not kind:
        raise ProtocolError(f"{where}: {type(item).__name__}, wanted {kind.__name__}")
    return item
