"""Numbers outside what their unit allows, and numbers that contradict their neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from catalog.check.findings import error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from catalog.check.findings import Finding, Places
    from catalog.facts import Facts, Hardware, Measurement, Model, Quant, TensorClass


class Range(NamedTuple):
    """What a field may be, and the mistake a value outside it usually is."""

    low: float
    high: float
    hint: str


MEASUREMENT_RANGES = {
    "prefill_tok_s": Range(0.1, 1e6, "tokens per second"),
    "decode_tok_s": Range(0.01, 2e4, "tokens per second of one stream"),
    "decode_total_tok_s": Range(0.01, 1e6, "tokens per second over all streams"),
    "ttft_ms": Range(0.1, 7.2e6, "milliseconds: were these seconds?"),
    "isl": Range(0, 2e7, "tokens"),
    "osl": Range(0, 2e7, "tokens"),
    "context_depth": Range(0, 2e7, "tokens"),
    "units": Range(1, 1024, "machines or GPUs"),
    "concurrency": Range(1, 1e5, "streams"),
    "mem_used_gb": Range(0, 1e5, "GB, not MB"),
}
HARDWARE_RANGES = {
    "memory_gb": Range(0.5, 4096, "GB, as on the label"),
    "memory_usable_bytes": Range(2**28, 2**42, "bytes, not GB"),
    "memory_safe_bytes": Range(2**28, 2**42, "bytes, not GB"),
    "bandwidth_gb_s": Range(5, 50000, "GB/s, not TB/s"),
    "tdp_w": Range(1, 20000, "watts"),
    "price_usd": Range(10, 1e6, "US dollars"),
}
BITS = Range(0.5, 32, "bits per weight")
PEAK_TFLOPS = Range(0.05, 1e5, "dense TFLOPS")
SCORES = {
    "percent": Range(0, 100, "percent: was this a fraction?"),
    "elo": Range(0, 4000, "Elo"),
    "index": Range(0, 100, "index points"),
}
SMALLEST_PERCENT = 1.0
PARAMS_FACTOR = 1.3
"""Published totals also hold MTP layers, a drafter, or a tied matrix counted twice."""
LEAST_TOTAL = 0.5
"""Of one stream's rate: a total counts the whole run, prefills and waiting included; less than half is another quantity."""


def measurement_ranges(facts: Facts, places: Places) -> Iterator[Finding]:
    """Rates, times and counts no machine of today has, and cache depths that contradict the request."""
    for index, measurement in enumerate(facts.measurements):
        problems = [*_outside(measurement, MEASUREMENT_RANGES), *_contradictions(measurement)]
        yield from (error(places.measurement(index), "range", problem) for problem in problems)


def hardware_ranges(facts: Facts, places: Places) -> Iterator[Finding]:
    """Memory, bandwidth and peaks in the wrong unit, and a budget larger than the memory."""
    for hardware in facts.hardware.values():
        file = f"hardware/{hardware.id}.toml"
        for problem in [*_outside(hardware, HARDWARE_RANGES), *_peaks(hardware), *_budget(hardware)]:
            yield error(places.key(file, problem.split()[0]), "range", problem)


def quant_bits(facts: Facts, places: Places) -> Iterator[Finding]:
    """Stored bits that no weight has; 0 says that the engine loads none of the class."""
    for quant in facts.quants.values():
        file = f"quants/{quant.id}.toml"
        for place, tensor, bits in _stated_bits(quant):
            if bits and not BITS.low <= bits <= BITS.high:
                yield error(places.key(file, *place, tensor), "range", f"{tensor} {bits:g}: outside {_span(BITS)}")


def _stated_bits(quant: Quant) -> Iterator[tuple[tuple[str | int, ...], TensorClass, float]]:
    """All bits of a quant's file: where they stand, of which tensor class, how many."""
    tables: list[tuple[tuple[str | int, ...], Mapping[TensorClass, float]]] = [(("bits",), quant.bits or {})]
    tables += [(("bits_by_engine", engine), bits) for engine, bits in quant.bits_by_engine.items()]
    tables += [(("mixtures", "bits"), quant.mixtures.bits)] if quant.mixtures else []
    tables += [(("layouts", i, "bits"), layout.bits) for i, layout in enumerate(quant.layouts)]
    return ((place, tensor, bits) for place, table in tables for tensor, bits in table.items())


def model_shapes(facts: Facts, places: Places) -> Iterator[Finding]:
    """Layers, experts and parameters that do not add up."""
    for model in facts.models.values():
        for key, problem in _shape_problems(model):
            yield error(places.key(f"models/{model.id}.toml", key), "range", problem)


def score_ranges(facts: Facts, places: Places) -> Iterator[Finding]:
    """Scores off the scale of their benchmark."""
    for index, score in enumerate(facts.quality_scores):
        benchmark = facts.benchmarks.get(score.benchmark)
        allowed = SCORES[benchmark.scale] if benchmark else Range(-1e9, 1e9, "")
        fraction = benchmark is not None and benchmark.scale == "percent" and 0 < score.score < SMALLEST_PERCENT
        if fraction or not allowed.low <= score.score <= allowed.high:
            message = f"{score.benchmark} {score.score:g}: outside {_span(allowed)}"
            yield error(places.row("quality/scores.csv", index), "range", message)


def _outside(record: Measurement | Hardware, ranges: dict[str, Range]) -> Iterator[str]:
    for field, allowed in ranges.items():
        value = getattr(record, field)
        if value is not None and not allowed.low <= value <= allowed.high:
            yield f"{field} {value:g}: outside {_span(allowed)}"


def _span(allowed: Range) -> str:
    return f"{allowed.low:g} to {allowed.high:g} ({allowed.hint})"


def _contradictions(m: Measurement) -> Iterator[str]:
    if m.decode_tok_s and m.decode_total_tok_s and m.decode_total_tok_s < m.decode_tok_s * LEAST_TOTAL:
        yield f"decode_total_tok_s {m.decode_total_tok_s:g}: less than half of one stream's {m.decode_tok_s:g}"
    if m.context_depth and m.decode_kv_tokens is not None and m.decode_kv_tokens < m.context_depth:
        yield f"decode_kv_tokens {m.decode_kv_tokens:g}: less than the context_depth {m.context_depth} before it"
    if m.speculation is None and m.spec_basis != "unknown":
        yield f"spec_basis {m.spec_basis}: speculation is not given, so its basis is unknown"


def _peaks(hardware: Hardware) -> Iterator[str]:
    for table in ("peak_dense_tflops", "measured_dense_tflops"):
        for name, value in getattr(hardware, table).items():
            if not PEAK_TFLOPS.low <= value <= PEAK_TFLOPS.high:
                yield f"{table} {name} {value:g}: outside {_span(PEAK_TFLOPS)}"


def _budget(hardware: Hardware) -> Iterator[str]:
    whole = hardware.memory_usable_bytes or (hardware.memory_gb or 0.0) * 2**30
    if whole and hardware.memory_safe_bytes and hardware.memory_safe_bytes > whole:
        yield f"memory_safe_bytes {hardware.memory_safe_bytes}: more than the {whole:.0f} bytes there are"


def _shape_problems(model: Model) -> Iterator[tuple[str, str]]:
    layers = sum(group.layers for group in model.attention)
    if model.layers and layers > model.layers:
        yield "attention", f"attention groups have {layers} layers, the model {model.layers}"
    if model.moe and model.moe.experts_per_token > model.moe.num_experts:
        yield "moe", f"{model.moe.experts_per_token} experts per token of {model.moe.num_experts}"
    counted = sum((model.parameters or {}).values())
    if counted and model.params_total and not counted / PARAMS_FACTOR <= model.params_total <= counted * PARAMS_FACTOR:
        yield "params_total", f"params_total {model.params_total} against {counted} counted by tensor class"
