"""The pocket codec: RGB-D latents at stride 4, so that depth comes with the picture.

A linear patch basis (PCA) carries picture and log depth both ways; a small network of
AutoencoderTiny blocks refines what is decoded and says which pixels may be remembered. One latent
frame per picture. Depth is z-depth in metres; the sky is at +inf outside and at SKY_M inside.
"""

from __future__ import annotations

import numpy as np
import torch
from diffusers.models.unets.unet_2d_blocks import AutoencoderTinyBlock
from torch import Tensor, nn
from torch.nn import functional as F

from mirage_engine.checkpoints import load_into, load_state
from mirage_engine.files import find
from mirage_engine.parts import CodecSpec, Decoded, MemoryView

PATCH = 4  # px per cell
PICTURE, DEPTH = 8, 3  # latent channels
NEAR_M, SKY_M = 0.1, 100.0  # depth is clamped to NEAR_M; the sky is stored as SKY_M
SKY_FROM_M = 60.0  # decoded depth beyond this is sky
WIDTH, BLOCKS = 48, 3  # of the refining network


class PocketCodec(nn.Module):
    """Pictures with depth to normalised latents [t, 11, h, w] and back."""

    spec = CodecSpec(
        channels=PICTURE + DEPTH,
        stride=PATCH,
        temporal_stride=1,
        multiple=4 * PATCH,
        carries_depth=True,
    )

    def __init__(self) -> None:
        super().__init__()
        self.picture_basis = nn.Buffer(torch.zeros(PICTURE, 3 * PATCH * PATCH))  # orthonormal rows
        self.picture_mean = nn.Buffer(torch.zeros(3 * PATCH * PATCH))
        self.depth_basis = nn.Buffer(torch.zeros(DEPTH, PATCH * PATCH))
        self.depth_mean = nn.Buffer(torch.zeros(PATCH * PATCH))
        self.latent_std = nn.Buffer(torch.ones(PICTURE + DEPTH))  # of the raw coefficients
        self.refine = Refine()

    def encode(
        self,
        frames: np.ndarray | Tensor,  # [T, H, W, 3] uint8
        depth_m: Tensor | None,  # [T, H, W]; 0 unknown, +inf sky
    ) -> Tensor:  # [T, 11, h, w] float32
        """Raises ValueError without depth: this codec's latents carry it."""
        if depth_m is None:
            raise ValueError("the pocket codec encodes pictures together with their depth")
        device = self.latent_std.device
        if isinstance(frames, np.ndarray):
            frames = torch.tensor(frames)  # a copy: arrays of pictures are often read-only
        picture = frames.to(device).permute(0, 3, 1, 2).float() / 255
        # Unknown depth becomes a wall at arm's length beyond the room, not a hole.
        known = torch.where(depth_m > 0, depth_m, depth_m.new_tensor(5.0)).to(device)
        log_depth = known.clamp(NEAR_M, SKY_M).log()[:, None]
        colour = self._project(picture, self.picture_basis, self.picture_mean)
        depth = self._project(log_depth, self.depth_basis, self.depth_mean)
        return torch.cat([colour, depth], 1) / self.latent_std[:, None, None]

    def decode(self, latents: Tensor, before: Tensor | None = None) -> Decoded:  # noqa: ARG002
        """Pictures, depth and keep from [t, 11, h, w]; each stands alone, whatever came before."""
        with torch.no_grad():
            picture, log_depth, keep = self(latents.float().to(self.latent_std.device))
        frames = (picture.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1)
        depth = log_depth[:, 0].exp()
        depth = torch.where(depth > SKY_FROM_M, torch.inf, depth)
        return Decoded(frames.cpu().numpy(), depth.cpu(), (keep[:, 0] > 0).cpu())

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(picture [t, 3, H, W] about 0..1, log depth [t, 1, H, W], keep logit [t, 1, H, W])."""
        raw = latents * self.latent_std[:, None, None]
        colour = raw[:, :PICTURE].permute(0, 2, 3, 1) @ self.picture_basis + self.picture_mean
        depth = raw[:, PICTURE:].permute(0, 2, 3, 1) @ self.depth_basis + self.depth_mean
        linear = torch.cat([colour, depth], -1).permute(0, 3, 1, 2)
        refined = self.refine(latents)
        channels = linear.shape[1]
        pixels = F.pixel_shuffle(linear + refined[:, :channels], PATCH)
        return pixels[:, :3], pixels[:, 3:4], F.pixel_shuffle(refined[:, channels:], PATCH)

    def colors(self, latents: Tensor) -> np.ndarray:  # [N, 11] -> uint8 [N, 3]
        """Mean colour of each cell, by the basis alone."""
        raw = latents[:, :PICTURE].to(self.latent_std.device) * self.latent_std[:PICTURE]
        # Means first: memory's colours are asked for by the hundred thousand.
        basis = self.picture_basis.unflatten(1, (3, -1)).mean(-1)
        colors = raw @ basis + self.picture_mean.unflatten(0, (3, -1)).mean(-1)
        return (colors.clamp(0, 1) * 255).round().byte().cpu().numpy()

    def cell_depth(self, latents: Tensor) -> Tensor:
        """[..., h, w] mean log depth of each cell of [..., 11, h, w], by the basis alone."""
        raw = latents[..., PICTURE:, :, :] * self.latent_std[PICTURE:, None, None]
        mean = (raw * self.depth_basis.mean(1)[:, None, None]).sum(-3)
        return mean + self.depth_mean.mean()

    def at_depth(
        self,
        latents: Tensor,  # [..., 11, h, w]
        depth_m: Tensor,  # [..., h, w]; 0 leaves a cell as it is, +inf is sky
    ) -> Tensor:
        """The same surfaces seen from another distance: shifts the mean log depth of each cell."""
        wanted = depth_m.clamp(NEAR_M, SKY_M).log()
        shift = torch.where(depth_m > 0, wanted - self.cell_depth(latents), 0.0)
        ones = self.depth_basis.sum(1)  # what a step of 1 in log depth does to the coefficients
        step = ones / (ones @ ones / PATCH**2) / self.latent_std[PICTURE:]
        moved = latents[..., PICTURE:, :, :] + shift[..., None, :, :] * step[:, None, None]
        return torch.cat([latents[..., :PICTURE, :, :], moved], -3)

    def at_view(self, view: MemoryView) -> Tensor:  # [t, 11, h, w]
        """The read-out as it looks from the view: each patch moved, enlarged and set at its depth.

        A remembered patch that now fills several cells shows each of them its own part, and one
        that lies off the cell's centre is shifted. Seen head-on; the patch's rim goes on outside.
        """
        raw = (view.latents * self.latent_std[:, None, None]).permute(0, 2, 3, 1)
        colour = raw[..., :PICTURE] @ self.picture_basis + self.picture_mean
        depth = raw[..., PICTURE:] @ self.depth_basis + self.depth_mean
        patches = torch.cat([colour, depth], -1).unflatten(-1, (4, PATCH, PATCH))
        zoom = view.scale.exp2().clamp(min=1.0)
        across, down = (_resampling(view.offset[:, i], zoom) for i in (0, 1))
        patches = down[..., None, :, :] @ patches @ across[..., None, :, :].transpose(-1, -2)
        flat = patches.flatten(-3)
        split = 3 * PATCH**2
        moved = (
            torch.cat(
                [
                    (flat[..., :split] - self.picture_mean) @ self.picture_basis.T,
                    (flat[..., split:] - self.depth_mean) @ self.depth_basis.T,
                ],
                -1,
            ).permute(0, 3, 1, 2)
            / self.latent_std[:, None, None]
        )
        return self.at_depth(torch.where(view.mask[:, None], moved, 0.0), view.depth_m)

    @staticmethod
    def _project(image: Tensor, basis: Tensor, mean: Tensor) -> Tensor:
        patches = F.pixel_unshuffle(image, PATCH).permute(0, 2, 3, 1)
        return ((patches - mean) @ basis.T).permute(0, 3, 1, 2)


def _resampling(
    offset: Tensor,  # [...] of the patch's centre from the cell's, in cells
    zoom: Tensor,  # [...] width of the patch in cells
) -> Tensor:  # [..., PATCH, PATCH] weights of the patch's pixels for each pixel of the cell
    """Linear interpolation along one axis."""
    centres = (torch.arange(PATCH, device=offset.device) + 0.5) / PATCH - 0.5
    source = ((centres - offset[..., None]) / zoom[..., None] + 0.5) * PATCH - 0.5
    away = source.clamp(0, PATCH - 1)[..., None] - torch.arange(PATCH, device=offset.device)
    return (1 - away.abs()).clamp(min=0)


class Refine(nn.Module):
    """[t, 11, h, w] latents to corrections of the linear decoding and a keep logit per pixel."""

    def __init__(self) -> None:
        super().__init__()
        channels = (3 + 1 + 1) * PATCH**2
        self.stem = nn.Conv2d(PICTURE + DEPTH, WIDTH, 3, padding=1)
        self.blocks = nn.Sequential(
            *(AutoencoderTinyBlock(WIDTH, WIDTH, "relu") for _ in range(BLOCKS))
        )
        self.head = nn.Conv2d(WIDTH, channels, 3, padding=1)
        # Starts as the linear codec that trusts every pixel.
        assert self.head.bias is not None
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        with torch.no_grad():
            self.head.bias[-(PATCH**2) :] = 2.0

    def forward(self, latents: Tensor) -> Tensor:
        return self.head(self.blocks(F.relu(self.stem(latents))))


def fit_basis(
    codec: PocketCodec,
    frames: Tensor,  # [T, H, W, 3] uint8, the pictures to fit
    depth_m: Tensor,  # [T, H, W]
) -> None:
    """Sets the linear patch basis in place: principal components, then unit latent variance."""
    picture = frames.permute(0, 3, 1, 2).float() / 255
    log_depth = torch.where(depth_m > 0, depth_m, 5.0).clamp(NEAR_M, SKY_M).log()[:, None]
    stds = []
    for image, basis, mean, rank in (
        (picture, codec.picture_basis, codec.picture_mean, PICTURE),
        (log_depth, codec.depth_basis, codec.depth_mean, DEPTH),
    ):
        patches = F.pixel_unshuffle(image, PATCH).permute(0, 2, 3, 1).flatten(0, 2).double()
        # A mean that is the same for all pixels of a patch keeps flat surfaces exactly flat.
        flat = patches.unflatten(1, (-1, PATCH**2)).mean((0, 2)).repeat_interleave(PATCH**2)
        centred = patches - flat
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
        top = vectors[:, -rank:].flip(1).T
        top = top * torch.sign(top.sum(1, keepdim=True) + 1e-9)
        basis.copy_(top)
        mean.copy_(flat)
        stds.append(values[-rank:].flip(0).clamp_min(1e-8).sqrt())
    codec.latent_std.copy_(torch.cat(stds))


def load_codec(weights: str) -> PocketCodec:
    """The codec from its safetensors file, ready to use. Raises ConfigError."""
    path = find(weights)
    state, _ = load_state(path)
    codec = PocketCodec()
    load_into(codec, state, str(path))
    return codec.eval().requires_grad_(False)
