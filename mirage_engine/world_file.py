"""World files: a folder NAME.mirage that a world is saved to after every segment, and read from.

    world.json                  versions, preset, seed, poses and numbers of each segment
    memory.safetensors          the points
    latents/NNNNNN-CRC.safetensors   what each segment was decoded from
    start.png thumbnail.png     first and last picture

Every file is written whole under a temporary name and renamed; `world.json` comes last and is the
commit. Latents are named by content, so that saving again writes only what is new. Each file has a
seal of its own, so that any two saves mix after a crash, and damage is found before use.
"""

from __future__ import annotations

import dataclasses
import json
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image
from torch import Tensor

from mirage_engine.camera import Camera
from mirage_engine.checkpoints import load_state, save_state
from mirage_engine.config import ConfigError, Preset, from_dict
from mirage_engine.files import replacing
from mirage_engine.parts import Memory
from mirage_engine.seal import UNSEALED, check_seal, check_seals, is_sealed, seal, sealed_names

FORMAT = 2
LATENTS = re.compile(r"latents/\d{6}-[0-9a-f]{8}\.safetensors")
NUMBERS = ("coverage", "points_added", "points", "nbytes", "residual", "seconds")


class Entry(Protocol):
    """The fields of a world's entry that are saved."""

    @property
    def latents(self) -> Tensor: ...
    @property
    def cameras(self) -> tuple[Camera, ...]: ...


@dataclass(frozen=True)
class Saved:
    header: dict[str, Any]  # seed, scene, preset
    entries: list[dict[str, Any]]  # arguments of World's entries


def save(
    path: Path,
    header: dict[str, Any],  # seed, scene, preset
    entries: Sequence[Entry],
    memory: Memory,
    show: Callable[[int], np.ndarray],  # segment index -> its last picture, uint8 [H, W, 3]
) -> None:
    """Raises ConfigError when the folder cannot be written."""
    try:
        if (path / "latents").is_symlink():
            raise OSError(f"{path}/latents is a link")
        (path / "latents").mkdir(parents=True, exist_ok=True)
        before = set((path / "latents").glob("*.safetensors"))
        names = [_save_latents(path, i, entry.latents) for i, entry in enumerate(entries)]
        memory.save(path / "memory.safetensors")
        _save_pictures(path, len(entries), show, path / names[0] in before)
        data = {
            **UNSEALED,
            "format": FORMAT,
            "files": sealed_names(path, (".safetensors", ".png")),
            **header,
            "preset": dataclasses.asdict(header["preset"]),
            "segments": [_to_json(entry, name) for entry, name in zip(entries, names, strict=True)],
        }
        with replacing(path / "world.json") as part:
            part.write_text(json.dumps(data), "utf-8")
            seal(part)
        for stale in set((path / "latents").glob("*.safetensors")) - {path / n for n in names}:
            stale.unlink()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error})") from None


def load(path: Path, memory: Memory, channels: int) -> Saved:
    """Reads a world into `memory` and returns the rest. Raises ConfigError, naming the part."""
    data = read_header(path)
    check_seals(path, data["files"])
    entries = []
    for i, item in enumerate(data["segments"]):
        try:
            cameras = tuple(
                Camera(np.array(p), np.array(item["intrinsics"]), tuple(item["size"]))
                for p in item["c2w"]
            )
            numbers = {key: item[key] for key in NUMBERS}
            name, frames = item["latents"], len(item["c2w"])
            if not LATENTS.fullmatch(name):
                raise ValueError(f"its latents are not named {name!r}")
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"{path}/world.json: segment {i} is damaged ({error})") from None
        file = path / name
        check_seal(file)
        latents = load_state(file)[0].get("latents")
        if latents is None or latents.ndim != 4 or latents.shape[1] != channels:
            raise ConfigError(f"{file}: holds no latents of {channels} channels")
        if not 1 <= len(latents) <= frames:
            raise ConfigError(f"{file}: has {len(latents)} latent frames for {frames} pictures")
        if name != _latents_name(i, latents):
            raise ConfigError(f"{file}: holds the latents of another segment")
        entries.append({"latents": latents, "cameras": cameras, **numbers})
    memory.load(path / "memory.safetensors")
    # A save that was cut short left memory one segment ahead or behind: use what both know.
    while entries:
        memory.undo(len(entries))
        if len(memory) == entries[-1]["points"]:
            break
        entries.pop()
    if not entries:
        raise ConfigError(f"{path}/memory.safetensors: does not belong to world.json beside it")
    return Saved({key: data[key] for key in ("seed", "scene", "preset")}, entries)


def read_header(path: Path) -> dict[str, Any]:
    """world.json, with `preset` as a Preset. Raises ConfigError."""
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
    missing = {"seed", "scene", "preset", "segments", "files"} - data.keys()
    if missing or not isinstance(data["segments"], list) or not data["segments"]:
        raise ConfigError(f"{file}: damaged, without {', '.join(sorted(missing)) or 'segments'}")
    whole = isinstance(data["seed"], int) and isinstance(data["scene"], int | None)
    whole = whole and isinstance(data["files"], list)
    if not whole or not isinstance(data["preset"], dict):
        raise ConfigError(f"{file}: damaged, with a broken seed, scene, preset or files")
    data["preset"] = from_dict(data["preset"], Preset, f"{file}: preset")
    return data


def _save_latents(path: Path, index: int, latents: Tensor) -> str:
    name = _latents_name(index, latents)
    if not is_sealed(path / name):
        save_state({"latents": latents.contiguous()}, path / name, {"segment": index})
    return name


def _latents_name(index: int, latents: Tensor) -> str:
    crc = zlib.crc32(latents.contiguous().numpy().tobytes())
    return f"latents/{index:06d}-{crc:08x}.safetensors"


def _save_pictures(
    path: Path, count: int, show: Callable[[int], np.ndarray], same_start: bool
) -> None:
    for name, index in (("start.png", 0), ("thumbnail.png", count - 1)):
        if name == "start.png" and same_start and (path / name).exists():
            continue
        with replacing(path / name) as part:
            Image.fromarray(show(index)).save(part, "PNG")


def _to_json(entry: Any, name: str) -> dict[str, Any]:
    camera = entry.cameras[0]
    return {
        "latents": name,
        "c2w": [c.c2w.tolist() for c in entry.cameras],
        "intrinsics": camera.intrinsics.tolist(),
        "size": list(camera.size),
        **{key: getattr(entry, key) for key in NUMBERS},
    }
