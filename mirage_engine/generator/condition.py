"""What the side branch sees: memory's read-out, how far to trust it, and where each cell looks.

The layout is [C filled read-out | mask, sub-cell offset x and y, log depth, scale ratio | 6 Plücker
ray coordinates].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mirage_engine.camera import Camera
from mirage_engine.holes import fill_holes
from mirage_engine.parts import MemoryView

EXTRA_CHANNELS = 11  # pocket channels beside the read-out


def pocket_condition(
    view: MemoryView,  # of t frames
    cameras: Sequence[Camera],  # t
) -> Tensor:  # [C + 11, t, h, w]
    """Condition of the pocket preset for one segment, without a batch axis."""
    mask = view.mask.float()
    depth = view.depth_m.clamp(0.1, 100.0).log() * mask
    hints = torch.stack(
        [mask, view.offset[:, 0] * mask, view.offset[:, 1] * mask, depth - mask, view.scale / 2],
        1,
    )
    rays = plucker_rays(cameras, (view.mask.shape[1], view.mask.shape[2]))
    filled = fill_holes(view.latents, view.mask)
    return torch.cat([filled, hints, rays.to(filled.device)], 1).transpose(0, 1)


def plucker_rays(cameras: Sequence[Camera], size: tuple[int, int]) -> Tensor:  # [t, 6, h, w]
    """Unit direction and moment of each cell's ray, level with the world.

    Axes are the world's, turned about the vertical into the first camera's heading; the origin
    stands under the first camera at the world's own height, so that the branch knows both where
    down is and how high it is above the ground.
    """
    first = cameras[0]
    heading = np.arctan2(first.forward[0], first.forward[2])
    c, s = np.cos(heading), np.sin(heading)
    level = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    origin = first.position * np.array([1.0, 0.0, 1.0])
    rays = []
    for camera in cameras:
        direction = camera.resized(size).rays() @ level.T
        direction = direction / np.linalg.norm(direction, axis=-1, keepdims=True)
        moment = np.cross(
            np.broadcast_to(level @ (camera.position - origin), direction.shape), direction
        )
        rays.append(np.concatenate([direction, moment], -1).transpose(2, 0, 1))
    return torch.from_numpy(np.stack(rays)).float()


def style_tokens(start: Tensor) -> Tensor:  # [L, 4C]
    """The start image as a prompt: 2x2 means of coarse cells of its latent [C, h, w].

    Stands where a text embedding stands in the large preset, so that a place far from the start
    still keeps its palette.
    """
    channels = start.shape[0]
    coarse = F.avg_pool2d(start[None], 4)
    return F.unfold(coarse, 2, stride=2)[0].T.reshape(-1, 4 * channels)
