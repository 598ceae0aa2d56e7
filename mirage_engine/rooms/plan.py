"""Floor plans: three to six rooms on an uneven grid, joined by doors, with windows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

WALL = 0.16  # m, thickness
INDOOR = ("living", "bedroom", "dining", "library", "gallery", "kitchen")


@dataclass(frozen=True)
class Room:
    """A rectangle of floor, wall centre to wall centre."""

    cell: tuple[int, int]  # column, row
    kind: str  # one of INDOOR, "corridor" or "court"
    x: tuple[float, float]
    z: tuple[float, float]

    @property
    def outdoor(self) -> bool:
        return self.kind == "court"

    @property
    def center(self) -> tuple[float, float]:
        return (self.x[0] + self.x[1]) / 2, (self.z[0] + self.z[1]) / 2


Sides = tuple[Room | None, Room | None]


@dataclass(frozen=True)
class Opening:
    """A hole in a wall, along it and in height."""

    along: tuple[float, float]
    height: tuple[float, float]
    window: bool


@dataclass
class Wall:
    """Between two cells of the grid; `None` is the garden."""

    axis: int  # 0: the wall stands at x = `at` and runs along z; 2: at z = `at`, along x
    at: float
    along: tuple[float, float]  # between wall centres
    sides: Sides  # towards smaller and larger coordinate
    height: float
    openings: list[Opening] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """A house."""

    rooms: list[Room]
    walls: list[Wall]
    ceiling: float  # m
    x: tuple[float, float]
    z: tuple[float, float]


def make_plan(rng: np.random.Generator) -> Plan:
    """A random house; every room can be reached from every other."""
    columns, rows = _grid_lines(rng), _grid_lines(rng)
    cells = _grow(rng, len(columns) - 1, len(rows) - 1)
    rooms = {c: _room(c, columns, rows) for c in cells}
    kinds = _kinds(rng, rooms)
    rooms = {c: Room(c, kinds[c], r.x, r.z) for c, r in rooms.items()}
    ceiling = float(rng.choice([2.6, 2.8, 3.0]))
    walls = _walls(rooms, columns, rows, ceiling)
    _cut_doors(rng, walls, list(rooms.values()))
    for wall in walls:
        _cut_windows(rng, wall)
    xs = [v for r in rooms.values() for v in r.x]
    zs = [v for r in rooms.values() for v in r.z]
    return Plan(list(rooms.values()), walls, ceiling, (min(xs), max(xs)), (min(zs), max(zs)))


def _grid_lines(rng: np.random.Generator) -> list[float]:
    sizes = list(rng.uniform(3.8, 5.8, rng.integers(2, 4)))
    if len(sizes) == 3 and rng.random() < 0.5:
        sizes[1] = rng.uniform(1.7, 2.2)  # a corridor between two rooms
    return [0.0, *np.round(np.cumsum(sizes), 2).tolist()]


def _grow(rng: np.random.Generator, columns: int, rows: int) -> list[tuple[int, int]]:
    everything = [(i, j) for i in range(columns) for j in range(rows)]
    cells = [everything[rng.integers(len(everything))]]
    goal = min(int(rng.integers(3, 7)), len(everything))
    while len(cells) < goal:
        edge = [c for c in everything if c not in cells and any(_touch(c, d) for d in cells)]
        cells.append(edge[rng.integers(len(edge))])
    return cells


def _touch(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1


def _room(cell: tuple[int, int], columns: list[float], rows: list[float]) -> Room:
    i, j = cell
    return Room(cell, "", (columns[i], columns[i + 1]), (rows[j], rows[j + 1]))


def _kinds(rng: np.random.Generator, rooms: dict) -> dict[tuple[int, int], str]:
    order = [str(k) for k in rng.permutation(INDOOR)]
    kinds: dict[tuple[int, int], str] = {}
    courts = 0
    for cell, room in rooms.items():
        narrow = min(room.x[1] - room.x[0], room.z[1] - room.z[0]) < 2.4
        if not narrow and courts < 1 and len(rooms) > 3 and rng.random() < 0.3:
            kinds[cell] = "court"
            courts += 1
        else:
            kinds[cell] = "corridor" if narrow else order.pop()
    return kinds


def _walls(rooms: dict, columns: list[float], rows: list[float], ceiling: float) -> list[Wall]:
    walls: list[tuple[int, float, tuple[float, float], Sides]] = []
    for i in range(len(columns)):
        for j in range(len(rows) - 1):
            sides = (rooms.get((i - 1, j)), rooms.get((i, j)))
            walls.append((0, columns[i], (rows[j], rows[j + 1]), sides))
    for j in range(len(rows)):
        for i in range(len(columns) - 1):
            sides = (rooms.get((i, j - 1)), rooms.get((i, j)))
            walls.append((2, rows[j], (columns[i], columns[i + 1]), sides))
    return [Wall(*w, height=_height(w[3], ceiling)) for w in walls if any(w[3])]


def _height(sides: Sides, ceiling: float) -> float:
    """Garden walls around a court are low, so that sky and trees look in."""
    indoor = [s for s in sides if s is not None and not s.outdoor]
    return ceiling if indoor else 1.3


def _cut_doors(rng: np.random.Generator, walls: list[Wall], rooms: list[Room]) -> None:
    reached = {rooms[0].cell}
    inner = [w for w in walls if all(w.sides)]
    while len(reached) < len(rooms):
        ready = [w for w in inner if sum(s.cell in reached for s in w.sides if s) == 1]
        wall = ready[rng.integers(len(ready))]
        wall.openings.append(_door(rng, wall))
        reached |= {s.cell for s in wall.sides if s}
    for wall in inner:
        if not wall.openings and rng.random() < 0.4:
            wall.openings.append(_door(rng, wall))


def _door(rng: np.random.Generator, wall: Wall) -> Opening:
    length = wall.along[1] - wall.along[0]
    width = float(rng.uniform(1.5, 2.2) if rng.random() < 0.4 else rng.uniform(1.0, 1.15))
    width = min(width, length - 0.6)
    low = wall.along[0] + WALL + 0.12
    start = float(rng.uniform(low, max(low, wall.along[1] - WALL - 0.12 - width)))
    return Opening((start, start + width), (0.0, min(2.15, wall.height)), False)


def _cut_windows(rng: np.random.Generator, wall: Wall) -> None:
    indoor = [s for s in wall.sides if s is not None and not s.outdoor]
    if len(indoor) != 1 or wall.openings:
        return
    length = wall.along[1] - wall.along[0]
    count = 1 if length < 3 else int(rng.choice([0, 0, 1, 1, 2]))
    width = float(rng.choice([1.1, 1.4, 1.8]))
    width = min(width, (length - 0.8) / max(count, 1) - 0.3)
    sill = float(rng.choice([0.12, 0.5, 0.85]))
    for k in range(count):
        middle = wall.along[0] + length * (k + 0.5) / count
        along = (middle - width / 2, middle + width / 2)
        wall.openings.append(Opening(along, (sill, 2.25), True))
