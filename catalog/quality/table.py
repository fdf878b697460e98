"""Index and penalties as columns over all models and quants; saved and read as plain tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from catalog.quality.ability import TASKS, fit_abilities, usable
from catalog.quality.penalty import REFERENCE_PARAMS, Penalties, bits_of, fit_penalties

if TYPE_CHECKING:
    from catalog.facts import Facts, Quant, Task

Floats = NDArray[np.float64]

Z80 = 1.2815515655446004
FULL_PRECISION_BITS = 15.9


@dataclass(frozen=True)
class QualityTable:
    """Indices by model and task (nan: unknown) and penalties by quant."""

    model_ids: tuple[str, ...]
    quant_ids: tuple[str, ...]
    indices: Floats
    """Shape (3, models, tasks): index, low and high of the 80 % interval."""
    penalties_fit: Penalties
    facts: Facts

    def index(self, task: Task) -> tuple[Floats, Floats, Floats]:
        """Index 0-100 with its 80 % interval, by position in ``model_ids``; nan where no score informs the task."""
        value, low, high = self.indices[:, :, TASKS.index(task)]
        return value, low, high

    def penalties(
        self, model_index: NDArray[np.int64], quant_index: NDArray[np.int64]
    ) -> tuple[Floats, Floats, Floats]:
        """Percent of its score that a quant costs a model (positions, -1: unlisted), with 80 % intervals; 0 for native formats."""
        free = self._full[quant_index] | ((model_index >= 0) & self._native[model_index, quant_index])
        params = np.where(model_index >= 0, self._params[model_index], REFERENCE_PARAMS)
        value, low, high = (
            np.where(free, 0.0, self.penalties_fit.points(quant_index, params, z)) for z in (0.0, -Z80, Z80)
        )
        return value, low, high

    def scores(self, model_id: str, task: Task) -> tuple[tuple[str, float, str], ...]:
        """The published scores behind an index: benchmark, score, source."""
        return self._scores.get((model_id, task), ())

    @cached_property
    def _scores(self) -> dict[tuple[str, Task], tuple[tuple[str, float, str], ...]]:
        found: dict[tuple[str, Task], list[tuple[str, float, str]]] = {}
        for s in self.facts.quality_scores:
            if usable(s, self.facts.benchmarks):
                for task in self.facts.benchmarks[s.benchmark].tasks:
                    found.setdefault((s.model, task), []).append((s.benchmark, s.score, s.url))
        return {key: tuple(sorted(rows)) for key, rows in found.items()}

    @cached_property
    def _params(self) -> Floats:
        return np.array([m.params_total or REFERENCE_PARAMS for m in self.facts.models.values()], dtype=float)

    @cached_property
    def _full(self) -> NDArray[np.bool_]:
        return np.array([_is_full(q) for q in self.facts.quants.values()], dtype=bool)

    @cached_property
    def _native(self) -> NDArray[np.bool_]:
        quants = self.facts.quants
        return np.array([[q in m.native_quants for q in quants] for m in self.facts.models.values()], dtype=bool)

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """The fit as plain rows: quality_index (model, task, score, low, high) and quant_penalty (quant, log points, sd, ...)."""
        index = [
            (model, task, *map(float, self.indices[:, i, t]))
            for i, model in enumerate(self.model_ids)
            for t, task in enumerate(TASKS)
            if not np.isnan(self.indices[0, i, t])
        ]
        fit = self.penalties_fit
        penalty = [
            (quant, float(fit.mean[i]), float(fit.sd[i]), bool(fit.measured[i]), fit.size_slope)
            for i, quant in enumerate(fit.quants)
        ]
        return {"quality_index": index, "quant_penalty": penalty}


def _is_full(quant: Quant) -> bool:
    return quant.family == "native" or (bits_of(quant) or 0.0) >= FULL_PRECISION_BITS


def fit_quality(facts: Facts) -> QualityTable:
    """Fit abilities and penalties. A model without a score that informs a task is unknown at it, whatever its others say."""
    abilities = fit_abilities(facts)
    at = {model: i for i, model in enumerate(abilities.models)}
    known = [at.get(model, -1) for model in facts.models]
    indices = np.full((3, len(facts.models), len(TASKS)), np.nan)
    for t in range(len(TASKS)):
        columns = np.stack([abilities.index(t, z) for z in (0.0, -Z80, Z80)])
        columns[:, ~abilities.scored[:, t]] = np.nan
        indices[:, :, t] = np.append(columns, np.full((3, 1), np.nan), axis=1)[:, known]
    return QualityTable(tuple(facts.models), tuple(facts.quants), indices, fit_penalties(facts), facts)


def read_quality(facts: Facts, index: list[tuple[Any, ...]], penalty: list[tuple[Any, ...]]) -> QualityTable:
    """The table from the rows that ``QualityTable.rows`` gave."""
    indices = np.full((3, len(facts.models), len(TASKS)), np.nan)
    place = {model: i for i, model in enumerate(facts.models)}
    for model, task, *known in index:
        indices[:, place[model], TASKS.index(task)] = known
    by_quant = {row[0]: row[1:] for row in penalty}
    log_points, log_sd, measured, slopes = zip(*(by_quant[quant] for quant in facts.quants), strict=True)
    fit = Penalties(
        tuple(facts.quants), np.array(log_points), np.array(log_sd), np.array(measured, dtype=bool), float(slopes[0])
    )
    return QualityTable(tuple(facts.models), tuple(facts.quants), indices, fit, facts)
