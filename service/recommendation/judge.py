"""Candidates under a question: what they do, how good they are, and which limits they break."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from service.recommendation.asked import Asked
from service.recommendation.limits import Limit, limits
from service.recommendation.quality import QualityColumns, quality_columns

if TYPE_CHECKING:
    from modelpicker.wire.questions import RecommendQuestion

    from catalog.catalog import Catalog
    from catalog.predict import Outcome
    from catalog.prediction import Bools


@dataclass(frozen=True)
class Judged:
    """n candidates with their outcome, quality and limits. ``feasible`` rows break none."""

    asked: Asked
    outcome: Outcome
    quality: QualityColumns
    limits: list[Limit]
    feasible: Bools

    def reasons(self, row: int) -> list[Limit]:
        """The limits a row breaks, in order."""
        if row not in self._broken:
            self._broken[row] = [limit for limit in self.limits if limit.failed[row]]
        return self._broken[row]

    @cached_property
    def _broken(self) -> dict[int, list[Limit]]:
        return {}


def judge(catalog: Catalog, question: RecommendQuestion, asked: Asked, quality: QualityColumns | None = None) -> Judged:
    """Apply every limit of the question to every candidate, whose ``quality`` is looked up where it is not known yet."""
    outcome = catalog.predict(asked.candidates, asked.workload)
    quality = quality or quality_columns(catalog, asked.candidates, question.task)
    found = limits(question, asked, outcome, quality)
    broken = np.zeros(len(asked.candidates), dtype=bool)
    for limit in found:
        broken |= limit.failed
    return Judged(asked, outcome, quality, found, ~broken)
