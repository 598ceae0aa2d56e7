"""Settings of the explorer: its window, its walker, its drawing, its keys.

Read strictly from `configs/explorer.toml` and `configs/controls.toml`; every default stands here
once. Settings of worlds are the engine's (`mirage_engine.Preset`).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mirage_engine import CONFIG_DIR, ConfigError, load_config

EXPLORER_FILE = CONFIG_DIR / "explorer.toml"
CONTROLS_FILE = CONFIG_DIR / "controls.toml"


@dataclass(frozen=True)
class WindowConfig:
    width: int = 960  # px
    height: int = 600  # px
    fullscreen: bool = False
    vsync: bool = True
    max_fps: int = 60


@dataclass(frozen=True)
class PilotConfig:
    walk_m_s: float = 1.4
    run_m_s: float = 3.0  # with Shift
    slow_m_s: float = 0.5  # with Ctrl
    ease_s: float = 0.12  # time constant of speeding up and slowing down
    turn_deg_s: float = 75.0  # of tours and of the way home
    max_pitch_deg: float = 85.0
    look_ahead_s: float = 1.5  # how far the path ahead is predicted
    eye_height_m: float = 1.5  # above the floor
    body_m: float = 0.25  # radius that walls keep clear
    step_m: float = 0.35  # what is lower than this above the floor is no wall


@dataclass(frozen=True)
class DrawConfig:
    keyframes: int = 3  # generated frames reprojected into one picture
    render_scale: float = 1.0  # of the scene's resolution to the window's
    inset_share: float = 0.32  # of the window's width, for the points inset
    fade_s: float = 0.35  # cross-fade when a segment lands


@dataclass(frozen=True)
class ExplorerConfig:
    window: WindowConfig = field(default_factory=WindowConfig)
    pilot: PilotConfig = field(default_factory=PilotConfig)
    draw: DrawConfig = field(default_factory=DrawConfig)
    worlds_dir: str = "worlds"  # saves and the autosave, from the working folder
    out_dir: str = "out"  # screenshots and recordings

    @property
    def autosave(self) -> Path:
        return Path(self.worlds_dir) / "autosave.mirage"


@dataclass(frozen=True)
class ControlsConfig:
    layout: Literal["wasd", "zqsd"] = "wasd"  # QWERTY or AZERTY caps
    mouse_deg_per_px: float = 0.12
    invert_look: bool = False
    key_look_deg_s: float = 80.0
    stick_look_deg_s: float = 140.0
    stick_dead_zone: float = 0.15
    look_ease_s: float = 0.06  # time constant of key and stick looking
    # action = "key" or ["key", ...]; the actions are those of `explorer.bindings`
    keys: dict = field(default_factory=dict)


def read_explorer_config(path: Path = EXPLORER_FILE) -> ExplorerConfig:
    """Raises ConfigError: a key is unknown or mistyped, or a number makes no sense."""
    return _sensible(load_config(path, ExplorerConfig), str(path))


def read_controls_config(path: Path = CONTROLS_FILE) -> ControlsConfig:
    """Raises ConfigError: as `read_explorer_config`; the keys are checked by `Bindings`."""
    return _sensible(load_config(path, ControlsConfig), str(path))


LIMITS = {  # lowest and highest that make sense; any other number must be above 0
    "width": (160, 16384),
    "height": (100, 16384),
    "max_fps": (1, 1000),
    "max_pitch_deg": (1, 89),
    "keyframes": (1, 16),
    "render_scale": (0.1, 2),
    "inset_share": (0.1, 0.9),
    "stick_dead_zone": (0, 0.9),
    "body_m": (0, 2),
    "step_m": (0, 2),
    "ease_s": (0, 10),
    "look_ease_s": (0, 10),
    "fade_s": (0, 10),
}


def _sensible(config: Any, where: str) -> Any:
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        if dataclasses.is_dataclass(value):
            _sensible(value, f"{where}: {f.name}")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            _check(f.name, value, where)
    return config


def _check(name: str, value: float, where: str) -> None:
    if name in LIMITS:
        low, high = LIMITS[name]
        if not low <= value <= high:
            raise ConfigError(f"{where}: {name} must be from {low} to {high}, got {value}")
    elif not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{where}: {name} must be a number above 0, got {value}")
