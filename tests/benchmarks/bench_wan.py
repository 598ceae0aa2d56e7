"""One segment of Wan2.2-TI2V-5B with its side branch, 33 frames at 704x1280: work, limits, seconds.

Counts operations and bytes on any machine, by running the real classes without memory behind them
(torch's meta device). On a CUDA machine it also measures, with random weights at full size.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from mirage_engine.config import GeneratorConfig
from mirage_engine.generator.condition import WanConditions
from mirage_engine.generator.generator import WanGenerator
from mirage_engine.generator.speed import halve
from mirage_engine.generator.transformer import MirageTransformer3DModel
from mirage_engine.parts import Context, MemoryView

Sizes = dict[str, Any]

# Constructor arguments that differ from diffusers' defaults, as in Wan2.2-TI2V-5B's config.
CODEC: Sizes = {
    "base_dim": 160,
    "decoder_base_dim": 256,
    "z_dim": 48,
    "in_channels": 12,
    "out_channels": 12,
    "patch_size": 2,
    "is_residual": True,
    "temperal_downsample": [False, True, True],
    "scale_factor_spatial": 16,
    "latents_mean": [0.0] * 48,
    "latents_std": [1.0] * 48,
}
# Dense bfloat16 products and memory, from the makers' data sheets: per second.
CARDS = {"h100": (989e12, 3.35e12), "h200": (989e12, 4.8e12), "rtx4090": (165e12, 1.01e12)}


@dataclass(frozen=True)
class Load:
    """What one evaluation holds, in latent frames and cells."""

    references: int = 4
    target: int = 9
    preceding: int = 2
    grid: tuple[int, int] = (44, 80)
    words: int = 512

    @property
    def frames(self) -> int:
        return self.references + self.target + self.preceding


def run() -> dict[str, Any]:
    """Counts; on CUDA also seconds and peak memory."""
    with torch.device("meta"), torch.no_grad():
        network = MirageTransformer3DModel().eval()
        halve(network)
        stages = stages_of(network, Load())
        alone = stages_of(network, Load(references=0, preceding=0))
        stages |= {"step_of_target_alone": alone["step"], "decode": decoding(Load())}
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    results: dict[str, Any] = {
        "weights_gb": weights / 1e9,
        **{k: {"tflop": w.flops / 1e12, "gb": w.moved / 1e9} for k, w in stages.items()},
        "limits": {card: limits(stages, *rates) for card, rates in CARDS.items()},
    }
    if torch.cuda.is_available():
        results["measured"] = measure(torch.device("cuda"))
    return results


def limits(
    stages: dict[str, Work],
    flops_s: float,  # operations per second
    bytes_s: float,
) -> dict[str, float]:
    """Seconds of a whole segment that a card cannot go below, and with no operation fused."""

    def seconds(steps: int, fused: bool) -> float:
        counts = {"prepare": 1, "step": steps, "decode": 1}
        work = sum(n * stages[stage].flops for stage, n in counts.items())
        moved = sum(n * stages[stage].moved for stage, n in counts.items())
        return work / flops_s + (0.0 if fused else moved / bytes_s)

    return {
        f"{kind}_{steps}_steps_s": seconds(steps, kind == "fused")
        for steps in (4, 20)
        for kind in ("fused", "unfused")
    }


@dataclass
class Work:
    flops: float
    moved: float  # bytes that operations read and wrote, nothing fused


def stages_of(network: MirageTransformer3DModel, load: Load) -> dict[str, Work]:
    half = torch.bfloat16
    latents = torch.zeros(1, 48, load.frames, *load.grid, dtype=half)
    memory = torch.zeros(1, 96, load.target + load.preceding, *load.grid, dtype=half)
    text = torch.zeros(1, load.words, 4096, dtype=half)
    times = torch.zeros(load.frames)
    shape = (load.frames, *load.grid)
    given = network.prepare(text, shape, memory, load.references)
    return {
        "prepare": work_of(lambda: network.prepare(text, shape, memory, load.references)),
        "step": work_of(lambda: network(latents, times, given)),
    }


def decoding(load: Load) -> Work:
    codec = AutoencoderKLWan(**CODEC).to(torch.bfloat16).eval()
    latents = torch.zeros(1, 48, load.target, *load.grid, dtype=torch.bfloat16)
    return work_of(lambda: codec.decode(latents))


def work_of(stage: Callable[[], Any]) -> Work:
    with FusedAttention() as attention, FlopCounterMode(display=False) as flops, Moved() as moved:
        stage()
    return Work(flops.get_total_flops() + attention.flops, moved.total + attention.moved)


class FusedAttention(TorchFunctionMode):
    """Counts attention as one kernel does it: score matrices never leave the chip."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = self.moved = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not F.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        given = dict(zip(("query", "key", "value"), args, strict=False)) | (kwargs or {})
        query, key = given["query"], given["key"]
        self.flops += 4 * query.numel() * key.shape[-2]
        self.moved += 2 * (query.numel() + key.numel()) * query.element_size()
        return torch.empty_like(query)


class Moved(TorchDispatchMode):
    """Bytes of every operation's arguments and results, views aside."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = [t for t in tree_leaves((args, kwargs, out)) if isinstance(t, torch.Tensor)]
            self.total += sum(t.numel() * t.element_size() for t in tensors)
        return out


def measure(
    device: torch.device,
    network_sizes: Sizes | None = None,
    codec_sizes: Sizes = CODEC,
    load: Load | None = None,
    steps: tuple[int, ...] = (20, 4),
    repeats: int = 3,
    compiled: bool = True,
) -> dict[str, Any]:
    """Medians of whole segments with random weights, after a warm-up; peak memory of the device."""
    load = load or Load()
    results: dict[str, Any] = {}
    for kind in ("eager", "compiled") if compiled else ("eager",):
        network = random_network(network_sizes or {}, device)
        for i, count in enumerate(steps):
            # Compiled once: the second number of steps runs the same blocks.
            config = GeneratorConfig(
                steps=count,
                dtype="bfloat16",
                predict="flow",
                compile=kind == "compiled" and i == 0,
            )
            stage = segment_of(network, config, load)
            results[f"denoise_{count}_steps_{kind}"] = timed(stage, device, repeats)
        del network, stage
        gc.collect()
    codec = AutoencoderKLWan(**codec_sizes).to(device, torch.bfloat16).eval()
    latents = torch.randn(1, 48, load.target, *load.grid, device=device, dtype=torch.bfloat16)
    with torch.inference_mode():
        results["decode"] = timed(lambda: codec.decode(latents), device, repeats)
    return results


def segment_of(
    network: MirageTransformer3DModel, config: GeneratorConfig, load: Load
) -> Callable[[], Any]:
    """Denoises one segment, from noise to latents."""
    words = torch.randn(load.words, network.config["text_dim"])
    conditions = WanConditions(lambda _: words, lambda frames, grid: torch.ones(48, frames, *grid))
    make = WanGenerator(network, config, conditions)
    context, noise = _context(load), torch.randn(load.target, 48, *load.grid)
    return lambda: make(context, noise, lambda *_: True)


def random_network(sizes: Sizes, device: torch.device) -> MirageTransformer3DModel:
    """Made in bfloat16 on the device, so that a small card's memory is enough."""
    torch.set_default_dtype(torch.bfloat16)
    try:
        with device:
            network = MirageTransformer3DModel(**sizes).eval().requires_grad_(False)
    finally:
        torch.set_default_dtype(torch.float32)
    for name, parameter in network.named_parameters():
        if "scale_shift_table" in name or "norm2" in name:
            parameter.data = parameter.data.float()
    return network


def timed(stage: Callable[[], Any], device: torch.device, repeats: int) -> dict[str, float]:
    on_cuda = device.type == "cuda"
    if on_cuda:
        torch.cuda.reset_peak_memory_stats(device)
    start_s = time.perf_counter()
    stage()
    _wait(device)
    first_s, seconds = time.perf_counter() - start_s, []
    for _ in range(repeats):
        start_s = time.perf_counter()
        stage()
        _wait(device)
        seconds.append(time.perf_counter() - start_s)
    peak = torch.cuda.max_memory_allocated(device) / 1e9 if on_cuda else 0.0
    return {"seconds": statistics.median(seconds), "first_s": first_s, "peak_gb": peak}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _context(load: Load) -> Context:
    def view(frames: int) -> MemoryView:
        grid = (frames, *load.grid)
        blank = torch.zeros(grid)
        offset = torch.zeros(frames, 2, *load.grid)
        return MemoryView(latents(frames), blank > -1, blank, blank.long(), offset, blank)

    def latents(frames: int) -> torch.Tensor:
        return torch.randn(frames, 48, *load.grid)

    first = latents(1)[0]
    return Context(
        view(load.target),
        (),
        first,
        latents(load.preceding),
        view(load.preceding),
        latents(load.references),
        first,
    )
