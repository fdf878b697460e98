"""What the explorer draws: one mark per config with its intervals, and the rejected ones where they would stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from service.explorer.links import config_link, how
from service.recommendation.rounding import rounded

if TYPE_CHECKING:
    from modelpicker.wire.answers import Interval, RecommendAnswer
    from modelpicker.wire.questions import RecommendQuestion

    from service.recommendation.recommend import Considered

GB = 1e9
AXES = {
    "decode": "decode, tok/s",
    "quality": "quality index",
    "memory": "memory per unit, GB",
    "latency": "latency of a request, s",
    "ttft": "time to first token, s",
    "prefill": "prefill, tok/s",
}
"""What an axis can show, and how it is labelled. Less is better on memory, latency and ttft."""


def marks(question: RecommendQuestion, considered: Considered, answer: RecommendAnswer) -> list[dict[str, Any]]:
    """One mark per shown config: its name, link and state, and per axis a value or [value, low, high]."""
    found = []
    for r in answer.recommendations:
        q = r.quality
        found.append(
            _named(question, r.config)
            | {
                "rank": r.rank,
                "basis": r.basis,
                "decode": _whisker(r.decode_tok_s),
                "quality": None if q.index is None else [q.index, q.low, q.high],
                "memory": [round(r.memory.total_bytes / GB, 2)],
                "latency": _whisker(r.latency_ms, 1e-3),
                "ttft": _whisker(r.ttft_ms, 1e-3),
                "prefill": _whisker(r.prefill_tok_s),
            }
        )
    outcome, index = considered.judged.outcome, considered.judged.quality.index
    for row, rejection in zip(considered.rejected, answer.rejected, strict=True):
        known = float(index[row])
        found.append(
            _named(question, rejection.config)
            | {
                "reason": rejection.reasons[0].message,
                "decode": [rounded(outcome.decode_tok_s.value[row])],
                "quality": [rounded(known)] if known == known else None,  # noqa: PLR0124  (NaN: no score says)
                "memory": [rounded(outcome.total_bytes[row] / GB)],
                "latency": [rounded(outcome.latency_ms.value[row] / 1e3)],
                "ttft": [rounded(outcome.ttft_ms.value[row] / 1e3)],
                "prefill": [rounded(outcome.prefill_tok_s.value[row])],
            }
        )
    return found


def _named(question: RecommendQuestion, config: Any) -> dict[str, Any]:
    return {
        "model": config.model,
        "how": how(config),
        "href": config_link(question, config),
    }


def _whisker(interval: Interval, factor: float = 1.0) -> list[float]:
    return [rounded(x * factor) for x in (interval.value, interval.low, interval.high)]
