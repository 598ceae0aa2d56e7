"""What the network is told: memory's read-out for the side branch, and words or a style.

Pocket: [C filled read-out | mask, sub-cell offset x and y, log depth, scale ratio | 6 Plücker ray
coordinates], and the start image's palette in place of words. Wan2.2: [C read-out, zero in holes |
C constant score latent], the layout that public side branches are trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mirage_engine.camera import Camera
from mirage_engine.holes import fill_holes
from mirage_engine.parts import Context, MemoryView

EXTRA_CHANNELS = 11  # pocket channels beside the read-out

# (latent frames, (h, w)) -> [C, t, h, w], the codec's constant for cells that may be trusted.
Score = Callable[[int, tuple[int, int]], Tensor]


class Conditions(Protocol):
    """What a preset tells its network about a segment."""

    def memory(self, context: Context) -> Tensor: ...  # [Cm, t+p, h, w]
    def text(self, context: Context) -> Tensor: ...  # [L, text_dim]


class PocketConditions:
    def memory(self, context: Context) -> Tensor:
        return pocket_condition(context.view, context.cameras)

    def text(self, context: Context) -> Tensor:
        return style_tokens(context.start)


class WanConditions:
    """Of the Wan2.2 preset: `embed` turns a prompt into [L, text_dim]."""

    def __init__(self, embed: Callable[[str], Tensor], score: Score | None) -> None:
        self.embed, self.score = embed, score

    def memory(self, context: Context) -> Tensor:
        views = [context.view]
        if len(context.preceding):
            assert context.preceding_view is not None, "preceding frames come with their view"
            views.append(context.preceding_view)
        return wan_condition(views, self.score)

    def text(self, context: Context) -> Tensor:
        return self.embed(context.prompt)


def wan_condition(
    views: Sequence[MemoryView],  # of the target frames, then of the preceding ones
    score: Score | None,  # None: the variant with a channel that marks holes instead
) -> Tensor:  # [2C or C + 1, t+p, h, w]
    """Condition of the Wan2.2 preset for one segment, without a batch axis."""
    readout = torch.cat([view.latents for view in views]).transpose(0, 1)
    if score is None:
        second = ~torch.cat([view.mask for view in views])[None]
    else:
        second = score(readout.shape[1], (readout.shape[2], readout.shape[3]))
    return torch.cat([readout, second.to(readout)])


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
