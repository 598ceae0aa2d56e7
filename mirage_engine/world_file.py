"""World files: a folder NAME.mirage that a world is saved to after every step, and read from.

    world.json                  versions, preset, seed, poses and numbers of each segment, edits
    memory.safetensors          the points
    colors.safetensors          their colours, row by row, for who inspects them without a model
    latents/NNNNNN-CRC.safetensors   what each segment was decoded from
    start.png thumbnail.png     first and last picture

Every file is written whole under a temporary name and renamed; `world.json` comes last and is the
commit. Latents are named by content, so that saving again writes only what is new. Each file has a
seal of its own, so that any two saves mix after a crash, and damage is found before use.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor

from mirage_engine.checkpoints import load_state, save_state
from mirage_engine.config import ConfigError, Preset
from mirage_engine.files import replacing
from mirage_engine.parts import Codec, Memory, MemoryView
from mirage_engine.seal import UNSEALED, check_seals, is_sealed, seal, sealed_names
from mirage_engine.world_record import (
    FORMAT,
    EditRecord,
    SegmentRecord,
    read_header,
    read_segments,
)


@dataclass(frozen=True, eq=False)
class Entry(SegmentRecord):
    """What the world keeps of a segment: enough to show it again and to go on from it."""

    latents: Tensor  # [t, C, h, w] float16, the new frames only
    view: MemoryView | None = None  # of them, as the generator got it; not in the file


@dataclass(frozen=True)
class Content:
    """What is saved of a world beside its memory."""

    preset: Preset
    seed: int
    scene: int | None
    entries: list[Entry]
    edits: list[EditRecord]


def save(path: Path, content: Content, memory: Memory, codec: Codec) -> None:
    """Raises ConfigError when the folder cannot be written."""
    entries = content.entries
    try:
        if (path / "latents").is_symlink():
            raise OSError(f"{path}/latents is a link")
        (path / "latents").mkdir(parents=True, exist_ok=True)
        before = set((path / "latents").glob("*.safetensors"))
        names = [_save_latents(path, i, entry.latents) for i, entry in enumerate(entries)]
        memory.save(path / "memory.safetensors")
        _save_colors(path, codec)
        _save_pictures(path, entries, codec, path / names[0] in before)
        data = {
            **UNSEALED,
            "format": FORMAT,
            "files": sealed_names(path, (".safetensors", ".png")),
            "seed": content.seed,
            "scene": content.scene,
            "preset": dataclasses.asdict(content.preset),
            "segments": [_to_json(entry, name) for entry, name in zip(entries, names, strict=True)],
            "edits": [dataclasses.asdict(edit) for edit in content.edits],
        }
        with replacing(path / "world.json") as part:
            part.write_text(json.dumps(data), "utf-8")
            seal(part)
        for stale in set((path / "latents").glob("*.safetensors")) - {path / n for n in names}:
            stale.unlink()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error})") from None


def load(path: Path, memory: Memory, channels: int) -> Content:
    """Reads a world into `memory` and returns the rest. Raises ConfigError, naming the part."""
    data = read_header(path)
    check_seals(path, data["files"])
    records = read_segments(path, data)
    names = [item["latents"] for item in data["segments"]]
    check_seals(path, names)
    entries = [
        Entry(**vars(record), latents=_load_latents(path, i, name, record, channels))
        for i, (record, name) in enumerate(zip(records, names, strict=True))
    ]
    memory.load(path / "memory.safetensors")
    entries, edits = _agreed(memory, entries, data["edits"])
    if not entries:
        raise ConfigError(f"{path}/memory.safetensors: does not belong to world.json beside it")
    return Content(data["preset"], data["seed"], data["scene"], entries, edits)


def _agreed(
    memory: Memory, entries: list[Entry], edits: Sequence[EditRecord]
) -> tuple[list[Entry], list[EditRecord]]:
    """A save that was cut short left memory a step ahead or behind: goes back to what both know."""
    lost = next((edit for edit in edits if edit.number not in memory.edits), None)
    known = len(entries) if lost is None else lost.after
    while any(memory.added(i) != entry.points_added for i, entry in enumerate(entries[:known])):
        known -= 1
    kept = [e for e in edits if e.after <= known and (lost is None or e.number < lost.number)]
    for number in reversed(memory.edits):
        if number not in {edit.number for edit in kept}:
            memory.revert(number)
    memory.undo(known)
    return entries[:known], kept


def _save_latents(path: Path, index: int, latents: Tensor) -> str:
    name = _latents_name(index, latents)
    if not is_sealed(path / name):
        save_state({"latents": latents.contiguous()}, path / name, {"segment": index})
    return name


def _latents_name(index: int, latents: Tensor) -> str:
    crc = zlib.crc32(latents.contiguous().numpy().tobytes())
    return f"latents/{index:06d}-{crc:08x}.safetensors"


def _load_latents(
    path: Path, index: int, name: str, record: SegmentRecord, channels: int
) -> Tensor:
    file, frames = path / name, len(record.cameras)
    latents = load_state(file)[0].get("latents")
    if latents is None or latents.ndim != 4 or latents.shape[1] != channels:
        raise ConfigError(f"{file}: holds no latents of {channels} channels")
    if not 1 <= len(latents) <= frames:
        raise ConfigError(f"{file}: has {len(latents)} latent frames for {frames} pictures")
    if name != _latents_name(index, latents):
        raise ConfigError(f"{file}: holds the latents of another segment")
    return latents


def _save_colors(path: Path, codec: Codec) -> None:
    """Colours of what memory has just written; a memory that writes nothing has none."""
    if not (path / "memory.safetensors").exists():
        return
    with safe_open(path / "memory.safetensors", "pt") as file:
        latents = {part: file.get_tensor(f"{part}.latents") for part in ("live", "replaced")}
    colors = {part: torch.from_numpy(codec.colors(rows.float())) for part, rows in latents.items()}
    save_state(colors, path / "colors.safetensors", {})


def _save_pictures(path: Path, entries: list[Entry], codec: Codec, same_start: bool) -> None:
    for name, entry in (("start.png", entries[0]), ("thumbnail.png", entries[-1])):
        if name == "start.png" and same_start and (path / name).exists():
            continue
        # The last picture, without decoding the rest of the segment.
        picture: np.ndarray = codec.decode(entry.latents[-1:].float()).frames[-1]
        with replacing(path / name) as part:
            Image.fromarray(picture).save(part, "PNG")


def _to_json(entry: Entry, name: str) -> dict[str, Any]:
    camera = entry.cameras[0]
    plain = (f.name for f in dataclasses.fields(SegmentRecord) if f.name != "cameras")
    return {
        "latents": name,
        "c2w": [c.c2w.tolist() for c in entry.cameras],
        "intrinsics": camera.intrinsics.tolist(),
        "size": list(camera.size),
        **{key: getattr(entry, key) for key in plain},
    }
