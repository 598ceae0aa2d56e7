"""Pieces of furniture, each in its own frame: u along the wall, v away from it, heights up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mirage_engine.rooms.materials import Material, Palette, mix, plain
from mirage_engine.rooms.parts import BALL, CYLINDER, Solids

Span = tuple[float, float]


@dataclass(frozen=True)
class Spot:
    """Where a piece stands: its frame within the plan."""

    origin: tuple[float, float]  # x, z of u = v = 0
    side: int  # 0: v is +z, 1: v is -z, 2: v is +x, 3: v is -x

    def place(self, u: Span, v: Span) -> tuple[Span, Span]:
        """x and z ranges of a rectangle given along u and v."""
        x, z = self.origin
        sign = 1 if self.side in (0, 2) else -1
        away = sorted((sign * v[0], sign * v[1]))
        if self.side < 2:
            return (x + u[0], x + u[1]), (z + away[0], z + away[1])
        return (x + away[0], x + away[1]), (z + u[0], z + u[1])


@dataclass
class Maker:
    """Draws pieces into `solids` with the colours of a scene."""

    solids: Solids
    palette: Palette
    rng: np.random.Generator

    def box(self, spot: Spot, u: Span, v: Span, height: Span, material: Material) -> None:
        x, z = spot.place(u, v)
        self.solids.add(x, z, height, material)

    def round(
        self, spot: Spot, u: float, v: float, radius: float, height: Span, material: Material,
        shape: int = CYLINDER,
    ) -> None:  # fmt: skip
        x, z = spot.place((u - radius, u + radius), (v - radius, v + radius))
        self.solids.add(x, z, height, material, shape)

    def cloth(self) -> Material:
        """A fabric colour; now and then the accent."""
        p = self.palette
        tones = (p.fabric, mix(p.fabric, p.wall, 0.5), p.tint, p.accent)
        return plain(tones[self.rng.choice(4, p=[0.4, 0.25, 0.15, 0.2])])

    def timber(self) -> Material:
        p = self.palette
        return plain(mix(p.wood, p.dark if self.rng.random() < 0.3 else p.trim, 0.15))


def sofa(m: Maker, s: Spot, width: float) -> None:
    cloth, pillow = m.cloth(), plain(m.palette.accent)
    m.box(s, (0, width), (0, 0.85), (0.12, 0.42), cloth)
    m.box(s, (0, width), (0, 0.22), (0.42, 0.8), cloth)
    for u in ((0.0, 0.18), (width - 0.18, width)):
        m.box(s, u, (0, 0.85), (0.42, 0.6), cloth)
        m.box(s, (u[0] + 0.04, u[1] - 0.06), (0.1, 0.75), (0, 0.12), m.timber())
    m.box(s, (0.24, 0.62), (0.22, 0.36), (0.42, 0.72), pillow)


def bed(m: Maker, s: Spot, width: float) -> None:
    timber, cloth = m.timber(), m.cloth()
    m.box(s, (-0.08, width + 0.08), (0, 0.08), (0, 1.0), timber)
    m.box(s, (0, width), (0.08, 2.0), (0.1, 0.3), timber)
    m.box(s, (0.03, width - 0.03), (0.1, 1.97), (0.3, 0.5), plain(m.palette.trim))
    m.box(s, (0.01, width - 0.01), (0.75, 1.99), (0.32, 0.54), cloth)
    for u in (0.1, width / 2 + 0.06):
        m.box(s, (u, u + width / 2 - 0.16), (0.14, 0.52), (0.5, 0.64), plain(m.palette.wall))


def table(m: Maker, s: Spot, width: float, depth: float = 0.9, height: float = 0.74) -> None:
    timber, thick = m.timber(), 0.07
    m.box(s, (0, width), (0, depth), (height - 0.06, height), timber)
    for u in (0.06, width - 0.06 - thick):
        for v in (0.06, depth - 0.06 - thick):
            m.box(s, (u, u + thick), (v, v + thick), (0, height - 0.06), timber)


def chair(m: Maker, s: Spot) -> None:
    timber, seat = m.timber(), m.cloth()
    m.box(s, (0, 0.44), (0, 0.44), (0.4, 0.46), seat)
    m.box(s, (0, 0.44), (0, 0.06), (0.46, 0.86), timber)
    for u in (0.02, 0.36):
        m.box(s, (u, u + 0.06), (0.03, 0.41), (0, 0.4), timber)


def dining(m: Maker, s: Spot, width: float) -> None:
    x, z = s.place((0, width), (0.5, 1.4))
    flat = Spot((x[0], z[0]), 0) if s.side < 2 else Spot((x[0], z[0]), 2)
    table(m, flat, width)
    vase(m, flat, width / 2, 0.45, 0.74)
    for u in np.linspace(0.35, width - 0.8, 2 if width < 1.9 else 3):
        chair(m, Spot(_shift(flat, float(u), -0.35), flat.side))
        chair(m, Spot(_shift(flat, float(u), 1.25), flat.side + 1))


def _shift(s: Spot, u: float, v: float) -> tuple[float, float]:
    x, z = s.place((u, u), (v, v))
    return x[0], z[0]


def shelf(m: Maker, s: Spot, width: float) -> None:
    timber = m.timber()
    height = float(m.rng.choice([1.1, 1.5, 1.9]))
    for u in (0.0, width - 0.05):
        m.box(s, (u, u + 0.05), (0, 0.34), (0, height), timber)
    m.box(s, (0.05, width - 0.05), (0, 0.03), (0, height), timber)
    p = m.palette
    tones = [plain(t) for t in (p.accent, p.tint, p.fabric, p.wall, p.leaf)]
    for k, h in enumerate(np.arange(0.05, height, 0.36)):
        m.box(s, (0.05, width - 0.05), (0.03, 0.34), (float(h) - 0.04, float(h)), timber)
        if h + 0.3 > height:
            continue
        run = m.rng.uniform(0.3, 0.8) * (width - 0.2)
        start = 0.08 if k % 2 else width - 0.08 - run
        cuts = start + run * np.array([0, m.rng.uniform(0.3, 0.7), 1])
        for a, b in pairwise(cuts.tolist()):
            top = float(h) + float(m.rng.uniform(0.18, 0.26))
            m.box(s, (a, b), (0.05, 0.28), (float(h), top), tones[m.rng.integers(5)])


def sideboard(m: Maker, s: Spot, width: float) -> None:
    timber = m.timber()
    m.box(s, (0, width), (0, 0.45), (0.14, 0.72), timber)
    m.box(s, (-0.02, width + 0.02), (0, 0.47), (0.72, 0.76), plain(m.palette.dark))
    for k in range(2):
        a = 0.05 + k * width / 2
        m.box(s, (a, a + width / 2 - 0.1), (0.45, 0.465), (0.2, 0.66), plain(m.palette.tint))
    for u in (0.1, width - 0.16):
        m.box(s, (u, u + 0.06), (0.05, 0.4), (0, 0.14), plain(m.palette.dark))
    vase(m, s, width * 0.25, 0.22, 0.76)


def counter(m: Maker, s: Spot, width: float) -> None:
    p = m.palette
    m.box(s, (0, width), (0, 0.6), (0.1, 0.86), plain(mix(p.tint, p.fabric, 0.3)))
    m.box(s, (0, width), (0, 0.54), (0, 0.1), plain(p.dark))
    m.box(s, (-0.02, width + 0.02), (0, 0.64), (0.86, 0.91), plain(p.stone))
    m.box(s, (0.1, width - 0.1), (0, 0.3), (1.5, 2.0), plain(mix(p.wood, p.trim, 0.2)))
    m.round(s, width * 0.3, 0.3, 0.11, (0.91, 1.07), plain(p.accent))
    m.round(s, width * 0.7, 0.3, 0.09, (0.91, 1.15), plain(p.dark))


def desk(m: Maker, s: Spot, width: float) -> None:
    table(m, s, width, 0.65)
    m.box(s, (0.1, width * 0.4), (0.1, 0.35), (0.74, 0.82), plain(m.palette.tint))
    chair(m, Spot(_shift(s, width / 2 - 0.22, 1.2), s.side ^ 1))


def plant(m: Maker, s: Spot, size: float = 1.0) -> None:
    p = m.palette
    pot = plain(p.accent if m.rng.random() < 0.5 else p.stone)
    leaf = plain(p.leaf)
    pale = plain(mix(p.leaf, p.wall, 0.2))
    m.round(s, 0.25, 0.25, 0.17 * size, (0, 0.36 * size), pot)
    m.round(s, 0.25, 0.25, 0.04, (0.36 * size, 0.8 * size), plain(p.wood))
    m.round(s, 0.25, 0.25, 0.24 * size, (0.62 * size, 1.25 * size), leaf, BALL)
    m.round(s, 0.34, 0.2, 0.15 * size, (0.5 * size, 0.85 * size), pale, BALL)


def vase(m: Maker, s: Spot, u: float, v: float, height: float) -> None:
    p = m.palette
    m.round(s, u, v, 0.08, (height, height + 0.2), plain(p.accent))
    m.round(s, u, v, 0.12, (height + 0.18, height + 0.42), plain(p.leaf), BALL)


def lamp(m: Maker, s: Spot) -> None:
    p = m.palette
    m.round(s, 0.22, 0.22, 0.16, (0, 0.04), plain(p.dark))
    m.round(s, 0.22, 0.22, 0.025, (0.04, 1.4), plain(p.dark))
    m.round(s, 0.22, 0.22, 0.2, (1.35, 1.65), plain(mix(p.horizon, p.accent, 0.12), 0.8))


def bench(m: Maker, s: Spot, width: float) -> None:
    m.box(s, (0, width), (0.05, 0.45), (0.38, 0.45), m.timber())
    for u in (0.1, width - 0.2):
        m.box(s, (u, u + 0.1), (0.1, 0.4), (0, 0.38), plain(m.palette.stone))


def plinth(m: Maker, s: Spot) -> None:
    p = m.palette
    m.box(s, (0.05, 0.45), (0.05, 0.45), (0, 0.95), plain(p.trim))
    tone = plain(p.accent if m.rng.random() < 0.6 else p.dark)
    m.round(s, 0.25, 0.25, 0.15, (0.95, 1.25), tone, BALL if m.rng.random() < 0.6 else CYLINDER)


def column(m: Maker, s: Spot, ceiling: float) -> None:
    p = m.palette
    m.box(s, (0.05, 0.45), (0.05, 0.45), (0, 0.12), plain(p.stone))
    m.round(s, 0.25, 0.25, 0.16, (0.12, ceiling - 0.1), plain(p.trim))
    m.box(s, (0.05, 0.45), (0.05, 0.45), (ceiling - 0.1, ceiling), plain(p.stone))


def picture(m: Maker, s: Spot, width: float, middle: float) -> None:
    """Hangs on the wall: a frame and two calm fields of colour."""
    p = m.palette
    height = width * float(m.rng.choice([0.7, 1.0, 1.3]))
    low, high = middle - height / 2, middle + height / 2
    m.box(s, (0, width), (0, 0.03), (low, high), plain(p.dark if m.rng.random() < 0.5 else p.wood))
    sky, land = mix(p.horizon, p.tint, m.rng.uniform(0, 0.6)), (p.accent, p.leaf, p.fabric)
    tone = plain(land[m.rng.integers(3)])
    split = low + height * float(m.rng.uniform(0.3, 0.55))
    edge = 0.05
    m.box(s, (edge, width - edge), (0.03, 0.04), (split, high - edge), plain(sky))
    m.box(s, (edge, width - edge), (0.03, 0.04), (low + edge, split), tone)


WIDE: dict[str, tuple[Callable, Span, float]] = {  # piece, its width, its depth
    "sofa": (sofa, (1.6, 2.2), 0.9),
    "bed": (bed, (1.4, 1.7), 2.05),
    "shelf": (shelf, (1.0, 1.8), 0.36),
    "sideboard": (sideboard, (1.2, 1.7), 0.5),
    "counter": (counter, (1.8, 2.8), 0.66),
    "desk": (desk, (1.2, 1.5), 1.25),
    "bench": (bench, (1.2, 1.8), 0.5),
    "dining": (dining, (1.6, 2.2), 1.9),
}
SMALL: dict[str, Callable] = {"plant": plant, "lamp": lamp, "plinth": plinth}
