"""Segments of the golden data as the generator takes them."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import torch

from mirage_engine.config import GeneratorConfig
from mirage_engine.generator.condition import WanConditions
from mirage_engine.generator.generator import WanGenerator
from mirage_engine.generator.transformer import MirageTransformer3DModel
from mirage_engine.parts import Context, MemoryView

Reader = Callable[[str], torch.Tensor | None]


def cases(data: np.lib.npyio.NpzFile, name: str) -> list[str]:
    """The cases of a file that have an array of this name."""
    found = [key.split("/")[0] for key in data if key.endswith(f"/{name}")]
    assert found, f"no case has {name}"
    return found


def references_of(case: str) -> int:
    """2 of `R2P1`, whatever stands around it."""
    found = re.search(r"R(\d+)P\d+", case)
    assert found
    return int(found[1])


def reader(data: np.lib.npyio.NpzFile, case: str) -> Reader:
    """Arrays of one case by name, None where the file has none."""

    def read(name: str) -> torch.Tensor | None:
        key = f"{case}/{name}"
        return torch.from_numpy(data[key]) if key in data else None

    return read


def seen_as(scene: torch.Tensor) -> MemoryView:  # [C, t, h, w], zeros in holes
    """A read-out as memory gives it; the preset of this network looks at nothing else."""
    latents = scene.transpose(0, 1)
    mask = (latents != 0).any(1)
    blank = torch.zeros(mask.shape)
    offset = torch.zeros(len(mask), 2, *mask.shape[1:])
    return MemoryView(latents, mask, blank, blank.long(), offset, blank)


def context_of(read: Reader) -> Context:
    scene, first = read("target_scene"), read("first_frame_latent")
    none = torch.zeros(0, *first[0].transpose(0, 1).shape[1:])
    past = {
        name: none if read(name) is None else read(name)[0].transpose(0, 1)
        for name in ("preceding_latents", "reference_latents")
    }
    before = read("preceding_scene")
    return Context(
        view=seen_as(scene),
        cameras=(),
        first=first[0, :, 0],
        preceding=past["preceding_latents"],
        preceding_view=None if before is None else seen_as(before),
        references=past["reference_latents"],
        start=first[0, :, 0],
        prompt="a room",
    )


def conditions_of(read: Reader) -> WanConditions:
    words = {"a room": read("context"), "": read("uncon_context")}
    score = read("vace_context_96")[48:]
    return WanConditions(lambda prompt: words[prompt][0], lambda frames, size: score)


def segment_of(
    network: MirageTransformer3DModel, read: Reader
) -> tuple[torch.Tensor, torch.Tensor]:  # [t, C, h, w] each
    """(what the generator makes of a case, what the official code made of it)."""
    config = GeneratorConfig(
        steps=int(read("steps")), guidance=float(read("guidance")), predict="flow"
    )
    make = WanGenerator(network, config, conditions_of(read))
    made = make(context_of(read), read("noise")[0].transpose(0, 1), lambda *_: True)
    return made.latents, read("out")[0].transpose(0, 1)
