"""Trains the pocket codec: the linear basis in closed form, then the refining decoder.

The encoder stays linear, so latents made with one file stay valid while the decoder improves.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from mirage_engine.camera import Camera, pinhole
from mirage_engine.checkpoints import load_into, load_state, save_weights
from mirage_engine.codecs.pocket import NEAR_M, PATCH, SKY_M, PocketCodec, fit_basis
from mirage_engine.rooms import SPLITS, Scene
from mirage_engine.training.settings import CodecRecipe
from mirage_engine.training.structures import make_structure

log = logging.getLogger("mirage")

WRONG_DEPTH = 0.05  # relative; a pixel whose decoded depth is further off is not to be kept


def train_codec(recipe: CodecRecipe, minutes: float) -> None:
    """Fits the basis if there is none yet, then trains the decoder for `minutes`; resumable."""
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    frames, depth = pictures(recipe)
    codec, output = PocketCodec(), Path(recipe.output)
    if output.exists():
        load_into(codec, load_state(output)[0], str(output))
    else:
        fit_basis(codec, frames, depth)
        save_weights(codec, output, {"trained": "linear basis only"})
    if minutes <= 0:
        return
    optimizer = torch.optim.AdamW(codec.refine.parameters(), recipe.lr, weight_decay=0.0)
    with torch.no_grad():
        latents = torch.cat(
            [codec.encode(f, d) for f, d in zip(frames.split(16), depth.split(16), strict=True)]
        )
    started, seen, steps = time.monotonic(), 0, 0
    bar = tqdm(total=round(minutes * 60), unit="s", desc="codec")
    while (spent := time.monotonic() - started) < minutes * 60:
        # Slowly at first: a rate that is too high kills the rectifiers, and the network with them.
        steps += 1
        rate = recipe.lr * min(1.0, steps / 200, 3 * (1 - spent / (minutes * 60)) + 0.02)
        for group in optimizer.param_groups:
            group["lr"] = rate
        pick = torch.randint(len(frames), (recipe.batch,))
        batch = crop(latents[pick], frames[pick], depth[pick])
        loss = codec_loss(codec, *batch, recipe.latent_noise)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(codec.refine.parameters(), 1.0)
        optimizer.step()
        seen += recipe.batch
        bar.n = round(spent)
        bar.set_postfix(loss=f"{loss.item():.4f}", seen=seen)
    bar.close()
    save_weights(
        codec, output, {"samples": seen, "minutes": minutes, "scores": score(codec, recipe)}
    )
    log.info("codec: %s", score(codec, recipe))


def crop(latents: Tensor, frames: Tensor, depth_m: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same random window of all three: convolutions learn as much from a part."""
    rows, columns = latents.shape[-2] * 3 // 5, latents.shape[-1] // 2
    y = int(torch.randint(latents.shape[-2] - rows + 1, ()))
    x = int(torch.randint(latents.shape[-1] - columns + 1, ()))
    cells = (slice(y, y + rows), slice(x, x + columns))
    pixels = tuple(slice(c.start * PATCH, c.stop * PATCH) for c in cells)
    return latents[:, :, *cells], frames[:, *pixels], depth_m[:, *pixels]


def codec_loss(
    codec: PocketCodec, latents: Tensor, frames: Tensor, depth_m: Tensor, noise: float
) -> Tensor:
    """Picture, log depth and keep, decoded from latents that are a little wrong."""
    amount = noise * torch.rand(len(latents), 1, 1, 1)
    picture, log_depth, keep = codec(latents + amount * torch.randn_like(latents))
    wanted = frames.permute(0, 3, 1, 2).float() / 255
    true_log = depth_m.clamp(NEAR_M, SKY_M).log()[:, None]
    wrong = (log_depth - true_log).abs()
    mean_squared = F.mse_loss(picture, wanted)
    sharp = (picture - wanted).abs().mean()
    trusted = F.binary_cross_entropy_with_logits(keep, (wrong.detach() < WRONG_DEPTH).float())
    return 20 * mean_squared + sharp + 0.5 * wrong.clamp(max=1.0).mean() + 0.02 * trusted


def pictures(recipe: CodecRecipe) -> tuple[Tensor, Tensor]:
    """Training pictures uint8 [T, H, W, 3] and depth [T, H, W]: scenes and generic structure."""
    size = (recipe.lens.height, recipe.lens.width)
    intrinsics = pinhole(size, recipe.lens.hfov_deg)
    rng = np.random.default_rng(recipe.seed)
    frames, depth = [], []
    for i in tqdm(range(recipe.rooms // 3), desc="rooms"):
        scene = Scene(SPLITS["train"][-1 - i])
        path = scene.walk(rng, 3, step_m=0.8, step_deg=40.0)
        view = scene.render([Camera(c2w, intrinsics, size) for c2w in path])
        frames.append(view.frames)
        depth.append(view.depth_m)
    for _ in tqdm(range(recipe.structures), desc="structures"):
        image, metres = make_structure(size, rng)
        frames.append(image[None])
        depth.append(metres[None])
    return torch.cat(frames), torch.cat(depth)


def score(codec: PocketCodec, recipe: CodecRecipe, count: int = 16) -> dict[str, float]:
    """Quality on validation scenes: PSNR in dB and the mean relative depth error of surfaces."""
    size = (recipe.lens.height, recipe.lens.width)
    camera = Camera(np.eye(4), pinhole(size, recipe.lens.hfov_deg), size)
    views = [Scene(SPLITS["validation"][i]).render([camera]) for i in range(count)]
    frames, depth = torch.cat([v.frames for v in views]), torch.cat([v.depth_m for v in views])
    decoded = codec.decode(codec.encode(frames, depth))
    assert decoded.depth_m is not None
    error = (torch.from_numpy(decoded.frames).float() - frames.float()).square().mean()
    surface = torch.isfinite(depth) & torch.isfinite(decoded.depth_m)
    off = (decoded.depth_m[surface] / depth[surface] - 1).abs().mean()
    return {
        "psnr_db": round(float(10 * torch.log10(255**2 / error)), 2),
        "depth_abs_rel": round(float(off), 4),
    }
