"""Quality of candidates for a task: the model's index less what its quant loses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from catalog.columns import Columns

if TYPE_CHECKING:
    from modelpicker.wire.questions import Task

    from catalog.catalog import Catalog
    from catalog.prediction import Floats
    from catalog.table import Candidates


@dataclass(frozen=True)
class QualityColumns(Columns):
    """Index 0-100 with its 80 % interval and the quant's penalty in it, per candidate; nan where unknown."""

    WHOLE = frozenset({"worst"})

    index: Floats
    low: Floats
    high: Floats
    penalty: Floats
    worst: float
    """Low end of the least able model that anybody scored: what an unknown one is ranked as."""

    @cached_property
    def merit(self) -> Floats:
        """What orders by quality: the index; below every known one, and less for a lossier quant, where it is unknown."""
        return np.where(np.isnan(self.index), -self.penalty, self.index)

    @cached_property
    def sure(self) -> Floats:
        """What one can rely on: the low end of the interval; an unknown model counts as the worst known one."""
        return np.where(np.isnan(self.low), self.worst - self.penalty, self.low)


_kept: WeakKeyDictionary[Candidates, dict[Task, QualityColumns]] = WeakKeyDictionary()
"""No workload changes a quality: columns live as long as their table."""


def quality_columns(catalog: Catalog, candidates: Candidates, task: Task) -> QualityColumns:
    """The model's index for the task less the share that its quant costs, their uncertainties added in quadrature."""
    columns = _kept.setdefault(candidates, {})
    if task not in columns:
        columns[task] = _columns(catalog, candidates, task)
    return columns[task]


def _columns(catalog: Catalog, candidates: Candidates, task: Task) -> QualityColumns:
    columns = catalog.quality.index(task)
    value, low, high = (np.append(column, np.nan)[candidates.model_index] for column in columns)
    lost, lost_low, lost_high = catalog.quality.penalties(candidates.model_index, candidates.quant_index)
    share = np.where(np.isnan(value), 100.0, value) / 100.0
    index = value - share * lost
    down = np.hypot(value - low, share * (lost_high - lost))
    up = np.hypot(high - value, share * (lost - lost_low))
    sure, likely = np.clip(index - down, 0.0, 100.0), np.clip(index + up, 0.0, 100.0)
    return QualityColumns(index, sure, likely, share * lost, float(np.nanmin(columns[1])))
