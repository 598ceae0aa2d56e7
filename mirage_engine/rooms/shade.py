"""The shader: the colour of surface points, free of view direction and of fine detail.

Everything is a function of the point on the surface, so that a point keeps its colour when the
camera moves; textures are averaged over the pixel's footprint, so that nothing flickers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mirage_engine.rooms.light import FURNITURE, GLOW, INDOOR, SUN, WALLS, LightMap
from mirage_engine.rooms.materials import COLUMNS

_COLUMN = {name: i for i, name in enumerate(COLUMNS)}


@dataclass(frozen=True)
class Surface:
    """N points on surfaces, plan frame."""

    point: tuple[Tensor, Tensor, Tensor]  # x, y, z, each [N] metres
    normal: tuple[Tensor, Tensor, Tensor]
    spread: tuple[Tensor, Tensor, Tensor]  # [N] metres that the pixel spans along each axis
    material: Tensor  # [N] int64
    flat: Tensor  # [N] int64, axis of the face that texture lies in; 1 floors, 0 or 2 walls


@dataclass(frozen=True)
class Paint:
    """What the shader needs of a scene, on one device."""

    materials: Tensor  # [M, len(COLUMNS)]
    light: Tensor  # [1, 5, nz, nx]
    low: tuple[float, float]  # x, z where the light map begins
    extent: tuple[float, float]
    sun: tuple[float, float, float]
    ceiling: float
    sky: Tensor  # [2, 3] horizon and zenith
    center: tuple[float, float]  # x, z: distant ground fades away from here


def make_paint(
    materials: Tensor, light: LightMap, sky: Tensor, device: torch.device | str
) -> Paint:
    """Moves a scene's colours and light to `device`."""
    extent = (light.x[1] - light.x[0], light.z[1] - light.z[0])
    values = torch.from_numpy(light.values)[None].to(device)
    center = (light.x[0] + extent[0] / 2, light.z[0] + extent[1] / 2)
    return Paint(
        materials.to(device), values, (light.x[0], light.z[0]), extent, light.sun,
        light.ceiling, sky.to(device), center,
    )  # fmt: skip


def sky_color(paint: Paint, rays: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """[N, 3] colour of the sky in the given directions."""
    x, y, z = rays
    length = (x * x + y * y + z * z).sqrt()
    rise = (-y / length).clamp(0, 1)
    share = (rise * 1.6).clamp(max=1)
    share = share * (2 - share)
    toward = (x * paint.sun[0] + y * paint.sun[1] + z * paint.sun[2]) / length
    glow = toward.clamp(min=0) ** 8 * 0.10
    color = paint.sky[0] + (paint.sky[1] - paint.sky[0]) * share[:, None]
    return (color + glow[:, None]).clamp(max=1)


def shade(paint: Paint, s: Surface) -> Tensor:
    """[N, 3] colours in 0..1."""
    table = paint.materials.index_select(0, s.material)

    def get(name: str) -> Tensor:
        return table[:, _COLUMN[name]]

    upright = s.flat != 1
    u = torch.where(s.flat == 0, s.point[2], s.point[0])
    v = torch.where(upright, -s.point[1], s.point[2])
    du = torch.where(s.flat == 0, s.spread[2], s.spread[0]).clamp(1e-4, 50.0)
    dv = torch.where(upright, s.spread[1], s.spread[2]).clamp(1e-4, 50.0)
    swap = get("swap") > 0
    u, v = torch.where(swap, v, u), torch.where(swap, u, v)
    du, dv = torch.where(swap, dv, du), torch.where(swap, du, dv)
    second, tone = _pattern(get, u, v, du, dv)
    height, dh = -s.point[1], s.spread[1].clamp(1e-4, 50.0)
    wall = (upright & (get("shell") > 0)).float()
    below = ((get("band") - height) / dh + 0.5).clamp(0, 1) * (get("band") > 0)
    second = torch.maximum(second, below * wall)
    board = ((get("skirt") - height) / dh + 0.5).clamp(0, 1) * (get("skirt") > 0) * wall
    light, tint, add = _light(paint, s, get("shell") > 0, wall, height)
    keep = get("emit")
    light = light + (1 - light) * keep
    haze = _haze(paint, s)
    channels = []
    for k, name in enumerate("rgb"):
        color = torch.lerp(get(f"base_{name}"), get(f"second_{name}"), second) * tone
        color = torch.lerp(color, torch.full_like(color, (0.955, 0.945, 0.925)[k]), board)
        warm = (0.03, 0.0, -0.03)[k]
        shadow = 1 - (1 - light) * (0.88, 1.0, 1.08)[k]  # shadows stay warm, never grey
        color = color * shadow * (1 + warm * tint) + add * (1.0, 0.86, 0.62)[k] * color
        channels.append(torch.lerp(color, paint.sky[0, k].expand_as(color), haze))
    return torch.stack(channels, -1).clamp_(0, 1)


def _pulse(x: Tensor, duty: Tensor, width: Tensor) -> Tensor:
    """Share of [x - width/2, x + width/2] in the pulses [n - duty/2, n + duty/2]."""

    def area(t: Tensor) -> Tensor:
        whole = t.floor()
        return whole * duty + torch.minimum(t - whole, duty)

    x = x + duty / 2
    return (area(x + width / 2) - area(x - width / 2)) / width


def _pattern(
    get: Callable[[str], Tensor], u: Tensor, v: Tensor, du: Tensor, dv: Tensor
) -> tuple[Tensor, Tensor]:
    """Share of the second colour, and a factor of tone, both averaged over the footprint."""
    row_at = v / get("cell_v")
    row = row_at.floor()
    col_at = u / get("cell_u") + row * get("shift")
    wu, wv = du / get("cell_u"), dv / get("cell_v")
    duty_u, duty_v = get("joint") / get("cell_u"), get("joint") / get("cell_v")
    far = ((wv - 0.4) / 0.6).clamp(0, 1)
    line_u = torch.lerp(_pulse(col_at, duty_u, wu), duty_u, far)
    line_v = _pulse(row_at, duty_v, wv)
    line = line_u + line_v - line_u * line_v
    col = col_at.floor()
    inside = _inside(col_at, wu) * _inside(row_at, wv)
    fade = (1.5 - torch.maximum(wu, wv)).clamp(0, 1) * inside
    chance = (row * 0.754877666 + col * 0.569840296) % 1.0
    chance = (chance * (3.7 + chance * 5.3)) % 1.0
    vary = (2 * chance - 1) * get("vary") * fade
    odd = ((row + col) % 2) - 0.5
    check = get("checker") * (0.5 + odd * fade)
    stripes = get("stripe_mix") * _pulse(u / get("stripe"), get("stripe_duty"), du / get("stripe"))
    rate = get("cloud_rate")
    cloud = torch.sin(u * rate + 1.3 * torch.sin(v * rate * 0.7))
    cloud = cloud + torch.sin(v * rate * 1.31 + 1.7 * torch.sin(u * rate * 0.53 + 2.0))
    cloud = cloud * get("cloud") * (1 - torch.maximum(du, dv) * rate / 3).clamp(0, 1)
    return torch.maximum(check, stripes), (1 + vary + cloud) * (1 - get("joint_dark") * line)


def _inside(x: Tensor, width: Tensor) -> Tensor:
    """0 at cell borders, 1 from half a footprint on: hides the step of tone between cells."""
    to_border = 0.5 - (x - x.floor() - 0.5).abs()
    return (2 * to_border / width).clamp(max=1)


def _light(
    paint: Paint, s: Surface, shell: Tensor, wall: Tensor, height: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Factor of light, share of warm tint, and added warm light."""
    off = 0.12
    grid = torch.stack(
        [
            (s.point[0] + off * s.normal[0] - paint.low[0]) / paint.extent[0],
            (s.point[2] + off * s.normal[2] - paint.low[1]) / paint.extent[1],
        ],
        -1,
    )
    baked = functional.grid_sample(
        paint.light, grid[None, None] * 2 - 1, padding_mode="border", align_corners=False
    )[0, :, 0]
    facing = s.normal[0] * paint.sun[0] + s.normal[2] * paint.sun[2]
    up = -s.normal[1]
    light = 0.94 + 0.03 * up + 0.10 * facing
    indoor = baked[INDOOR]
    near_floor = torch.exp(-height.clamp(min=0) / 0.25)
    near_ceiling = torch.exp(-(paint.ceiling - height).clamp(min=0) / 0.28) * indoor
    house = 1 - 0.75 * baked[WALLS]
    house = house * (1 - wall * (0.13 * near_floor + 0.10 * near_ceiling))
    low = torch.exp(-height.clamp(min=0) / 0.35)
    house = house * (1 - 0.42 * baked[FURNITURE] * low)
    loose = 1 - 0.14 * near_floor - 0.12 * (-up).clamp(min=0)
    light = light * torch.where(shell, house, loose)
    floor = (up > 0.7) & (height < 1.0)
    open_air = (1 - indoor) * 0.05 * (1 + facing)
    add = 0.10 * baked[GLOW] + 0.2 * baked[SUN] * floor + open_air
    return light, facing, add


def _haze(paint: Paint, s: Surface) -> Tensor:
    """Share of horizon in far ground; a function of the place, not of the eye."""
    away = (s.point[0] - paint.center[0]) ** 2 + (s.point[2] - paint.center[1]) ** 2
    return ((away.sqrt() - 12) / 50).clamp(0, 1).sqrt() * 0.95
