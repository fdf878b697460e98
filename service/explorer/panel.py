"""One config under a question: its figures and reasons, its roofline, and its speed along context and streams."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.configs import ConfigKey
from catalog.errors import NotComputableError, UnknownIdError
from service.recommendation.asked import Asked, BadQuestionError, check_speculation, load, machine
from service.recommendation.judge import judge
from service.recommendation.nearest import Neighbourhood
from service.recommendation.render import figures
from service.recommendation.rounding import rounded

if TYPE_CHECKING:
    from modelpicker.wire.answers import Nearest, Reason
    from modelpicker.wire.questions import RecommendQuestion

    from catalog.catalog import Catalog
    from catalog.predict import Outcome
    from catalog.prediction import Estimate, Ints, Workload
    from catalog.table import Candidates

STREAMS = (1, 2, 4, 8, 16, 32, 64)
SHORTEST_CONTEXT, CONTEXTS = 512, 9
LONGEST_CONTEXT = 131_072
"""Where the context curve ends if the model says nothing shorter."""


@dataclass(frozen=True)
class Panel:
    """All that a config's page shows."""

    figures: dict[str, Any]
    feasible: bool
    reasons: tuple[Reason, ...]
    nearest: Nearest | None
    curves: dict[str, Any]
    measurements: int
    """How many there are in all; the figures list the nearest of them."""


def panel(catalog: Catalog, question: RecommendQuestion, config: str) -> Panel:
    """Work out the page of ``model/quant/engine/speculation``. Raises BadQuestionError naming what is wrong."""
    parts = config.split("/")
    if len(parts) != len(ConfigKey._fields):
        raise BadQuestionError("config", "write model/quant/engine/speculation")
    key = ConfigKey(*parts)
    check_speculation(catalog, key.speculation)
    hardware = machine(catalog, question)
    workload = load(catalog, question, hardware)
    try:
        table = catalog.one(key, hardware, question.units)
    except (UnknownIdError, NotComputableError) as error:
        raise BadQuestionError("config", str(error)) from error
    asked = Asked(hardware, workload, table)
    judged = judge(catalog, question, asked)
    feasible = bool(judged.feasible[0])
    change = None if feasible else Neighbourhood(catalog, question, judged).nearest([0])[0]
    return Panel(
        figures(catalog, asked, judged.outcome, judged.quality, question.task)[0],
        feasible,
        tuple(limit.reason(0) for limit in judged.reasons(0)),
        change and change.nearest(),
        _curves(catalog, table, workload, judged.outcome),
        len(catalog.measurements_of(key, hardware.id, question.units)),
    )


def _curves(catalog: Catalog, table: Candidates, workload: Workload, outcome: Outcome) -> dict[str, Any]:
    """Decode along context and along streams with their bands, and the roofline with the path of the streams on it."""
    longest = max(int(table.context_limit[0]) or LONGEST_CONTEXT, SHORTEST_CONTEXT * 2)
    contexts = np.unique(np.geomspace(SHORTEST_CONTEXT, longest, CONTEXTS).astype(np.int64))
    prompts = np.minimum(workload.isl, contexts)
    by_context = _along(catalog, table, replace(workload, context=contexts, isl=prompts), len(contexts))
    streams = np.array(sorted({*STREAMS, int(workload.concurrency)}))
    by_streams = _along(catalog, table, replace(workload, concurrency=streams), len(streams))
    return {
        "context": _bands(contexts, by_context.decode_tok_s),
        "streams": _bands(streams, by_streams.decode_tok_s),
        "together": _bands(streams, by_streams.decode_total_tok_s),
        "now": {"context": int(workload.context), "streams": int(workload.concurrency)},
        "roofline": _roofline(table, streams, by_streams, workload, outcome),
    }


def _along(catalog: Catalog, table: Candidates, workloads: Workload, count: int) -> Outcome:
    """The config under ``count`` workloads, which differ in some columns."""
    return catalog.predict(table.take(np.zeros(count, dtype=np.int64)), workloads)


def _bands(at: Ints, estimate: Estimate) -> list[dict[str, float]]:
    rows = zip(at.tolist(), estimate.value, estimate.low, estimate.high, strict=True)
    return [
        {"x": x, "value": rounded(v), "low": rounded(min(v, lo)), "high": rounded(max(v, hi))} for x, v, lo, hi in rows
    ]


def _roofline(table: Candidates, streams: Ints, along: Outcome, workload: Workload, outcome: Outcome) -> dict[str, Any]:
    """FLOP/s over FLOP per byte: the bandwidth's slope, the compute roof, where the config sits alone and in company."""
    shapes, devices = table.situations.shapes, table.situations.devices
    per_token = 2.0 * float(shapes.active_params[0])
    together = float(devices.units[0])
    tokens = 1.0 + float(table.situations.draft_tokens[0])

    def at(count: int, row: int, seen: Outcome) -> dict[str, float]:
        return {
            "streams": count,
            "intensity": rounded(per_token * count * tokens / seen.bytes_per_step[row]),
            "flops": rounded(per_token * seen.decode_total_tok_s.value[row]),
        }

    return {
        "bandwidth": float(devices.bandwidth_bytes_s[0]) * together,
        "peak": float(devices.peak_flops[0]) * together,
        "path": [at(count, row, along) for row, count in enumerate(streams.tolist())],
        "here": at(int(workload.concurrency), 0, outcome),
    }
