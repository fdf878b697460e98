"""Hold out what each model scored on one benchmark, and predict where it ranks among the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import spearmanr
from sklearn.model_selection import KFold

from catalog.quality.ability import TASKS, fit_abilities, usable

if TYPE_CHECKING:
    from catalog.facts import Facts, Task

FEWEST_MODELS = 8
"""Models a benchmark must have ranked before a rank correlation means something."""
FOLDS = 10


@dataclass(frozen=True)
class Ranking:
    """How well held-out scores on one benchmark are ranked by abilities learnt from all others."""

    task: Task
    benchmark: str
    models: int
    spearman: float


def rankings(facts: Facts) -> list[Ranking]:
    """One per benchmark that enough models took; a tenth of all (model, benchmark) pairs is held out at a time."""
    clean = [s for s in facts.quality_scores if usable(s, facts.benchmarks)]
    pairs = sorted({(s.model, s.benchmark) for s in clean})
    expected: dict[tuple[str, str], float] = {}
    for _, at in KFold(FOLDS, shuffle=True, random_state=0).split(pairs):
        held = {pairs[i] for i in at}
        abilities = fit_abilities(facts, [s for s in clean if (s.model, s.benchmark) not in held])
        for model, benchmark in held:
            if model in abilities.models:
                task = TASKS.index(facts.benchmarks[benchmark].tasks[0])
                expected[model, benchmark] = float(abilities.mean[abilities.models.index(model), task])
    found = []
    for benchmark in sorted({benchmark for _, benchmark in expected}):
        models = sorted(model for model, other in expected if other == benchmark)
        if len(models) >= FEWEST_MODELS:
            measured = [
                np.mean([s.score for s in clean if (s.model, s.benchmark) == (model, benchmark)]) for model in models
            ]
            correlation = spearmanr(measured, [expected[model, benchmark] for model in models]).statistic
            found.append(Ranking(facts.benchmarks[benchmark].tasks[0], benchmark, len(models), float(correlation)))
    return found
