"""Learning the hierarchical model of times: Gauss–Newton with empirical Bayes.

Linearise log t in the effects, solve the ridge problem, repeat. Errors are Student-t, so one wrong row cannot bend its
neighbours. Only building and judging a catalog fits; serving reads what was learnt.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg, sparse
from tqdm import tqdm

from catalog.calibration.hierarchy import TOTAL, Posterior, positions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.calibration.hierarchy import Cases, Effect, Floats, Ints, Specification

STUDENT_T_DOF = 4.0
SERIES = ("source", "config", "method")
"""What rows have in common that were taken in one go."""
USUAL_ROWS = 5.0
"""Rows that an engine's usual circumstances are held back by: few rows say little about what is usual."""
LEARN_ROUNDS = 8
"""Steps of a fit that learn the spreads; half as many again change no figure of the evaluation."""
SETTLE_ROUNDS = 2
"""Steps after them, at the spreads that were learnt."""
LAST_STEP = 0.5
"""How much of the way the last step goes: where terms hand over to one another, whole steps overshoot to and fro, and the truth lies between."""
COMMON = 1 / 32
"""Share of the rows from which a column is multiplied as a dense one: an engine's or a device's, not a config's."""
BLOCK = 256


@dataclass(frozen=True)
class Start:
    """A fit of similar rows whose spreads are kept, and the steps taken from there.

    With ``means`` they begin at its means: that saves steps, but too few of them would leave something of its rows.
    """

    posterior: Posterior
    steps: int
    means: bool = False


def fit(
    specification: Specification,
    cases: Cases,
    log_seconds: Floats,
    noise_scale: Floats,
    start: Start | None = None,
) -> Posterior:
    """Learn the effects from measured times.

    Args:
        specification: terms and effects.
        cases: n measured situations.
        log_seconds: (n,) logarithm of the measured time.
        noise_scale: (n,) standard deviation of a row's error relative to the common one (1 = a clean row).
        start: where to start; without one the spreads and the noise are learnt.

    Raises:
        FloatingPointError: a term is no number, or the normal matrix is singular.

    Returns:
        The posterior, with the covariance of all effects that are not transient. Whoever asks next has some source and
        version too, and does not say which: to each of the specification's ``usual`` effects the mean of the transient
        effects with its slope is added, over its rows.
    """
    _refuse_no_numbers(cases)
    effects = specification.all_effects()
    index, at = _index_levels(effects, cases)
    posterior = Posterior(
        specification, index, np.zeros(len(index)), np.zeros((0, 0)), {e.name: e.sd for e in effects}, 0.05
    )
    if start is not None:
        _warm(posterior, start)
    noise_scale = noise_scale * _series(cases) ** (specification.repetition / 2.0)
    work = _Work(posterior, cases, effects, at, [cases.values(e) for e in effects], log_seconds, noise_scale)
    learning, settling = (0, start.steps) if start else (LEARN_ROUNDS, SETTLE_ROUNDS)
    steps = [(True, 1.0)] * learning + [(False, 1.0)] * (settling - 1) + [(False, LAST_STEP)]
    named = f"fitting {specification.quantity}"
    for learn, share in tqdm(steps, named, disable=True if start else None, leave=False):
        work.step(learn=learn, share=share)
    posterior.covariance = work.covariance()
    _settle_in(work)
    posterior.counts = np.sum([np.bincount(a[a >= 0], minlength=len(index)) for a in at], axis=0, dtype=np.float64)
    return posterior


def _refuse_no_numbers(cases: Cases) -> None:
    """One of them would spread to every effect."""
    for term, seconds in cases.terms.items():
        bad = np.flatnonzero(~np.isfinite(seconds))
        if len(bad):
            raise FloatingPointError(f"{term} of {cases.labels['config'][bad[0]]} takes {seconds[bad[0]]} seconds")


def _index_levels(effects: Sequence[Effect], cases: Cases) -> tuple[dict[tuple[str, str], int], list[Ints]]:
    """Levels with enough rows, and with one at least in which the effect counts for anything."""
    index: dict[tuple[str, str], int] = {}
    for effect in effects:
        levels = cases.levels(effect)
        rows = np.bincount(levels.codes, minlength=len(levels.names))
        acting = np.bincount(levels.codes, cases.values(effect) != 0, minlength=len(levels.names))
        counted = zip(levels.names, ((rows >= effect.min_rows) & (acting > 0)).tolist(), strict=True)
        for name in sorted(name for name, told in counted if name is not None and told):
            index[effect.name, name] = len(index)
    return index, [positions(index, effect, cases.levels(effect)) for effect in effects]


def _series(cases: Cases) -> Floats:
    """How many rows of each row's source are of its config and draft method, itself included."""
    series = list(zip(*(cases.labels[key] for key in SERIES if key in cases.labels), strict=True))
    rows = Counter(series)
    return np.array([rows[each] for each in series], dtype=float)


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


def _warm(posterior: Posterior, start: Start) -> None:
    known = start.posterior
    posterior.spread.update(known.spread)
    posterior.noise_sd = known.noise_sd
    if start.means:
        fitted = known.fitted
        for key in posterior.index.keys() & known.index.keys():
            posterior.mean[posterior.index[key]] = fitted[known.index[key]]


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

    def step(self, *, learn: bool, share: float) -> None:
        """One Gauss–Newton step, or a ``share`` of it: linearise, weigh rows by how plausible they are, solve the ridge problem."""
        post = self.posterior
        jacobian, predicted = self._linearise()
        residual = self.log_seconds - predicted
        robust = (STUDENT_T_DOF + 1) / (STUDENT_T_DOF + (residual / (post.noise_sd * self.noise_scale)) ** 2)
        self.error_variance = (post.noise_sd * self.noise_scale) ** 2 / robust
        self.prior_sd = np.array([post.spread[name] for name, _ in post.index])
        self.scaled = jacobian.multiply(self.prior_sd[None, :]).tocsr()
        kernel = _gram(self.scaled)
        kernel[np.diag_indices_from(kernel)] += self.error_variance
        self.factor = linalg.cholesky(kernel, lower=True, overwrite_a=True, check_finite=False)
        dual = linalg.cho_solve((self.factor, True), residual + jacobian @ post.mean, check_finite=False)
        post.mean = post.mean + share * (self.prior_sd * (self.scaled.T @ dual) - post.mean)
        if learn:
            self._learn(residual, robust)

    def _learn(self, residual: Floats, robust: Floats) -> None:
        """Expectation–maximisation: each effect's spread is the root mean square of its levels, uncertainty included."""
        post = self.posterior
        inverse = self._inverse()
        explained = np.asarray(self.scaled.multiply(inverse @ self.scaled).sum(axis=0)).ravel()
        group = np.array([name for name, _ in post.index], dtype=object)
        for effect in self.effects:
            mine = group == effect.name
            told = effect.strength * effect.sd**2 + np.square(post.mean[mine]).sum()
            post.spread[effect.name] = float(np.sqrt(told / (effect.strength + explained[mine].sum())))
        leverage = self.error_variance - self.error_variance**2 * np.diag(inverse)
        variance = np.mean((robust * residual**2 + leverage) / self.noise_scale**2)
        post.noise_sd = float(np.clip(np.sqrt(variance), post.specification.least_noise, 0.3))

    def _inverse(self) -> Floats:
        inverse, info = linalg.lapack.dpotri(self.factor, lower=1)
        if info:
            raise FloatingPointError(f"the calibration's normal matrix is singular (LAPACK info {info})")
        return _mirrored(inverse)

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


def _gram(rows: sparse.csr_matrix) -> Floats:
    """Products of all pairs of rows, (n, n): columns that many rows have as a dense block, five times as fast as sparse ones."""
    columns = rows.tocsc()
    common = np.diff(columns.indptr) > rows.shape[0] * COMMON
    dense, rare = columns[:, common].toarray(), columns[:, ~common].tocsr()
    return np.asarray(dense @ dense.T + (rare @ rare.T).toarray())


def _mirrored(lower: Floats) -> Floats:
    """The symmetric matrix of a lower triangle, in its place."""
    for start in range(0, len(lower), BLOCK):
        here, after = slice(start, start + BLOCK), slice(start + BLOCK, None)
        corner = np.tril(lower[here, here])
        lower[here, here] = corner + np.tril(corner, -1).T
        lower[here, after] = lower[after, here].T
    return lower
