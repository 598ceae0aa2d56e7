"""The pocket codec: what survives a round trip, and what moving a surface does to its latent."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch.nn import functional as F

from mirage_engine.checkpoints import save_weights
from mirage_engine.codecs.pocket import PATCH, PocketCodec, load_codec
from mirage_engine.config import ConfigError
from mirage_engine.depth import room_prior
from mirage_engine.files import ENGINE_DIR
from mirage_engine.parts import MemoryView
from tests.engine.tiny_engine import CHANNELS, GRID, SIZE, camera_at, linear_codec, rooms

DATA = Path(os.environ.get("MIRAGE_DATA", Path(__file__).parents[2] / "../shared/data"))
PHOTO = DATA / "spatia_case_1" / "img.jpg"
SHIPPED = ENGINE_DIR / "pocket" / "codec.safetensors"


def psnr(frames: np.ndarray, truth: torch.Tensor) -> float:
    error = (torch.from_numpy(frames).double() - truth.double()).square().mean()
    return float(10 * torch.log10(255**2 / error))


def smooth() -> tuple[torch.Tensor, torch.Tensor]:
    """A picture and a depth map of slow waves."""
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]] / 64
    waves = [np.sin(2 * x + y), np.cos(1.5 * y), np.sin(x - 2 * y + 1)]
    light = 0.5 + 0.25 * waves[0]
    picture = np.stack([light, light + 0.05 * waves[1], light + 0.05 * waves[2]], -1)
    depth = np.exp(1.0 + 0.4 * np.sin(x) + 0.3 * y)
    frames = torch.from_numpy((picture * 255).round().astype(np.uint8))
    return frames[None], torch.from_numpy(depth.astype(np.float32))[None]


def noise_latents(count: int = 2) -> torch.Tensor:
    return torch.randn(count, CHANNELS, *GRID)


def log_cells(log_depth: torch.Tensor) -> torch.Tensor:
    """[t, h, w] mean over each cell of [t, 1, H, W]."""
    return F.avg_pool2d(log_depth, PATCH)[:, 0]


def test_a_smooth_picture_comes_back_nearly_exact():
    frames, depth = smooth()
    decoded = linear_codec().decode(linear_codec().encode(frames, depth))
    assert psnr(decoded.frames, frames) > 42
    assert (decoded.depth_m / depth - 1).abs().max() < 0.02


def test_rooms_come_back_with_their_depth():
    view = rooms()
    decoded = linear_codec().decode(linear_codec().encode(view.frames, view.depth_m))
    assert psnr(decoded.frames, view.frames) > 30
    surface = torch.isfinite(view.depth_m) & torch.isfinite(decoded.depth_m)
    assert (decoded.depth_m / view.depth_m - 1).abs()[surface].median() < 0.01


def test_latents_have_the_size_that_is_promised_and_about_unit_variance():
    latents = linear_codec().encode(rooms().frames, rooms().depth_m)
    assert latents.shape == (4, CHANNELS, *linear_codec().spec.latent_size(SIZE))
    assert torch.allclose(latents.square().mean((0, 2, 3)), torch.ones(CHANNELS), atol=0.02)


def test_a_surface_can_be_moved_to_any_depth_without_touching_its_colours():
    codec, latents = linear_codec(), noise_latents()
    wanted = torch.empty(2, *GRID).uniform_(0.3, 30.0)
    before, after = codec(latents), codec(codec.at_depth(latents, wanted))
    assert torch.allclose(log_cells(after[1]), wanted.log(), atol=1e-4)
    assert torch.equal(after[0], before[0])


def test_moving_a_surface_keeps_its_relief():
    codec = linear_codec()
    latents = codec.encode(*smooth())
    near = codec(codec.at_depth(latents, torch.full((1, *GRID), 2.0)))[1]
    far = codec(codec.at_depth(latents, torch.full((1, *GRID), 6.0)))[1]
    assert torch.allclose(far - near, torch.full_like(far, np.log(3.0)), atol=0.05)


def test_moving_a_surface_to_where_it_is_changes_nothing():
    codec, latents = linear_codec(), noise_latents()
    own = log_cells(codec(latents)[1]).clamp(np.log(0.1), np.log(100)).exp()
    inside = (own > 0.11) & (own < 99)
    moved = codec.at_depth(latents, torch.where(inside, own, 0.0))
    assert torch.allclose(moved, latents, atol=1e-4)
    assert inside.float().mean() > 0.9


def test_a_cell_without_a_depth_stays_exactly_as_it_is():
    latents = noise_latents()
    assert torch.equal(linear_codec().at_depth(latents, torch.zeros(2, *GRID)), latents)


def test_sky_survives_a_round_trip_and_a_move():
    codec = linear_codec()
    frames, depth = smooth()
    depth[:, :32] = torch.inf
    latents = codec.encode(frames, depth)
    assert torch.isfinite(latents).all()
    assert torch.equal(torch.isinf(codec.decode(latents).depth_m), torch.isinf(depth))
    cells = depth[:, 2::PATCH, 2::PATCH]
    moved = codec.decode(codec.at_depth(latents, cells))
    assert torch.equal(torch.isinf(moved.depth_m), torch.isinf(depth))


def test_unknown_depth_is_encoded_as_some_surface():
    frames, depth = smooth()
    depth[:, :, :64] = 0
    latents = linear_codec().encode(frames, depth)
    made = linear_codec().decode(latents).depth_m
    assert torch.isfinite(made).all() and (made > 0).all()


def test_pictures_alone_are_refused():
    with pytest.raises(ValueError, match="depth"):
        linear_codec().encode(rooms().frames, None)


def test_the_colour_of_a_flat_cell_is_its_own():
    view = rooms()
    cells = F.avg_pool2d(view.frames.permute(0, 3, 1, 2).float(), PATCH).round()
    flat = F.interpolate(cells, scale_factor=PATCH).permute(0, 2, 3, 1).byte()
    latents = linear_codec().encode(flat, view.depth_m).permute(0, 2, 3, 1).reshape(-1, CHANNELS)
    wanted = cells.permute(0, 2, 3, 1).reshape(-1, 3).numpy()
    off = np.abs(linear_codec().colors(latents).astype(float) - wanted)
    assert off.mean() < 0.5
    assert off.max() <= 4


def test_an_untrained_decoder_trusts_every_pixel():
    assert linear_codec().decode(noise_latents()).keep.all()


@pytest.mark.skipif(not SHIPPED.exists(), reason="no codec weights yet")
def test_the_shipped_codec_shows_unseen_rooms_well():
    view = rooms((160, 256))
    codec = load_codec("pocket/codec.safetensors")
    decoded = codec.decode(codec.encode(view.frames, view.depth_m))
    assert psnr(decoded.frames, view.frames) >= 32
    sky = torch.isinf(view.depth_m)
    assert (torch.isinf(decoded.depth_m) == sky).float().mean() > 0.98


def test_a_file_of_other_weights_is_refused_by_name(tmp_path):
    other = tmp_path / "other.safetensors"
    save_weights(torch.nn.Linear(2, 2), other, {})
    with pytest.raises(ConfigError, match=r"other\.safetensors: missing"):
        load_codec(str(other))
    with pytest.raises(ConfigError, match="no such weights file"):
        load_codec(str(tmp_path / "absent.safetensors"))


def test_a_codec_survives_its_file(tmp_path):
    save_weights(linear_codec(), tmp_path / "codec.safetensors", {})
    again = load_codec(str(tmp_path / "codec.safetensors"))
    assert isinstance(again, PocketCodec)
    latents = noise_latents(1)
    assert np.array_equal(again.decode(latents).frames, linear_codec().decode(latents).frames)


def test_a_patch_seen_twice_as_large_shows_each_cell_its_own_part():
    codec = linear_codec()
    ramp = torch.linspace(0.2, 0.8, 4).expand(1, 3, 4, 4)  # brighter to the right, as one patch
    latents = codec.encode(
        (ramp.permute(0, 2, 3, 1) * 255).round().byte(), torch.full((1, 4, 4), 2.0)
    )
    own = codec(latents)[0][0, 0, 0]  # as the basis carries it
    two = MemoryView(
        latents=latents.expand(1, -1, 1, 2).contiguous(),
        mask=torch.ones(1, 1, 2, dtype=torch.bool),
        depth_m=torch.full((1, 1, 2), 2.0),
        source=torch.zeros(1, 1, 2, dtype=torch.int64),
        offset=torch.tensor([0.5, -0.5, 0.0, 0.0]).view(1, 2, 1, 2),  # centred between the cells
        scale=torch.ones(1, 1, 2),  # log2: two cells across
    )
    row = codec(codec.at_view(two))[0][0, 0, 0]
    wanted = np.interp((np.arange(8) + 0.5) / 2 - 0.5, np.arange(4), own.numpy())
    assert np.abs(row.numpy() - wanted).max() < 0.02
    assert row[0] < row[3] < row[4] < row[7]


def test_a_view_from_the_same_place_is_what_was_written():
    codec = linear_codec()
    view = rooms()
    latents = codec.encode(view.frames, view.depth_m)
    t, _, h, w = latents.shape
    same = MemoryView(
        latents=latents,
        mask=torch.ones(t, h, w, dtype=torch.bool),
        depth_m=codec.cell_depth(latents).exp(),
        source=torch.zeros(t, h, w, dtype=torch.int64),
        offset=torch.zeros(t, 2, h, w),
        scale=torch.zeros(t, h, w),
    )
    assert (codec.at_view(same) - latents).abs().max() < 1e-3


@pytest.mark.skipif(not PHOTO.exists(), reason=f"no photograph at {PHOTO} (MIRAGE_DATA)")
def test_the_shipped_codec_keeps_a_photograph_recognisable():
    """Far from the rooms that it was trained on, with the depth that a photograph begins with."""
    with Image.open(PHOTO) as picture:
        frame = np.asarray(ImageOps.fit(picture.convert("RGB"), (256, 160)))
    codec, camera = load_codec(str(SHIPPED)), camera_at(size=(160, 256))
    latents = codec.encode(frame[None], room_prior(camera)[None]).half()
    assert psnr(codec.decode(latents.float()).frames, torch.tensor(frame[None])) > 28
