"""Abilities from scores: few models share few benchmarks, settings differ, and developers report their own.

Each score, on the logit of its percent (or in standard units, for Elo), is::

    score = level of the benchmark + scale of the benchmark · (general + special ability of the model) + bias + noise

The index of a task is what the ability would score, in percent, on average over the task's panel: its percent benchmarks
that PANEL_MODELS or more models took. It is comparable between models whatever benchmarks each happens to publish.

The general ability is shared by all tasks, a special one belongs to a task; both have Gaussian priors, so a model with
one score stays near the middle with a wide interval. Scores a developer reports of its own model carry one common bias,
estimated where both kinds exist. A benchmark that disagrees with the others gets a large noise and so little weight. The
fit alternates two ridge problems: abilities, levels and bias given the scales; scales and noises given the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray

from catalog.facts import Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.facts import Benchmark, Facts, QualityScore

Floats = NDArray[np.float64]

TASKS: tuple[Task, ...] = get_args(Task)
GENERAL_SD = 1.0
SPECIAL_SD = 0.5
LEVEL_SD = 3.0
BIAS_SD = 0.3
TYPICAL_SCALE = 0.8
SCALE_SD = 0.3
TYPICAL_NOISE = 0.4
NOISE_STRENGTH = 4.0
ROUNDS = 15
PANEL_MODELS = 8
"""Models that must have taken a benchmark before it counts in a task's panel."""
EDGE_PERCENT = 0.5
"""Scores are kept this far from 0 and 100 before the logit."""


@dataclass(frozen=True)
class Abilities:
    """Posterior of each scored model's ability per task: means and variances, shape (models, tasks), and the bias."""

    models: tuple[str, ...]
    mean: Floats
    variance: Floats
    scored: NDArray[np.bool_]
    """(models, tasks): whether a score of that model informs that task directly."""
    bias: float
    panels: tuple[Panel, ...]
    """By task."""

    def index(self, task: int, z: float) -> Floats:
        """Index 0-100 of every model, ``z`` standard deviations up; rises with ability and with z."""
        return self.panels[task].score(self.mean[:, task] + z * np.sqrt(self.variance[:, task]))


@dataclass(frozen=True)
class Panel:
    """Levels and scales, in logits, of the benchmarks that an index averages over."""

    level: Floats
    scale: Floats

    def score(self, ability: Floats) -> Floats:
        """Mean percent over the panel at each ability."""
        return np.asarray((100.0 / (1.0 + np.exp(-self.level - self.scale * ability[:, None]))).mean(axis=1))


@dataclass(frozen=True)
class _Rows:
    value: Floats
    model: NDArray[np.int64]
    benchmark: NDArray[np.int64]
    own: Floats
    tasks: Floats


def usable(score: QualityScore, benchmarks: dict[str, Benchmark]) -> bool:
    """Whether a score's benchmark is known and informs a task; with tools, a test of knowledge or reasoning is another test."""
    tasks = benchmarks[score.benchmark].tasks if score.benchmark in benchmarks else ()
    return bool(tasks) and ("agentic" in tasks or "with tools" not in (score.setting or "").lower())


def fit_abilities(facts: Facts, scores: Sequence[QualityScore] | None = None) -> Abilities:
    """Fit all abilities from the facts' scores, or from some of them (to hold others out)."""
    chosen = [s for s in (facts.quality_scores if scores is None else scores) if usable(s, facts.benchmarks)]
    models = tuple(sorted({s.model for s in chosen}))
    names = sorted({s.benchmark for s in chosen})
    rows = _rows(chosen, models, names, facts.benchmarks)
    scale, noise = np.full(len(names), TYPICAL_SCALE), np.full(len(names), TYPICAL_NOISE)
    for _ in range(ROUNDS):
        mean, covariance = _solve(rows, len(models), len(names), scale, noise)
        scale, noise = _benchmarks(rows, len(models), len(names), mean, covariance, scale)
    panels = tuple(_panel(task, chosen, names, facts.benchmarks, mean, scale) for task in TASKS)
    return _abilities(rows, models, mean, covariance, panels)


def _panel(
    task: Task,
    scores: Sequence[QualityScore],
    names: list[str],
    benchmarks: dict[str, Benchmark],
    mean: Floats,
    scale: Floats,
) -> Panel:
    """The panel of a task: its percent benchmarks that enough models took (all of them, where none has enough)."""
    takers: dict[str, set[str]] = {}
    for s in scores:
        takers.setdefault(s.benchmark, set()).add(s.model)
    mine = [n for n in names if task in benchmarks[n].tasks and benchmarks[n].scale == "percent"]
    panel = [n for n in mine if len(takers[n]) >= PANEL_MODELS] or mine
    at = np.array([names.index(n) for n in panel], dtype=np.int64)
    return Panel(mean[len(mean) - 1 - len(names) : -1][at], scale[at])


def _rows(
    scores: Sequence[QualityScore], models: tuple[str, ...], names: list[str], benchmarks: dict[str, Benchmark]
) -> _Rows:
    model_at = {m: i for i, m in enumerate(models)}
    name_at = {n: i for i, n in enumerate(names)}
    tasks = np.array([[t in benchmarks[s.benchmark].tasks for t in TASKS] for s in scores], dtype=float)
    return _Rows(
        _standardised(scores, benchmarks),
        np.array([model_at[s.model] for s in scores], dtype=np.int64),
        np.array([name_at[s.benchmark] for s in scores], dtype=np.int64),
        np.array([s.reporter == "self" for s in scores], dtype=float),
        tasks / tasks.sum(axis=1, keepdims=True),
    )


def _standardised(scores: Sequence[QualityScore], benchmarks: dict[str, Benchmark]) -> Floats:
    """Percents, and indices that average percents, as logits; Elo in standard units of its own benchmark."""
    values = np.empty(len(scores))
    groups: dict[str, list[int]] = {}
    for i, s in enumerate(scores):
        groups.setdefault(s.benchmark, []).append(i)
    for name, at in groups.items():
        raw = np.array([scores[i].score for i in at])
        if benchmarks[name].scale != "elo":
            share = np.clip(raw, EDGE_PERCENT, 100.0 - EDGE_PERCENT) / 100.0
            values[at] = np.log(share / (1.0 - share))
        else:
            values[at] = TYPICAL_SCALE * (raw - raw.mean()) / (raw.std() or 1.0)
    return values


def _design(rows: _Rows, models: int, names: int, scale: Floats) -> Floats:
    """Columns: general abilities, special abilities by task, benchmark levels, bias."""
    n, k = len(rows.value), len(TASKS)
    design = np.zeros((n, models * (1 + k) + names + 1))
    at, loading = np.arange(n), scale[rows.benchmark]
    design[at, rows.model] = loading
    for t in range(k):
        design[at, models * (1 + t) + rows.model] = loading * rows.tasks[:, t]
    design[at, models * (1 + k) + rows.benchmark] = 1.0
    design[:, -1] = rows.own
    return design


def _solve(rows: _Rows, models: int, names: int, scale: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Ridge: posterior mean and covariance of everything but scales and noises."""
    k = len(TASKS)
    prior = np.concatenate(
        [np.full(models, GENERAL_SD), np.full(models * k, SPECIAL_SD), np.full(names, LEVEL_SD), [BIAS_SD]]
    )
    weighted = _design(rows, models, names, scale) / noise[rows.benchmark][:, None]
    precision = weighted.T @ weighted + np.diag(prior**-2.0)
    covariance = np.linalg.inv(precision)
    return np.asarray(covariance @ (weighted.T @ (rows.value / noise[rows.benchmark]))), np.asarray(
        covariance, dtype=np.float64
    )


def _benchmarks(
    rows: _Rows, models: int, names: int, mean: Floats, covariance: Floats, scale: Floats
) -> tuple[Floats, Floats]:
    """Scales (ridge to the typical one) and noises (shrunk to the typical one) given abilities, levels and bias."""
    unit = _design(rows, models, names, np.ones(names))
    k = len(TASKS)
    ability_columns = slice(0, models * (1 + k))
    ability = unit[:, ability_columns] @ mean[ability_columns]
    rest = rows.value - unit[:, models * (1 + k) :] @ mean[models * (1 + k) :]
    design = _design(rows, models, names, scale)
    leverage = np.einsum("ni,ij,nj->n", design, covariance, design, optimize=True)
    new_scale, noise = np.empty(names), np.empty(names)
    for b in range(names):
        mine = rows.benchmark == b
        x, y = ability[mine], rest[mine]
        pull = (TYPICAL_NOISE / SCALE_SD) ** 2
        new_scale[b] = max((x @ y + pull * TYPICAL_SCALE) / (x @ x + pull), 0.1)
        error = ((y - new_scale[b] * x) ** 2 + leverage[mine]).sum()
        noise[b] = math.sqrt((NOISE_STRENGTH * TYPICAL_NOISE**2 + error) / (NOISE_STRENGTH + mine.sum()))
    return np.asarray(new_scale), np.asarray(noise)


def _abilities(
    rows: _Rows, models: tuple[str, ...], mean: Floats, covariance: Floats, panels: tuple[Panel, ...]
) -> Abilities:
    n, k = len(models), len(TASKS)
    general, at = mean[:n], np.arange(n)
    value, variance, scored = np.empty((n, k)), np.empty((n, k)), np.zeros((n, k), dtype=bool)
    for t in range(k):
        special = n * (1 + t) + at
        value[:, t] = general + mean[special]
        variance[:, t] = covariance[at, at] + covariance[special, special] + 2.0 * covariance[at, special]
        scored[rows.model[rows.tasks[:, t] > 0], t] = True
    return Abilities(models, value, variance, scored, float(mean[-1]), panels)
