"""Prompts as the large network reads them: T5's embeddings of at most 512 tokens, zeros behind.

The encoder (UMT5, from transformers) is as large as the generator. It is read from this disk when a
prompt is new, and leaves memory when it has answered.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoTokenizer, UMT5EncoderModel

from mirage_engine.config import ConfigError, GeneratorConfig
from mirage_engine.pretrained import load_network, pretrained_folder

TOKENS = 512


@dataclass(frozen=True)
class Reader:
    """An encoder and its tokenizer."""

    encoder: UMT5EncoderModel
    tokenizer: Any

    @torch.no_grad()
    def __call__(self, prompt: str) -> Tensor:
        """[512, text_dim] float32 on the CPU."""
        words = " ".join(prompt.split())
        tokens = self.tokenizer(words, truncation=True, max_length=TOKENS, return_tensors="pt")
        ids = tokens["input_ids"].to(self.encoder.device)
        rows = self.encoder(ids).last_hidden_state[0].float().cpu()
        return F.pad(rows, (0, 0, 0, TOKENS - len(rows)))


class Prompts:
    """Turns prompts into [512, text_dim]; each is read once."""

    def __init__(self, load: Callable[[], Reader]) -> None:
        self._load = load
        self._known: dict[str, Tensor] = {}

    def __call__(self, prompt: str) -> Tensor:
        self.read([prompt])
        return self._known[prompt]

    def read(self, prompts: Sequence[str]) -> None:
        """Makes sure of several with one loading of the encoder."""
        new = [prompt for prompt in prompts if prompt not in self._known]
        if not new:
            return
        reader = self._load()
        self._known |= {prompt: reader(prompt) for prompt in new}
        del reader
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def load_prompts(config: GeneratorConfig, device: torch.device | str = "cpu") -> Prompts:
    """For a preset's text encoder. Raises ConfigError when it is not on this disk."""
    folder = pretrained_folder(config.text, "text_encoder")
    place = folder.parent / "tokenizer" if folder.name == "text_encoder" else folder
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[config.dtype]
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True)
    except (OSError, ValueError, ImportError, KeyError) as error:
        line = str(error).strip().partition("\n")[0]
        raise ConfigError(f"{place}: no tokenizer ({line})") from None

    def load() -> Reader:
        encoder = load_network(UMT5EncoderModel, str(folder))
        return Reader(encoder.to(device, dtype), tokenizer)

    return Prompts(load)
