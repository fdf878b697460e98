"""What a stream keeps between tokens: the KV cache by attention kind, and recurrent states.

Full attention caches a key and a value per KV head and token. A sliding or chunked window stops at its window. MLA
caches one latent and the rotary part per token, once for all heads: values are a view of the keys. A sparse indexer
adds a small key per token and lets a step read the best ``index_topk`` tokens only. Linear attention, Mamba and short
convolutions keep a state of fixed size, in 32-bit floats, convolution included.

DeepSeek-V4 (``compressed_sparse``) keeps a window of the last tokens in every layer, one row of ``head_dim`` values per
token for keys and values together; a layer of ratio r also keeps one such row per r tokens. Where an indexer exists, it
chooses ``index_topk`` of those rows by keys of ``index_head_dim`` values, kept for each row. Assumed: rows and indexer
keys have the KV type's width, and a layer has an indexer where ``index_head_dim`` is given.

Two questions, two functions: what a decode step reads, and what the engine allocates. An engine reserves cells in
blocks, and a window's buffer must hold a whole prompt batch besides the window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from catalog.recent import kept_of_facts

if TYPE_CHECKING:
    from catalog.facts import AttentionGroup, Model

Floats = NDArray[np.float64]
KEPT_SHAPES = 2048
"""Models (on some units) whose shape is kept: a catalog asks for each hundreds of times."""

STATE_BYTES_PER_VALUE = 4.0
CELL_PADDING = 256
"""Tokens per block of KV cells in llama.cpp, which also pads windows to it."""
BATCH_TOKENS = 2048
"""Tokens of a prompt processed together (llama.cpp -ub), which a window's buffer must hold besides the window."""
KV_BYTES_PER_VALUE = {"auto": 2.0, "f16": 2.0, "bf16": 2.0, "fp8": 1.0, "q8_0": 8.5 / 8.0, "q4_0": 4.5 / 8.0}
STATE_KINDS = frozenset({"gated_delta", "kda", "mamba2", "short_conv"})


class KvColumns(Protocol):
    """Columns (n,), or scalars, that the two questions are answered from; see KvShape for their meaning."""

    @property
    def kv_full_values(self) -> Any: ...  # noqa: D102
    @property
    def kv_window_values(self) -> Any: ...  # noqa: D102
    @property
    def kv_window_tokens(self) -> Any: ...  # noqa: D102
    @property
    def state_bytes(self) -> Any: ...  # noqa: D102


class SparseKvColumns(KvColumns, Protocol):
    """The same, with the sparse part that only reading knows about."""

    @property
    def kv_sparse_values(self) -> Any: ...  # noqa: D102
    @property
    def kv_sparse_tokens(self) -> Any: ...  # noqa: D102


@dataclass(frozen=True)
class KvShape:
    """What one stream keeps.

    ``kv_full_values`` are cached for every token, ``kv_window_values`` for the last ``kv_window_tokens`` ones. Of the
    former, a step reads ``kv_sparse_values`` for ``kv_sparse_tokens`` tokens at most. ``state_bytes`` do not grow.
    ``complete`` is False where a layer's dimensions are not known, so that more is kept than counted.
    """

    kv_full_values: float
    kv_window_values: float
    kv_window_tokens: float
    kv_sparse_values: float
    kv_sparse_tokens: float
    state_bytes: float
    complete: bool


def kv_bytes_per_value(kv_dtype: str) -> float:
    """Bytes per cached value of a KV type; types this table does not know count as 16 bit."""
    return KV_BYTES_PER_VALUE.get(kv_dtype, 2.0)


def kv_streamed_bytes(shape: SparseKvColumns, context: Any, bytes_per_value: Any) -> Floats:
    """Bytes one stream's cache costs in a step: full layers grow, windows stop, states are read and written."""
    seen = np.asarray(context, dtype=float)
    values = shape.kv_full_values * seen + shape.kv_window_values * np.minimum(seen, shape.kv_window_tokens)
    skipped = shape.kv_sparse_values * np.maximum(seen - shape.kv_sparse_tokens, 0.0)
    return np.asarray((values - skipped) * bytes_per_value + 2.0 * shape.state_bytes)


def kv_allocated_bytes(
    shape: KvColumns,
    context: Any,
    concurrency: Any,
    bytes_per_value: Any,
    *,
    block_tokens: Any = CELL_PADDING,
    batch_tokens: Any = BATCH_TOKENS,
) -> Floats:
    """Bytes the engine reserves for ``concurrency`` streams of ``context`` tokens each.

    A window reserves min(context, window + batch) cells, not the window; both are padded to ``block_tokens``.
    """
    cells = padded(context, block_tokens)
    window = np.minimum(cells, padded(shape.kv_window_tokens + batch_tokens, block_tokens))
    values = shape.kv_full_values * cells + shape.kv_window_values * window
    return np.asarray(concurrency * (values * bytes_per_value + shape.state_bytes))


def padded(tokens: Any, block_tokens: Any) -> Floats:
    """Tokens rounded up to whole blocks."""
    return np.asarray(np.ceil(np.asarray(tokens, dtype=float) / block_tokens) * block_tokens)


@kept_of_facts(KEPT_SHAPES)
def kv_shape(model: Model, parts: int = 1) -> KvShape:
    """Sum the layers of a model; of its share on one of ``parts`` units that split the heads (tensor parallel).

    Several window lengths are kept as their value-weighted mean, and so are several sparse ones.
    """
    windows = [(g.layers * window_values(g, parts), float(g.window or 0)) for g in model.attention]
    sparse = [(g.layers * sparse_values(g), sparse_tokens(g)) for g in model.attention]
    return KvShape(
        kv_full_values=sum(g.layers * full_values(g, parts) for g in model.attention),
        kv_window_values=sum(values for values, _ in windows),
        kv_window_tokens=_weighted_mean(windows),
        kv_sparse_values=sum(values for values, _ in sparse),
        kv_sparse_tokens=_weighted_mean(sparse),
        state_bytes=sum(g.layers * state_values(g) for g in model.attention) * STATE_BYTES_PER_VALUE / parts,
        complete=bool(model.attention) and all(_is_known(g) for g in model.attention),
    )


def full_values(group: AttentionGroup, parts: int = 1) -> float:
    """Values one layer caches for every token of the context."""
    if group.kind == "full":
        return _head_values(group, parts)
    if group.kind == "mla":
        return float((group.kv_lora_rank or 0) + (group.qk_rope_head_dim or 0) + (group.index_head_dim or 0))
    if group.kind == "compressed_sparse" and compression_ratio(group):
        return float((group.head_dim or 0) + (group.index_head_dim or 0)) / compression_ratio(group)
    return 0.0


def window_values(group: AttentionGroup, parts: int = 1) -> float:
    """Values one layer caches per token while the token is in its window."""
    if group.kind in {"sliding", "chunked"}:
        return _head_values(group, parts)
    return float(group.head_dim or 0) if group.kind == "compressed_sparse" else 0.0


def sparse_values(group: AttentionGroup) -> float:
    """Of the full values of one layer, those that a step reads for the chosen tokens only."""
    return full_values(group) - _index_values(group) if sparse_tokens(group) else 0.0


def sparse_tokens(group: AttentionGroup) -> float:
    """Tokens whose values an indexer lets a step read; 0 without an indexer."""
    if not group.index_topk or not group.index_head_dim:
        return 0.0
    return float(group.index_topk * max(compression_ratio(group), 1))


def state_values(group: AttentionGroup) -> float:
    """Values of one layer's recurrent and convolution state."""
    kernel = (group.conv_kernel or 1) - 1
    if group.kind in {"gated_delta", "kda"}:
        keys, values = (group.num_k_heads or 0), (group.num_v_heads or 0)
        k_dim, v_dim = (group.k_head_dim or 0), (group.v_head_dim or 0)
        return float(values * k_dim * v_dim + kernel * (2 * keys * k_dim + values * v_dim))
    if group.kind == "mamba2":
        inner = (group.num_heads or 0) * (group.head_dim or 0)
        state = group.state_size or 0
        return float(inner * state + kernel * (inner + 2 * (group.n_groups or 1) * state))
    return float(kernel * (group.width or 0)) if group.kind == "short_conv" else 0.0


def _head_values(group: AttentionGroup, parts: int) -> float:
    """A key and a value per KV head; a unit holds at least one head, so few heads are repeated on many units."""
    key = group.head_dim or 0
    return float(math.ceil((group.kv_heads or 0) / parts) * (key + (group.v_head_dim or key)))


def _index_values(group: AttentionGroup) -> float:
    return float(group.index_head_dim or 0) / max(compression_ratio(group), 1)


def compression_ratio(group: AttentionGroup) -> int:
    """Tokens per compressed row; 0 where a layer keeps none, or where its ratio is not known."""
    stated = group.compress_ratios or ""
    return int(stated) if stated.isdigit() else 0


def _is_known(group: AttentionGroup) -> bool:
    """Whether what the layers keep follows from the dimensions given."""
    if group.kind in STATE_KINDS:
        return state_values(group) > 0
    if group.kind == "compressed_sparse":
        return bool(group.head_dim) and (group.compress_ratios or "").isdigit()
    return group.kind == "none" or full_values(group) + window_values(group) > 0


def _weighted_mean(pairs: list[tuple[float, float]]) -> float:
    weight = sum(values for values, _ in pairs)
    return sum(values * tokens for values, tokens in pairs) / weight if weight else 0.0
