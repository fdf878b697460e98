"""What attention multiplies while a prompt is read: operations per pair of a token and one before it, by attention kind.

A pair costs a score and a weighted value, two operations per multiply-add, on every query head. MLA caches one latent for
all heads: most engines expand it to each head's keys and values while a prompt is read, others (``ABSORBING``) and sparse
attention compare with the latent itself, which is wider. Who only looks at a window has pairs with its tokens alone. A
sparse indexer scores every token with small heads of its own, and attention proper meets the best ``index_topk`` only; where
rows stand for several tokens (``compressed_sparse``, see ``kv``), a token before costs its part of a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.physics.kv import compression_ratio, sparse_tokens

if TYPE_CHECKING:
    from catalog.facts import AttentionGroup, Engine, Model

WINDOWED = frozenset({"sliding", "chunked", "compressed_sparse"})
ABSORBING = frozenset({"llama.cpp", "ds4"})
"""Families of engines that attend to MLA's latent for prompts as they do for one token (src/models/deepseek2.cpp); vLLM and
SGLang expand it (vllm/model_executor/layers/attention/mla_attention.py)."""


@dataclass(frozen=True)
class PairFlops:
    """Operations of all layers per pair: ``full`` for every token before, ``window`` for those in the window.

    Of the former, ``sparse`` only for those that an indexer lets through (``kv_sparse_tokens`` of the cache's shape).
    """

    full: float
    window: float
    sparse: float


def pair_flops(model: Model, engine: Engine) -> PairFlops:
    """Sum the layers of a model, as an engine computes them."""
    heads = model.attention_heads or 0
    absorbed = engine.family in ABSORBING
    attended = [(g, g.layers * attended_flops(g, heads, absorbed=absorbed)) for g in model.attention]
    return PairFlops(
        full=sum(flops + g.layers * indexed_flops(g) for g, flops in attended),
        window=sum(g.layers * head_flops(g, heads) for g in model.attention if g.kind in WINDOWED),
        sparse=sum(flops for g, flops in attended if sparse_tokens(g)),
    )


def attended_flops(group: AttentionGroup, heads: int, *, absorbed: bool) -> float:
    """Attention proper of one layer with a token anywhere before."""
    if group.kind == "full":
        return head_flops(group, heads)
    if group.kind == "mla":
        return 2.0 * heads * _mla_width(group, absorbed=absorbed or bool(sparse_tokens(group)))
    ratio = compression_ratio(group)
    return head_flops(group, heads) / ratio if group.kind == "compressed_sparse" and ratio else 0.0


def indexed_flops(group: AttentionGroup) -> float:
    """What one layer's indexer scores it with."""
    if not sparse_tokens(group):
        return 0.0
    return 2.0 * (group.index_n_heads or 1) * (group.index_head_dim or 0) / max(compression_ratio(group), 1)


def head_flops(group: AttentionGroup, heads: int) -> float:
    """A score and a weighted value on every head."""
    key = group.head_dim or 0
    return 2.0 * heads * (key + (group.v_head_dim or key))


def _mla_width(group: AttentionGroup, *, absorbed: bool) -> float:
    """Values of a key and a value of one head: of the latent and its rotary part, or expanded where those sizes are known."""
    rotary = group.qk_rope_head_dim or 0
    if absorbed or not (group.qk_nope_head_dim and group.v_head_dim):
        return 2.0 * (group.kv_lora_rank or 0) + rotary
    return float(group.qk_nope_head_dim + rotary + group.v_head_dim)
