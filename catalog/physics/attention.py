"""What attention multiplies while a prompt is read: operations per pair of a token and one before it, by attention kind.

A pair costs a score and a weighted value, two operations per multiply-add, on every query head. MLA compares with the
latent, values are a view of it. Who only looks at a window has pairs with its tokens alone. A sparse indexer scores every
token with small heads of its own, and attention proper meets the best ``index_topk`` only; where rows stand for several
tokens (``compressed_sparse``, see ``kv``), a token before costs its part of a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.physics.kv import compression_ratio, sparse_tokens

if TYPE_CHECKING:
    from catalog.facts import AttentionGroup, Model

WINDOWED = frozenset({"sliding", "chunked", "compressed_sparse"})


@dataclass(frozen=True)
class PairFlops:
    """Operations of all layers per pair: ``full`` for every token before, ``window`` for those in the window.

    Of the former, ``sparse`` only for those that an indexer lets through (``kv_sparse_tokens`` of the cache's shape).
    """

    full: float
    window: float
    sparse: float


def pair_flops(model: Model) -> PairFlops:
    """Sum the layers of a model."""
    heads = model.attention_heads or 0
    groups = model.attention
    return PairFlops(
        full=sum(g.layers * (attended_flops(g, heads) + indexed_flops(g)) for g in groups),
        window=sum(g.layers * head_flops(g, heads) for g in groups if g.kind in WINDOWED),
        sparse=sum(g.layers * attended_flops(g, heads) for g in groups if sparse_tokens(g)),
    )


def attended_flops(group: AttentionGroup, heads: int) -> float:
    """Attention proper of one layer with a token anywhere before."""
    if group.kind in {"full", "mla"}:
        return head_flops(group, heads)
    ratio = compression_ratio(group)
    return head_flops(group, heads) / ratio if group.kind == "compressed_sparse" and ratio else 0.0


def indexed_flops(group: AttentionGroup) -> float:
    """What one layer's indexer scores it with."""
    if not sparse_tokens(group):
        return 0.0
    return 2.0 * (group.index_n_heads or 1) * (group.index_head_dim or 0) / max(compression_ratio(group), 1)


def head_flops(group: AttentionGroup, heads: int) -> float:
    """A score and a weighted value on every head."""
    if group.kind == "mla":
        width = 2.0 * (group.kv_lora_rank or 0) + (group.qk_rope_head_dim or 0)
    else:
        key = group.head_dim or 0
        width = float(key + (group.v_head_dim or key))
    return 2.0 * heads * width
