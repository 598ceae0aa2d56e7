"""The Wan codec on diffusers' own autoencoder at a tiny size: scale, stream, tiles, colours."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from mirage_engine.codecs.tiles import Tile, blend, make_tiles
from mirage_engine.codecs.wan import MULTIPLE, WanCodec, load_wan_codec
from mirage_engine.codecs.wan_decoder import reach
from mirage_engine.config import CodecConfig, ConfigError
from mirage_engine.parts import MemoryView
from tests.engine.tiny_engine import rooms

GRID = (4, 6)
SIZE = (64, 96)


@cache
def tiny_vae() -> AutoencoderKLWan:
    """The layout of Wan2.2's autoencoder with few channels; deviations are not 1, means not 0."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        vae = AutoencoderKLWan(
            base_dim=4,
            decoder_base_dim=8,
            z_dim=48,
            dim_mult=[1, 2, 4, 4],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
            latents_mean=torch.linspace(-0.5, 0.5, 48).tolist(),
            latents_std=torch.linspace(0.5, 2.0, 48).tolist(),
            is_residual=True,
            in_channels=12,
            out_channels=12,
            patch_size=2,
            scale_factor_spatial=16,
        )
    return vae.eval().requires_grad_(False)


def codec(**settings: object) -> WanCodec:
    return WanCodec(tiny_vae(), CodecConfig(kind="wan", **settings))


def noise(count: int, grid: tuple[int, int] = GRID) -> torch.Tensor:
    return torch.randn(count, 48, *grid)


def whole_video(latents: torch.Tensor) -> np.ndarray:
    """What diffusers makes of all latents at once, as uint8 [T, H, W, 3]."""
    vae = tiny_vae()
    mean = torch.tensor(vae.config.latents_mean)[:, None, None]
    std = torch.tensor(vae.config.latents_std)[:, None, None]
    video = vae.decode((latents * std + mean).transpose(0, 1)[None]).sample[0]
    return ((video.permute(1, 2, 3, 0) + 1) * 127.5).round().byte().numpy()


def walked(made: WanCodec, latents: torch.Tensor, cuts: list[int]) -> np.ndarray:
    """Pictures of `latents[cuts[0]:]`, segment by segment."""
    edges = [*cuts, len(latents)]
    parts = [made.decode(latents[a:b], latents[:a]).frames for a, b in pairwise(edges)]
    return np.concatenate(parts)


def test_the_numbers_are_those_of_wan22():
    spec = codec().spec
    assert (spec.channels, spec.stride, spec.temporal_stride) == (48, 16, 4)
    assert spec.multiple == MULTIPLE == 32
    assert not spec.carries_depth


def test_latents_are_normalised_by_the_models_mean_and_deviation():
    frames = rooms(SIZE).frames[[0, 1, 2, 3, 0]]
    vae = tiny_vae()
    video = (frames.permute(3, 0, 1, 2).float() / 127.5 - 1)[None]
    raw = vae.encode(video).latent_dist.mode()[0]
    latents = codec().encode(frames)
    assert latents.shape == (2, 48, *GRID)
    for channel in (0, 17, 47):
        mean, std = vae.config.latents_mean[channel], vae.config.latents_std[channel]
        assert torch.allclose(latents[:, channel], (raw[channel] - mean) / std, atol=1e-5)


def test_a_video_decodes_as_diffusers_does_it():
    latents = noise(3)
    frames = codec().decode(latents).frames
    assert frames.shape == (9, *SIZE, 3)
    assert np.array_equal(frames, whole_video(latents))


@pytest.mark.parametrize("cuts", [[1], [1, 3], [1, 2, 3, 4, 5, 6], [4, 5]])
def test_segments_decoded_in_turn_equal_the_whole_video_bit_for_bit(cuts):
    latents = noise(7)
    whole = whole_video(latents)
    frames = walked(codec(), latents, cuts)
    assert np.array_equal(frames, whole[len(whole) - len(frames) :])
    assert len(frames) == 4 * (7 - cuts[0])


def test_a_walk_decodes_each_latent_once(monkeypatch):
    made, latents = codec(), noise(9)
    calls: list[int] = []
    real = tiny_vae().decoder.forward
    monkeypatch.setattr(
        tiny_vae().decoder, "forward", lambda *a, **k: (calls.append(1), real(*a, **k))[1]
    )
    walked(made, latents, [1, 3, 5, 7])
    assert len(calls) == 9


def test_after_an_undo_another_branch_is_decoded_as_if_it_were_the_only_one():
    made, trunk, left, right = codec(), noise(3), noise(2), noise(2)
    made.decode(trunk[1:], trunk[:1])
    made.decode(left, trunk)
    taken = made.decode(right, trunk).frames
    assert np.array_equal(taken, whole_video(torch.cat([trunk, right]))[-8:])
    again = made.decode(left, trunk).frames
    assert np.array_equal(again, whole_video(torch.cat([trunk, left]))[-8:])


def test_another_world_of_the_same_length_does_not_inherit_anything():
    made, first, second = codec(), noise(4), noise(4)
    made.decode(first[1:], first[:1])
    frames = made.decode(second[1:], second[:1]).frames
    assert np.array_equal(frames, whole_video(second)[1:])


def test_a_glance_at_one_frame_does_not_cost_the_walk_its_place(monkeypatch):
    made, latents = codec(), noise(4)
    made.decode(latents[1:3], latents[:1])
    assert made.decode(latents[:1]).frames.shape == (1, *SIZE, 3)
    calls: list[int] = []
    real = tiny_vae().decoder.forward
    monkeypatch.setattr(
        tiny_vae().decoder, "forward", lambda *a, **k: (calls.append(1), real(*a, **k))[1]
    )
    made.decode(latents[3:], latents[:3])
    assert len(calls) == 1


def test_no_picture_depends_on_more_latents_than_the_reach():
    vae = tiny_vae()
    far = reach(vae)
    latents = noise(far + 2, (1, 2))
    other = torch.cat([noise(1, (1, 2)), latents[1:]])
    a, b = (codec().decode(x[-1:], x[:-1]).frames for x in (latents, other))
    whole = whole_video(latents)[-4:]
    assert np.array_equal(a, b)
    assert np.array_equal(a, whole)


def test_the_reach_of_the_public_model_is_38_latent_frames():
    with torch.device("meta"):
        vae = AutoencoderKLWan(
            base_dim=8,
            decoder_base_dim=8,
            z_dim=48,
            temperal_downsample=[False, True, True],
            is_residual=True,
            in_channels=12,
            out_channels=12,
            patch_size=2,
        )
    # Two frames per convolution of kernel 3: 12 at one picture per latent, 12 and a time_conv more
    # in the first block, and so on upwards: ((24 * 2) + 14) * 2 + 26 pictures, four to a latent.
    assert reach(vae) == -(-(((2 + 8 + 12 + 2) * 2 + 12 + 2) * 2 + 12 + 12 + 2) // 4) == 38


def test_tiles_are_streamed_too():
    latents = noise(5)
    made = codec(tile_cells=4, tile_overlap_cells=2)
    assert len(make_tiles(GRID, 4, 2)) == 2
    alone = codec(tile_cells=4, tile_overlap_cells=2).decode(latents).frames
    assert np.array_equal(walked(made, latents, [1, 3]), alone[1:])


def test_a_tiled_picture_fades_from_one_tile_to_the_next():
    latents = noise(1)
    tiled = codec(tile_cells=4, tile_overlap_cells=2).decode(latents).frames[0].astype(float)
    left, right = (whole_video(latents[..., a : a + 4])[0].astype(float) for a in (0, 2))
    for column in range(96):
        a, b = column, column - 32  # in each tile's own pixels, of 64
        weight_a = max(0.0, min(a + 0.5, 63.5 - a))
        weight_b = max(0.0, min(b + 0.5, 63.5 - b))
        wanted = np.zeros((64, 3))
        if weight_a > 0:
            wanted += left[:, a] * weight_a
        if weight_b > 0:
            wanted += right[:, b] * weight_b
        assert np.abs(tiled[:, column] - wanted / (weight_a + weight_b)).max() <= 1.01


def test_tiled_latents_fade_in_the_same_way():
    frames = rooms(SIZE).frames[:1]
    tiled = codec(tile_cells=4, tile_overlap_cells=2).encode(frames)[0]
    left, right = (codec().encode(frames[:, :, 16 * a : 16 * a + 64])[0] for a in (0, 2))
    assert torch.allclose(tiled[..., :2], left[..., :2], atol=1e-5)
    assert torch.allclose(tiled[..., 4:], right[..., 2:], atol=1e-5)
    for column, share in ((2, 1.5 / 2), (3, 0.5 / 2)):  # 1.5 against 0.5 cells from the edges
        wanted = share * left[..., column] + (1 - share) * right[..., column - 2]
        assert torch.allclose(tiled[..., column], wanted, atol=1e-5)


@pytest.mark.parametrize("size", [(4, 6), (44, 80), (45, 81), (13, 7)])
@pytest.mark.parametrize(("edge", "overlap"), [(0, 0), (8, 2), (30, 15)])
def test_tiles_cover_the_grid_and_overlap_enough(size, edge, overlap):
    tiles = make_tiles(size, edge, overlap)
    hits = torch.zeros(size)
    for tile in tiles:
        tile.of(hits).add_(1)
        assert edge == 0 or max(tile.bottom - tile.top, tile.right - tile.left) <= max(edge, 0)
    assert hits.min() >= 1
    picture = torch.rand(2, *size)
    assert torch.allclose(blend([t.of(picture) for t in tiles], tiles), picture, atol=1e-6)
    columns = sorted({(t.left, t.right) for t in tiles})
    assert all(a[1] - b[0] >= overlap for a, b in pairwise(columns))


def test_tiles_of_pixels_lie_where_their_cells_do():
    picture = torch.arange(64 * 96).view(64, 96)
    part = Tile(1, 3, 2, 4).of(picture, 16)
    assert part.shape == (32, 32)
    assert part[0, 0] == picture[16, 32]


def test_the_score_latent_is_a_white_video_encoded_once(monkeypatch):
    made = codec()
    white = np.full((9, *SIZE, 3), 255, np.uint8)
    assert torch.allclose(made.score(3, GRID), made.encode(white), atol=1e-6)
    monkeypatch.setattr(tiny_vae(), "encode", pytest.fail)
    assert torch.equal(made.score(2, GRID), made.score(3, GRID)[:2])


def test_a_shorter_score_equals_the_one_encoded_by_itself():
    long, short = codec(), codec()
    long.score(4, GRID)
    assert torch.allclose(long.score(2, GRID), short.score(2, GRID), atol=1e-6)


def test_where_latents_are_an_affine_map_of_colours_the_colours_are_found(monkeypatch):
    """Closed form: nothing is known of a random encoder's colours, so it is given some."""
    made = codec()
    mix, shift = torch.randn(48, 3), torch.randn(48)

    def encode(video: torch.Tensor) -> torch.Tensor:  # [3, 1, H, W] in -1..1
        cells = F.avg_pool2d(video[:, 0], 16)
        return (torch.einsum("kc,chw->khw", mix, cells) + shift[:, None, None])[None]

    monkeypatch.setattr(made, "_encode", encode)
    truth = torch.rand(50, 3)
    found = made.colors((2 * truth - 1) @ mix.T + shift)
    assert np.abs(found / 255 - truth.numpy()).max() < 0.01


def test_the_read_out_is_given_as_it_is():
    grid = (1, *GRID)
    view = MemoryView(
        latents=noise(1),
        mask=torch.ones(grid, dtype=torch.bool),
        depth_m=torch.ones(grid),
        source=torch.zeros(grid, dtype=torch.int64),
        offset=torch.zeros(1, 2, *GRID),
        scale=torch.zeros(grid),
    )
    assert torch.equal(codec().at_view(view), view.latents)


def test_a_number_of_frames_that_no_latents_have_is_refused():
    with pytest.raises(ValueError, match=r"frames must be 4k \+ 1, got 4; 1 would do"):
        codec().encode(rooms(SIZE).frames)


def test_a_diffusers_folder_is_loaded_and_one_line_says_what_is_missing(tmp_path):
    tiny_vae().save_pretrained(tmp_path / "vae")
    config = CodecConfig(kind="wan", weights=str(tmp_path))
    latents = noise(2)
    loaded = load_wan_codec(config)
    assert np.array_equal(loaded.decode(latents).frames, codec().decode(latents).frames)
    file = tmp_path / "vae" / "diffusion_pytorch_model.safetensors"
    state = load_file(file)
    del state["decoder.conv_in.bias"]
    save_file(state, file, {"format": "pt"})
    with pytest.raises(ConfigError, match=r"missing \['decoder.conv_in.bias'\]"):
        load_wan_codec(config)
    file.unlink()
    with pytest.raises(ConfigError, match="no AutoencoderKLWan"):
        load_wan_codec(config)
    (tmp_path / "vae" / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"has no vae.config\.json"):
        load_wan_codec(config)
    with pytest.raises(ConfigError, match="neither a folder nor in the hub's cache"):
        load_wan_codec(CodecConfig(kind="wan", weights="nobody/no-such-model"))
