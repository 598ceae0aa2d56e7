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


def iterations(data: np.lib.npyio.NpzFile) -> int:
    """How many segments a scripted loop has."""
    return sum(key.endswith("/target_pose_indices") for key in data)


def loop_reader(
    data: np.lib.npyio.NpzFile,  # a whole loop
    given: np.lib.npyio.NpzFile,  # its inputs
    iteration: int,
) -> Reader:
    """One segment of a loop as the cases of single segments have it."""
    made = [torch.from_numpy(data[f"it{i}/out"]) for i in range(iteration)]
    # The first segment is counted with the frame that it begins with, later ones without.
    history = torch.cat([out[:, :, min(i, 1) :] for i, out in enumerate(made)], 2) if made else None
    references = torch.from_numpy(data[f"it{iteration}/reference_indices"])
    white = torch.from_numpy(given["fake_vae_enc"].sum(1) + given["fake_vae_encb"])
    score = white[:, None, None, None].expand(48, 99, *given["latent_hw"].tolist())
    frames = len(data[f"it{iteration}/target_pose_indices"])
    frames += int(data[f"it{iteration}/num_preceding"])
    own = {
        "first_frame_latent": _started(given) if history is None else history[:, :, -1:],
        "reference_latents": history[:, :, references] if len(references) else None,
        "vace_context_96": torch.cat([score[:, :frames]] * 2),
        "context": torch.from_numpy(given["context"]),
        "steps": torch.from_numpy(given["infer_steps"]),
        "guidance": torch.ones(()),
    }
    stored = reader(data, f"it{iteration}")
    return lambda name: own[name] if name in own else stored(name)


def _started(given: np.lib.npyio.NpzFile) -> torch.Tensor:  # [1, 48, 1, h, w]
    """The first frame through the stand-in codec: means of 16x16 pixels, and a matrix."""
    height, width = given["latent_hw"].tolist()
    picture = given["frame0"].astype(np.float32) / 127.5 - 1
    means = picture.reshape(height, 16, width, 16, 3).mean((1, 3))
    cells = means @ given["fake_vae_enc"].T + given["fake_vae_encb"]
    return torch.from_numpy(cells.transpose(2, 0, 1))[None, :, None].float()


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
