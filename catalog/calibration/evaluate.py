"""How far predictions are off on models and sources they have not seen, and whether their intervals keep their word.

Whole models, or whole sources, are left out in turn: the calibration is fitted to the others and asked about them. A
fold starts from the spreads learnt from all lessons (a few dozen numbers); no effect of a row left out is among them.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from catalog.calibration.model import decode_cases, fit_speed, log_accepted, prefill_cases, tabulate
from catalog.calibration.prepared import prepare
from catalog.prediction import Z80

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catalog.calibration.evidence import Lesson
    from catalog.calibration.hierarchy import Cases, Floats, Posterior
    from catalog.calibration.model import SpeedModel, Table

LeftOut = Literal["model", "source"]
FOLDS = 8
SMALLEST_GROUP = 10
"""Rows below which a group's figures say nothing."""


@dataclass(frozen=True)
class Judgement:
    """One lesson and what was predicted without its model or source: log(predicted ÷ measured speed), and its spread."""

    lesson: Lesson
    log_error: float
    log_sd: float


@dataclass(frozen=True)
class Score:
    """Error of one group of rows: absolute relative errors of the speed, share within 20 %, and interval coverage."""

    group: str
    left_out: LeftOut
    rows: int
    mean_error: float
    median_error: float
    within_20: float
    bias: float
    coverage: float
    median_width: float


def left_out(lessons: Sequence[Lesson], by: LeftOut, whole: SpeedModel) -> Iterator[Judgement]:
    """Judge every lesson by a fit that saw none of its model (or source). ``whole`` gives the spreads to start from."""
    keys = [
        x.config.model.derivative_of or x.config.model.id if by == "model" else x.measurement.source for x in lessons
    ]
    fold = [zlib.crc32(key.encode()) % FOLDS for key in keys]
    for i in range(FOLDS):
        unseen = [x for x, f in zip(lessons, fold, strict=True) if f == i]
        if unseen:
            model = fit_speed([x for x, f in zip(lessons, fold, strict=True) if f != i], whole)
            yield from judged(model, unseen)


def judged(model: SpeedModel, lessons: Sequence[Lesson]) -> Iterator[Judgement]:
    """Compare lessons with what a fit expects of them."""
    prompts = [x for x in lessons if x.quantity in {"prefill", "ttft"}]
    steps = [x for x in lessons if x.quantity in {"decode", "total"}]
    if prompts:
        table = tabulate(prompts)
        yield from _compare(prompts, table, model.prefill, prefill_cases(table), np.zeros(len(table)))
    if steps:
        table = tabulate(steps)
        yield from _compare(steps, table, model.decode, decode_cases(table, model.prefill), log_accepted(table.load))


def _compare(
    lessons: Sequence[Lesson], table: Table, posterior: Posterior, cases: Cases, accepted: Floats
) -> Iterator[Judgement]:
    ready = prepare(posterior, table.situations)
    expected, share = ready.log_time(cases.terms, cases.numbers)
    spread = ready.log_sd(share, cases.numbers, np.arange(len(table)))
    for lesson, predicted, sd in zip(lessons, expected - accepted, spread, strict=True):
        yield Judgement(lesson, lesson.log_seconds - float(predicted), float(sd))


def groups(lesson: Lesson) -> Iterator[str]:
    """The groups that a lesson counts in; flagged and approximate figures count in none."""
    row, config = lesson.measurement, lesson.config
    if row.flags or row.approx:
        return
    if config.hardware.id == "h200-sxm" and row.evidence == "own":
        yield f"own H200 sweep, {lesson.quantity}"
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


def scores(judgements: Sequence[Judgement], by: LeftOut) -> list[Score]:
    """Figures of every group with enough rows."""
    found: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        for group in groups(judgement.lesson):
            found.setdefault(group, []).append(judgement)
    return [_score(group, by, rows) for group, rows in sorted(found.items()) if len(rows) >= SMALLEST_GROUP]


def _score(group: str, by: LeftOut, rows: Sequence[Judgement]) -> Score:
    log_error, sd = np.array([x.log_error for x in rows]), np.array([x.log_sd for x in rows])
    error = np.abs(np.expm1(log_error))
    return Score(
        group,
        by,
        len(rows),
        float(error.mean()),
        float(np.median(error)),
        float((error <= 0.2).mean()),
        float(np.median(np.expm1(log_error))),
        float((np.abs(log_error) <= Z80 * sd).mean()),
        float(np.median(np.exp(2.0 * Z80 * sd))),
    )


def render(found: Sequence[Score]) -> str:
    """A Markdown table."""
    lines = [
        "| group | left out | rows | mean error | median error | within ±20 % | median bias | coverage of 80 % | high ÷ low |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {x.group} | {x.left_out} | {x.rows} | {x.mean_error:.1%} | {x.median_error:.1%} | {x.within_20:.0%} "
        f"| {x.bias:+.1%} | {x.coverage:.0%} | {x.median_width:.2f} |"
        for x in found
    ]
    return "\n".join(lines)


def evaluate(lessons: Sequence[Lesson]) -> list[Score]:
    """All groups, left out by model and by source."""
    whole = fit_speed(lessons)
    return [score for by in ("model", "source") for score in scores(list(left_out(lessons, by, whole)), by)]
