"""The large network at a size that tests can afford, and the official files of that size."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from torch import Tensor
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from mirage_engine.generator.transformer import MirageTransformer3DModel
from mirage_engine.generator.weights import load_transformer

HEADS = 3


def tiny_wan(**changes: object) -> MirageTransformer3DModel:
    """The golden data's network, random."""
    sizes = {
        "num_attention_heads": HEADS,
        "attention_head_dim": 32,
        "in_channels": 48,
        "out_channels": 48,
        "text_dim": 64,
        "ffn_dim": 192,
        "num_layers": 4,
        "memory_in_channels": 96,
    }
    return MirageTransformer3DModel(**{**sizes, **changes}).eval()


def official_wan(golden: Path, loras: tuple = ()) -> MirageTransformer3DModel:
    """The golden data's network with its weights, read as a user's files are."""
    with tempfile.TemporaryDirectory() as folder:
        heads = json.loads((golden / "tiny_config.json").read_text())["heads"]
        (Path(folder) / "config.json").write_text(json.dumps({"num_heads": heads}))
        backbone = Path(folder) / "tiny_dit.safetensors"
        backbone.symlink_to((golden / backbone.name).resolve())
        return load_transformer(str(backbone), str(golden / "tiny_vace.safetensors"), loras)


def write(state: dict[str, Tensor], path: Path) -> str:
    """A safetensors file of other people's making: no header of ours."""
    save_file({key: value.contiguous().clone() for key, value in state.items()}, path)
    return str(path)


def save_tiny_text(folder: Path) -> Path:
    """A text encoder of the large preset's kind with its tokenizer, as a diffusers folder."""
    words = ["a", "quiet", "loud", "room", "with", "blue", "red", "door", "one", "two", "three"]
    vocabulary = {word: i for i, word in enumerate(["<pad>", "</s>", "<unk>", *words])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()  # pyright: ignore
    tokenizer.post_processor = TemplateProcessing(  # pyright: ignore
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder / "tokenizer")
    with torch.random.fork_rng():
        torch.manual_seed(4)
        encoder = UMT5EncoderModel(
            UMT5Config(vocab_size=32, d_model=64, d_kv=8, d_ff=64, num_layers=2, num_heads=2)
        )
    encoder.save_pretrained(folder / "text_encoder")
    return folder
