"""Scene: a furnished house from a seed, and exact pictures of it from any camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mirage_engine.camera import Camera
from mirage_engine.rooms import walks
from mirage_engine.rooms.furnish import furnish
from mirage_engine.rooms.light import bake_light
from mirage_engine.rooms.materials import PALETTES, plain
from mirage_engine.rooms.movers import Mover, make_movers
from mirage_engine.rooms.parts import Solids
from mirage_engine.rooms.plan import make_plan
from mirage_engine.rooms.raycast import Geometry, Views, cast
from mirage_engine.rooms.render import paint_samples, smooth_edges
from mirage_engine.rooms.shade import Paint, make_paint
from mirage_engine.rooms.shell import build_shell
from mirage_engine.rooms.start import choose_start

SPLITS = {
    "train": range(0, 900_000),
    "validation": range(900_000, 950_000),
    "test": range(950_000, 1_000_000),
}
EYE_M = 1.5  # of the start camera above the floor


@dataclass(frozen=True)
class RoomView:
    """Exact pictures."""

    frames: Tensor  # [T, H, W, 3] uint8
    depth_m: Tensor  # [T, H, W] float32 z-depth, +inf sky
    sky: Tensor  # [T, H, W] bool
    moving: Tensor  # [T, H, W] bool, the pixel shows a moving object


class Scene:
    """A house. The world frame is the start camera's: eye at the origin, floor at y = +1.5.

    Args:
        seed: the same seed gives the same house, always.
        moving: adds a ball and a cube that move.

    Raises:
        ValueError: a seed outside 0..999_999.
    """

    def __init__(self, seed: int, moving: bool = False) -> None:
        if not 0 <= seed < 1_000_000:
            raise ValueError(f"scene seed must be 0 to 999999, got {seed}")
        self.seed = seed
        for attempt in range(100):
            rng = np.random.default_rng([seed, attempt])
            self._build(rng)
            start = choose_start(self, rng)
            if start is not None:
                break
        else:
            raise RuntimeError(f"seed {seed} gives no house to start in")
        self._start = start
        self._movers: list[Mover] = make_movers(self, start, rng) if moving else []
        if moving:
            self._paint.clear()

    def _build(self, rng: np.random.Generator) -> None:
        self.palette = PALETTES[rng.integers(len(PALETTES))]
        self.plan = make_plan(rng)
        self.solids = Solids()
        build_shell(self.plan, self.palette, rng, self.solids)
        lamps = furnish(self.plan, self.palette, rng, self.solids)
        self._light = bake_light(self.plan, self.solids, lamps, rng)
        self._mover_material = self.solids.materials.add(plain(self.palette.accent))
        self.space = walks.FreeSpace(self.plan, self.solids)
        self._paint: dict[str, tuple[Geometry, Tensor, Paint]] = {}

    @property
    def start(self) -> np.ndarray:
        """[4, 4] pose of the start camera in the world: the identity."""
        return np.eye(4)

    @property
    def plan_from_world(self) -> np.ndarray:
        """[4, 4] from the world to the plan frame (see `parts`)."""
        return self._start.copy()

    def render(
        self,
        cameras: Sequence[Camera],  # T, all of one size
        time_s: Sequence[float] | float = 0.0,  # one for all, or one for each
        device: str | torch.device = "cpu",
    ) -> RoomView:
        """Pictures from `cameras`, on `device`.

        Raises:
            ValueError: no cameras, differing sizes, or a wrong number of times.
        """
        cameras, times = _checked(cameras, time_s)
        step = 2 if torch.device(device).type == "cpu" else 64
        parts = [
            self._render(cameras[k : k + step], times[k : k + step], device)
            for k in range(0, len(cameras), step)
        ]
        return RoomView(*(torch.cat(p) for p in zip(*parts, strict=True)))

    def _render(
        self, cameras: Sequence[Camera], times: Sequence[float], device: str | torch.device
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        geometry, faces, paint = self._scene_at(times, device)
        views = self._views(cameras, device)
        _, solid = cast(geometry, views)
        count, height, width = solid.shape
        y, x = torch.meshgrid(
            torch.arange(height, device=device) + 0.5,
            torch.arange(width, device=device) + 0.5,
            indexing="ij",
        )
        frame = torch.arange(count, device=device).repeat_interleave(height * width)
        rays = views.rays(x.reshape(-1).repeat(count), y.reshape(-1).repeat(count), frame)
        color, depth, face = paint_samples(
            geometry, faces, paint, views, frame, rays, solid.view(-1)
        )
        color = color.view(count, height, width, 3)
        smooth_edges(geometry, views, solid, face.view_as(solid), color)
        frames = (color * 255 + 0.5).to(torch.uint8)
        sky = solid < 0
        depth = depth.view_as(solid).masked_fill(sky, torch.inf)
        return frames, depth, sky, solid >= len(self.solids.bounds)

    def visible_from(
        self,
        points_world: np.ndarray | Tensor,  # [..., 3]
        camera: Camera,
        tolerance: float = 0.02,  # relative depth
        time_s: float = 0.0,
        device: str | torch.device = "cpu",
    ) -> np.ndarray:
        """[...] bool: whether `camera` sees each point. Points that are not finite are not seen."""
        points = np.asarray(points_world, np.float64)
        depth = self.depth(camera, time_s, device).cpu().numpy()
        finite = np.asarray(np.isfinite(points).all(-1))
        points = np.where(finite[..., None], points, 0.0)
        local = points @ camera.w2c[:3, :3].T + camera.w2c[:3, 3]
        z = local[..., 2]
        good = finite & (z > 1e-3)
        safe = np.where(good[..., None], local, 1.0)
        pixels = safe @ camera.intrinsics.T
        x, y = pixels[..., 0] / safe[..., 2], pixels[..., 1] / safe[..., 2]
        height, width = camera.size
        good &= (x >= 0) & (x < width) & (y >= 0) & (y < height)
        # The farthest of the four nearest centres, short of a jump in depth: steep floors are not
        # cut off by half a pixel, and nothing leaks past an edge.
        column, row = np.where(good, x, 0).astype(int), np.where(good, y, 0).astype(int)
        nearest = depth[row, column]
        limit = nearest.copy()
        for a in (-0.5, 0.5):
            for b in (-0.5, 0.5):
                j = np.clip(np.floor(np.where(good, x, 0) + a), 0, width - 1).astype(int)
                i = np.clip(np.floor(np.where(good, y, 0) + b), 0, height - 1).astype(int)
                around = depth[i, j]
                limit = np.maximum(limit, np.where(around < nearest * 1.1, around, 0.0))
        return good & (z <= limit * (1 + tolerance))

    def depth(
        self, camera: Camera, time_s: float = 0.0, device: str | torch.device = "cpu"
    ) -> Tensor:
        """[H, W] float32 z-depth, +inf sky; right to a part in four thousand, and quick."""
        geometry, _, _ = self._scene_at([time_s], device)
        depth, solid = cast(geometry, self._views([camera], device))
        return depth.masked_fill(solid < 0, torch.inf)[0]

    def is_free(self, position_world: np.ndarray, radius_m: float = 0.25) -> np.ndarray | bool:
        """Whether a walker of that radius, with the eye at [3] or [N, 3], touches nothing.

        The body reaches from just above the floor to the eye, or to the eye alone when the eye is
        higher than the walls' doors.
        """
        position = np.asarray(position_world, np.float64)
        plan = position @ self._start[:3, :3].T + self._start[:3, 3]
        free = self.space.is_free(plan.reshape(-1, 3), radius_m)
        return bool(free[0]) if position.ndim == 1 else free.reshape(position.shape[:-1])

    def walk(
        self,
        rng: np.random.Generator,
        frames: int,
        step_m: float = 0.2,
        step_deg: float = 7.5,
        from_start: bool = False,
    ) -> list[np.ndarray]:
        """[4, 4] camera poses of a natural first-person path in free space, one per frame."""
        world_from_plan = np.linalg.inv(self._start)
        start = self._start if from_start else None
        path = walks.walk(self.space, rng, frames, step_m, step_deg, start)
        return [world_from_plan @ pose for pose in path]

    def _views(self, cameras: Sequence[Camera], device: str | torch.device) -> Views:
        poses = np.stack([self._start @ c.c2w for c in cameras])
        lenses = np.stack([c.intrinsics for c in cameras])
        pose = torch.from_numpy(poses).float().to(device)
        lens = torch.from_numpy(lenses).float().to(device)
        return Views(pose[:, :3, 3], pose[:, :3, :3].contiguous(), lens, cameras[0].size)

    def _scene_at(
        self, times: Sequence[float], device: str | torch.device
    ) -> tuple[Geometry, Tensor, Paint]:
        geometry, faces, paint = self._on(device)
        if not self._movers:
            return geometry, faces, paint
        bounds = [m.bounds(t) for t in times for m in self._movers]
        shape = [m.shape for _ in times for m in self._movers]
        frame = [k for k in range(len(times)) for _ in self._movers]
        moved = Geometry(
            torch.cat([geometry.bounds, torch.tensor(np.array(bounds)).float().to(device)]),
            torch.cat([geometry.shape, torch.tensor(shape, device=device)]),
            torch.cat([geometry.frame, torch.tensor(frame, device=device)]),
        )
        extra = torch.full((len(bounds), 6), self._mover_material, device=device)
        return moved, torch.cat([faces, extra]), paint

    def _on(self, device: str | torch.device) -> tuple[Geometry, Tensor, Paint]:
        key = str(device)
        if key not in self._paint:
            solids = self.solids
            bounds = torch.from_numpy(solids.box_array()).float().to(device)
            geometry = Geometry(
                bounds,
                torch.tensor(solids.shapes, device=device),
                torch.full((len(bounds),), -1, device=device),
            )
            sky = torch.tensor([self.palette.horizon, self.palette.zenith])
            table = torch.from_numpy(solids.materials.array())
            faces = torch.tensor(solids.faces, device=device)
            self._paint[key] = (geometry, faces, make_paint(table, self._light, sky, device))
        return self._paint[key]


def _checked(
    cameras: Sequence[Camera], time_s: Sequence[float] | float
) -> tuple[list[Camera], list[float]]:
    cameras = list(cameras)
    if not cameras or len({c.size for c in cameras}) != 1:
        raise ValueError("render needs at least one camera, all of one picture size")
    if isinstance(time_s, int | float):
        return cameras, [float(time_s)] * len(cameras)
    if len(time_s) != len(cameras):
        raise ValueError(f"{len(cameras)} cameras but {len(time_s)} times")
    return cameras, [float(t) for t in time_s]
