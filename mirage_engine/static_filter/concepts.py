"""Leaves out what words name: SAM 3 finds people, animals, vehicles, water in the whole segment.

The words are settings; a Qwen3-VL may name more when a world begins. Geometry's own judgement is
taken too. Both networks are those of transformers, read from this disk; SAM 3 needs torchvision.
"""

from __future__ import annotations

import gc
import importlib.util
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mirage_engine.config import ConfigError, StaticFilterConfig
from mirage_engine.parts import Decoded, Sight
from mirage_engine.pretrained import load_network, pretrained_folder
from mirage_engine.static_filter.residual import ResidualFilter

SKY = "sky"
LONGEST = 3  # words of a concept; longer ones are sentences
MOST = 12  # concepts that a proposer may add
QUESTION = (
    "List the kinds of things in this picture that can move or flow by themselves, such as people, "
    "animals, vehicles, water, smoke or flags. Answer with short nouns, separated by commas. "
    "If there are none, answer: none."
)


class ConceptFilter:
    """`network` is a Sam3VideoModel with its `processor`; `proposer` may name more concepts."""

    def __init__(
        self, network: Any, processor: Any, config: StaticFilterConfig, proposer: Proposer | None
    ) -> None:
        self.network, self.processor, self.config = network, processor, config
        self.proposer = proposer
        self.concepts = config.concepts
        self._residual = ResidualFilter(config, network.device)

    def __call__(self, decoded: Decoded, depth_m: Tensor, sight: Sight) -> Tensor:
        if sight.start and self.proposer is not None:
            found = self.proposer(decoded.frames[0])
            self.concepts = tuple(dict.fromkeys(self.config.concepts + found))
        keep = self._residual(decoded, depth_m, sight)
        return without(keep, depth_m, self.masks(decoded.frames))

    @torch.no_grad()
    def masks(self, frames: np.ndarray) -> dict[str, Tensor]:
        """[T, H, W] bool of each concept, from uint8 [T, H, W, 3]."""
        session = self.processor.init_video_session(
            video=frames,
            inference_device=self.network.device,
            video_storage_device="cpu",
            dtype=self.network.dtype,
        )
        self.processor.add_text_prompt(session, list(self.concepts))
        masks = {name: torch.zeros(frames.shape[:3], dtype=torch.bool) for name in self.concepts}
        for output in self.network.propagate_in_video_iterator(session):
            found = self.processor.postprocess_outputs(session, output)
            for name, numbers in found["prompt_to_obj_ids"].items():
                mine = torch.isin(found["object_ids"].cpu(), torch.tensor(numbers))
                masks[name][output.frame_idx] |= found["masks"].cpu()[mine].any(0)
        return masks


class Proposer:
    """Asks a Qwen3-VL what in a picture can move; loaded for the question, then let go."""

    def __init__(self, weights: str, device: torch.device | str, dtype: torch.dtype) -> None:
        """Raises ConfigError when the weights are not here."""
        self.folder = pretrained_folder(weights)
        self.device, self.dtype = device, dtype

    def __call__(self, frame: np.ndarray) -> tuple[str, ...]:  # uint8 [H, W, 3]
        from transformers import AutoProcessor, Qwen3VLForConditionalGeneration

        network = load_network(Qwen3VLForConditionalGeneration, str(self.folder))
        network.to(self.device, self.dtype)
        processor = AutoProcessor.from_pretrained(self.folder, local_files_only=True)
        picture = {"type": "image", "image": Image.fromarray(frame)}
        content = [picture, {"type": "text", "text": QUESTION}]
        inputs = processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        ).to(self.device, self.dtype)
        tokens = network.generate(**inputs, max_new_tokens=64, do_sample=False)
        answer = processor.decode(tokens[0, inputs["input_ids"].shape[1] :], True)
        del network
        gc.collect()
        if torch.device(self.device).type == "cuda":
            torch.cuda.empty_cache()
        return concepts_in(answer)


def without(
    keep: Tensor,  # [T, H, W] bool
    depth_m: Tensor,  # [T, H, W], +inf sky
    masks: dict[str, Tensor],  # [T, H, W] bool of each concept
) -> Tensor:
    """`keep` without what the masks show. Sky at infinity may stay: it turns with the walker."""
    for name, mask in masks.items():
        shown = mask.to(keep.device)
        keep = keep & ~(shown & torch.isfinite(depth_m) if name == SKY else shown)
    return keep


def concepts_in(answer: str) -> tuple[str, ...]:
    """The nouns of a list with commas or lines, however it is decorated; sentences are left out."""
    lines = answer.replace("\n", ",").split(",")
    words = [line.strip(" \t-*•.\"'`0123456789()").lower() for line in lines]
    short = [word for word in words if word and word != "none" and len(word.split()) <= LONGEST]
    return tuple(dict.fromkeys(short))[:MOST]


def load_concepts(config: StaticFilterConfig, device: torch.device | str = "cpu") -> ConceptFilter:
    """The filter with its networks. Raises ConfigError when a library or weights are missing."""
    if importlib.util.find_spec("torchvision") is None:
        raise ConfigError(
            "static_filter.kind = 'concepts': SAM 3 needs torchvision, which is not installed; "
            "pip install torchvision, or choose residual"
        )
    from transformers import Sam3VideoModel, Sam3VideoProcessor

    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[config.dtype]
    network = load_network(Sam3VideoModel, config.weights).to(device, dtype)
    folder = pretrained_folder(config.weights)
    processor = Sam3VideoProcessor.from_pretrained(folder, local_files_only=True)
    proposer = Proposer(config.proposer, device, dtype) if config.proposer else None
    return ConceptFilter(network, processor, config, proposer)
