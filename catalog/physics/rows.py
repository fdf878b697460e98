"""Rows of weight matrices: how wide they are, and what a width costs.

A k-quant packs 256 weights of one row into a super-block. A row whose width is no multiple of 256 cannot be packed, and
the quantiser falls back to a type with blocks of 32, which takes more bits. Mixtures of narrow experts pay most: the
rows of a down-projection are as wide as one expert (1408 = 5.5 super-blocks in GLM-4.5-Air).

A matrix's rows are as wide as its input. That is the hidden size, but for the matrices that lead back to it (attention
output, down-projections): theirs is the layer's inner width.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from catalog.recent import kept_of_facts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog.facts import AttentionGroup, Model, Quant, TensorClass

SUPER_BLOCK = 256
SUPER_BLOCK_QUANT = re.compile(r"(ud-)?(q[2-6]_k|iq[1-4]_(?!nl)|tq)")
"""Quants whose main type packs super-blocks. Q4_0, Q8_0, IQ4_NL and MXFP4 pack blocks of 32, which any width holds."""
FALLBACK_BITS: Mapping[float, float] = {0.0: 4.5, 4.5: 5.5, 5.5: 6.0, 6.5625: 8.5}
"""Bits of llama-quantize's replacements: Q4_K → Q5_0, Q5_K → Q5_1, Q6_K → Q8_0, every smaller type → IQ4_NL."""
RICHER_BITS = 6.5625
"""Q6_K: what the recipes (Q4_K_M, Q5_K_M…) mix into a class whose average exceeds their main type."""
MLP_CLASSES = frozenset({"dense_mlp", "shared_experts", "routed_experts"})
ATTENTION_KINDS = frozenset({"full", "sliding", "chunked", "mla"})
LINEAR_KINDS = frozenset({"gated_delta", "kda", "mamba2"})
KEPT_ROWS = 1024
"""Models whose rows are kept."""


class Rows(NamedTuple):
    """Of one tensor class: width of the rows that read the hidden state, width of the others, and the others' share."""

    hidden: int
    inner: int
    inner_share: float


def fitted_bits(
    model: Model, quant: Quant, bits: Mapping[TensorClass, float], fallback: Mapping[float, float] = FALLBACK_BITS
) -> dict[TensorClass, float]:
    """The recipe's bits per class on this model's matrices.

    Rows that hold no whole super-blocks take the bits that ``fallback`` maps their type to. The recipe's averages are
    of gated MLPs (gate, up and a richer down-projection); in an MLP without a gate the down-projection weighs more.
    """
    fitted = dict(bits)
    if SUPER_BLOCK_QUANT.match(quant.id):
        main = min(bits.values())
        for name, rows in class_rows(model).items():
            if name in bits:
                fitted[name] = _fit(rows, *_outer_inner(name, bits[name], main), main, fallback)
    return fitted


def _outer_inner(name: TensorClass, bits: float, main: float) -> tuple[float, float]:
    """Split a class average into what reads the hidden state and what leads back to it."""
    return (main, 3.0 * bits - 2.0 * main) if name in MLP_CLASSES else (bits, bits)


def _fit(rows: Rows, outer: float, inner: float, main: float, fallback: Mapping[float, float]) -> float:
    if rows.hidden % SUPER_BLOCK:
        outer = fallen_bits(outer, main, fallback)
    if rows.inner % SUPER_BLOCK:
        inner = fallen_bits(inner, main, fallback)
    return (1.0 - rows.inner_share) * outer + rows.inner_share * inner


def fallen_bits(bits: float, main: float, fallback: Mapping[float, float] = FALLBACK_BITS) -> float:
    """What replaces an average of ``bits``, read as a mix of the main type (at most ``main`` bits) and Q6_K."""
    known = max(step for step in fallback if step <= main)
    kind = known or main
    share = min(max((bits - kind) / (RICHER_BITS - kind), 0.0), 1.0) if kind < RICHER_BITS else 1.0
    return (1.0 - share) * fallback[known] + share * fallback[RICHER_BITS]


@kept_of_facts(KEPT_ROWS)
def class_rows(model: Model) -> dict[TensorClass, Rows]:
    """Row widths of the classes whose dimensions are known."""
    hidden, count, moe = model.hidden_size, model.parameters or {}, model.moe
    if not hidden:
        return {}
    rows: dict[TensorClass, Rows] = {"embed": Rows(hidden, hidden, 0.0), "lm_head": Rows(hidden, hidden, 0.0)}
    rows |= _mixing_rows(model, "attn", ATTENTION_KINDS) | _mixing_rows(model, "linear_attn", LINEAR_KINDS)
    if model.intermediate_size:
        rows["dense_mlp"] = Rows(hidden, model.intermediate_size, 1.0 / 3.0)
    if moe and moe.moe_intermediate_size:
        width, per_layer = moe.moe_intermediate_size, moe.num_experts * moe.moe_intermediate_size * hidden
        share = _down_share(count.get("routed_experts", 0) / per_layer)
        rows["routed_experts"] = Rows(hidden, width, share)
        rows["shared_experts"] = Rows(hidden, moe.shared_expert_intermediate_size or width, share)
    return rows


def _mixing_rows(model: Model, name: TensorClass, kinds: frozenset[str]) -> dict[TensorClass, Rows]:
    """Attention's matrices: the output projection is as wide as all heads together."""
    groups = [g for g in model.attention if g.kind in kinds]
    params, hidden = (model.parameters or {}).get(name, 0), model.hidden_size or 0
    if not groups or not params:
        return {}
    returned = sum(g.layers * _inner_width(g, model) for g in groups) * hidden
    return {name: Rows(hidden, _inner_width(groups[0], model), min(returned / params, 1.0))}


def _inner_width(group: AttentionGroup, model: Model) -> int:
    if group.kind in {"gated_delta", "kda"}:
        return (group.num_v_heads or 0) * (group.v_head_dim or 0)
    if group.kind == "mamba2":
        return (group.num_heads or 0) * (group.head_dim or 0)
    return (model.attention_heads or 0) * (group.v_head_dim or group.head_dim or 0)


def _down_share(matrices: float) -> float:
    """Share of the down-projection: ``matrices`` are one expert's over all layers, three each if gated, or two."""
    thirds = matrices / 3.0
    return 1.0 / 3.0 if abs(thirds - round(thirds)) < 0.01 else 0.5
