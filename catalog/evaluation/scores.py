"""Groups of rows that a reader asks about, and the figures of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from catalog.calibration.evidence import TIMING_HARNESS
from catalog.calibration.intervals import SCALE, Regime, regime
from catalog.prediction import Z80

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from catalog.calibration.evidence import Lesson
    from catalog.evaluation.folds import Judgement, LeftOut

SMALLEST_GROUP = 10
"""Rows below which a group's figures say nothing."""
KEPT_WORD = 0.81
"""Coverage that the interval factors aim at: the middle of 75 and 88 %, where 80 is promised."""


@dataclass(frozen=True)
class Score:
    """Error of one group of rows: absolute relative errors of the speed, share within 20 %, and interval coverage.

    ``coverage`` and ``median_width`` (high ÷ low) are NaN where no interval was given.
    """

    group: str
    left_out: str
    rows: int
    mean_error: float
    median_error: float
    within_20: float
    bias: float
    coverage: float
    median_width: float


def groups(lesson: Lesson) -> Iterator[str]:
    """The groups that a lesson counts in; flagged and approximate figures count in none."""
    row, config = lesson.measurement, lesson.config
    if row.flags or row.approx:
        return
    if row.tool == TIMING_HARNESS:
        yield f"own {config.hardware.name.split()[0]} sweep, {lesson.quantity}"
    elif config.hardware.id != "dgx-spark":
        yield f"other hardware, {lesson.quantity}"
    elif config.units > 1:
        yield f"GB10, several units, {lesson.quantity}"
    elif config.speculation != "none":
        yield f"GB10, speculation, {lesson.quantity}"
    elif lesson.quantity in {"prefill", "ttft"}:
        yield f"GB10, {lesson.quantity}"
    elif lesson.ask.concurrency > 1:
        yield f"GB10, several streams, {lesson.quantity}"
    elif lesson.quantity == "decode":
        yield "GB10, one stream, decode"
        yield f"GB10, one stream, decode, {'MoE' if config.model.moe else 'dense'}"


def scores(judgements: Iterable[Judgement], left_out: str) -> list[Score]:
    """Figures of every group with enough rows."""
    found: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        for group in groups(judgement.lesson):
            found.setdefault(group, []).append(judgement)
    return [_score(group, left_out, rows) for group, rows in sorted(found.items()) if len(rows) >= SMALLEST_GROUP]


def _score(group: str, left_out: str, rows: Sequence[Judgement]) -> Score:
    log_error, sd = np.array([x.log_error for x in rows]), np.array([x.log_sd for x in rows])
    error = np.abs(np.expm1(log_error))
    given = not np.isnan(sd).any()
    return Score(
        group,
        left_out,
        len(rows),
        float(error.mean()),
        float(np.median(error)),
        float((error <= 0.2).mean()),
        float(np.median(np.expm1(log_error))),
        float((np.abs(log_error) <= Z80 * sd).mean()) if given else float("nan"),
        float(np.median(np.exp(2.0 * Z80 * sd))),
    )


def regime_of(lesson: Lesson) -> Regime:
    """The interval regime that a lesson falls under."""
    config = lesson.config
    drafts, streams = config.speculation != "none", lesson.ask.concurrency > 1
    return regime(lesson.quantity, config.hardware.id, config.engine.id, config.units, drafts=drafts, streams=streams)


def interval_factors(judgements: Mapping[LeftOut, Sequence[Judgement]]) -> dict[Regime, float]:
    """The factor on each regime's spread that covers KEPT_WORD of the clean rows left out by model and by source.

    The two ways of leaving out count the same, whatever the number of rows. NaN where a regime has too few rows.
    """
    found: dict[Regime, float] = {}
    for each, now in SCALE.items():
        ratios = [
            np.array([abs(x.log_error) / (Z80 * x.log_sd) for x in judgements[by] if regime_of(x.lesson) == each and any(groups(x.lesson))])
            for by in ("model", "source")
        ]  # fmt: skip
        enough = min(map(len, ratios)) >= 3 * SMALLEST_GROUP
        found[each] = now * _weighted_quantile(ratios, KEPT_WORD) if enough else float("nan")
    return found


def _weighted_quantile(samples: Sequence[np.ndarray], share: float) -> float:
    """The value that ``share`` of the samples lie below, each sample weighing the same in all."""
    values = np.concatenate(samples)
    weights = np.concatenate([np.full(len(x), 1.0 / (len(x) * len(samples))) for x in samples])
    order = np.argsort(values)
    return float(values[order][np.searchsorted(np.cumsum(weights[order]), share)])
