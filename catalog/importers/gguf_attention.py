"""Attention groups of a GGUF file: what each block mixes tokens with is told by the tensors it has."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from catalog.facts import AttentionGroup
from catalog.importers.bounded import Fields
from catalog.importers.tensors import layer_index

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catalog.importers.gguf_header import TensorInfo

WINDOW_PERIODS = {"gemma2": 2, "gpt-oss": 2, "llama4": 4, "cohere2": 4, "exaone4": 4, "olmo3": 4, "gemma3": 6}
"""Every n-th layer is full, the others sliding: fixed in llama.cpp per architecture, not written in the file."""


def gguf_attention(fields: Fields, tensors: Iterable[TensorInfo], blocks: int) -> tuple[AttentionGroup, ...]:
    """Each block's mixer is told by its tensors; the window pattern by the file or the architecture."""
    names: dict[int, set[str]] = defaultdict(set)
    for tensor in tensors:
        index = layer_index(tensor.name)
        if index is not None:
            names[index].add(tensor.name.split(".")[2])
    sliding = _sliding(fields, blocks)
    kinds = Counter(_group(fields, names[index], index, slides=sliding[index]) for index in range(blocks))
    return tuple(group.model_copy(update={"layers": number}) for group, number in kinds.items())


def _group(fields: Fields, parts: set[str], index: int, *, slides: bool) -> AttentionGroup:
    if any(part.startswith("ssm_") for part in parts):
        return _recurrent(fields, gated_delta="ssm_in" not in parts)
    if any(part.startswith("shortconv") for part in parts):
        width, kernel = fields.count("embedding_length"), fields.count("shortconv.l_cache")
        return AttentionGroup(kind="short_conv", layers=1, width=width, conv_kernel=kernel)
    if any(part.startswith("attn_kv_a") for part in parts):
        rank, rope = fields.count("attention.kv_lora_rank"), fields.count("rope.dimension_count")
        return AttentionGroup(kind="mla", layers=1, kv_lora_rank=rank, qk_rope_head_dim=rope)
    if not parts & {"attn_q", "attn_qkv", "attn_k"}:
        return AttentionGroup(kind="none", layers=1)
    return AttentionGroup(
        kind="sliding" if slides else "full",
        layers=1,
        kv_heads=_at(fields, "attention.head_count_kv", index),
        head_dim=head_dim(fields),
        v_head_dim=_other_value_dim(fields),
        window=fields.count("attention.sliding_window") if slides else None,
    )


def _recurrent(fields: Fields, *, gated_delta: bool) -> AttentionGroup:
    heads, inner = fields.count("ssm.time_step_rank"), fields.count("ssm.inner_size")
    groups, state = fields.count("ssm.group_count"), fields.count("ssm.state_size")
    kernel = fields.count("ssm.conv_kernel")
    if gated_delta:
        return AttentionGroup(
            kind="gated_delta",
            layers=1,
            num_k_heads=groups,
            num_v_heads=heads,
            k_head_dim=state,
            v_head_dim=inner // heads,
            conv_kernel=kernel,
            state_dtype="float32",
        )
    return AttentionGroup(
        kind="mamba2",
        layers=1,
        num_heads=heads,
        head_dim=inner // heads,
        state_size=state,
        n_groups=groups,
        conv_kernel=kernel,
        state_dtype="float32",
    )


def _sliding(fields: Fields, blocks: int) -> list[bool]:
    """Which blocks slide."""
    if not fields.values.get("attention.sliding_window"):
        return [False] * blocks
    pattern = fields.values.get("attention.sliding_window_pattern")
    if isinstance(pattern, list) and len(pattern) >= blocks:
        return [bool(slides) for slides in pattern[:blocks]]
    period = pattern if isinstance(pattern, int) else WINDOW_PERIODS.get(fields.text("architecture") or "")
    return [bool(period) and (index + 1) % (period or 1) != 0 for index in range(blocks)]


def window_note(fields: Fields) -> str | None:
    """What to know when the file has a window but nothing says which layers slide."""
    known = fields.values.get("attention.sliding_window_pattern") or fields.text("architecture") in WINDOW_PERIODS
    if fields.values.get("attention.sliding_window") and not known:
        return "which layers slide is not in the file: all are counted as full attention, an upper bound of the cache"
    return None


def head_dim(fields: Fields) -> int | None:
    """Width of one key."""
    length = fields.count_or(None, "attention.key_length")
    heads = largest(fields, "attention.head_count")
    return length or (fields.count("embedding_length") // heads if heads else None)


def _other_value_dim(fields: Fields) -> int | None:
    value = fields.count_or(None, "attention.value_length")
    return value if value and value != head_dim(fields) else None


def largest(fields: Fields, name: str) -> int | None:
    """A count that may also be a list with one entry per block."""
    value = fields.values.get(name)
    if not isinstance(value, list):
        return fields.count_or(None, name)
    return max((Fields({name: item}, fields.file).optional(name) for item in value), default=None)


def _at(fields: Fields, name: str, index: int) -> int:
    value = fields.values.get(name)
    if isinstance(value, list) and index < len(value):
        return Fields({name: value[index]}, fields.file).count(name)
    return fields.count(name)
