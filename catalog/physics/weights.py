"""Bytes of weights by tensor class: what is stored, and what a decode step must stream.

A quant's name is not its bytes. Embeddings, output head, attention, routed experts and norms each have their own type,
a checkpoint may exclude whole layers, and the same format differs by engine (an MXFP4 GGUF keeps 8.5 bits outside the
experts, the safetensors 16). Stored: everything the engine loads; a GGUF keeps vision and audio towers in a file of
their own, which a text server does not load. Streamed each step: everything but the routed experts not chosen, the
input embedding (looked up, unless it is tied to the head and so read as the head), towers and per-layer embedding
tables.

A k-quant packs 256 weights of one row into a super-block. A row whose width is no multiple of that falls back to a
type with blocks of 32, which costs more bits: half of a model's experts may then be larger than the recipe says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog.facts import Layout, Model, Quant, TensorClass

FULL_BITS = 16.0
"""Bits of a class that a quant says nothing about: published weights are BF16."""
STREAMED_CLASSES: tuple[TensorClass, ...] = (
    "attn",
    "linear_attn",
    "dense_mlp",
    "shared_experts",
    "router",
    "other",
)
MULTIPLIED_CLASSES: tuple[TensorClass, ...] = ("attn", "linear_attn", "dense_mlp", "shared_experts", "router")
SUPER_BLOCK = 256
SUPER_BLOCK_QUANT = re.compile(r"(ud-)?(q[2-6]_k|iq[1-4]_(?!nl)|tq)")
"""Quants whose main type packs super-blocks; Q4_0, Q8_0, IQ4_NL, MXFP4 pack blocks of 32, which divide every width."""
FALLBACK_BITS: Mapping[float, float] = {4.5: 5.5, 5.5: 6.0, 6.5625: 8.5}
"""llama-quantize's replacement: Q4_K → Q5_0, Q5_K → Q5_1, Q6_K → Q8_0; every smaller type → SMALLEST_FALLBACK_BITS.

Source: tensor_type_fallback in llama.cpp's src/llama-quant.cpp.
"""
SMALLEST_FALLBACK_BITS = 4.5
"""IQ4_NL."""
RICHER_BITS = 6.5625
"""Q6_K: what the recipes (Q4_K_M, Q5_K_M…) mix into a class whose average exceeds its main type."""


@dataclass(frozen=True)
class WeightBytes:
    """Bytes and parameters of one model in one quant as one engine loads it."""

    stored_bytes: float
    dense_read_bytes: float
    routed_expert_bytes: float
    dense_matmul_params: float
    routed_expert_params: float
    head_bytes: float
    head_params: float


def is_tied(model: Model) -> bool:
    """Whether one matrix serves as input embedding and output head."""
    if model.tied_embeddings is not None:
        return model.tied_embeddings
    return not (model.parameters or {}).get("lm_head")


def tensor_bits(
    model: Model, quant: Quant, engine_id: str, fallback: Mapping[float, float] = FALLBACK_BITS
) -> dict[TensorClass, float] | None:
    """Stored bits per weight of each class: the checkpoint's own layout, else the engine's form, else the quant's recipe.

    None where nothing is known. ``fallback`` names the bits that replace a super-block type in rows it cannot pack.
    """
    base = quant.bits_by_engine.get(engine_id) or quant.bits
    layout = _layout(model, quant, engine_id)
    if base is None and layout is None:
        return None
    bits = {**(base or {}), **(layout.bits if layout else {})}
    if layout and is_tied(model) and "embed" in layout.bits and "lm_head" not in layout.bits:
        bits["lm_head"] = layout.bits["embed"]
    if quant.family.startswith("gguf"):
        bits.setdefault("vision_audio", 0.0)
    if SUPER_BLOCK_QUANT.match(quant.id):
        bits = {**bits, **_with_fallback(model, bits, layout, quant.bits_per_weight or 0.0, fallback)}
    return bits


def _layout(model: Model, quant: Quant, engine_id: str) -> Layout | None:
    """The known checkpoint of this model (or of the one it derives from) that this engine loads."""
    for name in (model.id, model.derivative_of):
        for layout in quant.layouts:
            if layout.model == name and (not layout.engines or engine_id in layout.engines):
                return layout
    return None
