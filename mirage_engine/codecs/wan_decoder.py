"""The decoder of diffusers' Wan autoencoder, one latent frame at a time (see `stream`)."""

from __future__ import annotations

from typing import Any

from diffusers.models.autoencoders.autoencoder_kl_wan import (
    AutoencoderKLWan,
    WanCausalConv3d,
    unpatchify,
)
from torch import Tensor


class WanDecoder:
    """Latents come as the autoencoder sees them, not normalised."""

    def __init__(self, vae: AutoencoderKLWan) -> None:
        self.vae = vae
        self.stride: int = vae.config["scale_factor_spatial"]
        self.slots = sum(isinstance(m, WanCausalConv3d) for m in vae.decoder.modules())
        self.reach = reach(vae)

    def step(self, latent: Tensor, features: list[Any], first: bool) -> Tensor:
        """[1 or 4, 3, H, W] in -1..1."""
        vae = self.vae
        inside = vae.post_quant_conv(latent[None, :, None].to(vae.device, vae.dtype))
        picture = vae.decoder(inside, feat_cache=features, feat_idx=[0], first_chunk=first)
        if vae.config["patch_size"] is not None:
            picture = unpatchify(picture, patch_size=vae.config["patch_size"])
        return picture[0].transpose(0, 1).clamp(-1, 1)


def reach(vae: AutoencoderKLWan) -> int:
    """How many latent frames back a picture can depend on."""
    frames, rate = 0, 1  # at the current frame rate, in pictures per latent frame
    for name, module in vae.decoder.named_modules():
        if isinstance(module, WanCausalConv3d):
            frames += module.kernel_size[0] - 1
        if name.endswith("time_conv"):
            frames, rate = 2 * frames, 2 * rate
    return -(-frames // rate)
