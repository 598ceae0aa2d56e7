"""Depth by MapAnything, which takes pose and lens and looks at all pictures of a segment together.

Its package is not on the usual registry and is used only if it is installed. Untested against
its weights; the map between picture and model is our own and tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mirage_engine.camera import Camera
from mirage_engine.config import ConfigError, DepthConfig
from mirage_engine.depth.framing import IMAGENET_MEAN, IMAGENET_STD, longer_side_cropped, scaled
from mirage_engine.parts import Decoded
from mirage_engine.pretrained import pretrained_folder

PATCH = 14  # pixels, of its image encoder
SKY_M = 150.0
# Its pixel centres lie at whole numbers, ours at +0.5.
CENTRE = np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])


class MapAnythingDepth:
    """`network` is a mapanything.models.MapAnything."""

    def __init__(self, network: Any, config: DepthConfig) -> None:
        self.network, self.config = network, config
        self.sky_from_m = config.sky_from_m or SKY_M

    @torch.no_grad()
    def __call__(self, decoded: Decoded, cameras: Sequence[Camera]) -> Tensor:
        """[T, H, W] metres; 0 where the model is unsure or saw nothing, +inf sky."""
        size = (decoded.frames.shape[1], decoded.frames.shape[2])
        framing = longer_side_cropped(size, self.config.input_px, PATCH)
        pictures = scaled(framing.picture(decoded.frames), IMAGENET_MEAN, IMAGENET_STD)
        device = next(self.network.parameters()).device
        views = [
            {
                "img": picture[None].to(device),
                "data_norm_type": ["dinov2"],
                "intrinsics": _matrix(framing.intrinsics(camera) - CENTRE, device),
                "camera_poses": _matrix(camera.c2w, device),
                "is_metric_scale": torch.tensor([True], device=device),
            }
            for picture, camera in zip(pictures, cameras, strict=True)
        ]
        found = self.network.infer(
            views,
            memory_efficient_inference=True,
            use_amp=self.config.dtype == "bfloat16",
            apply_mask=True,  # depth 0 where it is unsure, which is what we call unknown
            mask_edges=True,
        )
        depth = framing.to_frame(torch.cat([view["depth_z"][..., 0] for view in found]).float())
        return torch.where(depth > self.sky_from_m, torch.inf, depth).cpu()


def load_map_anything(config: DepthConfig, device: torch.device | str) -> Any:
    """The network. Raises ConfigError without its package or its weights."""
    try:
        from mapanything.models import MapAnything  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ConfigError(
            "depth.kind = 'map-anything': the package mapanything is not installed; "
            "see github.com/facebookresearch/map-anything, or choose depth-anything"
        ) from None
    folder = pretrained_folder(config.weights or "facebook/map-anything-apache")
    return MapAnything.from_pretrained(str(folder)).to(device).eval()


def _matrix(array: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(array).float()[None].to(device)
