"""The codec of Wan2.2-TI2V-5B: pictures to 48 channels at stride 16, four pictures per latent.

Latents leave normalised by the model's own mean and deviation, as the transformer sees them. The
network is diffusers'; tiles, the endless decoder and the constant score latent are ours. Carries
no depth.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from torch import Tensor, nn
from torch.nn import functional as F

from mirage_engine.codecs.stream import StreamDecoder
from mirage_engine.codecs.tiles import blend, make_tiles
from mirage_engine.codecs.tiny import TinyDecoder, load_tiny_decoder
from mirage_engine.codecs.wan_decoder import WanDecoder, reach
from mirage_engine.config import CodecConfig
from mirage_engine.parts import CodecSpec, Decoded, MemoryView
from mirage_engine.pretrained import load_network

PATCH = 2  # cells per token of the transformer
MULTIPLE = 16 * PATCH  # pixels
SWATCHES = 16  # cells across the picture that colours are learnt from


class WanCodec(nn.Module):
    """Pictures to normalised latents [t, C, h, w] and back."""

    def __init__(
        self, vae: AutoencoderKLWan, config: CodecConfig, tiny: TinyDecoder | None = None
    ) -> None:
        super().__init__()
        self.vae, self.config = vae, config
        self.latent_mean = nn.Buffer(torch.tensor(vae.config["latents_mean"]))
        self.latent_std = nn.Buffer(torch.tensor(vae.config["latents_std"]))
        self.spec = CodecSpec(
            channels=vae.config["z_dim"],
            stride=vae.config["scale_factor_spatial"],
            temporal_stride=vae.config["scale_factor_temporal"],
            multiple=PATCH * vae.config["scale_factor_spatial"],
            carries_depth=False,
            reach=reach(vae),
        )
        self._decoder = StreamDecoder(WanDecoder(vae), config)
        self.tiny = tiny
        whole = replace(config, tile_cells=0)  # it needs no tiles to fit
        self._previewer = None if tiny is None else StreamDecoder(tiny, whole)
        self._scores: dict[tuple[int, int], Tensor] = {}  # the longest of each grid
        self._palette: Tensor | None = None

    def encode(
        self,
        frames: np.ndarray | Tensor,  # [T, H, W, 3] uint8, T = 4k + 1
        depth_m: Tensor | None = None,  # noqa: ARG002 - these latents are pictures only
    ) -> Tensor:  # [k + 1, C, h, w] float32
        """Raises ValueError for a number of frames that is not 4k + 1."""
        if isinstance(frames, np.ndarray):
            frames = torch.tensor(frames)  # a copy: arrays of pictures are often read-only
        video = frames.to(self.vae.device).permute(3, 0, 1, 2).float() / 127.5 - 1
        return self._encode(video)

    def decode(self, latents: Tensor, before: Tensor | None = None) -> Decoded:
        """Pictures of [t, C, h, w], seamless behind `before`.

        Alone, the first latent frame is one picture and each other four; behind others all are.
        """
        raw = None if before is None else self._raw(before)
        pictures = [_to_bytes(part) for part in self._decoder(self._raw(latents), raw)]
        return Decoded(np.concatenate(pictures))

    def preview(self, latents: Tensor, before: Tensor | None = None) -> np.ndarray:
        """[T, H, W, 3] uint8, quickly and roughly; otherwise like `decode`.

        Raises ValueError for a codec without a tiny decoder (see `tiny`).
        """
        if self._previewer is None:
            raise ValueError("this codec has no tiny decoder; set codec.tiny to its weights")
        return np.concatenate([_to_bytes(part) for part in self._previewer(latents, before)])

    def score(
        self,
        count: int,  # latent frames
        grid: tuple[int, int],  # (h, w) cells
    ) -> Tensor:  # [count, C, h, w]
        """The constant half of the condition: latents of a video that is white throughout.

        Encoded once per grid. The encoder looks back only, so a shorter one is the head of it.
        """
        known = self._scores.get(grid)
        if known is None or len(known) < count:
            length = self.spec.temporal_stride * (count - 1) + 1
            height, width = (cells * self.spec.stride for cells in grid)
            white = torch.ones(1, 1, 1, 1, device=self.vae.device)
            known = self._encode(white.expand(3, length, height, width))
            self._scores[grid] = known
        return known[:count]

    @torch.no_grad()
    def colors(self, latents: Tensor) -> np.ndarray:  # [N, C] -> uint8 [N, 3]
        """Mean colour of each cell: the affine map that fits a picture of many colours best."""
        if self._palette is None:
            self._palette = self._learn_palette()
        ones = latents.new_ones(len(latents), 1)
        picture = torch.cat([latents, ones], 1).float().to(self._palette.device) @ self._palette
        return (picture.clamp(0, 1) * 255).round().byte().cpu().numpy()

    def at_view(self, view: MemoryView) -> Tensor:  # [t, C, h, w]
        """The read-out as it is: the transformer was trained on latents warped cell by cell."""
        return view.latents

    @torch.no_grad()
    def _encode(self, video: Tensor) -> Tensor:
        """[k + 1, C, h, w] float32 of [3, 4k + 1, H, W] in -1..1."""
        stride, group = self.spec.stride, self.spec.temporal_stride
        if (video.shape[1] - 1) % group:
            below = video.shape[1] - (video.shape[1] - 1) % group
            raise ValueError(f"frames must be {group}k + 1, got {video.shape[1]}; {below} would do")
        size = self.spec.latent_size((video.shape[2], video.shape[3]))
        tiles = make_tiles(size, self.config.tile_cells, self.config.tile_overlap_cells)
        parts = []
        for tile in tiles:
            part = tile.of(video, stride)[None].to(self.vae.dtype)
            parts.append(self.vae.encode(part).latent_dist.mode()[0].transpose(0, 1).float())  # pyright: ignore
        latents = blend(parts, tiles)
        return (latents - self.latent_mean[:, None, None]) / self.latent_std[:, None, None]

    def _raw(self, latents: Tensor) -> Tensor:
        latents = latents.float().to(self.latent_std.device)
        return latents * self.latent_std[:, None, None] + self.latent_mean[:, None, None]

    def _learn_palette(self) -> Tensor:
        """[C + 1, 3] by least squares, from one picture of coloured patches, smooth and rough."""
        chance = torch.Generator().manual_seed(0)
        edge, stride = SWATCHES * self.spec.stride, self.spec.stride
        picture = torch.zeros(3, edge, edge)
        for cells in (2, 5, SWATCHES, 3 * SWATCHES):
            layer = torch.rand(1, 3, cells, cells, generator=chance)
            mode = "nearest" if cells == SWATCHES else "bicubic"
            picture = 0.5 * picture + F.interpolate(layer, (edge, edge), mode=mode)[0]
        picture = ((picture - picture.mean()) / (4 * picture.std()) + 0.5).clamp(0, 1)
        video = (2 * picture - 1)[:, None].to(self.vae.device)
        cells = self._encode(video)[0].flatten(1).T
        colors = F.avg_pool2d(picture, stride).flatten(1).T.to(cells)
        inputs = torch.cat([cells, torch.ones_like(cells[:, :1])], 1)
        # A ridge, because neighbouring channels say nearly the same.
        square = inputs.T @ inputs + 1e-2 * torch.eye(inputs.shape[1], device=inputs.device)
        return torch.linalg.solve(square, inputs.T @ colors)


def load_wan_codec(config: CodecConfig, device: torch.device | str = "cpu") -> WanCodec:
    """The codec from a diffusers folder or the hub's cache. Raises ConfigError."""
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[config.dtype]
    vae = load_network(AutoencoderKLWan, config.weights, "vae").to(device, dtype)
    tiny = load_tiny_decoder(config.tiny).to(device, dtype) if config.tiny else None
    return WanCodec(vae, config, tiny)


def _to_bytes(pictures: Tensor) -> np.ndarray:  # [T, 3, H, W] in -1..1 -> uint8 [T, H, W, 3]
    values = ((pictures.float() + 1) * 127.5).round().byte()
    return values.permute(0, 2, 3, 1).cpu().numpy()
