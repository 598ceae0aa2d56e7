"""Soft light, baked once per scene into a small floor map: occlusion, lamp glow, sun patches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mirage_engine.rooms.furniture import Spot
from mirage_engine.rooms.parts import Solids
from mirage_engine.rooms.plan import WALL, Plan, Room, Wall

STEP_M = 0.1  # edge of a map cell
MARGIN_M = 2.0
WALLS, FURNITURE, GLOW, INDOOR, SUN = range(5)  # channels


@dataclass(frozen=True)
class LightMap:
    """[5, nz, nx] float32 values over the plan, and where the map lies."""

    values: np.ndarray
    x: tuple[float, float]
    z: tuple[float, float]
    sun: tuple[float, float, float]  # unit vector towards the sun, plan frame
    ceiling: float


class _Canvas:
    def __init__(self, plan: Plan) -> None:
        self.x0, self.z0 = plan.x[0] - MARGIN_M, plan.z[0] - MARGIN_M
        self.nx = int(np.ceil((plan.x[1] + MARGIN_M - self.x0) / STEP_M))
        self.nz = int(np.ceil((plan.z[1] + MARGIN_M - self.z0) / STEP_M))

    def blank(self) -> np.ndarray:
        return np.zeros((self.nz, self.nx), np.float32)

    def cover(self, low: float, high: float, start: float, count: int) -> np.ndarray:
        """[count] share of each cell that the interval covers."""
        edges = start + STEP_M * np.arange(count + 1)
        inside = np.clip(edges, low, high)
        return ((inside[1:] - inside[:-1]) / STEP_M).astype(np.float32)

    def rect(self, x: tuple[float, float], z: tuple[float, float]) -> np.ndarray:
        columns = self.cover(*x, self.x0, self.nx)
        return self.cover(*z, self.z0, self.nz)[:, None] * columns[None]


def bake_light(plan: Plan, solids: Solids, lamps: list[Spot], rng: np.random.Generator) -> LightMap:
    """The light of a furnished plan."""
    canvas = _Canvas(plan)
    azimuth, rise = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(32, 48))
    flat = np.cos(rise)
    sun = (flat * np.cos(azimuth), -np.sin(rise), flat * np.sin(azimuth))
    walls, furniture = canvas.blank(), canvas.blank()
    for bounds, loose in zip(solids.bounds, solids.loose, strict=True):
        x, z = (bounds[0], bounds[3]), (bounds[2], bounds[5])
        low, high = -bounds[4], -bounds[1]
        if x[1] - x[0] > 30 or high < 0.05 or low > 1.0:
            continue
        if not loose:
            if high - low > 0.3:
                np.maximum(walls, canvas.rect(x, z) * min(1.0, (high - low) / 1.5), out=walls)
        else:
            depth = 1.0 if low < 0.2 else 0.75
            np.maximum(furniture, canvas.rect(x, z) * depth, out=furniture)
    indoor = canvas.blank()
    for room in plan.rooms:
        if not room.outdoor:
            indoor = np.maximum(indoor, canvas.rect(room.x, room.z))
    glow, patches = _glow(canvas, plan, lamps), _sun_patches(canvas, plan, sun)
    patches *= 1 - _blur(furniture, 1.0)
    values = np.stack(
        [
            _blur(walls, 3.5),
            _blur(furniture, 1.6),
            _blur(glow * (1 - 0.9 * _blur(walls, 1.0)), 2.5),
            indoor,
            _blur(patches, 1.3) * indoor,
        ]
    )
    x = (canvas.x0, canvas.x0 + canvas.nx * STEP_M)
    z = (canvas.z0, canvas.z0 + canvas.nz * STEP_M)
    return LightMap(values, x, z, sun, plan.ceiling)


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian, sigma in cells."""
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    for axis in (0, 1):
        padded = np.pad(image, [(reach, reach) if a == axis else (0, 0) for a in (0, 1)])
        count = image.shape[axis]
        parts = [
            weight * (padded[k : k + count] if axis == 0 else padded[:, k : k + count])
            for k, weight in enumerate(kernel)
        ]
        image = np.add.reduce(parts)
    return image


def _glow(canvas: _Canvas, plan: Plan, lamps: list[Spot]) -> np.ndarray:
    """Pools of light around lamps, each within its own room."""
    z, x = np.mgrid[0 : canvas.nz, 0 : canvas.nx].astype(np.float32) * STEP_M
    x, z = x + canvas.x0 + STEP_M / 2, z + canvas.z0 + STEP_M / 2
    glow = canvas.blank()
    for spot in lamps:
        at = spot.origin
        for room in plan.rooms:
            if room.x[0] < at[0] < room.x[1] and room.z[0] < at[1] < room.z[1]:
                squared = (x - at[0]) ** 2 + (z - at[1]) ** 2
                glow += canvas.rect(room.x, room.z) * np.exp(-squared / (2 * 1.1**2))
    return np.minimum(glow, 1.2)


def _sun_patches(canvas: _Canvas, plan: Plan, sun: tuple[float, float, float]) -> np.ndarray:
    """Where the sun falls through windows and courtyard doors onto the floor."""
    patches = canvas.blank()
    for wall in plan.walls:
        room = _sunlit_room(wall, sun)
        if room is None:
            continue
        inside = canvas.rect(room.x, room.z)
        for hole in wall.openings:
            patches += _patch(canvas, wall, hole.along, hole.height, sun) * inside
    return np.minimum(patches, 1.0)


def _sunlit_room(wall: Wall, sun: tuple[float, float, float]) -> Room | None:
    """The indoor room behind the wall, if the sun stands on the wall's open side."""
    low, high = wall.sides
    inside, outside = (high, low) if sun[wall.axis] < 0 else (low, high)
    open_air = outside is None or outside.outdoor
    return inside if inside is not None and not inside.outdoor and open_air else None


def _patch(
    canvas: _Canvas,
    wall: Wall,
    along: tuple[float, float],
    height: tuple[float, float],
    sun: tuple[float, float, float],
) -> np.ndarray:
    """The sheared rectangle of light, by tracing each floor cell back to the opening."""
    z, x = np.mgrid[0 : canvas.nz, 0 : canvas.nx].astype(np.float32) * STEP_M
    x, z = x + canvas.x0 + STEP_M / 2, z + canvas.z0 + STEP_M / 2
    across, run = (x, z) if wall.axis == 0 else (z, x)
    side = np.sign(sun[wall.axis]) * WALL / 2
    travel = (wall.at - side - across) / sun[wall.axis]
    h = travel * -sun[1]
    a = run + travel * sun[2 - wall.axis]
    soft = STEP_M

    def within(value: np.ndarray, span: tuple[float, float]) -> np.ndarray:
        low = np.clip((value - span[0]) / soft + 0.5, 0, 1)
        return low * np.clip((span[1] - value) / soft + 0.5, 0, 1)

    return (travel > 0) * within(h, height) * within(a, along)
