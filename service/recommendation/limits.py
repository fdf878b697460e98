"""Each limit of a question, applied to all candidates at once: who fails, by which number, and how to say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from modelpicker.wire.answers import Reason

from service.recommendation.launch import kv_dtypes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modelpicker.wire.answers import Code
    from modelpicker.wire.questions import RecommendQuestion

    from catalog.predict import Outcome
    from catalog.prediction import Bools, Estimate, Floats, Ints
    from service.recommendation.asked import Asked
    from service.recommendation.quality import QualityColumns

GB = 1e9
FIELDS: dict[str, tuple[str, int, str]] = {
    "above_any_ceiling": ("min_tg", -1, "tok/s"),
    "too_slow": ("min_tg", -1, "tok/s"),
    "prefill_too_slow": ("min_pp", -1, "tok/s"),
    "ttft_too_high": ("max_ttft_ms", 1, "ms"),
    "latency_too_high": ("max_latency_ms", 1, "ms"),
    "quality_too_low": ("min_quality", -1, "of 100"),
    "quality_unknown": ("min_quality", 0, ""),
    "does_not_fit": ("memory_gb", 1, "GB"),
    "context_too_long": ("context", -1, "tokens"),
    "no_measurement": ("evidence", 0, ""),
    "unsupported": ("kv_dtype", 0, ""),
}
"""Code → the field that sets the limit, the direction that loosens it (0: no number does), and its unit."""


@dataclass(frozen=True)
class Limit:
    """One limit over n candidates. ``message`` explains a failed row; ``value`` is the number that failed."""

    code: Code
    failed: Bools
    limit: float | str | None
    value: Floats | Ints | None
    message: Callable[[int], str]

    def reason(self, row: int) -> Reason:
        """The reason a row is turned down."""
        return Reason(**self.fields(row))

    def fields(self, row: int) -> dict[str, Any]:
        """The same as the wire's fields."""
        value = None if self.value is None else round(float(self.value[row]), 3)
        return {"code": self.code, "limit": self.limit, "value": value, "message": self.message(row)}


def limits(question: RecommendQuestion, asked: Asked, outcome: Outcome, quality: QualityColumns) -> list[Limit]:
    """All limits of a question in the order in which reasons are given: can it run at all, is it fast, is it good."""
    return [
        _unsupported(asked),
        _cache_type(asked),
        _memory(asked, outcome),
        _context(asked),
        *_evidence(question, asked),
        *_decode(question, asked, outcome),
        *_prefill(question, outcome),
        *_times(question, outcome),
        *_quality(question, quality),
    ]


def _unsupported(asked: Asked) -> Limit:
    return Limit("unsupported", ~asked.candidates.supported, None, None, asked.candidates.unsupported_reason)


def _cache_type(asked: Asked) -> Limit:
    """Engines that have no flag for the asked type of KV cache would run, and be evaluated as, something else."""
    wanted, configs = asked.workload.kv_dtype, asked.candidates.configs
    lacking = [engine for engine, row in asked.candidates.engines.items() if wanted not in kv_dtypes(configs[row])]
    failed = np.isin(asked.candidates.engine_index, lacking) if lacking else np.zeros(len(configs), dtype=bool)

    def message(row: int) -> str:
        engine = asked.candidates.configs[row].engine
        known = sorted(kv_dtypes(asked.candidates.configs[row]) - {"auto"})
        return f"{engine.name} documents no {wanted} cache: ask kv_dtype {' or '.join(known)}"

    return Limit("unsupported", failed, wanted, None, message)


def fits(asked: Asked, outcome: Outcome) -> Bools:
    """Whether weights, cache and overhead stay within the budget of a unit."""
    return np.asarray(outcome.total_bytes <= asked.workload.budget_bytes)


def _memory(asked: Asked, outcome: Outcome) -> Limit:
    budget = asked.workload.budget_bytes

    def message(row: int) -> str:
        parts = (outcome.weights_bytes[row], outcome.kv_bytes[row], outcome.overhead_bytes[row])
        weights, cache, overhead = (f"{x / GB:.1f}" for x in parts)
        total, have = outcome.total_bytes[row] / GB, budget / GB
        return (
            f"needs {_told(total, have)} GB per unit ({weights} weights + {cache} KV cache + {overhead} overhead), "
            f"{have:.1f} GB are available"
        )

    return Limit("does_not_fit", ~fits(asked, outcome), budget, outcome.total_bytes, message)


def _context(asked: Asked) -> Limit:
    limit = asked.candidates.context_limit
    wanted = asked.workload.context + asked.workload.osl
    failed = (limit > 0) & (wanted > limit)
    return Limit(
        "context_too_long",
        failed,
        float(np.max(wanted)),
        limit,
        lambda row: f"{wanted:,} tokens (context + osl) are asked, the model is built for {limit[row]:,}",
    )


def _evidence(question: RecommendQuestion, asked: Asked) -> Iterator[Limit]:
    table = asked.candidates
    if question.evidence != "any":
        failed = ~(table.measured if question.evidence == "measured" else table.official)
        who = "nobody has" if question.evidence == "measured" else "the hardware's vendor has not"
        text = f"{who} published a usable measurement of this config on {asked.hardware.name}"
        yield Limit("no_measurement", failed, question.evidence, None, lambda _: text)


def at_least(estimate: Estimate, limit: float, confidence: float) -> tuple[Bools, Floats]:
    """Who reaches a limit with the asked probability, and the number that must reach it."""
    value = estimate.value if confidence == 0.5 else estimate.quantile(1.0 - confidence)
    return np.asarray(value >= limit), value


def at_most(estimate: Estimate, limit: float, confidence: float) -> tuple[Bools, Floats]:
    """Who stays below a limit with the asked probability, and the number that must."""
    value = estimate.value if confidence == 0.5 else estimate.quantile(confidence)
    return np.asarray(value <= limit), value


def _decode(question: RecommendQuestion, asked: Asked, outcome: Outcome) -> Iterator[Limit]:
    floor = question.min_tg
    hopeless = outcome.ceiling_tok_s < floor
    situations, devices = asked.candidates.situations, asked.candidates.situations.devices
    together = devices.units if question.concurrency > 1 else devices.parallel
    passed, value = at_least(outcome.decode_tok_s, floor, question.confidence)
    fitting = fits(asked, outcome)
    bandwidth = asked.hardware.bandwidth_gb_s or 0.0

    sure = _sure(question)

    def no_engine(row: int) -> str:
        step = outcome.bytes_per_step[row] / GB
        memory = (
            f"It fits in memory ({outcome.total_bytes[row] / GB:.1f} of {asked.workload.budget_bytes / GB:.1f} GB), but that "
            "does not help: room is not speed, and every token has to read all of it. "
            if fitting[row]
            else ""
        )
        pool = f"{together[row]:g} x {bandwidth:g}" if together[row] > 1 else f"{bandwidth:g}"
        tokens = situations.draft_tokens[row] + 1
        drafts = f", with all {tokens - 1:g} drafts accepted" if tokens > 1 else ""
        return (
            f"{memory}A step reads {step:.1f} GB; at {pool} GB/s{drafts} that is at most "
            f"{outcome.ceiling_tok_s[row]:.2f} tok/s, below the asked {floor:g}: no engine can help"
        )

    def slow(row: int) -> str:
        return f"decodes at {_told(value[row], floor)} tok/s{sure}, {floor:g} are asked (its ceiling is {outcome.ceiling_tok_s[row]:.1f})"

    yield Limit("above_any_ceiling", hopeless, floor, outcome.ceiling_tok_s, no_engine)
    yield Limit("too_slow", ~passed & ~hopeless, floor, value, slow)


def _prefill(question: RecommendQuestion, outcome: Outcome) -> Iterator[Limit]:
    if question.min_pp is not None:
        limit = question.min_pp
        passed, value = at_least(outcome.prefill_tok_s, limit, question.confidence)
        sure = _sure(question)
        yield Limit(
            "prefill_too_slow",
            ~passed,
            limit,
            value,
            lambda row: f"prefills {_told(value[row], limit)} tok/s{sure}, {limit:g} are asked",
        )


def _times(question: RecommendQuestion, outcome: Outcome) -> Iterator[Limit]:
    if question.max_ttft_ms is not None:
        yield _time("ttft_too_high", "the first token", outcome.ttft_ms, question.max_ttft_ms, question)
    if question.max_latency_ms is not None:
        what = f"a whole request of {question.osl} tokens"
        yield _time("latency_too_high", what, outcome.latency_ms, question.max_latency_ms, question)


def _time(code: Code, what: str, estimate: Estimate, limit: float, question: RecommendQuestion) -> Limit:
    passed, value = at_most(estimate, limit, question.confidence)
    sure = _sure(question)

    def message(row: int) -> str:
        return f"{what} takes {_told(value[row], limit)} ms{sure}, at most {limit:,g} are allowed"

    return Limit(code, ~passed, limit, value, message)


def _sure(question: RecommendQuestion) -> str:
    """How sure the number that failed is, where more than the median was asked."""
    return "" if question.confidence == 0.5 else f" with {question.confidence:.0%} probability"


def _told(value: float, limit: float) -> str:
    """A failed number with as many decimals as it takes to differ from its limit."""
    decimals = (form for form in (",.0f" if limit >= 1000 else ",.1f", ",.1f", ",.2f", ",.3f", ",.4f"))
    return next((text for form in decimals if (text := format(value, form)) != format(limit, form)), f"{value:,g}")


def _quality(question: RecommendQuestion, quality: QualityColumns) -> Iterator[Limit]:
    if question.min_quality is not None:
        limit, task, index = question.min_quality, question.task, quality.index
        unknown = np.isnan(index)
        text = f"no published score says how good this model is at {task}; it is not guessed"
        yield Limit("quality_unknown", unknown, limit, None, lambda _: text)
        low = ~unknown & (index < limit)
        yield Limit(
            "quality_too_low",
            low,
            limit,
            index,
            lambda row: f"quality index for {task} is {index[row]:.0f} of 100, at least {limit:g} is asked",
        )
