"""World files as an inspector reads them: without torch, and without any model.

Checks `world.json` for everybody who opens a world, and reads the points and pictures beside it
into numpy. `world_file` says which files there are and writes them.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors import SafetensorError, safe_open

from mirage_engine.camera import Camera
from mirage_engine.config import ConfigError, Preset, from_dict
from mirage_engine.inspection import MEMORY_FORMAT, NEVER, EditKind
from mirage_engine.seal import check_seal, check_seals

FORMAT = 2
LATENTS = re.compile(r"latents/\d{6}-[0-9a-f]{8}\.safetensors")


@dataclass(frozen=True, eq=False)
class SegmentRecord:
    """What is kept of a segment beside its latents."""

    cameras: tuple[Camera, ...]  # one per picture
    coverage: float  # 0..1, share of the new views that memory knew beforehand
    points_added: int
    points: int  # in memory afterwards
    nbytes: int  # of memory afterwards
    residual: float  # of the depth alignment, relative
    seconds: dict[str, float]


@dataclass(frozen=True)
class EditRecord:
    """An edit that still holds."""

    number: int  # rises, never used twice
    kind: EditKind
    after: int  # segments that there were when it was made
    points: int  # that it changed


@dataclass(frozen=True, eq=False)
class PastPoints:
    """Points in columns: the living ones first, then those that finer ones replaced."""

    ids: np.ndarray  # [N] int32
    points_world: np.ndarray  # [N, 4] float32 homogeneous; w 0 = sky
    colors: np.ndarray  # [N, 3] uint8
    footprints_m: np.ndarray  # [N] float32 (radians where w is 0)
    born: np.ndarray  # [N] int32, segment
    died: np.ndarray  # [N] int32, segment that replaced it; NEVER for living ones
    frame: np.ndarray  # [N] uint8, latent frame within the segment
    seen: np.ndarray  # [N] int32, frames that showed it
    flags: np.ndarray  # [N] uint8, HIDDEN and LOCKED
    latents: np.ndarray  # [N, C] float16


@dataclass(frozen=True, eq=False)
class WorldRecord:
    """A saved world to look at."""

    preset: str  # name
    seed: int
    scene: int | None
    points: PastPoints
    segments: tuple[SegmentRecord, ...]
    edits: tuple[EditRecord, ...]
    start: np.ndarray  # [H, W, 3] uint8, the first picture
    thumbnail: np.ndarray  # [H, W, 3] uint8, the last one


# Column of memory.safetensors -> column of PastPoints, shape of a row and type; None: any size.
COLUMNS: dict[str, tuple[str, tuple[int | None, ...], type]] = {
    "serial": ("ids", (), np.int32),
    "points": ("points_world", (4,), np.float32),
    "footprints": ("footprints_m", (), np.float32),
    "born": ("born", (), np.int32),
    "frame": ("frame", (), np.uint8),
    "seen": ("seen", (), np.int32),
    "flags": ("flags", (), np.uint8),
    "latents": ("latents", (None,), np.float16),
}


def read_record(path: Path | str) -> WorldRecord:
    """Raises ConfigError, naming the part that is damaged."""
    path = Path(path)
    data = read_header(path)
    check_seals(path, data["files"])
    segments = read_segments(path, data)
    return WorldRecord(
        preset=data["preset"].name,
        seed=data["seed"],
        scene=data["scene"],
        points=_read_points(path, data["preset"], len(segments)),
        segments=tuple(segments),
        edits=data["edits"],
        start=_read_picture(path / "start.png"),
        thumbnail=_read_picture(path / "thumbnail.png"),
    )


def read_header(path: Path) -> dict[str, Any]:
    """world.json, with `preset` as a Preset and `edits` as EditRecords. Raises ConfigError."""
    file = path / "world.json"
    try:
        data = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: not a world folder (no world.json in it)") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: cannot be read ({error})") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ConfigError(f"{file}: not a world of format {FORMAT}")
    check_seal(file)
    missing = {"seed", "scene", "preset", "segments", "edits", "files"} - data.keys()
    if missing or not isinstance(data["segments"], list) or not data["segments"]:
        raise ConfigError(f"{file}: damaged, without {', '.join(sorted(missing)) or 'segments'}")
    whole = isinstance(data["seed"], int) and isinstance(data["scene"], int | None)
    whole = whole and isinstance(data["files"], list)
    if not whole or not isinstance(data["preset"], dict):
        raise ConfigError(f"{file}: damaged, with a broken seed, scene, preset or files")
    data["preset"] = from_dict(data["preset"], Preset, f"{file}: preset")
    data["edits"] = _edits(data["edits"], len(data["segments"]), file)
    return data


def read_segments(path: Path, data: dict[str, Any]) -> list[SegmentRecord]:
    """The segments of `read_header`. Raises ConfigError, naming the one that is damaged."""
    return [
        _segment(item, f"{path}/world.json: segment {i}") for i, item in enumerate(data["segments"])
    ]


def _segment(item: Any, where: str) -> SegmentRecord:
    try:
        cameras = tuple(
            Camera(np.array(c2w), np.array(item["intrinsics"]), tuple(item["size"]))
            for c2w in item["c2w"]
        )
        rest = {f.name: item[f.name] for f in fields(SegmentRecord) if f.name != "cameras"}
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{where} is damaged ({error})") from None
    if not cameras or not LATENTS.fullmatch(str(item.get("latents"))):
        raise ConfigError(f"{where} is damaged (without pictures or latents)")
    return SegmentRecord(cameras, **rest)


def _edits(items: Any, segments: int, file: Path) -> tuple[EditRecord, ...]:
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ConfigError(f"{file}: damaged, with broken edits")
    edits = tuple(from_dict(e, EditRecord, f"{file}: edit {i}") for i, e in enumerate(items))
    order = [(e.number, e.after) for e in edits]
    rising = all(a[0] < b[0] and a[1] <= b[1] for a, b in itertools.pairwise(order))
    if not rising or not all(1 <= e.after <= segments for e in edits):
        raise ConfigError(f"{file}: damaged, with edits out of order")
    return edits


def _read_points(path: Path, preset: Preset, segments: int) -> PastPoints:
    if preset.memory.kind == "none":
        return _past({"live": _no_points(), "replaced": _no_points()}, segments)
    file = path / "memory.safetensors"
    metadata, tensors = _read_tensors(file)
    if metadata.get("format") != MEMORY_FORMAT:
        raise ConfigError(f"{file}: not a memory of format {MEMORY_FORMAT}")
    colors_file = path / "colors.safetensors"
    colors = _read_tensors(colors_file)[1]
    parts = {}
    for part in ("live", "replaced"):
        rows = len(tensors.get(f"{part}.serial", ()))
        columns = {
            ours: _column(tensors, f"{part}.{name}", (rows, *shape), kind, file)
            for name, (ours, shape, kind) in COLUMNS.items()
        }
        columns["colors"] = _column(colors, part, (rows, 3), np.uint8, colors_file)
        if part == "replaced":
            columns["died"] = _column(tensors, "replaced.died", (rows,), np.int32, file)
        parts[part] = columns
    return _past(parts, segments)


def _past(parts: dict[str, dict[str, np.ndarray]], segments: int) -> PastPoints:
    live, replaced = parts["live"], parts["replaced"]
    live["died"] = np.full(len(live["ids"]), NEVER, np.int32)
    joined = {name: np.concatenate([live[name], replaced[name]]) for name in live}
    # A save that was cut short may have left memory ahead of world.json.
    known = joined["born"] < segments
    joined["died"][joined["died"] >= segments] = NEVER
    return PastPoints(**{name: column[known] for name, column in joined.items()})


def _no_points() -> dict[str, np.ndarray]:
    columns = {
        ours: np.zeros((0, *(n or 0 for n in shape)), kind)
        for ours, shape, kind in COLUMNS.values()
    }
    return columns | {"colors": np.zeros((0, 3), np.uint8), "died": np.zeros(0, np.int32)}


def _read_tensors(file: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    try:
        with safe_open(file, "np") as content:
            names = content.keys()
            return content.metadata() or {}, {name: content.get_tensor(name) for name in names}
    except FileNotFoundError:
        raise ConfigError(f"{file}: no such file") from None
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{file}: damaged or no safetensors file ({error})") from None


def _column(
    tensors: dict[str, np.ndarray],
    name: str,
    shape: tuple[int | None, ...],
    kind: type,
    file: Path,
) -> np.ndarray:
    column = tensors.get(name)
    if column is None:
        raise ConfigError(f"{file}: part '{name}' is missing")
    fits = len(shape) == column.ndim and all(
        n in (None, m) for n, m in zip(shape, column.shape, strict=True)
    )
    if not fits or column.dtype != kind:
        raise ConfigError(f"{file}: part '{name}' is {column.dtype} {list(column.shape)}")
    if column.dtype.kind == "f" and not np.isfinite(column).all():
        raise ConfigError(f"{file}: part '{name}' holds broken numbers")
    return column


def _read_picture(file: Path) -> np.ndarray:
    try:
        with Image.open(file) as picture:
            return np.asarray(picture.convert("RGB"))
    except FileNotFoundError:
        raise ConfigError(f"{file}: no such file") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise ConfigError(f"{file}: not a readable picture ({error})") from None
