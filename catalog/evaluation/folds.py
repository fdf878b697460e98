"""Leave out whole models, sources, machines or engine versions, fit to the others, and predict what was left out.

A fold starts from the spreads learnt from all lessons (a few dozen numbers); no effect of a row left out is among them.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from tqdm import tqdm

from catalog.calibration.model import decode_cases, fit_speed, prefill_cases, tabulate
from catalog.calibration.prepared import prepare
from catalog.physics.prompts import prefill_ceiling_tok_s
from catalog.physics.terms import decode_ceiling_tok_s

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catalog.calibration.evidence import Lesson
    from catalog.calibration.hierarchy import Cases, Floats, Posterior
    from catalog.calibration.model import SpeedModel, Table

LeftOut = Literal["model", "source", "hardware", "engine version"]
LEFT_OUT: tuple[LeftOut, ...] = get_args(LeftOut)
FOLDS: dict[LeftOut, int] = {"model": 24, "source": 24, "hardware": 3, "engine version": 3}
"""How many fits judge each way of leaving out: the more, the less goes missing with a group."""


@dataclass(frozen=True)
class Judgement:
    """One lesson and what was predicted without its like: log(predicted ÷ measured speed), and its spread."""

    lesson: Lesson
    log_error: float
    log_sd: float


def group_of(lesson: Lesson, by: LeftOut) -> str:
    """What a lesson is left out with. A model takes its derivatives along: they run alike."""
    row, model = lesson.measurement, lesson.config.model
    if by == "model":
        return model.derivative_of or model.id
    if by == "engine version":
        return f"{row.engine} {(row.engine_version or 'not stated')[:8]}"
    return str(getattr(row, by))


def folds(lessons: Sequence[Lesson], by: LeftOut) -> list[np.ndarray]:
    """Positions of the lessons left out in each fold; no group is in two of them."""
    groups = [group_of(x, by) for x in lessons]
    parts = GroupKFold(min(FOLDS[by], len(set(groups)))).split(groups, groups=groups)
    return [left_out for _, left_out in parts]


def left_out(lessons: Sequence[Lesson], whole: SpeedModel) -> dict[LeftOut, list[Judgement]]:
    """Judge every lesson by a fit that saw none of its model, its source, its machine, its engine version.

    ``whole``, the fit to all, gives the spreads to start from. Folds run in as many processes as there are cores.
    """
    tasks = [(by, fold) for by in LEFT_OUT for fold in folds(lessons, by)]
    found: dict[LeftOut, list[Judgement]] = {by: [] for by in LEFT_OUT}
    with ProcessPoolExecutor(os.cpu_count(), initializer=_share, initargs=(list(lessons), whole)) as pool:
        judgements = pool.map(_judge, [fold for _, fold in tasks])
        for (by, fold), errors in zip(tasks, tqdm(judgements, "left out", len(tasks), disable=None), strict=True):
            found[by] += [Judgement(lessons[i], *errors[j]) for j, i in enumerate(fold)]
    return found


_shared: list[tuple[list[Lesson], SpeedModel]] = []


def _share(lessons: list[Lesson], whole: SpeedModel) -> None:
    """In each worker: one thread each, and the lessons at hand."""
    threadpool_limits(1)
    _shared[:] = [(lessons, whole)]


def _judge(fold: np.ndarray) -> list[tuple[float, float]]:
    ((lessons, whole),) = _shared
    unseen = set(fold.tolist())
    model = fit_speed([x for i, x in enumerate(lessons) if i not in unseen], whole)
    return [(x.log_error, x.log_sd) for x in judged(model, [lessons[i] for i in fold])]


def judged(model: SpeedModel, lessons: Sequence[Lesson]) -> list[Judgement]:
    """Compare lessons with what a fit expects of them, in their order."""
    prompts = [i for i, x in enumerate(lessons) if x.quantity in {"prefill", "ttft"}]
    steps = [i for i, x in enumerate(lessons) if x.quantity in {"decode", "total"}]
    found = dict(
        chain(
            zip(prompts, _prompts(model, [lessons[i] for i in prompts]), strict=True),
            zip(steps, _steps(model, [lessons[i] for i in steps]), strict=True),
        )
    )
    return [found[i] for i in range(len(lessons))]


def _prompts(model: SpeedModel, lessons: Sequence[Lesson]) -> Iterator[Judgement]:
    table = tabulate(lessons)
    least = np.log(table.load.isl / prefill_ceiling_tok_s(table.situations.shapes, table.situations.devices))
    return _compare(lessons, table, model.prefill, prefill_cases(table), np.zeros(len(table)), least)


def _steps(model: SpeedModel, lessons: Sequence[Lesson]) -> Iterator[Judgement]:
    table = tabulate(lessons)
    shapes, devices, load = table.situations.shapes, table.situations.devices, table.load
    ceiling = decode_ceiling_tok_s(shapes, devices, load)
    least = -np.log(ceiling * (table.load.draft_tokens + 1.0))
    cases = decode_cases(table, model.prefill)
    return _compare(lessons, table, model.decode, cases, table.situations.log_accepted, least)


def _compare(
    lessons: Sequence[Lesson], table: Table, posterior: Posterior, cases: Cases, accepted: Floats, least: Floats
) -> Iterator[Judgement]:
    """Expected against measured log seconds, as served: never below what the ceiling leaves (``least``)."""
    ready = prepare(posterior, table.situations)
    expected, share = ready.log_time(cases.terms, cases.numbers), ready.shares(cases.terms, cases.numbers)
    whole = np.isin(table.kind.astype(str), ("total", "ttft"))
    spread = ready.log_sd(ready.spread(share, cases.numbers), table.load.concurrency, whole)
    served = np.maximum(expected - accepted, least)
    for lesson, predicted, sd in zip(lessons, served, spread, strict=True):
        yield Judgement(lesson, lesson.log_seconds - float(predicted), float(sd))
