"""What no plain measurement can exceed: bytes streamed over bandwidth, FLOPs over the dense peak, weights in memory.

All are generous on purpose, so that what exceeds them is impossible rather than merely good: the cache is left
out, bandwidth and peak are the better of nominal and measured, and a gigabyte of memory counts as 2^30 bytes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from catalog.physics.peaks import integer_tflops
from catalog.physics.weights import MULTIPLIED_CLASSES, weight_bytes
from catalog.recent import kept_of_facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.facts import Facts, Hardware, Measurement, Model, Quant
    from catalog.physics.weights import WeightBytes

TOLERANCE = {"gguf-ud": 1.25, "unknown": 1.25}
"""How far above the limit still counts as possible: Unsloth's dynamic files are up to 19 % off the given bits."""
DEFAULT_TOLERANCE = 1.05
GIB = 2.0**30
KEPT_RECIPES = 1024
"""Quants whose recipe is kept."""
EIGHT_BIT = {"fp8", "fp8_fp16acc"}
FOUR_BIT_FAMILIES = frozenset({"fp4", "mlx"})


def streamed_bytes(model: Model, quant: Quant, engine: str) -> float | None:
    """Weight bytes one token must read on one stream, cache left out; None when it is not known."""
    share = _chosen_share(model)
    return min(
        (form.dense_read_bytes + form.routed_expert_bytes * share for form in _forms(model, quant, engine)),
        default=None,
    )


def _forms(model: Model, quant: Quant, engine: str) -> list[WeightBytes]:
    """What the engine is known to load, and the quant's general recipe: the leaner one is what must be.

    Other checkpoints than the known ones exist, and some builds quantise more while loading.
    """
    return [weights for form in (quant, _recipe(quant)) if (weights := weight_bytes(model, form, engine))]


@kept_of_facts(KEPT_RECIPES)
def _recipe(quant: Quant) -> Quant:
    """A quant without what is known of single files: one object for each, so that its weights are counted once."""
    return quant.model_copy(update={"layouts": (), "bits_by_engine": {}, "mixtures": None})


class Excess(NamedTuple):
    """Bytes of weights, and the memory of the units that they exceed."""

    weights_bytes: float
    memory_bytes: float


def weights_beyond_memory(measurement: Measurement, facts: Facts) -> Excess | None:
    """What of a row cannot have run on its units alone; None where it can have, or where too little is known."""
    quant, hardware = facts.quants[measurement.quant], facts.hardware[measurement.hardware]
    forms = _forms(facts.models[measurement.model], quant, measurement.engine)
    if not forms or not hardware.memory_gb:
        return None
    least = min(form.stored_bytes for form in forms) / TOLERANCE.get(quant.family, DEFAULT_TOLERANCE)
    memory = hardware.memory_gb * GIB * measurement.units
    return Excess(least, memory) if least > memory else None


def _chosen_share(model: Model) -> float:
    return model.moe.experts_per_token / model.moe.num_experts if model.moe else 1.0


def decode_limit_tok_s(measurement: Measurement, facts: Facts) -> float | None:
    """Decode of one stream with one token a step that this bandwidth allows, tolerance included; None if unknown."""
    hardware = facts.hardware[measurement.hardware]
    bandwidth = max(hardware.bandwidth_gb_s or 0.0, *(hardware.bandwidth_measured_gb_s or (0.0,)))
    return _per_second(measurement, facts, bandwidth)


def measured_decode_limit_tok_s(measurement: Measurement, facts: Facts) -> float | None:
    """The same for the best read kernel measured on that hardware; None where none was measured."""
    measured = facts.hardware[measurement.hardware].bandwidth_measured_gb_s
    return _per_second(measurement, facts, max(measured)) if measured else None


def _per_second(measurement: Measurement, facts: Facts, bandwidth_gb_s: float) -> float | None:
    quant = facts.quants[measurement.quant]
    read = streamed_bytes(facts.models[measurement.model], quant, measurement.engine)
    if not read or not bandwidth_gb_s:
        return None
    units = measurement.units if _together(measurement, facts) else 1
    return bandwidth_gb_s * 1e9 * units / read * TOLERANCE.get(quant.family, DEFAULT_TOLERANCE)


def _together(measurement: Measurement, facts: Facts) -> bool:
    """Whether its units read at the same time: the stages of a pipeline take turns for a stream alone."""
    return facts.engines[measurement.engine].multi_unit == "tensor" or (measurement.concurrency or 2) > 1


def prefill_limit_tok_s(measurement: Measurement, facts: Facts) -> float | None:
    """Prompt tokens per second that the dense peak of the fastest usable type allows; None if unknown."""
    quant = facts.quants[measurement.quant]
    integer_kernels = facts.engines[measurement.engine].family == "llama.cpp" or not quant.family.startswith("gguf")
    peak = peak_tflops(facts.hardware[measurement.hardware], quant, integer_kernels=integer_kernels)
    multiplied = _multiplied_params(facts.models[measurement.model])
    if not peak or not multiplied:
        return None
    return peak * 1e12 * measurement.units / (2.0 * multiplied)


class Claim(NamedTuple):
    """What a row says of its prefill, in tokens per second; the most that is possible; the flag that admits it, and what such flags touch."""

    words: str
    tok_s: float
    limit: float
    flag: str
    touching: frozenset[str]


def impossible_prefills(measurement: Measurement, facts: Facts) -> Iterator[Claim]:
    """What it says that needs more than the dense peak: by the rate it prints, and by how soon its first token came."""
    limit = prefill_limit_tok_s(measurement, facts) or math.inf
    printed = measurement.prefill_tok_s or 0.0
    first = measurement.isl / measurement.ttft_ms * 1e3 if measurement.isl and measurement.ttft_ms else 0.0
    if printed > limit:
        yield Claim("prefill", printed, limit, "pp-exceeds-compute-peak", frozenset({"prefill", "prefill rate"}))
    if first > limit:
        yield Claim(
            "its prompt over the time to its first token,", first, limit, "prompt-cached", frozenset({"prefill"})
        )


def peak_tflops(hardware: Hardware, quant: Quant, *, integer_kernels: bool) -> float | None:
    """The highest dense rate, nominal or measured, at which weights of this quant could be multiplied."""
    narrow = quant.family != "native" and integer_kernels
    usable = {"bf16", "fp16", "fp16_fp16acc"} | (EIGHT_BIT if narrow else set())
    if quant.family in FOUR_BIT_FAMILIES:
        usable.add("fp4")
    known = {**hardware.measured_dense_tflops, **hardware.peak_dense_tflops}
    peaks = [max(known[name], hardware.measured_dense_tflops.get(name, 0.0)) for name in usable & set(known)]
    if narrow and (integers := integer_tflops(hardware)):
        peaks.append(integers)
    return max(peaks, default=None)


def _multiplied_params(model: Model) -> float:
    """Parameters a prompt token is multiplied with: no embedding, no head (only the last token needs it)."""
    parameters = model.parameters or {}
    dense = sum(parameters.get(name, 0) for name in MULTIPLIED_CLASSES)
    return dense + parameters.get("routed_experts", 0) * _chosen_share(model)
