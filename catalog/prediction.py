"""What each config does under one workload: the columns the recommendation reads.

Shapes: every array has one entry per candidate, in the candidates' order. Units stand in the names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from catalog.facts import KvDtype

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

BOUNDS = ("bandwidth", "compute", "overhead", "link")
BASES = ("measured", "calibrated", "roofline")
Z80 = 1.2815515655446004
"""Half-width of a central 80 % interval of a normal, in standard deviations."""


@dataclass(frozen=True)
class Workload:
    """One question's request shape on ``units`` of a machine with ``budget_bytes`` each."""

    isl: int
    osl: int
    context: int
    concurrency: int
    kv_dtype: KvDtype
    units: int
    budget_bytes: float


@dataclass(frozen=True)
class Estimate:
    """A positive figure with a log-normal posterior: median ``value``, standard deviation ``log_sd`` of its logarithm.

    ``ceiling`` (or ``inf``) is a bound physics puts on the figure; value and high never exceed it.
    """

    value: Floats
    log_sd: Floats
    ceiling: Floats | float = np.inf

    @property
    def low(self) -> Floats:
        """10th percentile."""
        return self.quantile(0.1)

    @property
    def high(self) -> Floats:
        """90th percentile."""
        return self.quantile(0.9)

    def quantile(self, probability: float) -> Floats:
        """The value that the figure stays below with this probability."""
        from scipy.special import ndtri  # noqa: PLC0415  (scipy.special costs 60 ms at import)

        return np.minimum(self.value * np.exp(float(ndtri(probability)) * self.log_sd), self.ceiling)


@dataclass(frozen=True)
class Outcome:
    """Everything /recommend and /predict say about the candidates, as columns."""

    decode_tok_s: Estimate
    decode_total_tok_s: Estimate
    prefill_tok_s: Estimate
    ttft_ms: Estimate
    decode_ms: Estimate
    latency_ms: Estimate
    single_stream_tok_s: Floats
    weights_bytes: Floats
    kv_bytes: Floats
    overhead_bytes: Floats
    bytes_per_step: Floats
    ceiling_tok_s: Floats
    bound: Ints
    basis: Ints

    @property
    def total_bytes(self) -> Floats:
        """All the engine allocates per unit."""
        return self.weights_bytes + self.kv_bytes + self.overhead_bytes

    @property
    def efficiency(self) -> Floats:
        """Decode speed as a share of its ceiling."""
        return self.decode_tok_s.value / self.ceiling_tok_s

    def at(self, rows: Any) -> Outcome:
        """The same columns for a subset of the rows."""
        return Outcome(**{name: _take(value, rows) for name, value in vars(self).items()})


def _take(column: Any, rows: Any) -> Any:
    if isinstance(column, Estimate):
        ceiling = column.ceiling[rows] if isinstance(column.ceiling, np.ndarray) else column.ceiling
        return Estimate(column.value[rows], column.log_sd[rows], ceiling)
    return column[rows]
