"""Presets: TOML files read strictly into frozen dataclasses.

An unknown or mistyped key is an error that names the file, the key and what would do. Every
default stands here once. Knows nothing of the classes that the settings configure.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import tomllib
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

CONFIG_DIR = Path(__file__).parents[1] / "configs"

Config = TypeVar("Config")


class ConfigError(ValueError):
    """A mistake in a file or flag that its author can mend; the message is one line."""


@dataclass(frozen=True)
class LensConfig:
    width: int = 256  # px
    height: int = 160  # px
    hfov_deg: float = 77.0


@dataclass(frozen=True)
class MemoryConfig:
    kind: Literal["latent", "rgb", "none", "copy"] = "latent"
    mode: Literal["adaptive", "paper"] = "adaptive"
    finer: float = 0.7  # a new footprint below this share of the old one replaces it
    splat_cells: int = 5  # a coarse point fills at most this many cells across
    depth_tolerance: float = 0.05  # relative: same surface when closer than this
    edge_spread: float = 0.10  # relative depth spread above which a cell is dropped
    max_points: int = 4_000_000
    budget_mib: float = 0.0  # what all points may take; 0: no such limit

    def __post_init__(self) -> None:
        check_budget(self.budget_mib)


@dataclass(frozen=True)
class CodecConfig:
    kind: Literal["pocket", "wan"] = "pocket"
    weights: str = "pocket/codec.safetensors"  # beside the engine, a path, or a name of the hub
    # What follows is for wan.
    dtype: Literal["float32", "bfloat16"] = "float32"
    tile_cells: int = 0  # edge of a tile, to save memory; 0 is the whole picture at once
    tile_overlap_cells: int = 8
    lead: int = 0  # latent frames decoded again before a branch; 0 is as many as can matter
    tiny: str = ""  # weights of a TAEW2.2 decoder for previews (safetensors); empty is none
    states: int = 1  # ends of walks that can go on at once, 3.2 GB each at 704x1280 in bfloat16


@dataclass(frozen=True)
class LoraConfig:
    weights: str  # a safetensors file
    scale: float = 1.0
    alpha: float = 0.0  # 0: the file's own, or the rank where it has none
    fuse: bool = True  # into the weights: no cost while walking; False keeps it apart


@dataclass(frozen=True)
class GeneratorConfig:
    kind: Literal["wan"] = "wan"
    weights: str = "pocket/generator.safetensors"  # or a diffusers folder, or official files
    branch: str = ""  # side branch in a file of its own
    loras: tuple[LoraConfig, ...] = ()
    steps: int = 1
    shift: float = 5.0  # flow-matching time shift
    predict: Literal["correction", "flow"] = "correction"
    sure: float = 0.0  # cells below this are not remembered; 0 remembers all
    dtype: Literal["float32", "bfloat16"] = "float32"
    attention: Literal["auto", "native", "products", "cudnn", "flash", "flash3", "sage"] = "auto"
    compile: bool = False  # torch.compile of the blocks: slow to start, faster afterwards
    hint_scale: float = 1.0
    prompt: str = ""  # what the place is like, for networks that read words
    text: str = ""  # their text encoder: a folder, or a name of the hub; empty reads none
    guidance: float = 1.0  # above 1: further away from what no words would give, at twice the cost


@dataclass(frozen=True)
class DepthConfig:
    kind: Literal["codec", "depth-anything", "depth-pro", "map-anything"] = "codec"
    weights: str = ""  # a folder or a name of the hub; empty is the model's public name
    dtype: Literal["float32", "bfloat16"] = "float32"
    input_px: int = 518  # shorter side that the model sees (map-anything: longer side)
    sky_from_m: float = 0.0  # beyond this is sky; 0 is what suits the model
    batch: int = 8  # frames at a time, where a model looks at each by itself


@dataclass(frozen=True)
class StaticFilterConfig:
    kind: Literal["codec", "none", "residual", "concepts"] = "codec"
    # Residual: what geometry shows to move. Concepts does it too.
    tolerance: float = 0.05  # relative depth, on top of the noise that is measured
    latent_gap: float = 0.3  # 1 - cosine, below which a latent is the remembered one
    step_px: int = 4  # each so many pixels is looked at
    # Concepts: what these words name, found by SAM 3.
    weights: str = "facebook/sam3"  # a folder or a name of the hub
    concepts: tuple[str, ...] = ("person", "animal", "vehicle", "sky", "water")
    proposer: str = ""  # a Qwen3-VL that names more from the first frame; empty is none
    dtype: Literal["float32", "bfloat16"] = "float32"


@dataclass(frozen=True)
class PlannerConfig:
    frames: int = 5  # per segment, the clean first frame counted
    horizon: float = 0.85  # coverage under which the next view counts as unknown
    # Latent frames of the past that the generator is shown; pocket reads none.
    preceding: int = 0  # just before the clean first one
    references: int = 0  # at most, older ones of the same surfaces
    official: bool = False  # references by overlap of voxels, as the official code, not by gain

    def __post_init__(self) -> None:
        for key in ("preceding", "references"):
            if getattr(self, key) < 0:
                raise ConfigError(f"{key} must be 0 or more, got {getattr(self, key)}")


@dataclass(frozen=True)
class Preset:
    """Everything that makes a world, from one TOML file."""

    name: str
    summary: str = ""
    lens: LensConfig = field(default_factory=LensConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    codec: CodecConfig = field(default_factory=CodecConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    planner: PlannerConfig = field(default_factory=PlannerConfig)
    depth: DepthConfig = field(default_factory=DepthConfig)  # who measures it
    static_filter: StaticFilterConfig = field(default_factory=StaticFilterConfig)


def check_budget(budget_mib: float) -> None:
    """Raises ConfigError for what is no size of a memory; 0 stands for no limit."""
    if not 0 <= budget_mib < math.inf:
        raise ConfigError(f"budget_mib must be a number, 0 (no limit) or more, got {budget_mib}")


def load_config(source: str | Path, kind: type[Config] = Preset) -> Config:
    """Reads a preset by name (`configs/NAME.toml`) or path into `kind`.

    Raises:
        ConfigError: no such file, not TOML, or a key that is unknown, missing or mistyped.
    """
    path = Path(source)
    if path.suffix != ".toml":
        path = CONFIG_DIR / f"{source}.toml"
        if not path.exists():
            known = sorted(p.stem for p in CONFIG_DIR.glob("*.toml") if is_preset(p))
            raise ConfigError(f"no preset named '{source}'; known: {', '.join(known)}")
    return from_dict(read_toml(path), kind, str(path))


def is_preset(path: Path) -> bool:
    """Whether a file in `configs/` is a world preset, by its name."""
    return not path.stem.startswith(("train_", "eval_", "controls", "explorer"))


def read_toml(path: Path) -> dict[str, Any]:
    """Raises ConfigError for a file that cannot be read or is not TOML."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def from_dict(data: dict[str, Any], kind: type[Config], where: str) -> Config:
    """Builds the dataclass `kind` from plain data; every key must be known and well typed."""
    assert dataclasses.is_dataclass(kind)
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for key in data:
        if key not in fields:
            close = difflib.get_close_matches(key, fields, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(fields)}"
            raise ConfigError(f"{where}: unknown key '{key}'; {hint}")
    for name, f in fields.items():
        required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if required and name not in data:
            raise ConfigError(f"{where}: key '{name}' is missing")
    values = {key: _value(item, hints[key], f"{where}: {key}") for key, item in data.items()}
    try:
        return kind(**values)  # type: ignore[return-value]
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _value(item: Any, hint: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        if not isinstance(item, dict):
            raise ConfigError(f"{where} must be a table, got {item!r}")
        return from_dict(item, typing.cast(type, hint), where)
    if origin is Literal:
        if item not in args:
            raise ConfigError(f"{where} must be one of {', '.join(map(repr, args))}, got {item!r}")
        return item
    if origin in (typing.Union, types.UnionType):
        inner = [a for a in args if a is not type(None)]
        return _value(item, inner[0], where)
    if origin is tuple:
        if not isinstance(item, list):
            raise ConfigError(f"{where} must be a list, got {item!r}")
        if args[-1] is not Ellipsis and len(item) != len(args):
            raise ConfigError(f"{where} must have {len(args)} entries, got {len(item)}")
        kinds = [args[0]] * len(item) if args[-1] is Ellipsis else list(args)
        return tuple(_value(x, kinds[i], f"{where}[{i}]") for i, x in enumerate(item))
    if hint is float and isinstance(item, int) and not isinstance(item, bool):
        return float(item)
    if type(item) is not hint:
        raise ConfigError(f"{where} must be {hint.__name__}, got {item!r}")
    return item
