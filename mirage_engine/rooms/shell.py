"""The house itself: walls split around their openings, frames, floors, ceilings, the garden."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mirage_engine.rooms.materials import (
    Material,
    Palette,
    floor_material,
    mix,
    plain,
    wall_material,
)
from mirage_engine.rooms.parts import BALL, CYLINDER, Solids
from mirage_engine.rooms.plan import WALL, Opening, Plan, Room, Wall

FLOORS = {
    "living": ("planks", "planks", "carpet"),
    "bedroom": ("planks", "carpet"),
    "dining": ("planks", "tiles", "checker"),
    "library": ("planks", "carpet"),
    "gallery": ("tiles", "checker", "paving"),
    "kitchen": ("tiles", "checker", "terracotta"),
    "corridor": ("planks", "tiles", "terracotta"),
    "court": ("grass", "paving", "paving"),
}
PAPERS = ("plaster",) * 5 + ("wallpaper", "wainscot", "wainscot", "brick")


def build_shell(plan: Plan, palette: Palette, rng: np.random.Generator, solids: Solids) -> None:
    """Adds everything that is fixed."""
    outside = Material(mix(palette.wall, palette.stone, 0.5), cell_u=0.6, cell_v=0.2, shift=0.5,
                       joint=0.02, joint_dark=0.05, vary=0.02, shell=1)  # fmt: skip
    papers: dict[tuple[int, int] | None, Material] = {None: outside}
    for room in plan.rooms:
        kind = str(rng.choice(FLOORS[room.kind]))
        solids.add(room.x, room.z, (-0.1, 0.0), floor_material(kind, palette, rng), loose=False)
        if room.outdoor:
            papers[room.cell] = outside
            continue
        paper = str(rng.choice(PAPERS))
        papers[room.cell] = wall_material(paper, palette, bool(rng.random() < 0.4), rng)
        ceiling = Material(mix(palette.trim, palette.wall, 0.3), shell=1)
        solids.add(room.x, room.z, (plan.ceiling, plan.ceiling + 0.2), ceiling, loose=False)
    trim = plain(palette.trim if rng.random() < 0.7 else mix(palette.wood, palette.trim, 0.2))
    for wall in plan.walls:
        _add_wall(wall, papers, trim, solids, palette)
    _add_garden(plan, palette, rng, solids)


def _add_wall(
    wall: Wall,
    papers: dict,
    trim: Material,
    solids: Solids,
    palette: Palette,
) -> None:
    faces = _faces(wall, papers, trim)
    start, stop = wall.along
    if wall.axis == 0:
        start, stop = start - WALL / 2, stop + WALL / 2
    else:
        start, stop = start + WALL / 2, stop - WALL / 2
    edge = start
    for hole in sorted(wall.openings, key=lambda o: o.along[0]):
        _piece(wall, (edge, hole.along[0]), (0.0, wall.height), faces, solids)
        _piece(wall, hole.along, (0.0, hole.height[0]), faces, solids)
        _piece(wall, hole.along, (hole.height[1], wall.height), faces, solids)
        _frame(wall, hole, trim, solids)
        edge = hole.along[1]
    _piece(wall, (edge, stop), (0.0, wall.height), faces, solids)
    if wall.height < 2.0:
        cap = plain(mix(palette.stone, palette.trim, 0.4))
        x, z = _span(wall, (start, stop), WALL + 0.06)
        if not wall.openings:
            solids.add(x, z, (wall.height, wall.height + 0.06), cap, loose=False)


def _faces(wall: Wall, papers: dict, trim: Material) -> list[Material]:
    def paper(room: Room | None) -> Material:
        return papers[room.cell if room else None]

    low, high = paper(wall.sides[0]), paper(wall.sides[1])
    bare = replace(papers[None], skirt=0.0)
    if wall.axis == 0:
        return [low, high, bare, trim, low, low]
    return [low, low, bare, trim, low, high]


def _span(wall: Wall, along: tuple[float, float], thick: float) -> tuple:
    across = (wall.at - thick / 2, wall.at + thick / 2)
    return (across, along) if wall.axis == 0 else (along, across)


def _piece(
    wall: Wall,
    along: tuple[float, float],
    height: tuple[float, float],
    faces: list[Material],
    solids: Solids,
) -> None:
    if along[1] - along[0] > 1e-3 and height[1] - height[0] > 1e-3:
        x, z = _span(wall, along, WALL)
        solids.add(x, z, height, faces, loose=False)


def _frame(wall: Wall, hole: Opening, trim: Material, solids: Solids) -> None:
    """Boards around an opening; a post and a sill in windows."""
    board, thick = 0.07, WALL + 0.05
    (a0, a1), (h0, h1) = hole.along, hole.height
    if wall.height <= h1:
        return
    for along in ((a0 - board, a0), (a1, a1 + board)):
        x, z = _span(wall, along, thick)
        solids.add(x, z, (h0, h1), trim, loose=False)
    x, z = _span(wall, (a0 - board, a1 + board), thick)
    solids.add(x, z, (h1, h1 + board), trim, loose=False)
    if not hole.window:
        return
    x, z = _span(wall, (a0 - board, a1 + board), WALL + 0.16)
    solids.add(x, z, (h0 - 0.05, h0), trim, loose=False)
    if a1 - a0 > 1.3:  # one post, and no thin bars: they would be finer than a latent cell
        middle = (a0 + a1) / 2
        x, z = _span(wall, (middle - 0.035, middle + 0.035), 0.07)
        solids.add(x, z, (h0, h1), trim, loose=False)


def _add_garden(plan: Plan, palette: Palette, rng: np.random.Generator, solids: Solids) -> None:
    far = 70.0
    lawn = Material(mix(palette.leaf, palette.horizon, 0.25), cloud=0.03, cloud_rate=1.5, shell=1)
    x, z = (plan.x[0] - far, plan.x[1] + far), (plan.z[0] - far, plan.z[1] + far)
    solids.add(x, z, (-0.3, -0.03), lawn, loose=False)
    middle = np.array([sum(plan.x) / 2, sum(plan.z) / 2])
    for angle in np.arange(0, 2 * np.pi, 0.9) + rng.uniform(0, 1):
        reach = rng.uniform(14, 24)
        spot = middle + reach * np.array([np.cos(angle), np.sin(angle)])
        crown = rng.uniform(1.6, 3.0)
        tone = plain(mix(palette.leaf, palette.horizon, rng.uniform(0.15, 0.4)))
        where = (float(spot[0]), float(spot[1]))
        solids.round(where, 0.2, (0.0, crown), plain(palette.wood), CYLINDER)
        solids.round(where, crown * 0.8, (crown * 0.6, crown * 2.2), tone, BALL)
