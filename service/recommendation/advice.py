"""When nothing is feasible: which limit binds, and what value of it would let the first config in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from service.recommendation.nearest import LIMIT_FIELDS

if TYPE_CHECKING:
    from modelpicker.wire.questions import RecommendQuestion

    from catalog.prediction import Floats
    from service.recommendation.judge import Judged

GB = 1e9


def advice(question: RecommendQuestion, judged: Judged) -> str:
    """One sentence. The binding limit is the one that, dropped alone, lets something in; else the one that rejects most."""
    if len(judged.feasible) == 0:
        return "No config exists for these filters: drop or widen one of them."
    for limit in judged.limits:
        rest = [other for other in judged.limits if _field(other.code) != _field(limit.code)]
        alone = limit.failed & ~np.any([other.failed for other in rest], axis=0)
        if alone.any():
            return _first_in(question, judged, limit.code, alone)
    most = max(judged.limits, key=lambda x: int(x.failed.sum()))
    return f"Several limits bind at once; {most.code} alone rejects {int(most.failed.sum())} of {len(judged.feasible)} configs."


def _field(code: str) -> str:
    return LIMIT_FIELDS[code][0] if code in LIMIT_FIELDS else code


def _first_in(question: RecommendQuestion, judged: Judged, code: str, rows: np.ndarray) -> str:
    """What value of the binding limit would let the first of these rows in."""
    outcome = judged.outcome
    columns: dict[str, tuple[Floats, int, str]] = {
        "min_tg": (outcome.decode_tok_s.value, -1, "tok/s"),
        "min_pp": (outcome.prefill_tok_s.value, -1, "tok/s"),
        "max_ttft_ms": (outcome.ttft_ms.value, 1, "ms"),
        "max_latency_ms": (outcome.latency_ms.value, 1, "ms"),
        "min_quality": (judged.quality.index, -1, "of 100"),
    }
    field = _field(code)
    if field in columns:
        value, direction, unit = columns[field]
        best = float(np.nanmax(value[rows]) if direction < 0 else np.nanmin(value[rows]))
        return f"{field} binds: {getattr(question, field):g} is asked; {best:.4g} {unit} would let the first config in."
    if code == "does_not_fit":
        need = float(outcome.total_bytes[rows].min()) / GB
        have = judged.asked.workload.budget_bytes / GB
        return f"memory_gb binds: {have:.1f} GB are available; {need:.1f} GB would let the first config in."
    if code == "context_too_long":
        longest = int(judged.asked.candidates.context_limit[rows].max())
        return f"context binds: the longest that any of these models is built for is {longest:,} tokens."
    return f"{code} binds: it alone rejects {int(rows.sum())} configs that meet every other limit."
