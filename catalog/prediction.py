"""What each config does under one workload: the columns the recommendation reads.

Shapes: every array has one entry per candidate, in the candidates' order. Units stand in the names.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from catalog.facts import Content, KvDtype

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

BOUNDS = ("bandwidth", "compute", "overhead", "link")
BASES = ("measured", "calibrated", "roofline")
Z80 = 1.2815515655446004
"""Half-width of a central 80 % interval of a normal, in standard deviations."""


@dataclass(frozen=True)
class Workload:
    """One question's request shape on ``units`` of a machine with ``budget_bytes`` each.

    A prompt's length, the context and the streams may be columns, one entry per candidate. ``content`` is the kind of text
    written, where it is known: drafts of code are accepted more often than drafts of prose.
    """

    isl: int | Ints
    osl: int
    context: int | Ints
    concurrency: int | Ints
    kv_dtype: KvDtype
    units: int
    budget_bytes: float
    content: Content | None = None


@lru_cache(maxsize=64)
def _deviations(probability: float) -> float:
    """How many standard deviations above its median a normal stays below with this probability."""
    return NormalDist().inv_cdf(probability)


@dataclass(frozen=True)
class Estimate:
    """A positive figure with a log-normal posterior: median ``value``, standard deviation ``log_sd`` of its logarithm.

    ``spread`` works the deviation out when it is first asked for. ``ceiling`` (or ``inf``) is a bound physics puts on
    the figure; value and high never exceed it.
    """

    value: Floats
    spread: Callable[[], Floats]
    ceiling: Floats | float = np.inf

    @cached_property
    def log_sd(self) -> Floats:
        """Standard deviation of the figure's logarithm."""
        return self.spread()

    @cached_property
    def low(self) -> Floats:
        """10th percentile."""
        return self.quantile(0.1)

    @cached_property
    def high(self) -> Floats:
        """90th percentile."""
        return self.quantile(0.9)

    def quantile(self, probability: float) -> Floats:
        """The value that the figure stays below with this probability."""
        return np.minimum(self.value * np.exp(_deviations(probability) * self.log_sd), self.ceiling)

    @classmethod
    def stacked(cls, figures: Sequence[Estimate]) -> Estimate:
        """Several figures of the same n rows as one, of shape (figures, n)."""
        ceilings = np.empty((len(figures), *figures[0].value.shape))
        for row, figure in zip(ceilings, figures, strict=True):
            row[...] = figure.ceiling
        return cls(np.array([x.value for x in figures]), lambda: np.array([x.log_sd for x in figures]), ceilings)
