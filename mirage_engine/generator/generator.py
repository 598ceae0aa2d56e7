"""Generator: from noise and what memory knows to the latents of one segment.

The denoising loop over diffusers' UniPC; the order of frames, the clean first frame, context and
references as the paper's code has them. Knows nothing of pictures or of how memory works.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from mirage_engine.config import GeneratorConfig
from mirage_engine.generator.condition import Conditions, PocketConditions
from mirage_engine.generator.schedule import scheduler, velocity_from
from mirage_engine.generator.speed import tune
from mirage_engine.generator.transformer import MirageTransformer3DModel, Prepared
from mirage_engine.parts import Cancelled, Context, Generated, OnStep


class WanGenerator:
    """Denoises segments with a `MirageTransformer3DModel`."""

    def __init__(
        self,
        transformer: MirageTransformer3DModel,
        config: GeneratorConfig,
        conditions: Conditions | None = None,  # None: those of the pocket preset
    ) -> None:
        self.transformer = transformer.eval()
        self.config = config
        self.conditions = conditions or PocketConditions()
        self.device = next(transformer.parameters()).device
        self.half = config.dtype == "bfloat16"
        tune(transformer, config)

    @torch.inference_mode()
    def __call__(self, context: Context, noise: Tensor, on_step: OnStep) -> Generated:
        """`noise` [t, C, h, w]. Raises Cancelled when `on_step` says no."""
        config = self.config
        channels = noise.shape[1]
        target = noise.transpose(0, 1)[None].to(self.device, copy=True)
        past = self._batch(context.references), self._batch(context.preceding)
        readout, given = self._prepare(context)
        steps = scheduler(config.steps, config.shift)
        first = context.first.to(self.device)
        target[:, :, 0] = first
        sure = torch.ones(())
        for i, timestep in enumerate(steps.timesteps):
            if not on_step(i, config.steps):
                raise Cancelled
            output = self._evaluate(target, float(timestep), past, given)
            sure = output[:, channels:]
            flow = velocity_from(
                output[:, :channels], target, steps.sigmas[i], readout, config.predict
            )
            target = steps.step(flow, timestep, target, return_dict=False)[0]
            target[:, :, 0] = first
        on_step(config.steps, config.steps)
        certain = torch.sigmoid(sure[0, 0]).cpu() if sure.numel() > 1 else None
        return Generated(target[0].transpose(0, 1).float().cpu(), certain)

    def _evaluate(
        self, target: Tensor, timestep: float, past: tuple[Tensor, Tensor], given: list[Prepared]
    ) -> Tensor:
        """Guided network output for the target frames, [1, C or C + 1, t, h, w] float32."""
        times = torch.full((target.shape[2],), timestep, device=self.device)
        times[0] = 0
        with self._autocast():
            outputs = [
                evaluate(self.transformer, target, times, *past, each, self.config.hint_scale)
                for each in given
            ]
        return guided([output.float() for output in outputs], self.config.guidance)

    def _prepare(self, context: Context) -> tuple[Tensor, list[Prepared]]:
        """(read-out of the target frames, what the network is given: with and without words)."""
        network, conditions = self.transformer, self.conditions
        memory = conditions.memory(context)[None].to(self.device)
        asked = [context]
        if self.config.guidance != 1:
            asked.append(replace(context, prompt=""))
        frames, references = len(context.view.mask), len(context.references)
        shape = (references + memory.shape[2], *memory.shape[3:])
        with self._autocast():
            readout = network.readout(memory)[:, :, :frames].float()
            given = [
                network.prepare(
                    conditions.text(each)[None].to(self.device), shape, memory, references
                )
                for each in asked
            ]
        return readout, given

    def _batch(self, latents: Tensor) -> Tensor:  # [t, C, h, w] -> [1, C, t, h, w]
        return latents.transpose(0, 1)[None].to(self.device)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.half)


def evaluate(
    network: MirageTransformer3DModel,
    target: Tensor,  # [B, C, T, h, w] noisy, its first frame clean
    times: Tensor,  # [T] or [B, T], 0..1000
    references: Tensor,  # [B, C, R, h, w] clean, R may be 0
    preceding: Tensor,  # [B, C, P, h, w] clean, P may be 0
    given: Prepared,
    hint_scale: float = 1.0,
) -> Tensor:  # [B, out_channels, T, h, w]
    """The network's output for the target frames; preceding ones come after them, as in Wan."""
    latents = torch.cat([references, target, preceding], 2)
    skip, frames = references.shape[2], target.shape[2]
    levels = torch.nn.functional.pad(times, (skip, preceding.shape[2]))
    output = network(latents, levels, given, hint_scale=hint_scale)
    return output[:, :, skip : skip + frames]


def guided(outputs: list[Tensor], guidance: float) -> Tensor:
    """Classifier-free guidance over outputs with and, when there are two, without words."""
    if len(outputs) == 1:
        return outputs[0]
    with_words, without = outputs
    return without + guidance * (with_words - without)
