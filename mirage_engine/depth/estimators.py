"""Depth estimators that look at one picture: Depth Anything V2 (metric) and Depth Pro.

The networks are those of transformers, read from this disk. Pictures go in and metres come out
through a Framing. Bringing the metres to memory's scale is the world's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import DepthAnythingForDepthEstimation, DepthProForDepthEstimation

from mirage_engine.camera import Camera
from mirage_engine.config import ConfigError, DepthConfig
from mirage_engine.depth.framing import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Framing,
    scaled,
    shorter_side,
    stretch_to,
)
from mirage_engine.depth.map_anything import MapAnythingDepth, load_map_anything
from mirage_engine.depth.prior import CodecDepth
from mirage_engine.parts import Decoded, DepthEstimator
from mirage_engine.pretrained import load_network

SKY_SHARE = 0.95  # of the farthest that a Depth Anything model can say
SKY_M = 150.0  # for models that can say any depth


class DepthAnything:
    """Depth Anything V2 in metres. Takes no pose and no lens."""

    def __init__(self, network: DepthAnythingForDepthEstimation, config: DepthConfig) -> None:
        """Raises ConfigError for a network that tells depth without a unit."""
        if network.config.depth_estimation_type != "metric":
            raise ConfigError(f"{config.weights}: tells no metres; take a Metric Depth Anything")
        self.network, self.config = network, config
        self.sky_from_m = config.sky_from_m or SKY_SHARE * float(network.config.max_depth or 1)

    def __call__(self, decoded: Decoded, cameras: Sequence[Camera]) -> Tensor:  # noqa: ARG002
        """[T, H, W] metres, +inf sky."""
        size = (decoded.frames.shape[1], decoded.frames.shape[2])
        patch = _side(self.network.config.patch_size)
        framing = shorter_side(size, self.config.input_px, patch)

        def measure(pictures: Tensor, _: slice) -> Tensor:
            return self.network(scaled(pictures, IMAGENET_MEAN, IMAGENET_STD)).predicted_depth

        depth = _in_batches(measure, decoded.frames, framing, self.network, self.config.batch)
        return _with_sky(depth, self.sky_from_m)


class DepthPro:
    """Depth Pro: sharp, and it can tell the focal length of a picture."""

    def __init__(self, network: DepthProForDepthEstimation, config: DepthConfig) -> None:
        self.network, self.config = network, config
        # Its smallest scale must still fill a patch: 384 px at a quarter, hence 1536.
        pro = network.config
        self.side_px = round(_side(pro.patch_size) / min(pro.scaled_images_ratios))
        self.sky_from_m = config.sky_from_m or SKY_M

    def __call__(self, decoded: Decoded, cameras: Sequence[Camera]) -> Tensor:
        """[T, H, W] metres, +inf sky.

        The network says inverse depth for a lens as long as the picture is wide; the camera's own
        focal length makes metres of it.
        """
        focal = torch.tensor([c.intrinsics[0, 0] / c.size[1] for c in cameras]).float()

        def measure(pictures: Tensor, part: slice) -> Tensor:
            inverse = self._look(pictures).predicted_depth.float()
            share = focal[part, None, None].to(inverse.device)
            return share / inverse.clamp(min=1e-4)

        frames = decoded.frames
        depth = _in_batches(measure, frames, self._framing(frames), self.network, self.config.batch)
        return _with_sky(depth, self.sky_from_m)

    @torch.no_grad()
    def focal_px(self, frame: np.ndarray) -> float:  # uint8 [H, W, 3]
        """Focal length in pixels of the frame. Raises ValueError if the network tells none."""
        if not self.network.use_fov_model:
            raise ValueError("these Depth Pro weights have no field-of-view model")
        pictures = self._framing(frame[None]).picture(frame[None])
        fov_deg = self._look(pictures).field_of_view.float().flatten()[0]
        return float(frame.shape[1] / 2 / torch.tan(torch.deg2rad(fov_deg) / 2))

    def _framing(self, frames: np.ndarray) -> Framing:
        return stretch_to((frames.shape[1], frames.shape[2]), (self.side_px, self.side_px))

    def _look(self, pictures: Tensor) -> Any:  # transformers' own record
        return self.network(scaled(_placed(pictures, self.network), (0.5,) * 3, (0.5,) * 3))


def load_depth(config: DepthConfig, device: torch.device | str = "cpu") -> DepthEstimator:
    """The estimator that a preset asks for. Raises ConfigError when its weights are not here."""
    if config.kind == "codec":
        return CodecDepth()
    if config.kind == "map-anything":
        return MapAnythingDepth(load_map_anything(config, device), config)
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[config.dtype]
    if config.kind == "depth-pro":
        network = load_network(DepthProForDepthEstimation, config.weights or "apple/DepthPro-hf")
        return DepthPro(network.to(device, dtype), config)
    name = config.weights or "depth-anything/Depth-Anything-V2-Metric-Indoor-Large-hf"
    network = load_network(DepthAnythingForDepthEstimation, name)
    return DepthAnything(network.to(device, dtype), config)


@torch.no_grad()
def _in_batches(
    measure: Callable[[Tensor, slice], Tensor],  # ([B, 3, h, w] in 0..1, frames) -> [B, h, w] m
    frames: np.ndarray,  # [T, H, W, 3] uint8
    framing: Framing,
    network: nn.Module,
    batch: int,
) -> Tensor:  # [T, H, W] m
    parts = []
    for start in range(0, len(frames), batch):
        part = slice(start, start + batch)
        pictures = _placed(framing.picture(frames[part]), network)
        parts.append(framing.to_frame(measure(pictures, part).float()).cpu())
    return torch.cat(parts)


def _side(size: int | list[int] | tuple[int, int]) -> int:
    """Of a square, which transformers may also write as a pair."""
    return size if isinstance(size, int) else size[0]


def _placed(pictures: Tensor, network: nn.Module) -> Tensor:
    first = next(network.parameters())
    return pictures.to(first.device, first.dtype)


def _with_sky(depth_m: Tensor, sky_from_m: float) -> Tensor:
    return torch.where(depth_m > sky_from_m, torch.inf, depth_m)
