"""When nothing is feasible: which limit binds, and what value of it would let the first config in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from catalog.configs import cannot_run
from service.recommendation.limits import FIELDS

if TYPE_CHECKING:
    from modelpicker.wire.questions import RecommendQuestion

    from catalog.catalog import Catalog
    from service.recommendation.judge import Judged
    from service.recommendation.limits import Limit

GB = 1e9


def advice(catalog: Catalog, question: RecommendQuestion, judged: Judged) -> str:
    """One or two sentences: the limit that, loosened alone, lets the first config in; else those that must give together."""
    if len(judged.feasible) == 0:
        return _nothing_exists(catalog, question, judged)
    failed = {field: _failed(judged, field) for field in dict.fromkeys(FIELDS[x.code][0] for x in judged.limits)}
    broken = np.sum(list(failed.values()), axis=0)
    fewest = int(broken.min())
    rows = np.flatnonzero(broken == fewest)
    if fewest == 1:
        field = next(field for field, rejects in failed.items() if rejects[rows].any())
        return f"{field} binds: {_loosened(question, judged, field, rows[failed[field][rows]])}"
    row = int(rows[np.argmax(judged.outcome.decode_tok_s.value[rows])])
    fields = [field for field, rejects in failed.items() if rejects[row]]
    each = (f"{field}: {_loosened(question, judged, field, np.array([row]))}" for field in fields)
    parts = "; ".join(part.removesuffix(".").replace("let the first config in", "do") for part in each)
    key = judged.asked.candidates.keys[row]
    return f"No single limit does it. For {key.model} {key.quant} on {key.engine}, {len(fields)} must give: {parts}."


def _nothing_exists(catalog: Catalog, question: RecommendQuestion, judged: Judged) -> str:
    engines = (catalog.facts.engines[name] for name in question.engine)
    reasons = [cannot_run(engine, judged.asked.hardware, question.units) for engine in engines]
    if reasons and all(reasons):
        return f"{'; '.join(filter(None, reasons))}. Ask another engine or other hardware."
    return "No config exists for these filters: drop or widen one of them."


def _failed(judged: Judged, field: str) -> np.ndarray:
    return np.asarray(np.any([x.failed for x in judged.limits if FIELDS[x.code][0] == field], axis=0))


def _loosened(question: RecommendQuestion, judged: Judged, field: str, rows: np.ndarray) -> str:
    """What the field asks now, and the value that would let the first of these rows in, rounded to the safe side."""
    limits = [x for x in judged.limits if FIELDS[x.code][0] == field and x.failed[rows].any()]
    if field == "context":
        return _shorter(question, judged, rows)
    if field == "memory_gb":
        return _more_memory(judged, rows)
    if field in {"evidence", "kv_dtype"}:
        return f"{getattr(question, field)} is asked; {limits[0].message(int(rows[0]))}."
    numbered = [x for x in limits if FIELDS[x.code][1]]
    if not numbered:
        return f"{getattr(question, field):g} is asked; {limits[0].message(int(rows[0]))}."
    _, direction, unit = FIELDS[numbered[0].code]
    best = _reach(judged, numbered, rows, direction)
    return f"{getattr(question, field):g} is asked; {_safe(best, direction)} {unit} would let the first config in."


def _reach(judged: Judged, limits: list[Limit], rows: np.ndarray, direction: int) -> float:
    """The best number that any of the rows has to show, at the asked confidence."""
    values = []
    for limit in limits:
        column = limit.value
        if limit.code == "above_any_ceiling":
            column = next(x.value for x in judged.limits if x.code == "too_slow")
        if column is not None:
            values.append(column[rows][limit.failed[rows]])
    found = np.concatenate(values)
    return float(np.nanmax(found) if direction < 0 else np.nanmin(found))


def _safe(value: float, direction: int) -> str:
    """Three decimals at most, rounded so that asking it lets the config in."""
    step = 10.0 ** min(max(2 - math.floor(math.log10(value)), 0), 3) if value > 0 else 1.0
    rounded = (math.floor if direction < 0 else math.ceil)(value * step) / step
    return f"{rounded:.10g}"


def _more_memory(judged: Judged, rows: np.ndarray) -> str:
    need, have = float(judged.outcome.total_bytes[rows].min()), judged.asked.workload.budget_bytes
    total = (judged.asked.hardware.memory_gb or math.inf) * GB
    said = f"{have / GB:.1f} GB are available; {_safe(need / GB, 1)} GB would let the first config in"
    return f"{said}, more than the {total / GB:g} GB of a unit: take several units." if need > total else f"{said}."


def _shorter(question: RecommendQuestion, judged: Judged, rows: np.ndarray) -> str:
    longest = int(judged.asked.candidates.context_limit[rows].max())
    asked = question.context_tokens
    if longest > question.osl:
        return f"{asked:,} and {question.osl:,} of output are asked; {longest - question.osl:,} tokens would let the first config in."
    return f"{question.osl:,} tokens of output alone exceed the {longest:,} that these models are built for: lower osl."
