"""A hierarchical Bayesian model of times: physics terms, each scaled by effects that are learnt.

A time is a sum of physical terms (bytes over bandwidth, FLOPs over peak, overheads per layer and per step). Physics
gives each term's size; what it cannot know is a factor on it, and that factor is a product of *effects*: of the
engine, of the kernel for a quant, of the device, of the model, of the very config. In logarithms::

    log t = log combine_k( x_k · exp(μ_k + Σ effects on k) ) + Σ effects on the whole

Every effect has a Gaussian prior around zero whose spread is itself learnt from how much its levels differ (empirical
Bayes by expectation–maximisation). A level never seen keeps its prior: the factor 1, with the spread of its kind as
uncertainty. So one posterior serves a config measured ten times and a model published yesterday; nothing switches.

The fit is Gauss–Newton: linearise log t in the effects, solve the ridge problem, repeat. Errors are Student-t, so one
wrong row cannot bend its neighbours.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STUDENT_T_DOF = 4.0
TOTAL = "total"
USUAL_ROWS = 5.0
"""Rows that an engine's usual circumstances are held back by: few rows say little about what is usual."""


class Sum(Protocol):
    """How terms, seconds by name, add up."""

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
    transient: bool = False
    """True for what the next question will not share (its source, its run): it widens, but is not remembered."""


@dataclass
class Cases:
    """Columns describing n situations: ``labels`` (strings), ``numbers``, and ``terms`` (seconds at factor one)."""

    labels: Mapping[str, NDArray[np.object_]]
    numbers: Mapping[str, Floats]
    terms: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(next(iter(self.terms.values())))

    def take(self, rows: NDArray[np.bool_] | Ints) -> Cases:
        """The same columns for some of the rows."""
        labels = {name: column[rows] for name, column in self.labels.items()}
        numbers, terms = ({name: column[rows] for name, column in d.items()} for d in (self.numbers, self.terms))
        return Cases(labels, numbers, terms)

    def levels(self, effect: Effect) -> NDArray[np.object_]:
        """Each row's level of an effect; None where a key column is None (the effect is absent there)."""
        columns = [self.labels[key] for key in effect.keys]
        if not columns:
            return np.full(len(self), "all", dtype=object)
        return np.array([None if None in row else "|".join(row) for row in zip(*columns, strict=True)], dtype=object)

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
    covariance: Floats
    """Of the lasting effects only, in the order of ``lasting()``."""
    spread: dict[str, float]
    noise_sd: float
    counts: Floats = field(default_factory=lambda: np.zeros(0))
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
        return np.array([self.index.get((effect.name, level), -1) for level in cases.levels(effect)], dtype=np.int64)

    def log_time(self, cases: Cases, *, measured: bool = False) -> Floats:
        """Log t at the effects' means, shape (n,): as the next question is answered, or as these very sources measured it."""
        factors, total = self._log_factors(cases, measured=measured)
        seconds = self.specification.sum.seconds({t: cases.terms[t] * np.exp(f) for t, f in factors.items()})
        return np.log(seconds) + total

    def _log_factors(self, cases: Cases, *, measured: bool) -> tuple[dict[str, Floats], Floats]:
        mean = self.mean - self.usual if measured else self.mean
        factors = {t: np.full(len(cases), mean) for t, (mean, _) in self.specification.base.items()}
        total = np.zeros(len(cases))
        for effect in self.specification.all_effects():
            if effect.transient and not measured:
                continue
            at = self.columns(cases, effect)
            amount = np.where(at >= 0, mean[at], 0.0) * cases.values(effect)
            for term in effect.terms:
                if term == TOTAL:
                    total = total + amount
                else:
                    factors[term] = factors[term] + amount
        return factors, total


def fit(
    specification: Specification,
    cases: Cases,
    log_seconds: Floats,
    noise_scale: Floats,
    *,
    learn_rounds: int = 8,
    settle_rounds: int = 2,
    start: Posterior | None = None,
) -> Posterior:
    """Learn the effects from measured times.

    Args:
        specification: terms and effects.
        cases: n measured situations.
        log_seconds: (n,) logarithm of the measured time.
        noise_scale: (n,) standard deviation of a row's error relative to the common one (1 = a clean row).
        learn_rounds: Gauss–Newton steps that also update the spreads and the noise.
        settle_rounds: Gauss–Newton steps at fixed spreads; the last one also yields the covariance.
        start: a fit of similar rows, from which spreads and means are taken to start.

    Returns:
        The posterior, with the covariance of all effects that are not transient. Whoever asks next has some source and
        version too, and does not say which: to each of the specification's ``usual`` effects the mean of the transient
        effects with its slope is added, over its rows.
    """
    effects = specification.all_effects()
    index, at = _index_levels(effects, cases)
    posterior = Posterior(
        specification, index, np.zeros(len(index)), np.zeros((0, 0)), {e.name: e.sd for e in effects}, 0.05
    )
    if start is not None:
        _warm(posterior, start)
    work = _Work(posterior, cases, effects, at, [cases.values(e) for e in effects], log_seconds, noise_scale)
    steps = [True] * learn_rounds + [False] * settle_rounds
    for learn in tqdm(steps, f"fitting {specification.quantity}", disable=None if learn_rounds else True, leave=False):
        work.step(learn=learn)
    posterior.covariance = work.covariance()
    _settle_in(work)
    posterior.counts = np.sum([np.bincount(a[a >= 0], minlength=len(index)) for a in at], axis=0, dtype=np.float64)
    return posterior


def _index_levels(effects: Sequence[Effect], cases: Cases) -> tuple[dict[tuple[str, str], int], list[Ints]]:
    index: dict[tuple[str, str], int] = {}
    at = []
    for effect in effects:
        levels = cases.levels(effect)
        rows = Counter(x for x in levels if x is not None)
        for level in sorted(x for x, n in rows.items() if n >= effect.min_rows):
            index[effect.name, level] = len(index)
        at.append(np.array([index.get((effect.name, x), -1) for x in levels], dtype=np.int64))
    return index, at


def _settle_in(work: _Work) -> None:
    """Move what the transient effects of one slope have in common over the rows of a ``usual`` effect into that effect."""
    post, specification = work.posterior, work.posterior.specification
    common: dict[str | None, Floats] = {}
    for effect, at in zip(work.effects, work.at, strict=True):
        if effect.transient and not {"method", "speculative"} & set(effect.keys):
            amount = np.where(at >= 0, post.mean[at], 0.0)
            common[effect.slope] = common.get(effect.slope, np.zeros(len(work.cases))) + amount
    for effect, at, slope in zip(work.effects, work.at, work.slopes, strict=True):
        if effect.name in specification.usual:
            mine = np.where(slope != 0, at, -1)
            counted, given = mine[mine >= 0], common[effect.slope]
            rows = np.bincount(counted, minlength=len(post.mean))
            shift = np.bincount(counted, given[mine >= 0], minlength=len(post.mean)) / (rows + USUAL_ROWS)
            post.mean = post.mean + shift
            post.usual = post.usual + shift
            common[effect.slope] = given - np.where(at >= 0, shift[at], 0.0)


def _warm(posterior: Posterior, start: Posterior) -> None:
    posterior.spread.update(start.spread)
    posterior.noise_sd = start.noise_sd
    for key, i in posterior.index.items():
        if key in start.index:
            posterior.mean[i] = start.mean[start.index[key]]


@dataclass
class _Work:
    """The fit in progress. With more effects than rows, the normal equations are solved in row space (n x n)."""

    posterior: Posterior
    cases: Cases
    effects: Sequence[Effect]
    at: Sequence[Ints]
    slopes: Sequence[Floats]
    log_seconds: Floats
    noise_scale: Floats

    def step(self, *, learn: bool) -> None:
        """One Gauss–Newton step: linearise, weigh rows by how plausible they are, solve the ridge problem."""
        post = self.posterior
        jacobian, predicted = self._linearise()
        residual = self.log_seconds - predicted
        robust = (STUDENT_T_DOF + 1) / (STUDENT_T_DOF + (residual / (post.noise_sd * self.noise_scale)) ** 2)
        self.error_variance = (post.noise_sd * self.noise_scale) ** 2 / robust
        self.prior_sd = np.array([post.spread[name] for name, _ in post.index])
        self.scaled = jacobian.multiply(self.prior_sd[None, :]).tocsr()
        kernel = (self.scaled @ self.scaled.T).toarray()
        kernel[np.diag_indices_from(kernel)] += self.error_variance
        self.factor = linalg.cholesky(kernel, lower=True, overwrite_a=True, check_finite=False)
        dual = linalg.cho_solve((self.factor, True), residual + jacobian @ post.mean, check_finite=False)
        post.mean = self.prior_sd * (self.scaled.T @ dual)
        if learn:
            self._learn(residual, robust)

    def _learn(self, residual: Floats, robust: Floats) -> None:
        """Expectation–maximisation: each effect's spread is the root mean square of its levels, uncertainty included."""
        post = self.posterior
        inverse = self._inverse()
        explained = np.asarray(self.scaled.multiply(inverse @ self.scaled).sum(axis=0)).ravel()
        second_moment = post.mean**2 + self.prior_sd**2 * (1.0 - explained)
        group = np.array([name for name, _ in post.index], dtype=object)
        for effect in self.effects:
            mine = second_moment[group == effect.name]
            variance = (effect.strength * effect.sd**2 + mine.sum()) / (effect.strength + len(mine))
            post.spread[effect.name] = float(np.sqrt(variance))
        leverage = self.error_variance - self.error_variance**2 * np.diag(inverse)
        variance = np.mean((robust * residual**2 + leverage) / self.noise_scale**2)
        post.noise_sd = float(np.clip(np.sqrt(variance), 0.01, 0.3))

    def _inverse(self) -> Floats:
        inverse, info = linalg.lapack.dpotri(self.factor, lower=1)
        if info:
            raise FloatingPointError(f"the calibration's normal matrix is singular (LAPACK info {info})")
        return np.asarray(np.tril(inverse) + np.tril(inverse, -1).T)

    def covariance(self) -> Floats:
        """Covariance of the effects that outlive their rows, in the order of ``posterior.lasting``."""
        keep = self.posterior.lasting()
        scaled = self.scaled[:, keep]
        shrink = scaled.T @ (self._inverse() @ scaled)
        covariance = np.eye(len(keep)) - np.asarray(shrink)
        return np.asarray(covariance * self.prior_sd[keep][:, None] * self.prior_sd[keep][None, :])

    def _linearise(self) -> tuple[sparse.csr_matrix, Floats]:
        """Log times at the current effects and their derivatives by effect, (n, p) sparse."""
        post, cases = self.posterior, self.cases
        spec = post.specification
        log_factor = {t: np.full(len(cases), mean) for t, (mean, _) in spec.base.items()}
        total = np.zeros(len(cases))
        for effect, at, slope in zip(self.effects, self.at, self.slopes, strict=True):
            amount = np.where(at >= 0, post.mean[at], 0.0) * slope
            for term in effect.terms:
                if term == TOTAL:
                    total += amount
                else:
                    log_factor[term] += amount
        times = {t: cases.terms[t] * np.exp(f) for t, f in log_factor.items()}
        share = {**spec.sum.shares(times), TOTAL: np.ones(len(cases))}
        rows, columns, data = [], [], []
        for effect, at, slope in zip(self.effects, self.at, self.slopes, strict=True):
            seen = np.flatnonzero(at >= 0)
            rows.append(seen)
            columns.append(at[seen])
            data.append((slope * np.sum([share[t] for t in effect.terms], axis=0))[seen])
        shape = (len(cases), len(post.index))
        matrix = sparse.csr_matrix((np.concatenate(data), (np.concatenate(rows), np.concatenate(columns))), shape=shape)
        return matrix, np.log(spec.sum.seconds(times)) + total
