"""Names of the official checkpoints in ours, for the golden data."""

from __future__ import annotations

_PARTS = (
    ("vace_patch_embedding", "memory_patch_embedding"),
    ("vace_blocks", "memory_blocks"),
    ("before_proj", "proj_in"),
    ("after_proj", "proj_out"),
    ("self_attn.o.", "attn1.to_out.0."),
    ("cross_attn.o.", "attn2.to_out.0."),
    ("self_attn.norm_", "attn1.norm_"),
    ("cross_attn.norm_", "attn2.norm_"),
    ("self_attn.", "attn1.to_"),
    ("cross_attn.", "attn2.to_"),
    ("ffn.0", "ffn.net.0.proj"),
    ("ffn.2", "ffn.net.2"),
    ("text_embedding.0", "condition_embedder.text_embedder.linear_1"),
    ("text_embedding.2", "condition_embedder.text_embedder.linear_2"),
    ("time_embedding.0", "condition_embedder.time_embedder.linear_1"),
    ("time_embedding.2", "condition_embedder.time_embedder.linear_2"),
    ("time_projection.1", "condition_embedder.time_proj"),
    ("head.head", "proj_out"),
    ("head.modulation", "scale_shift_table"),
    ("norm3", "norm2"),
    (".modulation", ".scale_shift_table"),
)


def ours(official: str) -> str:
    """blocks.0.self_attn.q.weight -> blocks.0.attn1.to_q.weight"""
    for theirs, mine in _PARTS:
        official = official.replace(theirs, mine)
    return official
