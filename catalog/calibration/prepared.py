"""A posterior made ready for many questions: everything that does not depend on the workload, worked out once.

For n configs, the log factor on each term is a constant plus slopes times the workload's logarithms. The uncertainty
needs the covariance of a few *coordinates* per config: the factors on the groups of terms, and the slopes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from catalog.calibration.evidence import OWN_NOISE
from catalog.calibration.hierarchy import TOTAL, Cases, Effect, Posterior
from catalog.calibration.intervals import scales
from catalog.calibration.situations import CONTENT_SLOPES
from catalog.columns import Columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from catalog.calibration.hierarchy import Floats, Ints
    from catalog.calibration.situations import Situations
    from catalog.prediction import Bools

WORKLOAD_SLOPES = (
    "log context", "log concurrency", "log prompt", "log tokens", "company", "few tokens", "served total", "served length",
    *CONTENT_SLOPES.values(),
)  # fmt: skip
"""Numbers that a question sets, 0 where it leaves them out; the other slopes are properties of the config."""
FEW = 64
"""Up to so many configs, each one's own covariance is looked up: their levels lie far apart in a large matrix."""
CHUNK = 256
"""Configs whose variance is worked out together: neighbours in a table share most levels, so their matrix stays small."""


class Coordinate(NamedTuple):
    """What effects act on: those on the same terms, by the same slope of the workload, add up before they are squared."""

    terms: tuple[str, ...]
    inverse: tuple[str, ...]
    slope: str | None


@dataclass(frozen=True)
class Prepared(Columns):
    """Constant parts of n configs' log factors and the covariance of their coordinates."""

    WHOLE = frozenset({"posterior", "coordinates", "of_terms", "onto", "columns", "amounts", "unseen", "kept"})

    posterior: Posterior
    factor: Mapping[str, Floats]
    """term → (n,): what its seconds are multiplied by, before slopes."""
    log_total: Floats
    """(n,): what is added to the logarithm of the whole, before slopes."""
    slopes: Mapping[tuple[str, str], Floats]
    """(term or TOTAL, slope) → (n,): what each unit of the slope's number adds to the logarithm."""
    coordinates: tuple[Coordinate, ...]
    of_terms: Floats
    """(coordinates, terms + 1): 1 where a coordinate scales a term, -1 the other way round, in the order of the specification's base;
    the last is the whole."""
    onto: Floats
    """(effects, coordinates): 1 where an effect acts on a coordinate."""
    columns: Ints
    """(of the origins, effects): the place of each config's level among the lasting effects; -1 where it was never seen."""
    amounts: Floats
    """(of the origins, effects): what multiplies the effect; 0 where it was never seen or is absent."""
    unseen: Floats
    """(of the origins, effects): variance that a level never seen brings: the spread of its kind, squared."""
    elsewhere: Mapping[str | None, Floats]
    """slope of the workload, or None → (n,): variance that the next measurement brings (its source, run and noise), per squared number."""
    scale: Floats
    """(n, 2, 2): factor on the standard deviation, of a stream's own figure and the whole's, alone and in company."""
    origin: Ints
    """(n,): the place of each config in the table that it was first prepared with, whose levels are not copied."""
    kept: dict[int, Floats]
    """Covariances of coordinates by ``origin``, as far as they were asked for."""

    def join(self, others: Sequence[Prepared]) -> Prepared:
        """These configs, then those of others that the same posterior prepared."""
        slopes = tuple(dict.fromkeys(chain.from_iterable(part.slopes for part in (self, *others))))
        parts = [part.with_slopes(slopes) for part in (self, *others)]
        columns, amounts, unseen = (
            np.concatenate([getattr(part, name)[part.origin] for part in parts])
            for name in ("columns", "amounts", "unseen")
        )
        joined = Columns.join(parts[0], parts[1:])
        places = np.arange(len(joined.origin))
        return replace(joined, columns=columns, amounts=amounts, unseen=unseen, origin=places, kept={})

    def with_slopes(self, slopes: tuple[tuple[str, str], ...]) -> Prepared:
        """The same with all of these slopes, 0 where there was none."""
        none = np.zeros(len(self.origin))
        return replace(self, slopes={name: self.slopes.get(name, none) for name in slopes})

    def log_time(self, terms: Mapping[str, Floats], numbers: Mapping[str, Floats]) -> Floats:
        """Median log seconds; never less than the best read there is takes."""
        total = self.posterior.specification.sum
        times = self.scaled(terms, numbers)
        log_s = np.log(total.seconds(times)) + self.log_total + self.added(numbers)
        return np.maximum(log_s, np.log(times[total.least])) if total.least else log_s

    def shares(self, terms: Mapping[str, Floats], numbers: Mapping[str, Floats]) -> dict[str, Floats]:
        """Each term's share in the median."""
        return self.posterior.specification.sum.shares(self.scaled(terms, numbers))

    def scaled(self, terms: Mapping[str, Floats], numbers: Mapping[str, Floats]) -> dict[str, Floats]:
        """Seconds by term, each times its factor at these numbers."""
        times = {term: x * self.factor[term] for term, x in terms.items()}
        for (term, slope), amount in self.slopes.items():
            if term != TOTAL and term in times and slope in numbers and np.any(numbers[slope]):
                times[term] = times[term] * np.exp(amount * numbers[slope])
        return times

    def added(self, numbers: Mapping[str, Floats]) -> Floats:
        """What these numbers add to the logarithm of the whole."""
        amounts = (
            amount * numbers[slope]
            for (term, slope), amount in self.slopes.items()
            if term == TOTAL and slope in numbers and np.any(numbers[slope])
        )
        return np.asarray(sum(amounts, np.zeros(())))

    def spread(self, share: Mapping[str, Floats], numbers: Mapping[str, Floats]) -> Floats:
        """Standard deviation of log seconds by the posterior and what another source brings."""
        count = len(self.log_total)
        parts = _rows([*(share[term] for term in self.posterior.specification.base), 1.0], count)
        slopes, place = _distinct_slopes(self.coordinates)
        scales = _rows([numbers.get(slope, 0.0) if slope else 1.0 for slope in slopes], count)
        weights = (self.of_terms @ parts * scales[place]).T
        if 0 < count <= FEW:
            covariances = np.stack([self._covariance(i) for i in range(count)])
            known = (np.matmul(covariances, weights[:, :, None])[:, :, 0] * weights).sum(axis=1)
        else:
            chunks = (self._variance(slice(i, i + CHUNK), weights) for i in range(0, count, CHUNK))
            known = np.concatenate([np.zeros(0), *chunks])
        elsewhere = sum(
            column * np.square(numbers.get(slope, 0.0)) if slope else column for slope, column in self.elsewhere.items()
        )
        return np.asarray(np.sqrt(known + elsewhere))

    def log_sd(self, spread: Floats, streams: Floats, whole: Bools | Literal[0, 1] = 0) -> Floats:
        """The same with the factor that makes intervals keep their word, for so many streams.

        ``whole``: whether the figure is of all streams or of the whole wait (total, ttft), not a stream's own.
        """
        several = np.asarray(streams > 1, dtype=np.int64)
        return spread * self.scale[np.arange(len(spread)), np.asarray(whole, dtype=np.int64), several]

    def _covariance(self, row: int) -> Floats:
        """Covariance of one config's coordinates, of shape (c, c): no workload changes it, so it is kept."""
        place = int(self.origin[row])
        if place not in self.kept:
            levels, amounts = self.columns[place], self.amounts[place]
            of_effects = self.posterior.covariance[np.ix_(levels, levels)] * np.outer(amounts, amounts)
            self.kept[place] = self.onto.T @ (of_effects + np.diag(self.unseen[place])) @ self.onto
        return self.kept[place]

    def _variance(self, rows: slice, every: Floats) -> Floats:
        """Variance of the weighted coordinates of some rows: gᵀ Σ g over the levels seen, plus the spreads of the others."""
        weights, places = every[rows], self.origin[rows]
        gradient = weights @ self.onto.T
        levels, at = np.unique(self.columns[places], return_inverse=True)
        seen = np.zeros((len(weights), len(levels)))
        seen[np.arange(len(weights))[:, None], at.reshape(gradient.shape)] = gradient * self.amounts[places]
        known = ((seen @ self.posterior.covariance[np.ix_(levels, levels)]) * seen).sum(axis=1)
        return np.asarray(known + (np.square(gradient) * self.unseen[places]).sum(axis=1))


def _rows(values: Sequence[Floats | float], count: int) -> Floats:
    """Values, each one number or one for each of ``count`` configs, as rows of that length."""
    rows = np.empty((len(values), count))
    for row, value in zip(rows, values, strict=True):
        row[:] = value
    return rows


@lru_cache
def _distinct_slopes(coordinates: tuple[Coordinate, ...]) -> tuple[tuple[str | None, ...], Ints]:
    """The slopes that occur, and the place of each coordinate's among them."""
    slopes = tuple(dict.fromkeys(x.slope for x in coordinates))
    return slopes, np.array([slopes.index(x.slope) for x in coordinates], dtype=np.int64)


def prepare(posterior: Posterior, situations: Situations, own: Bools | None = None) -> Prepared:
    """Work out what the workload does not change, for n configs. ``own`` ones were measured by whoever asks."""
    specification = posterior.specification
    static = situations.numbers
    own = np.zeros(len(situations), dtype=bool) if own is None else own
    mine = np.full(len(situations), None, dtype=object)
    mine[own] = "own"
    cases = Cases({**situations.labels, "own": mine}, static, {TOTAL: np.zeros(len(situations))})
    constant = {t: np.full(len(situations), mean) for t, (mean, _) in specification.base.items()}
    constant[TOTAL] = np.zeros(len(situations))
    slopes: dict[tuple[str, str], Floats] = {}
    effects = [e for e in specification.all_effects() if not e.transient]
    places = [posterior.columns(cases, effect) for effect in effects]
    for effect, at in zip(effects, places, strict=True):
        amount = np.where(at >= 0, posterior.mean[at], 0.0) * _static(effect, static)
        for term, sign in effect.signs.items():
            if effect.slope in WORKLOAD_SLOPES:
                slopes[term, effect.slope] = slopes.get((term, effect.slope), 0.0) + sign * amount
            else:
                constant[term] = constant[term] + sign * amount
    coordinates = tuple(dict.fromkeys(map(_coordinate, effects)))
    onto = np.zeros((len(effects), len(coordinates)))
    for i, effect in enumerate(effects):
        onto[i, coordinates.index(_coordinate(effect))] = 1.0
    present = np.stack([cases.levels(effect).present for effect in effects], axis=1)
    columns, amounts, unseen = _levels(posterior, np.stack(places, axis=1), present, effects, static)
    elsewhere = _elsewhere(posterior, situations, own)
    scale = scales(specification.quantity, situations)
    factor = {term: np.exp(column) for term, column in constant.items() if term != TOTAL}
    slopes = {key: amount for key, amount in slopes.items() if amount.any()}
    return Prepared(
        posterior, factor, constant[TOTAL], slopes, coordinates, _of_terms(coordinates, specification.base), onto, columns, amounts, unseen, elsewhere, scale,
        np.arange(len(situations)), {},
    )  # fmt: skip


def _elsewhere(posterior: Posterior, situations: Situations, own: Bools) -> dict[str | None, Floats]:
    """Variance of log t that the next source brings to each config: its transient effects and its noise.

    Who measured a config themselves will be their own next source: only the noise of a run is left.
    """
    variance: dict[str | None, Floats] = {None: np.square(posterior.noise_sd * np.where(own, OWN_NOISE, 1.0))}
    for effect in posterior.specification.effects:
        if effect.transient:
            known = [situations.labels[key] for key in effect.keys if key in situations.labels]
            present = np.all([[level is not None for level in column] for column in known], axis=0) if known else True
            brought = np.where(
                own, 0.0, (posterior.spread[effect.name] * _static(effect, situations.numbers)) ** 2 * present
            )
            slope = _slope(effect)
            variance[slope] = variance.get(slope, np.zeros(len(situations))) + brought
    return variance


def _static(effect: Effect, static: Mapping[str, Floats]) -> Floats | float:
    return static.get(effect.slope or "", 1.0)


def _slope(effect: Effect) -> str | None:
    return effect.slope if effect.slope in WORKLOAD_SLOPES else None


def _of_terms(coordinates: Iterable[Coordinate], terms: Iterable[str]) -> Floats:
    terms = (*terms, TOTAL)
    return np.array([[(term in x.terms) - (term in x.inverse) for term in terms] for x in coordinates], dtype=float)


def _coordinate(effect: Effect) -> Coordinate:
    return Coordinate(effect.terms, effect.inverse, _slope(effect))


def _levels(
    posterior: Posterior, places: Ints, present: Bools, effects: list[Effect], static: Mapping[str, Floats]
) -> tuple[Ints, Floats, Floats]:
    """Where each config's levels stand in the covariance, by what they count, and what the unseen ones bring. (n, effects)."""
    columns = posterior.place[places]
    values = np.stack([np.broadcast_to(_static(e, static), len(places)) for e in effects], axis=1)
    seen = columns >= 0
    spreads = np.array([posterior.spread[e.name] for e in effects])
    return columns, values * seen, (values * spreads * (present & ~seen)) ** 2
