"""Seals: a checksum that a file carries in itself, so that one flipped bit is found.

A file to be sealed has `"crc": "00000000"` at its head, as JSON and safetensors metadata can; the
CRC of the file as it stands then takes the place of the zeros. PNG brings seals of its own. Knows
bytes; knows nothing of what the files hold.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from pathlib import Path

from mirage_engine.config import ConfigError

UNSEALED = {"crc": "00000000"}
HEAD = 1 << 14  # bytes, within which the seal stands
CHUNK = 1 << 24  # bytes read at a time
SEAL = re.compile(rb'"crc": ?"([0-9a-f]{8})"')
PNG = b"\x89PNG\r\n\x1a\n"


def seal(path: Path) -> None:
    """Puts the checksum in its place."""
    at, _ = _find(path)
    assert at >= 0, "what is to be sealed has room for it"
    crc = _crc(path, at)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(crc)


def is_sealed(path: Path) -> bool:
    """Whether there is such a file with a seal in it, be it true or not."""
    return path.is_file() and (path.suffix == ".png" or _find(path)[0] >= 0)


def sealed_names(folder: Path, suffixes: Sequence[str]) -> list[str]:
    """The files in `folder` itself, of these suffixes, that carry a seal."""
    files = (path for path in folder.iterdir() if path.suffix in suffixes)
    return sorted(path.name for path in files if is_sealed(path))


def check_seals(folder: Path, names: Sequence[object]) -> None:
    """Raises ConfigError unless each name is a file of `folder` and as it was written."""
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r"([\w-]+/)?[\w-]+\.\w+", name):
            raise ConfigError(f"{folder}: names {name!r} as a part, which no world does")
        check_seal(folder / name)


def check_seal(path: Path) -> None:
    """Raises ConfigError for a file that is not as it was written, or only a link to one."""
    if path.is_symlink() or path.parent.is_symlink():
        raise ConfigError(f"{path}: a link, where a world keeps a file")
    try:
        whole = _png_holds(path.read_bytes()) if path.suffix == ".png" else _seal_holds(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: missing") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    if not whole:
        raise ConfigError(f"{path}: damaged; it is not as it was written")


def _seal_holds(path: Path) -> bool:
    at, found = _find(path)
    return at >= 0 and _crc(path, at) == found


def _find(path: Path) -> tuple[int, bytes]:
    """(where it starts, what it says) of the seal; -1 for none."""
    with path.open("rb") as file:
        found = SEAL.search(file.read(HEAD))
    return (found.start(1), found[1]) if found else (-1, b"")


def _crc(path: Path, seal_at: int) -> bytes:
    """Eight hex digits, of the file with zeros for its seal."""
    with path.open("rb") as file:
        crc = zlib.crc32(file.read(seal_at))
        crc = zlib.crc32(b"0" * len(file.read(8)), crc)
        while chunk := file.read(CHUNK):
            crc = zlib.crc32(chunk, crc)
    return f"{crc:08x}".encode()


def _png_holds(data: bytes) -> bool:
    """Each chunk is length, name, content and the CRC of the last two; nothing follows IEND."""
    at, name = len(PNG), b""
    while data.startswith(PNG) and at + 12 <= len(data) and name != b"IEND":
        end = at + 8 + int.from_bytes(data[at : at + 4])
        if int.from_bytes(data[end : end + 4]) != zlib.crc32(data[at + 4 : end]):
            return False
        at, name = end + 4, data[at + 4 : at + 8]
    return name == b"IEND" and at == len(data)
