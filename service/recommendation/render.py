"""Columns to the wire's fields, for the few rows that come back."""

from __future__ import annotations

import math
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
from modelpicker.wire.answers import Answer, Config, Quality, Score, SourceFigure

from catalog.predict import MEMORY
from catalog.prediction import BASES, BOUNDS, Estimate
from service.recommendation.launch import launch
from service.recommendation.rounding import all_rounded, rounded
from service.recommendation.why import why

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelpicker.wire.answers import Verdict
    from modelpicker.wire.questions import Task

    from catalog.catalog import Catalog
    from catalog.configs import ConfigKey
    from catalog.facts import Measurement
    from catalog.predict import Outcome
    from catalog.prediction import Workload
    from catalog.table import Candidates
    from service.recommendation.asked import Asked
    from service.recommendation.quality import QualityColumns

WIN_TOK_S = 30.0
TIE_TOK_S = 10.0
MOST_SOURCES = 20
"""Measurements listed with a config; the nearest to the asked workload come first."""
KEPT_NAMES = 20_000
SPEEDS = ("decode_tok_s", "decode_total_tok_s", "prefill_tok_s", "ttft_ms", "decode_ms", "latency_ms")
"""Figures with an interval, as outcomes and answers name them."""


class Shared(Answer):
    """A part that many answers share: it is encoded once."""

    @cached_property
    def encoded(self) -> msgspec.Raw:
        """Its JSON."""
        return msgspec.Raw(self.model_dump_json().encode())


class SharedConfig(Config, Shared):
    """A config as the wire names it."""


class SharedQuality(Quality, Shared):
    """The quality of a model and quant for a task."""


class SharedFigure(SourceFigure, Shared):
    """A published measurement."""


def encoded_parts(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a recommendation, a rejection or a change, with what it shares in JSON."""
    shared: dict[str, Any] = {name: fields[name].encoded for name in ("config", "quality") if name in fields}
    if "sources" in fields:
        shared["sources"] = [figure.encoded for figure in fields["sources"]]
    return fields | shared


def config_of(candidates: Candidates, row: int, units: int | None = None) -> SharedConfig:
    """The config as the wire names it, on the candidates' number of units or another."""
    return _named(*candidates.keys[row], candidates.hardware.id, units or candidates.units)


@lru_cache(maxsize=KEPT_NAMES)
def _named(model: str, quant: str, engine: str, speculation: str, hardware: str, units: int) -> SharedConfig:
    return SharedConfig(
        model=model, quant=quant, engine=engine, hardware=hardware, units=units, speculation=speculation
    )


def verdict(single_stream_tok_s: float, units: int) -> Verdict | None:
    """The page's tier of single-stream decode: 30 is a win, 10 a tie; none for more than one unit, as on the page."""
    if units > 1:
        return None
    if single_stream_tok_s >= WIN_TOK_S:
        return "win"
    return "tie" if single_stream_tok_s >= TIE_TOK_S else "loss"


def intervals(outcome: Outcome) -> list[dict[str, dict[str, float]]]:
    """Of each row the figures that have one, by name; fields of an Interval each."""
    all_of = Estimate.stacked([getattr(outcome, name) for name in SPEEDS])
    ends = np.minimum(all_of.low, all_of.value), np.maximum(all_of.high, all_of.value)
    table = all_rounded(np.array([all_of.value, *ends]))  # (3, figures, rows)
    return [
        {name: {"value": value, "low": low, "high": high} for name, (value, low, high) in zip(SPEEDS, row, strict=True)}
        for row in table.transpose(2, 1, 0).tolist()
    ]


def sources(catalog: Catalog, candidates: Candidates, row: int, workload: Workload) -> tuple[SharedFigure, ...]:
    """The published figures of that very config, digit for digit; those nearest to the asked workload first."""
    depth, streams = _depth(workload.context) or 0.0, math.log2(workload.concurrency)

    def distance(told: _Told) -> float:
        away = 0.0 if told.depth is None else abs(told.depth - depth)
        return away + 2.0 * abs(told.streams - streams)

    nearest = sorted(_measured(catalog, candidates, row), key=distance)[:MOST_SOURCES]
    return tuple([told.figure for told in nearest])


def _measured(catalog: Catalog, candidates: Candidates, row: int) -> list[_Told]:
    """All measurements of that very config; only what was measured is kept, so that no question makes it grow."""
    made: dict[tuple[object, ...], list[_Told]] = catalog.notes["measurements"]
    key, place = candidates.keys[row], (candidates.hardware.id, candidates.units)
    name = (*key, *place)
    if name in made:
        return made[name]
    rows = catalog.measurements_of(key, *place)
    told = [
        _Told(_depth(m.decode_kv_tokens), math.log2(m.concurrency or 1), _figure(m))
        for m in sorted(rows, key=lambda m: m.id)
    ]
    if told:
        made[name] = told
    return told


class _Told(NamedTuple):
    """A measurement as the wire tells it, with logarithms of its context and its streams."""

    depth: float | None
    streams: float
    figure: SharedFigure


def _depth(context: Any) -> float | None:
    return None if context is None else math.log2(context + 1024)


def _figure(row: Measurement) -> SharedFigure:
    return SharedFigure(
        measurement=row.id,
        url=row.url,
        date=row.date,
        evidence=row.evidence,
        decode_tok_s=row.decode_tok_s,
        prefill_tok_s=row.prefill_tok_s,
        isl=row.isl,
        context=row.decode_kv_tokens,
        flags=row.flags,
    )


def figures(
    catalog: Catalog, asked: Asked, outcome: Outcome, quality: QualityColumns, task: Task
) -> list[dict[str, Any]]:
    """The fields a recommendation and a prediction share, of each row, in the wire's order."""
    rows = zip(intervals(outcome), _memory(asked, outcome), _roofline(outcome), strict=True)
    return [
        {
            **_named_fields(asked, outcome, row),
            **speeds,
            "memory": memory,
            "roofline": roofline,
            **_evidence(catalog, asked, outcome, quality, task, row),
        }
        for row, (speeds, memory, roofline) in enumerate(rows)
    ]


def _named_fields(asked: Asked, outcome: Outcome, row: int) -> dict[str, Any]:
    """What it is: the config, its tier and what its numbers stand on."""
    single, units = float(outcome.single_stream_tok_s[row]), asked.candidates.units
    return {
        "config": config_of(asked.candidates, row),
        "verdict": verdict(single, units),
        "basis": BASES[int(outcome.basis[row])],
    }


def _memory(asked: Asked, outcome: Outcome) -> Iterator[dict[str, int]]:
    """Of each row the bytes per unit, by name."""
    budget = int(asked.workload.budget_bytes)
    for row in zip(*(getattr(outcome, name).tolist() for name in MEMORY), strict=True):
        yield {**dict(zip(MEMORY, map(int, row), strict=True)), "budget_bytes": budget}


def _roofline(outcome: Outcome) -> Iterator[dict[str, Any]]:
    """Of each row what its ceiling is made of, and how near it comes."""
    columns = (outcome.bytes_per_step, outcome.ceiling_tok_s, outcome.efficiency, outcome.bound)
    for step, ceiling, efficiency, bound in zip(*(column.tolist() for column in columns), strict=True):
        yield {
            "bytes_per_step": int(step),
            "ceiling_tok_s": rounded(ceiling),
            "efficiency": rounded(efficiency),
            "bound": BOUNDS[bound],
        }


def _evidence(
    catalog: Catalog, asked: Asked, outcome: Outcome, quality: QualityColumns, task: Task, row: int
) -> dict[str, Any]:
    """How good it is, who measured it, how to start it, and why it does what it does."""
    candidates, measured = asked.candidates, len(_measured(catalog, asked.candidates, row))
    return {
        "quality": quality_of(catalog, quality, candidates.keys[row], task, row),
        "sources": sources(catalog, candidates, row, asked.workload),
        "launch": launch(candidates.configs[row], asked.workload),
        "why": why(asked, outcome, quality, task, row, measured),
    }


def quality_of(catalog: Catalog, quality: QualityColumns, key: ConfigKey, task: Task, row: int) -> SharedQuality:
    """Index, interval and penalty of one row, the config called ``key``, with the scores behind them; null where unknown."""

    def known(column: np.ndarray) -> float | None:
        return None if np.isnan(column[row]) else round(float(column[row]), 1)

    made: dict[tuple[str, str, Task], SharedQuality] = catalog.notes["qualities"]
    name = (key.model, key.quant, task)
    if name in made:
        return made[name]
    told = SharedQuality(
        index=known(quality.index),
        low=known(quality.low),
        high=known(quality.high),
        penalty=known(quality.penalty),
        scores=tuple(Score(benchmark=b, score=s, source=u) for b, s, u in catalog.quality.scores(key.model, task)),
    )
    if key.model in catalog.facts.models:
        made[name] = told
    return told
