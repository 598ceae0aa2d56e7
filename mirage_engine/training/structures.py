"""Pictures of generic structure with made-up depth, so that the codec also carries a photograph.

Dead leaves, gradients, smooth noise, letters: what natural pictures share with none of our rooms.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F


def make_structure(
    size: tuple[int, int],  # (H, W)
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:  # uint8 [H, W, 3], metres [H, W]
    """One picture and a depth map whose edges lie on the picture's edges."""
    height, width = size
    image, depth = _noise(size, 3, rng), 1.0 + 4.0 * _noise(size, 1, rng)[0]
    y, x = np.mgrid[0:height, 0:width]
    for _ in range(int(rng.integers(0, 60))):
        inside = torch.from_numpy(_leaf(y, x, size, rng))
        colour = torch.from_numpy(rng.uniform(0, 1, (3, 1)).astype(np.float32))
        shade = _noise(size, 1, rng)[0][inside] * float(rng.uniform(0, 0.4))
        image[:, inside] = (colour + shade).clamp(0, 1)
        depth[inside] = float(np.exp(rng.uniform(np.log(0.6), np.log(12))))
    if rng.random() < 0.5:
        image = _letters(image, rng)
    if rng.random() < 0.2:
        depth[: int(rng.integers(8, height // 2))] = torch.inf
    grain = float(rng.uniform(0, 0.04))
    image = (image + grain * torch.from_numpy(rng.standard_normal(image.shape))).clamp(0, 1)
    return (image * 255).byte().permute(1, 2, 0).contiguous(), depth.float()


def _noise(size: tuple[int, int], channels: int, rng: np.random.Generator) -> Tensor:
    """[channels, H, W] in 0..1 with a natural spectrum: octaves of smooth noise."""
    total = torch.zeros(1, channels, *size)
    for octave in range(1, 7):
        grid = torch.from_numpy(rng.uniform(0, 1, (1, channels, 2**octave, 2**octave)))
        total += F.interpolate(grid.float(), size, mode="bicubic") / 1.8**octave
    low, high = total.amin((2, 3), keepdim=True), total.amax((2, 3), keepdim=True)
    return ((total - low) / (high - low))[0]


def _leaf(
    y: np.ndarray, x: np.ndarray, size: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """[H, W] bool: a turned ellipse or rectangle; small ones are more common."""
    radius = 4 / rng.uniform(0.05, 1.0)
    aspect, angle = rng.uniform(0.3, 1.0), rng.uniform(0, np.pi)
    dy, dx = y - rng.uniform(0, size[0]), x - rng.uniform(0, size[1])
    u = (np.cos(angle) * dx + np.sin(angle) * dy) / radius
    v = (np.cos(angle) * dy - np.sin(angle) * dx) / (radius * aspect)
    return (u * u + v * v < 1) if rng.random() < 0.5 else (np.abs(u) < 1) & (np.abs(v) < 1)


def _letters(image: Tensor, rng: np.random.Generator) -> Tensor:
    picture = Image.fromarray((image * 255).byte().permute(1, 2, 0).numpy())
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(1, 8))):
        text = "".join(chr(int(c)) for c in rng.integers(65, 122, int(rng.integers(2, 12))))
        place = (int(rng.integers(0, picture.width)), int(rng.integers(0, picture.height)))
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        draw.text(place, text, fill=colour, font_size=int(rng.integers(9, 40)))
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255
