"""A posterior made ready for many questions: everything that does not depend on the workload, worked out once.

For n configs, the log factor on each term is a constant plus slopes times the workload's logarithms. The uncertainty
needs the covariance of a few *coordinates* per config: the factors on the groups of terms, and the slopes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from catalog.calibration.hierarchy import TOTAL, Cases, Effect, Posterior

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog.calibration.hierarchy import Floats, Ints
    from catalog.calibration.situations import Situations

WORKLOAD_SLOPES = ("log context", "log concurrency")
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
    covariance: Floats
    """(n, c, c): of the coordinates, spreads of unseen levels included."""

    def log_time(self, terms: Mapping[str, Floats], numbers: Mapping[str, float]) -> tuple[Floats, dict[str, Floats]]:
        """Median log seconds and each term's share in them."""
        factor = dict(self.constant)
        for (term, slope), amount in self.slopes.items():
            factor[term] = factor[term] + amount * numbers[slope]
        seconds, share = self.posterior.specification.combine({t: x * np.exp(factor[t]) for t, x in terms.items()})
        return np.log(seconds) + factor[TOTAL], share

    def log_sd(self, share: Mapping[str, Floats], numbers: Mapping[str, float], rows: Ints) -> Floats:
        """Standard deviation of log seconds for some rows, as another source would measure them."""
        weights = np.empty((len(rows), len(self.coordinates)))
        for i, (terms, slope) in enumerate(self.coordinates):
            amount = 1.0 if terms == (TOTAL,) else sum(share[t] for t in terms)
            weights[:, i] = (amount if np.isscalar(amount) else amount[rows]) * (numbers[slope] if slope else 1.0)
        variance = np.einsum("ni,nij,nj->n", weights, self.covariance[rows], weights, optimize=True)
        return np.asarray(np.sqrt(variance + self.posterior.elsewhere_variance()))


def prepare(posterior: Posterior, situations: Situations) -> Prepared:
    """Work out what the workload does not change, for n configs."""
    specification = posterior.specification
    static = {"log units": situations.log_units, "log draft": np.log(situations.draft_tokens + 1.0)}
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
    covariance = _covariance(posterior, cases, effects, coordinates, static)
    return Prepared(posterior, constant, slopes, coordinates, covariance)


def _static(effect: Effect, static: Mapping[str, Floats]) -> Floats | float:
    return static[effect.slope] if effect.slope in static else 1.0


def _slope(effect: Effect) -> str | None:
    return effect.slope if effect.slope in WORKLOAD_SLOPES else None


def _coordinates(effects: list[Effect]) -> tuple[tuple[tuple[str, ...], str | None], ...]:
    """The distinct (terms, slope) pairs that effects act on: effects on the same terms add up before they are squared."""
    return tuple(dict.fromkeys((e.terms, _slope(e)) for e in effects))


def _covariance(
    posterior: Posterior,
    cases: Cases,
    effects: list[Effect],
    coordinates: tuple[tuple[tuple[str, ...], str | None], ...],
    static: Mapping[str, Floats],
) -> Floats:
    n, c = len(cases), len(coordinates)
    place = {position: i for i, position in enumerate(posterior.lasting())}
    lookup = np.array([place.get(i, -1) for i in range(len(posterior.mean))] + [-1], dtype=np.int64)
    columns = np.stack([lookup[posterior.columns(cases, e)] for e in effects], axis=1)
    present = np.stack([np.array([level is not None for level in cases.levels(e)]) for e in effects], axis=1)
    values = np.stack([np.broadcast_to(_static(e, static), n) for e in effects], axis=1)
    onto = np.zeros((len(effects), c))
    for i, effect in enumerate(effects):
        onto[i, coordinates.index((effect.terms, _slope(effect)))] = 1.0
    spreads = np.array([posterior.spread[e.name] for e in effects])
    out = np.empty((n, c, c))
    for start in range(0, n, CHUNK):
        rows = slice(start, start + CHUNK)
        seen = columns[rows] >= 0
        amount = values[rows] * seen
        block = posterior.covariance[columns[rows][:, :, None], columns[rows][:, None, :]]
        block = block * amount[:, :, None] * amount[:, None, :]
        unseen = (values[rows] * spreads * (present[rows] & ~seen)) ** 2
        diagonal = np.arange(len(effects))
        block[:, diagonal, diagonal] += unseen
        out[rows] = onto.T @ block @ onto
    return out
