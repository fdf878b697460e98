"""Quality of candidates for a task: the model's index less what its quant loses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from modelpicker.wire.questions import Task

    from catalog.catalog import Catalog
    from catalog.prediction import Floats
    from catalog.table import Candidates


@dataclass(frozen=True)
class QualityColumns:
    """Index 0-100 with its 80 % interval and the quant's penalty in it, per candidate; nan where unknown."""

    index: Floats
    low: Floats
    high: Floats
    penalty: Floats

    @property
    def merit(self) -> Floats:
        """What orders by quality: the index; below every known one, and less for a lossier quant, where it is unknown."""
        return np.where(np.isnan(self.index), -self.penalty, self.index)

    def take(self, rows: Any) -> QualityColumns:
        """The same columns for some rows."""
        return QualityColumns(self.index[rows], self.low[rows], self.high[rows], self.penalty[rows])


def quality_columns(catalog: Catalog, candidates: Candidates, task: Task) -> QualityColumns:
    """The model's index for the task less the share that its quant costs, their uncertainties added in quadrature."""
    value, low, high = (np.append(column, np.nan)[candidates.model_index] for column in catalog.quality.index(task))
    lost, lost_low, lost_high = catalog.quality.penalties(candidates.model_index, candidates.quant_index)
    share = np.where(np.isnan(value), 100.0, value) / 100.0
    index = value - share * lost
    down = np.hypot(value - low, share * (lost_high - lost))
    up = np.hypot(high - value, share * (lost - lost_low))
    return QualityColumns(index, np.clip(index - down, 0.0, 100.0), np.clip(index + up, 0.0, 100.0), share * lost)
