"""What a page of arithmetic would have said: the two formulas that everyone uses, judged on the same rows."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from catalog.calibration.labels import kernel
from catalog.calibration.model import tabulate
from catalog.evaluation.folds import Judgement, folds
from catalog.physics.prompts import prefill_ceiling_tok_s
from catalog.physics.terms import decode_ceiling_tok_s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.calibration.evidence import Lesson
    from catalog.calibration.hierarchy import Floats
    from catalog.evaluation.folds import LeftOut


def ideal_log_seconds(lessons: Sequence[Lesson]) -> Floats:
    """Log seconds at the ceiling: bytes ÷ bandwidth for a decode step, FLOPs ÷ peak for a prefill, no drafts."""
    table = tabulate(lessons)
    shapes, devices, load = table.situations.shapes, table.situations.devices, table.load
    decode = -np.log(decode_ceiling_tok_s(shapes, devices, load))
    prefill = np.log(np.maximum(load.isl, 1.0) / prefill_ceiling_tok_s(shapes, devices))
    return np.where(np.isin(table.kind, ["prefill", "ttft"]), prefill, decode)


def bandwidth_alone(lessons: Sequence[Lesson]) -> list[Judgement]:
    """Every engine reaches the ceiling."""
    errors = np.array([x.log_seconds for x in lessons]) - ideal_log_seconds(lessons)
    return [Judgement(x, float(e), float("nan")) for x, e in zip(lessons, errors, strict=True)]


def constant_per_engine_and_quant(lessons: Sequence[Lesson], by: LeftOut) -> list[Judgement]:
    """Each engine reaches a fixed share of the ceiling with each kind of quant: the mean of the rows not left out."""
    slower = np.array([x.log_seconds for x in lessons]) - ideal_log_seconds(lessons)
    keys = [_keys(x) for x in lessons]
    found = []
    for fold in folds(lessons, by):
        unseen = set(fold.tolist())
        seen: dict[tuple[str, ...], list[float]] = defaultdict(list)
        for i, nested in enumerate(keys):
            if i not in unseen:
                for key in nested:
                    seen[key].append(slower[i])
        for i in fold:
            constant = next(float(np.mean(seen[key])) for key in keys[i] if key in seen)
            found.append(Judgement(lessons[i], float(slower[i]) - constant, float("nan")))
    return found


def _keys(lesson: Lesson) -> tuple[tuple[str, ...], ...]:
    """Engine and quant, else the engine, else all of them; prompts and steps apart."""
    kind = "prefill" if lesson.quantity in {"prefill", "ttft"} else "decode"
    engine = lesson.config.engine.family
    return (kind, engine, kernel(lesson.config.quant)), (kind, engine), (kind,)
