"""A posterior made ready for many questions: everything that does not depend on the workload, worked out once.

For n configs, the log factor on each term is a constant plus slopes times the workload's logarithms. The uncertainty
needs the covariance of a few *coordinates* per config: the factors on the groups of terms, and the slopes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from catalog.calibration.hierarchy import TOTAL, Cases, Effect, Posterior
from catalog.calibration.intervals import scales

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog.calibration.hierarchy import Floats, Ints
    from catalog.calibration.situations import Situations

WORKLOAD_SLOPES = ("log context", "log concurrency", "log prompt", "log tokens", "served total", "served length")
"""Numbers that a question sets; the other slopes are properties of the config."""
CHUNK = 2048
"""Configs whose covariances are gathered together: bounds the memory of the gather."""


@dataclass(frozen=True)
class Prepared:
    """Constant parts of n configs' log factors and the covariance of their coordinates."""

    posterior: Posterior
    constant: dict[str, Floats]
    slopes: dict[tuple[str, str], Floats]
    coordinates: tuple[tuple[tuple[str, ...], str | None], ...]
    onto: Floats
    """(effects, coordinates): 1 where an effect acts on a coordinate."""
    columns: Ints
    """(n, effects): the place of each config's level among the lasting effects; -1 where it was never seen."""
    amounts: Floats
    """(n, effects): what multiplies the effect; 0 where it was never seen or is absent."""
    unseen: Floats
    """(n, effects): variance that a level never seen brings: the spread of its kind, squared."""
    elsewhere: Mapping[str | None, Floats]
    """slope → (n,): variance that the next measurement brings, its source, its run and its noise, per squared number."""
    scale: Floats
    """(2, n): factor on the standard deviation, for one stream and for several."""

    def take(self, rows: Ints) -> Prepared:
        """The same for some of the configs."""
        return replace(
            self,
            constant={term: column[rows] for term, column in self.constant.items()},
            slopes={key: column[rows] for key, column in self.slopes.items()},
            columns=self.columns[rows],
            amounts=self.amounts[rows],
            unseen=self.unseen[rows],
            elsewhere={slope: column[rows] for slope, column in self.elsewhere.items()},
            scale=self.scale[:, rows],
        )

    def log_time(
        self, terms: Mapping[str, Floats], numbers: Mapping[str, float | Floats]
    ) -> tuple[Floats, dict[str, Floats]]:
        """Median log seconds and each term's share in them."""
        factor = dict(self.constant)
        for (term, slope), amount in self.slopes.items():
            factor[term] = factor[term] + amount * numbers[slope]
        seconds, share = self.posterior.specification.combine({t: x * np.exp(factor[t]) for t, x in terms.items()})
        return np.log(seconds) + factor[TOTAL], share

    def log_sd(self, share: Mapping[str, Floats], numbers: Mapping[str, float | Floats], rows: Ints) -> Floats:
        """Standard deviation of log seconds for some rows, as another source would measure them."""
        weights = np.empty((len(rows), len(self.coordinates)))
        for i, (terms, slope) in enumerate(self.coordinates):
            amount = np.ones(len(rows)) if terms == (TOTAL,) else np.sum([share[t][rows] for t in terms], axis=0)
            weights[:, i] = amount * (_at(numbers[slope], rows) if slope else 1.0)
        parts = [self._variance(rows[i : i + CHUNK], weights[i : i + CHUNK]) for i in range(0, len(rows), CHUNK)]
        elsewhere = sum(
            column[rows] * (_at(numbers[slope], rows) if slope else 1.0) ** 2
            for slope, column in self.elsewhere.items()
        )
        scale = np.where(_at(numbers["log concurrency"], rows) > 0, self.scale[1, rows], self.scale[0, rows])
        return np.asarray(scale * np.sqrt(np.concatenate([np.zeros(0), *parts]) + elsewhere))

    def _variance(self, rows: Ints, weights: Floats) -> Floats:
        """Variance of the weighted coordinates of some rows: gᵀ Σ g over the levels seen, plus the spreads of the others."""
        gradient = weights @ self.onto.T
        seen = gradient * self.amounts[rows]
        at = self.columns[rows]
        block = self.posterior.covariance[at[:, :, None], at[:, None, :]]
        known = np.einsum("ni,nij,nj->n", seen, block, seen, optimize=True)
        return np.asarray(known + (gradient**2 * self.unseen[rows]).sum(axis=1))


def prepare(posterior: Posterior, situations: Situations) -> Prepared:
    """Work out what the workload does not change, for n configs."""
    specification = posterior.specification
    static = situations.numbers()
    cases = Cases(situations.labels, static, {TOTAL: np.zeros(len(situations))})
    constant = {t: np.full(len(situations), mean) for t, (mean, _) in specification.base.items()}
    constant[TOTAL] = np.zeros(len(situations))
    slopes: dict[tuple[str, str], Floats] = {}
    effects = [e for e in specification.all_effects() if not e.transient]
    for effect in effects:
        at = posterior.columns(cases, effect)
        amount = np.where(at >= 0, posterior.mean[at], 0.0) * _static(effect, static)
        for term in effect.terms:
            if effect.slope in WORKLOAD_SLOPES:
                slopes[term, effect.slope] = slopes.get((term, effect.slope), 0.0) + amount
            else:
                constant[term] = constant[term] + amount
    coordinates = _coordinates(effects)
    onto = np.zeros((len(effects), len(coordinates)))
    for i, effect in enumerate(effects):
        onto[i, coordinates.index((effect.terms, _slope(effect)))] = 1.0
    columns, amounts, unseen = _levels(posterior, cases, effects, static)
    elsewhere = _elsewhere(posterior, situations)
    scale = scales(specification.quantity, situations)
    return Prepared(posterior, constant, slopes, coordinates, onto, columns, amounts, unseen, elsewhere, scale)


def _elsewhere(posterior: Posterior, situations: Situations) -> dict[str | None, Floats]:
    """Variance of log t that the next source brings to each config: its transient effects and its noise."""
    variance: dict[str | None, Floats] = {None: (posterior.noise_sd * situations.noise_scale) ** 2}
    for effect in posterior.specification.effects:
        if effect.transient:
            known = [situations.labels[key] for key in effect.keys if key in situations.labels]
            present = np.all([[level is not None for level in column] for column in known], axis=0) if known else True
            brought = np.broadcast_to(posterior.spread[effect.name] ** 2 * present, len(situations))
            variance[effect.slope] = variance.get(effect.slope, np.zeros(len(situations))) + brought
    return variance


def _at(number: float | Floats, rows: Ints) -> float | Floats:
    """A workload's number for some rows: one for all, or one each."""
    return number[rows] if isinstance(number, np.ndarray) else number


def _static(effect: Effect, static: Mapping[str, Floats]) -> Floats | float:
    return static.get(effect.slope or "", 1.0)


def _slope(effect: Effect) -> str | None:
    return effect.slope if effect.slope in WORKLOAD_SLOPES else None


def _coordinates(effects: list[Effect]) -> tuple[tuple[tuple[str, ...], str | None], ...]:
    """The distinct (terms, slope) pairs that effects act on: effects on the same terms add up before they are squared."""
    return tuple(dict.fromkeys((e.terms, _slope(e)) for e in effects))


def _levels(
    posterior: Posterior, cases: Cases, effects: list[Effect], static: Mapping[str, Floats]
) -> tuple[Ints, Floats, Floats]:
    """Where each config's levels stand in the covariance, by what they count, and what the unseen ones bring. (n, effects)."""
    columns = np.stack([posterior.place[posterior.columns(cases, e)] for e in effects], axis=1)
    present = np.stack([np.array([level is not None for level in cases.levels(e)]) for e in effects], axis=1)
    values = np.stack([np.broadcast_to(_static(e, static), len(cases)) for e in effects], axis=1)
    seen = columns >= 0
    spreads = np.array([posterior.spread[e.name] for e in effects])
    return columns, values * seen, (values * spreads * (present & ~seen)) ** 2
