"""Generator: from noise and what memory knows to the latents of one segment.

The denoising loop over diffusers' UniPC; the order of frames, the clean first frame, context and
references as the paper's code has them. Knows nothing of pictures or of how memory works.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mirage_engine.config import GeneratorConfig
from mirage_engine.generator.attention import MatmulAttnProcessor
from mirage_engine.generator.condition import pocket_condition, style_tokens
from mirage_engine.generator.schedule import scheduler, velocity_from
from mirage_engine.generator.transformer import MirageTransformer3DModel
from mirage_engine.parts import Cancelled, Context, Generated, OnStep


class WanGenerator:
    """Denoises segments with a `MirageTransformer3DModel`."""

    def __init__(self, transformer: MirageTransformer3DModel, config: GeneratorConfig) -> None:
        self.transformer = transformer.eval()
        self.config = config
        self.device = next(transformer.parameters()).device
        self.half = config.dtype == "bfloat16"
        if self.half:
            halve(transformer)
        if self.half and self.device.type == "cpu":
            transformer.set_attn_processor(MatmulAttnProcessor())  # type: ignore[arg-type]

    @torch.inference_mode()
    def __call__(self, context: Context, noise: Tensor, on_step: OnStep) -> Generated:
        """`noise` [t, C, h, w]. Raises Cancelled when `on_step` says no."""
        config = self.config
        channels = noise.shape[1]
        text = style_tokens(context.start)[None].to(self.device)
        memory = pocket_condition(context.view, context.cameras)[None].to(self.device)
        with self._autocast():
            readout = self.transformer.readout(memory).float()
        steps = scheduler(config.steps, config.shift)
        target = noise.transpose(0, 1)[None].to(self.device, copy=True)
        first = context.first.to(self.device)
        target[:, :, 0] = first
        sure = torch.ones(())
        for i, timestep in enumerate(steps.timesteps):
            if not on_step(i, config.steps):
                raise Cancelled
            output = self._evaluate(context, target, float(timestep), text, memory)
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
        self, context: Context, target: Tensor, timestep: float, text: Tensor, memory: Tensor
    ) -> Tensor:
        """Network output for the target frames, [1, C or C + 1, t, h, w] float32."""
        past = [
            x.transpose(0, 1)[None].to(self.device) for x in (context.references, context.preceding)
        ]
        references, frames = past[0].shape[2], target.shape[2]
        latents = torch.cat([past[0], target, past[1]], 2)
        times = torch.zeros(latents.shape[2], device=self.device)
        times[references + 1 : references + frames] = timestep
        with self._autocast():
            output = self.transformer(
                latents, times, text, memory, references, self.config.hint_scale
            )
        return output[:, :, references : references + frames].float()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.half)


def halve(network: torch.nn.Module) -> None:
    """Products in bfloat16, once and for all, where autocast would cast the weights every time.

    Modulation tables stay float32, as in diffusers.
    """
    for module in network.modules():
        if isinstance(
            module, torch.nn.Linear | torch.nn.Conv2d | torch.nn.Conv3d | torch.nn.RMSNorm
        ):
            module.to(torch.bfloat16)
