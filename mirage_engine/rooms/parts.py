"""Solids: axis-aligned boxes, ellipsoids and upright cylinders, all kept as their bounding box.

Plan frame: x and z horizontal, y down, floor at y = 0, metres. Faces are numbered
-x, +x, -y (top), +y (underside), -z, +z.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mirage_engine.rooms.materials import Material, MaterialTable

BOX, BALL, CYLINDER = 0, 1, 2


@dataclass
class Solids:
    """Grows while a scene is built."""

    materials: MaterialTable = field(default_factory=MaterialTable)
    bounds: list[tuple[float, ...]] = field(default_factory=list)  # x0 y0 z0 x1 y1 z1
    shapes: list[int] = field(default_factory=list)
    faces: list[tuple[int, ...]] = field(default_factory=list)  # material row of each face
    loose: list[bool] = field(default_factory=list)  # furniture, not house

    def add(
        self,
        x: tuple[float, float],
        z: tuple[float, float],
        height: tuple[float, float],  # above the floor
        material: Material | Sequence[Material],  # one, or one per face
        shape: int = BOX,
        loose: bool = True,
    ) -> None:
        """One solid."""
        if x[1] <= x[0] or z[1] <= z[0] or height[1] <= height[0]:
            raise ValueError(f"empty solid: x {x}, z {z}, height {height}")
        faces = [material] * 6 if isinstance(material, Material) else list(material)
        self.bounds.append((x[0], -height[1], z[0], x[1], -height[0], z[1]))
        self.shapes.append(shape)
        self.faces.append(tuple(self.materials.add(m) for m in faces))
        self.loose.append(loose)

    def round(
        self,
        center: tuple[float, float],  # x, z
        radius: float,
        height: tuple[float, float],
        material: Material,
        shape: int = CYLINDER,
    ) -> None:
        """An upright cylinder, or with `BALL` an ellipsoid, around `center`."""
        x, z = center
        self.add((x - radius, x + radius), (z - radius, z + radius), height, material, shape)

    def box_array(self) -> np.ndarray:
        """[B, 2, 3] float64: low and high corner."""
        return np.asarray(self.bounds, np.float64).reshape(-1, 2, 3)
