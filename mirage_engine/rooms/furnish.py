"""Fills rooms with furniture, clear of doors and of each other."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mirage_engine.rooms.furniture import SMALL, WIDE, Maker, Spot, column, picture
from mirage_engine.rooms.materials import Material, Palette, mix, plain
from mirage_engine.rooms.parts import BALL, Solids
from mirage_engine.rooms.plan import WALL, Plan, Room, Wall

WISHES = {
    "living": ("sofa", "shelf", "lamp", "plant", "sideboard", "plant"),
    "bedroom": ("bed", "sideboard", "lamp", "plant", "shelf"),
    "dining": ("dining", "sideboard", "plant", "lamp"),
    "library": ("shelf", "shelf", "desk", "shelf", "lamp", "plant"),
    "gallery": ("plinth", "bench", "plinth", "plant", "plinth"),
    "kitchen": ("counter", "dining", "plant", "shelf"),
    "corridor": ("plant",),
    "court": ("bench", "plant", "plant", "plant", "plinth"),
}

Rect = tuple[float, float, float, float]  # x0, x1, z0, z1


@dataclass
class _Floor:
    """What of a room's floor is taken."""

    room: Room
    taken: list[Rect] = field(default_factory=list)
    windows: list[Rect] = field(default_factory=list)

    def free(self, rect: Rect, tall: bool = False) -> bool:
        x, z, half = self.room.x, self.room.z, WALL / 2
        inside = rect[0] >= x[0] + half and rect[1] <= x[1] - half
        inside = inside and rect[2] >= z[0] + half and rect[3] <= z[1] - half
        return inside and not any(_overlap(rect, t) for t in self.taken + self.windows * tall)


def _overlap(a: Rect, b: Rect) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]


def furnish(plan: Plan, palette: Palette, rng: np.random.Generator, solids: Solids) -> list[Spot]:
    """Adds furniture to every room; returns where floor and ceiling lamps stand."""
    maker = Maker(solids, palette, rng)
    lamps: list[Spot] = []
    for room in plan.rooms:
        floor = _Floor(room)
        for wall in plan.walls:
            _keep_clear(floor, wall)
        wishes = WISHES[room.kind]
        for wish in wishes[: int(rng.integers(max(1, len(wishes) - 2), len(wishes) + 1))]:
            spot = _try_place(maker, floor, wish)
            if spot is not None and wish == "lamp":
                lamps.append(spot)
        if not room.outdoor:
            _rug(maker, floor)
            _pictures(maker, floor)
            lamps += _pendant(maker, room, plan.ceiling)
        if room.kind == "gallery" and not room.outdoor:
            _columns(maker, floor, plan.ceiling)
    return lamps


def _keep_clear(floor: _Floor, wall: Wall) -> None:
    if floor.room not in wall.sides:
        return
    for hole in wall.openings:
        reach = 0.3 if hole.window else 1.1
        across = (wall.at - reach, wall.at + reach)
        along = (hole.along[0] - 0.15, hole.along[1] + 0.15)
        rect = (*across, *along) if wall.axis == 0 else (*along, *across)
        (floor.windows if hole.window else floor.taken).append(rect)


def _try_place(maker: Maker, floor: _Floor, wish: str) -> Spot | None:
    rng = maker.rng
    build, span, depth = WIDE[wish] if wish in WIDE else (SMALL[wish], (0.5, 0.5), 0.5)
    for _ in range(14):
        width = float(rng.uniform(*span))
        side = int(rng.integers(4))
        spot = _wall_spot(floor.room, side, width, rng, corner=wish in ("plant", "lamp"))
        if spot is None:
            continue
        x, z = spot.place((-0.05, width + 0.05), (0, depth))
        if floor.free((*x, *z), tall=wish in ("shelf", "counter", "bed", "sofa")):
            floor.taken.append((*x, *z))
            if wish in WIDE:
                build(maker, spot, width)
            else:
                build(maker, spot)
            return spot
    return None


def _wall_spot(
    room: Room, side: int, width: float, rng: np.random.Generator, corner: bool = False
) -> Spot | None:
    """Against the wall on `side`, at a random place along it."""
    along = room.x if side < 2 else room.z
    low, high = along[0] + WALL / 2 + 0.1, along[1] - WALL / 2 - 0.1 - width
    if high < low:
        return None
    u = float(rng.choice([low, high]) if corner else rng.uniform(low, high))
    across = room.z if side < 2 else room.x
    v = across[0] + WALL / 2 + 0.02 if side in (0, 2) else across[1] - WALL / 2 - 0.02
    return Spot((u, v) if side < 2 else (v, u), side)


def _rug(maker: Maker, floor: _Floor) -> None:
    room, rng, p = floor.room, maker.rng, maker.palette
    if rng.random() < 0.35:
        return
    (cx, cz), scale = room.center, float(rng.uniform(0.42, 0.6))
    hx, hz = (room.x[1] - room.x[0]) * scale / 2, (room.z[1] - room.z[0]) * scale / 2
    tone = (p.tint, mix(p.fabric, p.wall, 0.3), mix(p.accent, p.wall, 0.35))[rng.integers(3)]
    if rng.random() < 0.2:
        radius = min(hx, hz)
        maker.solids.round((cx, cz), radius, (0, 0.005), Material(tone, shell=1))
        return
    pale = mix(tone, p.trim, 0.45)
    inner = Material(pale, tone, stripe=0.4, stripe_mix=float(rng.choice([0.0, 0.5])),
                     swap=float(rng.integers(2)), shell=1)  # fmt: skip
    maker.solids.add((cx - hx, cx + hx), (cz - hz, cz + hz), (0, 0.005), Material(tone, shell=1))
    hx, hz = hx - 0.14, hz - 0.14
    if min(hx, hz) > 0.2:
        maker.solids.add((cx - hx, cx + hx), (cz - hz, cz + hz), (0, 0.009), inner)


def _pictures(maker: Maker, floor: _Floor) -> None:
    rng = maker.rng
    for side in range(4):
        width = float(rng.uniform(0.6, 1.1))
        spot = _wall_spot(floor.room, side, width, rng) if rng.random() < 0.6 else None
        if spot is None:
            continue
        x, z = spot.place((-0.1, width + 0.1), (0, 0.1))
        blocked = [r for r in (*floor.taken, *floor.windows) if _overlap((*x, *z), r)]
        if not blocked:
            picture(maker, spot, width, 1.55)


def _pendant(maker: Maker, room: Room, ceiling: float) -> list[Spot]:
    p, rng = maker.palette, maker.rng
    spot = Spot(room.center, 0)
    glow = plain(mix(p.horizon, p.accent, 0.1), 0.8)
    if room.kind == "corridor" or rng.random() < 0.4:
        maker.round(spot, 0, 0, 0.2, (ceiling - 0.09, ceiling), glow)
        return [spot]
    drop = float(rng.uniform(0.45, 0.7))
    maker.round(spot, 0, 0, 0.015, (ceiling - drop, ceiling), plain(p.dark))
    if rng.random() < 0.5:
        maker.round(spot, 0, 0, 0.19, (ceiling - drop - 0.34, ceiling - drop), glow, BALL)
    else:
        shade = plain(p.accent if rng.random() < 0.4 else p.trim, 0.35)
        maker.round(spot, 0, 0, 0.26, (ceiling - drop - 0.2, ceiling - drop), shade)
    return [spot]


def _columns(maker: Maker, floor: _Floor, ceiling: float) -> None:
    room = floor.room
    for x in (room.x[0] + 0.8, room.x[1] - 1.3):
        for z in (room.z[0] + 0.8, room.z[1] - 1.3):
            if floor.free((x, x + 0.5, z, z + 0.5)):
                column(maker, Spot((x, z), 0), ceiling)
