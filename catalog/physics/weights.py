"""Bytes of weights by tensor class: what is stored, and what a decode step must stream.

A quant's name is not its bytes. Embeddings, output head, attention, routed experts and norms each have their own type,
a checkpoint may exclude whole layers, and the same format differs by engine (an MXFP4 GGUF keeps 8.5 bits outside the
experts, the safetensors 16). Stored: everything the engine loads; a GGUF keeps vision and audio towers in a file of
their own, which a text server does not load. Streamed each step: everything but the routed experts not chosen, the
input embedding (looked up, unless it is tied to the head and so read as the head), towers and per-layer embedding
tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.physics.rows import FALLBACK_BITS, fitted_bits
from catalog.recent import kept_of_facts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog.facts import Kernels, Layout, Model, Quant, TensorClass

KEPT_WEIGHTS = 16_384
"""Models in a quant on an engine whose bytes are kept: a catalog asks for each several times."""
KEPT_FORMS = 256
"""Forms of quants that somebody ran."""
FULL_BITS = 16.0
"""Bits of a class that a quant says nothing about: published weights are BF16."""
MULTIPLIED_CLASSES: tuple[TensorClass, ...] = ("attn", "linear_attn", "dense_mlp", "shared_experts", "router")
STREAMED_CLASSES: tuple[TensorClass, ...] = (*MULTIPLIED_CLASSES, "other")


@dataclass(frozen=True)
class WeightBytes:
    """Bytes and parameters of one model in one quant as one engine loads it."""

    stored_bytes: float
    dense_read_bytes: float
    routed_expert_bytes: float
    dense_matmul_params: float
    wide_matmul_params: float
    """Of the dense ones without the head, those stored in 16 bits or more."""
    routed_expert_params: float
    head_bytes: float
    head_params: float


def is_tied(model: Model) -> bool:
    """Whether one matrix serves as input embedding and output head."""
    if model.tied_embeddings is not None:
        return model.tied_embeddings
    return not (model.parameters or {}).get("lm_head")


def knows_bits(model: Model, quant: Quant, engine_id: str) -> bool:
    """Whether anything says how many bits the weights of this model have in this quant on this engine."""
    return bool(quant.bits_by_engine.get(engine_id) or quant.bits) or layout_of(model, quant, engine_id) is not None


def tensor_bits(
    model: Model, quant: Quant, engine_id: str, fallback: Mapping[float, float] = FALLBACK_BITS
) -> dict[TensorClass, float] | None:
    """Stored bits per weight of each class: the checkpoint's own layout, else that of such mixtures, else the recipe.

    The recipe is the engine's where it differs by engine. None where nothing is known. ``fallback``: see rows.fitted_bits.
    """
    base = quant.bits_by_engine.get(engine_id) or quant.bits
    layout, mixture = layout_of(model, quant, engine_id), _mixture_bits(model, quant)
    if base is None and layout is None:
        return None
    bits = {**fitted_bits(model, quant, base or {}, fallback), **mixture, **(layout.bits if layout else {})}
    if layout and is_tied(model) and "embed" in layout.bits and "lm_head" not in layout.bits:
        bits["lm_head"] = layout.bits["embed"]
    if quant.family.startswith("gguf"):
        bits.setdefault("vision_audio", 0.0)
    return bits


def _mixture_bits(model: Model, quant: Quant) -> Mapping[TensorClass, float]:
    """Bits of mixtures of experts, where the quant's files treat the model as such."""
    if quant.mixtures is None or not model.moe or (model.release_date or "") < quant.mixtures.released_since:
        return {}
    return quant.mixtures.bits


def layout_of(model: Model, quant: Quant, engine_id: str) -> Layout | None:
    """The known checkpoint of this model (or of the one it derives from) that this engine loads."""
    for name in (model.id, model.derivative_of):
        for layout in quant.layouts:
            if layout.model == name and (not layout.engines or engine_id in layout.engines):
                return layout
    return None


@kept_of_facts(KEPT_FORMS)
def as_run(quant: Quant, checkpoint: str | None, kernels: Kernels | None = None) -> Quant:
    """A quant in the form in which somebody ran it: the checkpoint they name before the others, and the kernels they name."""
    if checkpoint is None and kernels is None:
        return quant
    layouts = sorted(quant.layouts, key=lambda layout: layout.checkpoint != checkpoint)
    widened = quant.weight_only or kernels == "weight-only"
    return quant.model_copy(update={"layouts": tuple(layouts), "weight_only": widened})


def weight_bytes(
    model: Model, quant: Quant, engine_id: str, fallback: Mapping[float, float] = FALLBACK_BITS
) -> WeightBytes | None:
    """Bytes by what becomes of them; None where the architecture or the quant's bits are not known."""
    if fallback is FALLBACK_BITS:
        return _usual_bytes(model, quant, engine_id)
    return _weight_bytes(model, quant, engine_id, fallback)


@kept_of_facts(KEPT_WEIGHTS)
def _usual_bytes(model: Model, quant: Quant, engine_id: str) -> WeightBytes | None:
    return _weight_bytes(model, quant, engine_id, FALLBACK_BITS)


def _weight_bytes(model: Model, quant: Quant, engine_id: str, fallback: Mapping[float, float]) -> WeightBytes | None:
    bits, count = tensor_bits(model, quant, engine_id, fallback), model.parameters
    if bits is None or count is None:
        return None

    def size(name: TensorClass, bits_of: TensorClass | None = None) -> float:
        return count.get(name, 0) * bits.get(bits_of or name, FULL_BITS) / 8.0

    head_class: TensorClass = "lm_head" if count.get("lm_head") else "embed"
    head = size(head_class, "lm_head")
    streamed = sum(size(name) for name in STREAMED_CLASSES)
    looked_up = size("ple", "embed") + (0.0 if is_tied(model) else size("embed"))
    return WeightBytes(
        stored_bytes=streamed + head + size("routed_experts") + looked_up + size("vision_audio"),
        dense_read_bytes=streamed + head,
        routed_expert_bytes=size("routed_experts"),
        dense_matmul_params=sum(count.get(name, 0) for name in (*MULTIPLIED_CLASSES, head_class)),
        wide_matmul_params=sum(
            count.get(name, 0) for name in MULTIPLIED_CLASSES if bits.get(name, FULL_BITS) >= FULL_BITS
        ),
        routed_expert_params=count.get("routed_experts", 0),
        head_bytes=head,
        head_params=count.get(head_class, 0),
    )
