"""Index and penalties as columns over all models and quants; saved and read as plain tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from catalog.quality.ability import TASKS, fit_abilities, usable
from catalog.quality.penalty import REFERENCE_PARAMS, Penalties, bits_of, fit_penalties

if TYPE_CHECKING:
    from catalog.facts import Facts, Quant, Task

Floats = NDArray[np.float64]

Z80 = 1.2815515655446004
FULL_PRECISION_BITS = 15.9


@dataclass(frozen=True)
class QualityTable:
    """Abilities by model and task (nan: unknown) and penalties by quant.

    The index is 100 · Φ(ability): 50 is the middle of all scored models, 84 one standard deviation above it.
    """

    model_ids: tuple[str, ...]
    quant_ids: tuple[str, ...]
    ability: Floats
    ability_sd: Floats
    penalties_fit: Penalties
    facts: Facts

    def index(self, task: Task) -> tuple[Floats, Floats, Floats]:
        """Index 0-100 with its 80 % interval, by position in ``model_ids``; nan where no score informs the task."""
        t = TASKS.index(task)
        mean, sd = self.ability[:, t], self.ability_sd[:, t]
        value, low, high = (100.0 * ndtr(mean + z * sd) for z in (0.0, -Z80, Z80))
        return value, low, high

    def penalties(
        self, model_index: NDArray[np.int64], quant_index: NDArray[np.int64]
    ) -> tuple[Floats, Floats, Floats]:
        """Points the quants cost the models (positions, -1 for an unlisted model), with 80 % intervals; 0 for native formats."""
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
        """The fit as plain rows: quality_index (model, task, ability, sd) and quant_penalty (quant, log points, sd, ...)."""
        index = [
            (model, task, float(self.ability[i, t]), float(self.ability_sd[i, t]))
            for i, model in enumerate(self.model_ids)
            for t, task in enumerate(TASKS)
            if not np.isnan(self.ability[i, t])
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
    """Fit abilities and penalties. A model without scores is unknown; so is vision without a vision score."""
    abilities = fit_abilities(facts)
    at = {model: i for i, model in enumerate(abilities.models)}
    vision = TASKS.index("vision")
    mean = np.full((len(facts.models), len(TASKS)), np.nan)
    sd = np.full_like(mean, np.nan)
    for i, model in enumerate(facts.models):
        if model in at:
            mean[i], sd[i] = abilities.mean[at[model]], np.sqrt(abilities.variance[at[model]])
            if not abilities.scored[at[model], vision]:
                mean[i, vision] = sd[i, vision] = np.nan
    spread = np.nanstd(mean[:, TASKS.index("general")]) or 1.0
    return QualityTable(
        tuple(facts.models), tuple(facts.quants), mean / spread, sd / spread, fit_penalties(facts), facts
    )


def read_quality(facts: Facts, index: list[tuple[Any, ...]], penalty: list[tuple[Any, ...]]) -> QualityTable:
    """The table from the rows that ``QualityTable.rows`` gave."""
    mean = np.full((len(facts.models), len(TASKS)), np.nan)
    sd = np.full_like(mean, np.nan)
    place = {model: i for i, model in enumerate(facts.models)}
    for model, task, ability, ability_sd in index:
        mean[place[model], TASKS.index(task)], sd[place[model], TASKS.index(task)] = ability, ability_sd
    by_quant = {row[0]: row[1:] for row in penalty}
    log_points, log_sd, measured, slopes = zip(*(by_quant[quant] for quant in facts.quants), strict=True)
    fit = Penalties(
        tuple(facts.quants), np.array(log_points), np.array(log_sd), np.array(measured, dtype=bool), float(slopes[0])
    )
    return QualityTable(tuple(facts.models), tuple(facts.quants), mean, sd, fit, facts)
