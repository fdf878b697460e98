"""Published numbers physics does not allow: they stay, but a flag must say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.calibration.evidence import TIMING_HARNESS
from catalog.check.bounds import (
    decode_limit_tok_s,
    impossible_prefills,
    measured_decode_limit_tok_s,
    weights_beyond_memory,
)
from catalog.check.findings import error, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.check.findings import Finding, Places
    from catalog.facts import Facts, Measurement

SUSPICIONS = frozenset({"spec-suspected", "tg-exceeds-weight-stream-limit", "spec-form-false-but-text-mentions-spec"})


def decode_above_ceiling(facts: Facts, places: Places) -> Iterator[Finding]:
    """Plain decode faster than the weights can be streamed, without a flag on decode or identity."""
    for index, measurement, limit in _fast(facts):
        if measurement.speculation == "none" and not facts.flagged(measurement, {"decode", "identity"}):
            message = (
                f"decode {measurement.decode_tok_s:g} tok/s is above the {limit:.1f} that bandwidth allows: "
                "flag it tg-exceeds-weight-stream-limit, or name the speculation"
            )
            yield error(places.measurement(index), "decode-above-ceiling", message)


def speculation_suspected(facts: Facts, places: Places) -> Iterator[Finding]:
    """Speculation not stated, yet faster than one token a step allows."""
    for index, measurement, limit in _fast(facts):
        if measurement.speculation is None and not SUSPICIONS & set(measurement.flags):
            message = (
                f"decode {measurement.decode_tok_s:g} tok/s without a word on speculation is above the {limit:.1f} "
                "of one token a step: flag it spec-suspected"
            )
            yield error(places.measurement(index), "speculation-suspected", message)


def decode_above_measured_bandwidth(facts: Facts, places: Places) -> Iterator[Finding]:
    """Plain, unflagged decode faster than the best measured read kernel of that hardware."""
    for index, measurement in _known(facts):
        limit = measured_decode_limit_tok_s(measurement, facts)
        ceiling = decode_limit_tok_s(measurement, facts) or 0.0
        plain = measurement.speculation in (None, "none") and measurement.concurrency in (None, 1)
        if plain and limit and limit < (measurement.decode_tok_s or 0.0) <= ceiling and not measurement.flags:
            message = f"decode {measurement.decode_tok_s:g} tok/s needs more than the measured bandwidth ({limit:.1f})"
            yield warning(places.measurement(index), "decode-above-measured-bandwidth", message)


def prefill_above_peak(facts: Facts, places: Places) -> Iterator[Finding]:
    """A prefill that needs more FLOPs than the dense peak, without a flag on prefill."""
    for index, measurement in _known(facts):
        for claim in impossible_prefills(measurement, facts):
            if not facts.flagged(measurement, claim.touching):
                message = f"{claim.words} {claim.tok_s:g} tok/s is above the {claim.limit:.0f} of the dense peak: flag it {claim.flag}"
                yield error(places.measurement(index), "prefill-above-peak", message)


def weights_exceed_memory(facts: Facts, places: Places) -> Iterator[Finding]:
    """Weights that the units cannot hold, without a flag on what they are or on each figure that was printed."""
    for index, measurement in _known(facts):
        excess = weights_beyond_memory(measurement, facts)
        if excess is None:
            continue
        printed = {"decode"} if measurement.decode_tok_s or measurement.decode_total_tok_s else set()
        printed |= {"prefill"} if measurement.prefill_tok_s or measurement.ttft_ms else set()
        known = facts.flagged(measurement, {"identity"}) or all(facts.flagged(measurement, {x}) for x in printed)
        if not known:
            weights, memory = excess.weights_bytes / 1e9, excess.memory_bytes / 1e9
            message = f"its weights ({weights:.1f} GB) exceed the {memory:.1f} GB of its units: flag it so, or name the file it was"
            yield error(places.measurement(index), "weights-exceed-memory", message)


def library_default_context(facts: Facts, places: Places) -> Iterator[Finding]:
    """A context limit that is a library's default, marked so or shown by a deeper measurement."""
    deepest: dict[str, float] = {}
    for _, measurement in _known(facts):
        if not measurement.flags and measurement.tool not in SYNTHETIC_TOOLS:
            held = measurement.decode_kv_tokens or 0
            deepest[measurement.model] = max(deepest.get(measurement.model, 0), held)
    for model in facts.models.values():
        place = f"models/{model.id}.toml"
        if model.context_limit_is_library_default:
            where = places.key(place, "context_limit_is_library_default")
            yield warning(where, "library-default-context", f"context_limit {model.context_limit} is a library default")
        elif model.context_limit and deepest.get(model.id, 0) > model.context_limit * DEEPER:
            message = f"measured at {deepest[model.id]:g} tokens, so {model.context_limit} is not the model's own limit"
            yield error(places.key(place, "context_limit"), "library-default-context", message)


SYNTHETIC_TOOLS = ("llama-bench", "llama-batched-bench", TIMING_HARNESS)
"""Tools that fill the cache with anything: they run past the length a model was built for."""
DEEPER = 1.1
"""Beyond rounding: 131,072 tokens on a model listed with 128,000 are the same limit in other units."""


def _known(facts: Facts) -> Iterator[tuple[int, Measurement]]:
    """Measurements whose ids all exist: an orphan has its own rule."""
    for index, measurement in enumerate(facts.measurements):
        if facts.knows(measurement):
            yield index, measurement


def _fast(facts: Facts) -> Iterator[tuple[int, Measurement, float]]:
    for index, measurement in _known(facts):
        limit = decode_limit_tok_s(measurement, facts)
        if limit is not None and (measurement.decode_tok_s or 0.0) > limit:
            yield index, measurement, limit
