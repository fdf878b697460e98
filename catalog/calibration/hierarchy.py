"""A hierarchical Bayesian model of times: physics terms, each scaled by effects that are learnt.

A time is a sum of physical terms (bytes over bandwidth, FLOPs over peak, overheads per layer and per step). Physics
gives each term's size; what it cannot know is a factor on it, and that factor is a product of *effects*: of the
engine, of the kernel for a quant, of the device, of the model, of the very config. In logarithms::

    log t = log combine_k( x_k · exp(μ_k + Σ effects on k) ) + Σ effects on the whole

Every effect has a Gaussian prior around zero whose spread is itself learnt from how much its levels differ (empirical
Bayes by expectation–maximisation). A level never seen keeps its prior: the factor 1, with the spread of its kind as
uncertainty. So one posterior serves a config measured ten times and a model published yesterday; nothing switches.

``fitting`` learns it from measured times.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TOTAL = "total"


class Sum(Protocol):
    """How terms, seconds by name, add up; ``least`` names the one that no total goes below."""

    @property
    def least(self) -> str | None: ...  # noqa: D102

    def seconds(self, terms: Mapping[str, Floats]) -> Floats:
        """Total seconds."""
        ...

    def shares(self, terms: Mapping[str, Floats]) -> dict[str, Floats]:
        """Each term's elasticity d log t / d log term."""
        ...


@dataclass(frozen=True)
class Effect:
    """A family of factors, one per level, on some terms.

    ``keys`` name the case columns whose joined values are the level; ``slope`` names a numeric column that multiplies
    the effect (a factor that grows with log concurrency, say). ``sd`` is the spread to start from, ``strength`` how
    many imaginary levels that start is worth.
    """

    name: str
    terms: tuple[str, ...]
    keys: tuple[str, ...]
    sd: float
    slope: str | None = None
    strength: float = 4.0
    min_rows: int = 1
    """Levels with fewer rows than this are left at their prior."""
    inverse: tuple[str, ...] = ()
    """Terms that it scales the other way round: with ``TOTAL`` among ``terms``, those that it leaves as they are."""
    transient: bool = False
    """True for what the next question will not share (its source, its run): it widens, but is not remembered."""

    @cached_property
    def signs(self) -> Mapping[str, float]:
        """How it acts on each of its terms: 1, or -1 the other way round."""
        return {**dict.fromkeys(self.terms, 1.0), **dict.fromkeys(self.inverse, -1.0)}


class Levels(NamedTuple):
    """The levels of an effect over n rows: the distinct ones, None where the effect is absent, and each row's among them."""

    names: tuple[str | None, ...]
    codes: Ints

    @property
    def present(self) -> NDArray[np.bool_]:
        """Whether a row has the effect."""
        return np.array([name is not None for name in self.names], dtype=bool)[self.codes]


@dataclass
class Cases:
    """Columns describing n situations: ``labels`` (strings), ``numbers``, and ``terms`` (seconds at factor one)."""

    labels: Mapping[str, NDArray[np.object_]]
    numbers: Mapping[str, Floats]
    terms: Mapping[str, Floats]
    _levels: dict[tuple[str, ...], Levels] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(next(iter(self.terms.values())))

    def take(self, rows: NDArray[np.bool_] | Ints) -> Cases:
        """The same columns for some of the rows."""
        labels = {name: column[rows] for name, column in self.labels.items()}
        numbers, terms = ({name: column[rows] for name, column in d.items()} for d in (self.numbers, self.terms))
        return Cases(labels, numbers, terms)

    def levels(self, effect: Effect) -> Levels:
        """Each row's level of an effect: what its keys say there, absent where one of them says nothing."""
        if effect.keys not in self._levels:
            places: dict[tuple[str | None, ...], int] = {}
            rows = zip(*(self.labels[key] for key in effect.keys), strict=True) if effect.keys else ((),) * len(self)
            codes = [places.setdefault(row, len(places)) for row in rows]
            names = (None if None in row else "|".join(map(str, row)) or "all" for row in places)
            self._levels[effect.keys] = Levels(tuple(names), np.array(codes, dtype=np.int64))
        return self._levels[effect.keys]

    def values(self, effect: Effect) -> Floats:
        """What each row multiplies the effect by."""
        return np.ones(len(self)) if effect.slope is None else self.numbers[effect.slope]


@dataclass(frozen=True)
class Specification:
    """What a kind of time consists of: its terms' prior log factors and its effects."""

    quantity: Literal["prefill", "decode"]
    base: Mapping[str, tuple[float, float]]
    """term → (mean, sd) of its log factor before anything is known."""
    effects: tuple[Effect, ...]
    sum: Sum
    steps: int
    """Gauss–Newton steps of a fit."""
    least_noise: float = 0.01
    """Standard deviation of a row that no fit goes below: what physics misses is alike in all rows of a series, so how they
    scatter among themselves says too little of how the next series will."""
    repetition: float = 0.0
    """n rows of a series tell as much as n^(1 - repetition) independent ones."""
    usual: tuple[str, ...] = ()
    """Lasting effects that take over what the transient ones of the same slope have in common over their rows, the first
    named first: see ``fit``."""

    def all_effects(self) -> tuple[Effect, ...]:
        """The effects, preceded by one base effect per term."""
        base = (Effect(f"base:{t}", (t,), (), sd, strength=1e9) for t, (_, sd) in self.base.items())
        return (*base, *self.effects)


@dataclass
class Posterior:
    """The fitted effects: ``mean`` and ``covariance`` over all levels, spreads by effect, and the noise."""

    specification: Specification
    index: dict[tuple[str, str], int]
    mean: Floats
    covariance: NDArray[np.floating[Any]]
    """Of the lasting effects only, in the order of ``lasting()``; single precision where it was read from a catalog."""
    spread: dict[str, float]
    noise_sd: float
    counts: Floats = field(default_factory=lambda: np.zeros(0))
    """Rows that each level was learnt from: those with it, and with its slope."""
    usual: Floats | float = 0.0
    """What of ``mean`` is the usual circumstance of an effect's rows, not the effect."""

    @cached_property
    def place(self) -> Ints:
        """For each effect its rank among the lasting ones, -1 for transient ones; the last entry serves unseen levels."""
        lookup = np.full(len(self.mean) + 1, -1, dtype=np.int64)
        lookup[self.lasting()] = np.arange(len(self.lasting()))
        return lookup

    def lasting(self) -> Ints:
        """Positions in ``mean`` of the effects that are not transient."""
        transient = {e.name for e in self.specification.effects if e.transient}
        return np.array([i for (name, _), i in self.index.items() if name not in transient], dtype=np.int64)

    def columns(self, cases: Cases, effect: Effect) -> Ints:
        """Position of each row's level in ``mean``; -1 where it was never seen or is absent."""
        return positions(self.index, effect, cases.levels(effect))

    def log_time(self, cases: Cases, *, measured: bool = False) -> Floats:
        """Log t at the effects' means, shape (n,): as the next question is answered, or as these very sources measured it."""
        factors, total = self._log_factors(cases, measured=measured)
        seconds = self.specification.sum.seconds({t: cases.terms[t] * np.exp(f) for t, f in factors.items()})
        return np.log(seconds) + total

    def _log_factors(self, cases: Cases, *, measured: bool) -> tuple[dict[str, Floats], Floats]:
        mean = self.mean - self.usual if measured else self.mean
        acting = [e for e in self.specification.all_effects() if measured or not e.transient]
        columns = ((effect, self.columns(cases, effect)) for effect in acting)
        amounts = ((effect, np.where(at >= 0, mean[at], 0.0) * cases.values(effect)) for effect, at in columns)
        return log_factors(self.specification, len(cases), amounts)


def log_factors(
    specification: Specification, count: int, amounts: Iterable[tuple[Effect, Floats]]
) -> tuple[dict[str, Floats], Floats]:
    """The log factor on each term and on the whole, (count,) each, where effects have these amounts."""
    factors = {t: np.full(count, mean) for t, (mean, _) in specification.base.items()}
    total = np.zeros(count)
    for effect, amount in amounts:
        for term, sign in effect.signs.items():
            if term == TOTAL:
                total += sign * amount
            else:
                factors[term] += sign * amount
    return factors, total


def positions(index: Mapping[tuple[str, str], int], effect: Effect, levels: Levels) -> Ints:
    """Where each row's level of an effect stands in an index by effect and level; -1 where it does not."""
    return np.array([index.get((effect.name, name or ""), -1) for name in levels.names], dtype=np.int64)[levels.codes]
