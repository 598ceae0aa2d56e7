"""Attention of the Wan blocks: who computes it, and text whose keys are ready.

The text of a segment is the same in every denoising step, so its keys and values are projected
once (`project`) and handed to the processors as `Keys` in the place of the text. Same numbers as
diffusers' own Wan processor. Knows nothing of blocks, positions in a segment or time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.transformers.transformer_wan import WanAttention
from torch import Tensor


class Keys(NamedTuple):
    """What attention looks things up in."""

    keys: Tensor  # [B, L, heads, d] after their norm
    values: Tensor  # [B, L, heads, d]


def project(attn: WanAttention, source: Tensor) -> Keys:
    """Keys and values of `source` [B, L, D] for one attention layer."""
    keys = attn.norm_k(attn.to_k(source)).unflatten(2, (attn.heads, -1))
    return Keys(keys, attn.to_v(source).unflatten(2, (attn.heads, -1)))


class FusedAttnProcessor:
    """One fused kernel: torch's own, or the backend that `set_attention_backend` names."""

    _attention_backend: Any = None
    _parallel_config: Any = None

    def __call__(
        self,
        attn: WanAttention,
        hidden_states: Tensor,  # [B, S, D]
        encoder_hidden_states: Tensor | Keys | None = None,  # [B, L, D]
        attention_mask: Tensor | None = None,
        rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        assert attention_mask is None, "Wan attends to every token"
        query, (keys, values) = _looked_up(attn, hidden_states, encoder_hidden_states)
        if rotary_emb is not None:
            query, keys = rotate(query, *rotary_emb), rotate(keys, *rotary_emb)
        mixed = dispatch_attention_fn(
            query,
            keys,
            values,
            backend=self._attention_backend,
            parallel_config=self._parallel_config if encoder_hidden_states is None else None,
        )
        return attn.to_out[0](mixed.flatten(2).type_as(query))


class MatmulAttnProcessor:
    """Two matrix products, for processors without a fast fused kernel in bfloat16.

    On a CPU with bfloat16 products it takes a third of the time of torch's fused attention, at the
    price of the [heads, S, S] score matrix and of rotations in bfloat16.
    """

    def __call__(
        self,
        attn: WanAttention,
        hidden_states: Tensor,  # [B, S, D]
        encoder_hidden_states: Tensor | Keys | None = None,  # [B, L, D]
        attention_mask: Tensor | None = None,
        rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        assert attention_mask is None, "Wan attends to every token"
        query, (keys, values) = _looked_up(attn, hidden_states, encoder_hidden_states)
        if rotary_emb is not None:
            cosines, sines = (table.to(query.dtype) for table in rotary_emb)
            query, keys = rotate(query, cosines, sines), rotate(keys, cosines, sines)
        query = query.transpose(1, 2) * query.shape[-1] ** -0.5
        scores = query.to(values.dtype) @ keys.to(values.dtype).permute(0, 2, 3, 1)
        mixed = scores.softmax(-1).to(values.dtype) @ values.transpose(1, 2)
        return attn.to_out[0](mixed.transpose(1, 2).flatten(2))


def _looked_up(
    attn: WanAttention, tokens: Tensor, source: Tensor | Keys | None
) -> tuple[Tensor, Keys]:
    """(query [B, S, heads, d], keys of the text, or of the tokens themselves)."""
    query = attn.norm_q(attn.to_q(tokens)).unflatten(2, (attn.heads, -1))
    if isinstance(source, Keys):
        return query, source
    return query, project(attn, tokens if source is None else source)


def rotate(
    x: Tensor,  # [B, S, heads, d]
    cosines: Tensor,  # [1, S, 1, d] each value twice
    sines: Tensor,
) -> Tensor:
    """Rotary positions on neighbouring pairs."""
    cos, sin = cosines[..., 0::2], sines[..., 0::2]
    a, b = x[..., 0::2], x[..., 1::2]
    out = x.new_empty(x.shape)
    out[..., 0::2] = a * cos - b * sin
    out[..., 1::2] = a * sin + b * cos
    return out
