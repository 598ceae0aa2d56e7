"""Real parts at a size that tests can afford: the codec, a network, a world, a walk."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from mirage_engine.camera import Camera, pinhole, pose
from mirage_engine.codecs.pocket import PocketCodec, fit_basis
from mirage_engine.config import GeneratorConfig, LensConfig, MemoryConfig, Preset
from mirage_engine.depth import CodecDepth
from mirage_engine.generator.generator import WanGenerator
from mirage_engine.generator.transformer import MirageTransformer3DModel
from mirage_engine.memory import LatentMemory, NoMemory
from mirage_engine.parts import Parts
from mirage_engine.rooms import RoomView, Scene
from mirage_engine.static_filter import CodecFilter
from mirage_engine.world import World

SIZE = (80, 128)
GRID = (20, 32)
LENS = LensConfig(width=SIZE[1], height=SIZE[0])
CHANNELS = 11


def camera_at(
    position: tuple[float, float, float] = (0.0, 0.0, 0.0),
    yaw_deg: float = 0.0,
    pitch_deg: float = 0.0,
    size: tuple[int, int] = SIZE,
) -> Camera:
    return Camera(pose(position, yaw_deg, pitch_deg), pinhole(size, LENS.hfov_deg), size)


@cache
def rooms(size: tuple[int, int] = SIZE) -> RoomView:
    """Four exact pictures from four validation scenes."""
    views = [Scene(900_000 + i).render([camera_at(size=size)]) for i in range(4)]
    columns = [torch.cat([getattr(v, name) for v in views]) for name in vars(views[0])]
    return RoomView(*columns)


@cache
def linear_codec() -> PocketCodec:
    """A fresh codec: the patch basis fitted here, the refining network still saying nothing."""
    codec = PocketCodec()
    fit_basis(codec, rooms().frames, rooms().depth_m)
    return codec.eval().requires_grad_(False)


def tiny_network(correction: float = 0.0, **changes: object) -> MirageTransformer3DModel:
    """The pocket network, small; its corrections are of size `correction`, 0 as before training."""
    sizes = {
        "patch_size": (1, 4, 4),
        "num_attention_heads": 2,
        "attention_head_dim": 16,
        "in_channels": CHANNELS,
        "out_channels": CHANNELS + 1,
        "text_dim": 4 * CHANNELS,
        "freq_dim": 32,
        "ffn_dim": 64,
        "num_layers": 2,
        "memory_in_channels": 2 * CHANNELS,
    }
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = MirageTransformer3DModel(**{**sizes, **changes}).eval().requires_grad_(False)
        torch.nn.init.normal_(network.proj_out.weight, std=correction)
    torch.nn.init.zeros_(network.proj_out.bias)
    return network


def tiny_world(kind: str = "latent", seed: int = 0, correction: float = 0.05) -> World:
    """A world of the preset's parts that has not begun."""
    preset = Preset(
        "tiny", lens=LENS, memory=MemoryConfig(kind=kind), generator=GeneratorConfig(steps=2)
    )
    memory = NoMemory(CHANNELS) if kind == "none" else LatentMemory(CHANNELS, preset.memory)
    made = None if kind == "copy" else WanGenerator(tiny_network(correction), preset.generator)
    return World(preset, seed, Parts(memory, made, linear_codec(), CodecDepth(), CodecFilter()))


def walk(
    count: int = 4, step_m: float = 0.1, turn_deg: float = 8.0, begin: int = 1
) -> list[Camera]:
    """Cameras `begin`.. of a walk ahead with a turn to the right; camera 0 is the start."""
    steps = np.arange(begin, begin + count)
    return [camera_at((0.0, 0.0, step_m * i), turn_deg * i) for i in steps]
