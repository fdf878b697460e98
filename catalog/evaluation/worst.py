"""The rows that predictions miss by most, each with a word on why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.evaluation.scores import groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.calibration.evidence import Lesson
    from catalog.evaluation.folds import Judgement

DISAGREEMENT = 1.25
"""Ratio of two sources' figures for one config from which they contradict each other."""
FEW = 30
"""Lessons of an engine, below which little is known of it."""


@dataclass(frozen=True)
class Miss:
    """A judgement and what stands behind its error."""

    judgement: Judgement
    why: str


def worst(judgements: Sequence[Judgement], count: int) -> list[Miss]:
    """The ``count`` clean lessons with the largest errors, one per config and quantity, widest first."""
    found: dict[tuple[str, str, str], Judgement] = {}
    for each in sorted(judgements, key=lambda x: -abs(x.log_error)):
        key = (each.lesson.config.key, each.lesson.config.speculation, each.lesson.quantity)
        if any(groups(each.lesson)):
            found.setdefault(key, each)
    lessons = [x.lesson for x in judgements]
    return [Miss(each, _why(each, lessons)) for each in list(found.values())[:count]]


def _why(miss: Judgement, lessons: Sequence[Lesson]) -> str:
    lesson, config = miss.lesson, miss.lesson.config
    words = []
    alike = [x for x in lessons if _same(x, lesson) and x.measurement.source != lesson.measurement.source]
    others = {x.measurement.source: math.exp(lesson.log_seconds - x.log_seconds) for x in alike}
    apart = {s: r for s, r in others.items() if not 1 / DISAGREEMENT < r < DISAGREEMENT}
    if apart:
        source, ratio = max(apart.items(), key=lambda item: abs(math.log(item[1])))
        words.append(f"{source} measured {ratio:.2f} times this speed on the same config and load")
    if config.speculation != "none":
        words.append("how many drafts are accepted depends on the text")
    if config.units > 1:
        words.append(f"few sources measured {config.units} units, and their links differ")
    engine = [x for x in lessons if x.config.engine.family == config.engine.family]
    if len(engine) < FEW:
        words.append(f"only {len(engine)} lessons on {config.engine.family}")
    elsewhere = {x.measurement.source for x in lessons if x.config.hardware.id == config.hardware.id}
    if len(elsewhere) == 1:
        words.append(f"one source alone measured {config.hardware.id}")
    if lesson.quantity in {"prefill", "ttft"} and lesson.ask.isl <= 512:
        words.append("a short prompt times overheads, not the prefill")
    return "; ".join(words) or "its kind is measured, and this row stands apart from it"


def _same(a: Lesson, b: Lesson) -> bool:
    """Whether two lessons ask the same of the same config, the context within a factor of two."""
    return (
        a.quantity == b.quantity
        and a.config.key == b.config.key
        and a.config.speculation == b.config.speculation
        and a.ask.concurrency == b.ask.concurrency
        and 0.5 <= (a.ask.context + 1) / (b.ask.context + 1) <= 2.0
    )
