"""Palettes and surface materials: one calm, designed family of colours and soft textures.

A material is one row of numbers; a single shader (`shade.py`) evaluates every row, so that a
picture needs no branching per texture. Lengths are metres, colours are display RGB in 0..1.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields, replace

import numpy as np

Rgb = tuple[float, float, float]


def rgb(code: str) -> Rgb:
    """`"F1E6D6"` as three numbers in 0..1."""
    return (int(code[0:2], 16) / 255, int(code[2:4], 16) / 255, int(code[4:6], 16) / 255)


def mix(a: Rgb, b: Rgb, share: float) -> Rgb:
    """`a` with `share` of `b` in it."""
    return (
        a[0] + (b[0] - a[0]) * share,
        a[1] + (b[1] - a[1]) * share,
        a[2] + (b[2] - a[2]) * share,
    )


@dataclass(frozen=True)
class Palette:
    """The colours of one scene."""

    wall: Rgb  # most walls
    tint: Rgb  # the coloured wall
    accent: Rgb  # the one strong colour
    wood: Rgb
    dark: Rgb  # metal, deep wood
    fabric: Rgb
    leaf: Rgb
    stone: Rgb
    horizon: Rgb
    zenith: Rgb
    trim: Rgb = (0.965, 0.955, 0.935)


PALETTES = tuple(
    Palette(*(rgb(code) for code in row.split()))
    for row in (
        # wall   tint   accent wood   dark   fabric leaf   stone  horizon zenith
        "F0E5D5 DFC9AE C4653F C9A27A 5E5048 94A58F 7E9A6C D3C9B8 EEF0E4 92BBD2",  # sand
        "ECECDF B7C7AB D88B57 D3B48A 57584C 7A9583 86A072 CFCDBE EAF2EC 9CC4CF",  # sage
        "E8EDEF A9C0CE DBA23F D9BE99 4B5761 678AA1 86A583 C9CED0 EDF3F4 86B1D0",  # fjord
        "F4E5DD E3B7A5 3F7774 BC8E68 5F4A46 CC9288 869E7A DACBC0 F6E9DF A7C3D3",  # rose
        "E5E0EA B4ABC9 DF9A62 B99A7E 4E4960 8885AD 87A08A CCC7CF F6DDC8 A3ABD3",  # dusk
        "F4EEDB E6D193 38698A D7B37D 5A5140 AAA574 8FA468 D6CFB8 F3F1E0 93C0DB",  # citron
        "EEDFD1 C98D6B 5D8770 AB7F5B 55433A D9B99C 7F9869 CDBCA9 F4E7D6 9DBFCB",  # clay
        "E7F0EA A3CABB DF7466 DDC39E 4C5C5A 86B3A8 7FA67C CDD3CB ECF5EF 8FC3D2",  # mint
    )
)


@dataclass(frozen=True)
class Material:
    """One surface. Textures repeat along u (horizontal) and v (height, or z on floors)."""

    base: Rgb
    second: Rgb = (0.0, 0.0, 0.0)
    swap: float = 0.0  # 1 exchanges u and v
    cell_u: float = 1.0  # planks, tiles, bricks: size of one
    cell_v: float = 1.0
    shift: float = 0.0  # of each row against the one before, in cells
    joint: float = 0.0  # width of the joints
    joint_dark: float = 0.0  # how much darker than the cell, 0..1
    vary: float = 0.0  # tone differs from cell to cell by up to this share
    checker: float = 0.0  # share of `second` in every other cell
    stripe: float = 1.0  # period of stripes
    stripe_duty: float = 0.5
    stripe_mix: float = 0.0  # share of `second` in the stripes
    cloud: float = 0.0  # amplitude of soft clouds of tone
    cloud_rate: float = 2.0  # radians per metre
    band: float = 0.0  # `second` below this height (walls)
    skirt: float = 0.0  # height of the skirting board (walls)
    shell: float = 0.0  # 1 for walls, floors, ceilings: they receive occlusion and light
    emit: float = 0.0  # share of light of its own


COLUMNS = (
    *("base_r", "base_g", "base_b", "second_r", "second_g", "second_b"),
    *(f.name for f in fields(Material) if f.name not in ("base", "second")),
)


class MaterialTable:
    """Collects materials; equal ones share one row."""

    def __init__(self) -> None:
        self._rows: dict[Material, int] = {}

    def add(self, material: Material) -> int:
        """Row of `material`."""
        return self._rows.setdefault(material, len(self._rows))

    def array(self) -> np.ndarray:
        """[M, len(COLUMNS)] float32."""
        rows = [(*m.base, *m.second, *astuple(m)[2:]) for m in self._rows]
        return np.asarray(rows, np.float32)


def plain(color: Rgb, emit: float = 0.0) -> Material:
    """Smooth paint, wood or metal of furniture."""
    return Material(color, emit=emit)


def floor_material(kind: str, palette: Palette, rng: np.random.Generator) -> Material:
    """`kind`: planks, tiles, checker, carpet, terracotta, paving, grass."""
    swap = float(rng.integers(2))
    if kind == "planks":
        tone = mix(palette.wood, palette.dark, rng.choice([0.0, 0.12]))
        return Material(tone, swap=swap, cell_u=1.5, cell_v=0.2, shift=0.37, joint=0.012,
                        joint_dark=0.15, vary=0.045, shell=1)  # fmt: skip
    if kind == "tiles":
        tone = mix(palette.stone, palette.wall, 0.5)
        return Material(tone, cell_u=0.5, cell_v=0.5, joint=0.02, joint_dark=0.14, vary=0.02,
                        shell=1)  # fmt: skip
    if kind == "checker":
        pale = mix(palette.stone, palette.wall, 0.7)
        return Material(pale, mix(pale, palette.fabric, 0.32), cell_u=0.6, cell_v=0.6,
                        joint=0.012, joint_dark=0.08, checker=1.0, shell=1)  # fmt: skip
    if kind == "carpet":
        tone = mix(palette.fabric, palette.wall, 0.45)
        return Material(tone, cloud=0.02, cloud_rate=4.0, shell=1)
    if kind == "terracotta":
        tone = mix(palette.stone, rgb("C98A68"), 0.55)
        return Material(tone, cell_u=0.3, cell_v=0.3, joint=0.025, joint_dark=-0.14, vary=0.06,
                        shell=1)  # fmt: skip
    if kind == "paving":
        return Material(palette.stone, swap=swap, cell_u=0.9, cell_v=0.6, shift=0.43, joint=0.03,
                        joint_dark=0.16, vary=0.06, shell=1)  # fmt: skip
    tone = mix(palette.leaf, palette.wall, 0.15)
    return Material(tone, cloud=0.035, cloud_rate=3.0, shell=1)


def wall_material(kind: str, palette: Palette, tinted: bool, rng: np.random.Generator) -> Material:
    """`kind`: plaster, wallpaper, wainscot, brick."""
    base = palette.tint if tinted else palette.wall
    plaster = Material(base, cloud=0.012, cloud_rate=1.7, skirt=0.1, shell=1)
    if kind == "wallpaper":
        return replace(plaster, second=mix(base, palette.trim, 0.5), cloud=0.0,
                       stripe=float(rng.choice([0.3, 0.5])), stripe_mix=0.45)  # fmt: skip
    if kind == "wainscot":
        lower = mix(palette.tint, palette.fabric, 0.3) if not tinted else palette.trim
        return replace(plaster, second=lower, band=float(rng.choice([1.0, 1.2])))
    if kind == "brick":
        return replace(plaster, cell_u=0.45, cell_v=0.15, shift=0.5, joint=0.016, joint_dark=0.07,
                       vary=0.025, cloud=0.0)  # fmt: skip
    return plaster
