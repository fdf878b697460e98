"""Attention groups of an imported model, and the cache sizes that follow from them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from catalog.facts import AttentionGroup, Kv

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catalog.importers.bounded import Fields
    from catalog.importers.counting import Dims
    from catalog.importers.layers import Layer, Mixer

BYTES = 2
"""Of a cached value at 16 bits."""
STATE_BYTES = {"float32": 4, "bfloat16": 2, None: 2}


def attention_groups(fields: Fields, dims: Dims, layers: Iterable[Layer]) -> tuple[AttentionGroup, ...]:
    """The layers by how they mix tokens, with the dimensions their cache needs."""
    counted = Counter(layer.mixer for layer in layers)
    return tuple(_group(kind, number, fields, dims) for kind, number in counted.items())


def _group(kind: Mixer, number: int, fields: Fields, dims: Dims) -> AttentionGroup:
    if kind == "none":
        return AttentionGroup(kind=kind, layers=number)
    if kind == "mla":
        return _latent(number, fields)
    if kind == "gated_delta":
        return _gated_delta(number, fields)
    if kind == "mamba2":
        return _mamba2(number, fields)
    window = {"sliding": "sliding_window", "chunked": "attention_chunk_size"}.get(kind)
    return AttentionGroup(
        kind=kind,
        layers=number,
        kv_heads=dims.kv_heads,
        head_dim=dims.head_dim,
        window=fields.count(window) if window else None,
    )


def _latent(number: int, fields: Fields) -> AttentionGroup:
    return AttentionGroup(
        kind="mla",
        layers=number,
        kv_lora_rank=fields.count("kv_lora_rank"),
        q_lora_rank=fields.count_or(None, "q_lora_rank"),
        qk_rope_head_dim=fields.count("qk_rope_head_dim"),
        qk_nope_head_dim=fields.count("qk_nope_head_dim"),
        v_head_dim=fields.count("v_head_dim"),
        index_topk=fields.count_or(None, "index_topk"),
        index_head_dim=fields.count_or(None, "index_head_dim"),
        index_n_heads=fields.count_or(None, "index_n_heads"),
    )


def _gated_delta(number: int, fields: Fields) -> AttentionGroup:
    return AttentionGroup(
        kind="gated_delta",
        layers=number,
        num_k_heads=fields.count("linear_num_key_heads"),
        num_v_heads=fields.count("linear_num_value_heads"),
        k_head_dim=fields.count("linear_key_head_dim"),
        v_head_dim=fields.count("linear_value_head_dim"),
        conv_kernel=fields.count_or(4, "linear_conv_kernel_dim"),
        state_dtype="float32" if fields.text("mamba_ssm_dtype") == "float32" else None,
    )


def _mamba2(number: int, fields: Fields) -> AttentionGroup:
    return AttentionGroup(
        kind="mamba2",
        layers=number,
        num_heads=fields.count("mamba_num_heads", "mamba_n_heads"),
        head_dim=fields.count("mamba_head_dim", "mamba_d_head"),
        state_size=fields.count("ssm_state_size", "mamba_d_state"),
        n_groups=fields.count_or(1, "n_groups", "mamba_n_groups"),
        conv_kernel=fields.count_or(4, "conv_kernel", "mamba_d_conv"),
        state_dtype="float32",
    )


def kv_of(groups: Iterable[AttentionGroup]) -> Kv:
    """Cache bytes at 16 bits: per token of full layers, per token of windowed ones, and the fixed rest.

    The fixed part is every window when full, the recurrent states (at their own width) and the convolution tails
    (16 bits). ``complete`` is False when a group's kind or dimensions leave something uncounted.
    """
    full = windowed = fixed = 0.0
    complete = True
    for group in groups:
        per_token = group.layers * _bytes_per_token(group)
        if group.kind in ("sliding", "chunked"):
            windowed += per_token
            fixed += per_token * (group.window or 0)
        elif group.kind in ("full", "mla"):
            full += per_token
        elif group.kind != "none":
            state = _state_bytes(group)
            complete = complete and state is not None
            fixed += group.layers * (state or 0.0)
    return Kv(
        bytes_per_token_full_bf16=full,
        bytes_per_token_windowed_bf16=windowed,
        fixed_state_bytes=fixed,
        complete=complete,
    )


def _bytes_per_token(group: AttentionGroup) -> float:
    if group.kind == "mla":
        return BYTES * ((group.kv_lora_rank or 0) + (group.qk_rope_head_dim or 0))
    key = group.head_dim or 0
    return BYTES * (group.kv_heads or 0) * (key + (group.v_head_dim or key))


def _state_bytes(group: AttentionGroup) -> float | None:
    """Recurrent state and convolution tail of one layer and one sequence; None when a dimension is not known."""
    width = STATE_BYTES[group.state_dtype]
    if group.kind in ("gated_delta", "kda") and group.num_v_heads and group.num_k_heads:
        key, value = group.k_head_dim or 0, group.v_head_dim or 0
        convolved = 2 * group.num_k_heads * key + group.num_v_heads * value
        return group.num_v_heads * key * value * width + convolved * _tail(group)
    if group.kind == "mamba2" and group.num_heads:
        inner = group.num_heads * (group.head_dim or 0)
        state = group.state_size or 0
        return inner * state * width + (inner + 2 * (group.n_groups or 0) * state) * _tail(group)
    if group.kind == "short_conv" and group.width:
        return group.width * _tail(group)
    return None


def _tail(group: AttentionGroup) -> int:
    return ((group.conv_kernel or 1) - 1) * BYTES
