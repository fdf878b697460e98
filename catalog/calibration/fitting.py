"""Learning the hierarchical model of times: Gauss–Newton with empirical Bayes.

Linearise log t in the effects, solve the ridge problem, repeat. Errors are Student-t, so one wrong row cannot bend its
neighbours. Only building and judging a catalog fits; serving reads what was learnt.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from tqdm import trange

from catalog.calibration.hierarchy import TOTAL, Posterior, log_factors, positions
from catalog.calibration.ridge import Ridge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.calibration.hierarchy import Cases, Effect, Floats, Ints, Specification

STUDENT_T_DOF = 4.0
SERIES = ("source", "config", "method")
"""What rows have in common that were taken in one go."""
USUAL_ROWS = 5.0
"""Rows that an engine's usual circumstances are held back by: few rows say little about what is usual."""
LEARNING_STEPS = 4
"""The first steps of a fit: they learn the spreads and the noise. The others stay at those."""
LAST_STEP = 0.5
"""How much of the way the last step goes: where terms hand over to one another, whole steps overshoot to and fro, and the truth lies between."""


def fit(
    specification: Specification,
    cases: Cases,
    log_seconds: Floats,
    noise_scale: Floats,
    alike: Posterior | None = None,
) -> Posterior:
    """Learn the effects from measured times.

    Args:
        specification: terms and effects.
        cases: n measured situations.
        log_seconds: (n,) logarithm of the measured time.
        noise_scale: (n,) standard deviation of a row's error relative to the common one (1 = a clean row).
        alike: a fit of similar rows whose spreads and noise hold here too; without one they are learnt. Nothing else of
            it is used, so nothing is left of rows that are missing here.

    Raises:
        FloatingPointError: a term is no number.
        numpy.linalg.LinAlgError: a normal matrix is not positive definite.

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
    if alike is not None:
        posterior.spread.update(alike.spread)
        posterior.noise_sd = alike.noise_sd
    noise_scale = noise_scale * _series(cases) ** (specification.repetition / 2.0)
    work = _Work(posterior, cases, effects, at, [cases.values(e) for e in effects], log_seconds, noise_scale)
    quiet = None if alike is None else True
    for step in trange(specification.steps, desc=f"fitting {specification.quantity}", disable=quiet, leave=False):
        last = step == specification.steps - 1
        work.step(learn=alike is None and step < LEARNING_STEPS, share=LAST_STEP if last else 1.0)
    posterior.covariance = work.covariance()
    _settle_in(work)
    told = (a[(a >= 0) & (slope != 0.0)] for a, slope in zip(at, work.slopes, strict=True))
    posterior.counts = np.bincount(np.concatenate(list(told)), minlength=len(index)).astype(np.float64)
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


@dataclass
class _Work:
    """The fit in progress."""

    posterior: Posterior
    cases: Cases
    effects: Sequence[Effect]
    at: Sequence[Ints]
    slopes: Sequence[Floats]
    log_seconds: Floats
    noise_scale: Floats

    def __post_init__(self) -> None:
        self.configs = np.unique(self.cases.labels["config"].astype(str), return_inverse=True)[1]

    def step(self, *, learn: bool, share: float) -> None:
        """One Gauss–Newton step, or a ``share`` of it: linearise, weigh rows by how plausible they are, solve the ridge problem."""
        post = self.posterior
        jacobian, predicted = self._linearise()
        residual = self.log_seconds - predicted
        robust = (STUDENT_T_DOF + 1) / (STUDENT_T_DOF + (residual / (post.noise_sd * self.noise_scale)) ** 2)
        variance = (post.noise_sd * self.noise_scale) ** 2 / robust
        self.prior_sd = np.array([post.spread[name] for name, _ in post.index])
        self.ridge = Ridge(jacobian.multiply(self.prior_sd[None, :]).tocsc(), variance, self.configs)
        towards = self.prior_sd * self.ridge.mean(residual + jacobian @ post.mean)
        post.mean = post.mean + share * (towards - post.mean)
        if learn:
            self._learn(residual, variance, robust)

    def _learn(self, residual: Floats, variance: Floats, robust: Floats) -> None:
        """Expectation–maximisation: each effect's spread is the root mean square of its levels, uncertainty included."""
        post = self.posterior
        explained = 1.0 - self.ridge.variances()
        group = np.array([name for name, _ in post.index], dtype=object)
        for effect in self.effects:
            mine = group == effect.name
            told = effect.strength * effect.sd**2 + np.square(post.mean[mine]).sum()
            post.spread[effect.name] = float(np.sqrt(told / (effect.strength + explained[mine].sum())))
        leverage = variance - variance**2 * self.ridge.certainties()
        noise = np.mean((robust * residual**2 + leverage) / self.noise_scale**2)
        post.noise_sd = float(np.clip(np.sqrt(noise), post.specification.least_noise, 0.3))

    def covariance(self) -> Floats:
        """Covariance of the effects that outlive their rows, in the order of ``posterior.lasting``."""
        keep = self.posterior.lasting()
        return np.asarray(self.ridge.covariance(keep) * np.outer(self.prior_sd[keep], self.prior_sd[keep]))

    def _linearise(self) -> tuple[sparse.csr_matrix, Floats]:
        """Log times at the current effects and their derivatives by effect, (n, p) sparse."""
        post, cases = self.posterior, self.cases
        spec = post.specification
        known = zip(self.effects, self.at, self.slopes, strict=True)
        amounts = ((effect, np.where(at >= 0, post.mean[at], 0.0) * slope) for effect, at, slope in known)
        log_factor, total = log_factors(spec, len(cases), amounts)
        times = {t: cases.terms[t] * np.exp(f) for t, f in log_factor.items()}
        share = {**spec.sum.shares(times), TOTAL: np.ones(len(cases))}
        rows, columns, data = [], [], []
        for effect, at, slope in zip(self.effects, self.at, self.slopes, strict=True):
            seen = np.flatnonzero(at >= 0)
            rows.append(seen)
            columns.append(at[seen])
            data.append((slope * np.sum([sign * share[t] for t, sign in effect.signs.items()], axis=0))[seen])
        shape = (len(cases), len(post.index))
        matrix = sparse.csr_matrix((np.concatenate(data), (np.concatenate(rows), np.concatenate(columns))), shape=shape)
        return matrix, np.log(spec.sum.seconds(times)) + total
