"""How the terms of a time add up: what overlaps, what does not, and what no calibration makes faster."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from catalog.columns import Columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Floats = NDArray[np.float64]

SHARPNESS = 4
"""How sharply the slower of memory and compute dominates: a p-norm between their sum (1) and their maximum (∞)."""
LEAST_SHARPNESS = 16
"""The same for what a calibration says of reading and the best read there is."""


@dataclass(frozen=True)
class Parts(Columns):
    """Terms added up by how they add, in seconds: what is streamed, what the best read of it takes, what is computed, the rest."""

    streamed: Floats
    least: Floats
    computed: Floats
    added: Floats

    def plus(self, other: Parts, times: Floats | float = 1.0) -> Parts:
        """These and so many times others."""

        def sums(mine: Floats, theirs: Floats) -> Floats:
            return mine + times * theirs if np.ndim(theirs) or theirs else mine

        return Parts(
            sums(self.streamed, other.streamed),
            sums(self.least, other.least),
            sums(self.computed, other.computed),
            sums(self.added, other.added),
        )


@dataclass(frozen=True)
class Sum:
    """How terms add up.

    Memory and compute overlap, so the slower one sets the pace (a smooth maximum); overheads add. Whatever a calibration
    says of the ``streamed`` terms, together they take no less than ``least``, the time of the best read there is.
    """

    streamed: tuple[str, ...]
    computed: tuple[str, ...]
    least: str | None = None

    def fold(self, terms: Mapping[str, Floats]) -> Parts:
        """Terms, or some of them, added up by how they add."""
        mine = (*self.streamed, *self.computed, self.least)
        least = () if self.least is None else (self.least,)
        rest = [name for name in terms if name not in mine]
        return Parts(*(_sum_of(terms, names) for names in (self.streamed, least, self.computed, rest)))

    def total(self, parts: Parts) -> Floats:
        """Seconds of all parts together."""
        return self._busy(parts) + parts.added

    def seconds(self, terms: Mapping[str, Floats]) -> Floats:
        """The total of all terms."""
        return self.total(self.fold(terms))

    def shares(self, terms: Mapping[str, Floats]) -> dict[str, Floats]:
        """Each term's share in the total: its elasticity d log total / d log term."""
        return self.shares_in(self.fold(terms), terms)

    def shares_in(self, parts: Parts, terms: Mapping[str, Floats]) -> dict[str, Floats]:
        """The same of terms that are added up already."""
        raised = self._memory(parts)
        memory, busy = _root(raised, SHARPNESS), self._slower(raised, parts)
        total = busy + parts.added
        by_memory, by_compute = ((x / busy) ** (SHARPNESS - 1) / total for x in (memory, parts.computed))
        by_said = by_memory * (parts.streamed / memory) ** (LEAST_SHARPNESS - 1) if self.least else by_memory
        found = {name: terms[name] * by_compute for name in self.computed}
        found |= {name: terms[name] * by_said for name in self.streamed}
        if self.least:
            found[self.least] = parts.least * by_memory * (parts.least / memory) ** (LEAST_SHARPNESS - 1)
        return found | {name: x / total for name, x in terms.items() if name not in found}

    def _memory(self, parts: Parts) -> Floats:
        """What is streamed, or the best read of it where that is slower, to the power of SHARPNESS."""
        if not self.least:
            return _raised(parts.streamed, SHARPNESS)
        both = _raised(parts.streamed, LEAST_SHARPNESS) + _raised(parts.least, LEAST_SHARPNESS)
        return _root(both, LEAST_SHARPNESS // SHARPNESS)

    def _busy(self, parts: Parts) -> Floats:
        """The slower of memory and compute."""
        return self._slower(self._memory(parts), parts)

    def _slower(self, memory: Floats, parts: Parts) -> Floats:
        return _root(memory + _raised(parts.computed, SHARPNESS), SHARPNESS)


def _sum_of(terms: Mapping[str, Floats], names: Iterable[str]) -> Floats:
    found = [terms[name] for name in names if name in terms]
    return reduce(add, found) if found else np.zeros(())


def _raised(x: Floats, power: int) -> Floats:
    """X to a power of two, by squaring: a tenth of what general powers cost."""
    x = x * x
    for _ in range(power.bit_length() - 2):
        x *= x
    return x


def _root(x: Floats, power: int) -> Floats:
    """The root of positive numbers: a third of what general powers cost."""
    return np.asarray(np.exp(np.log(x) / power))


DECODE_SUM = Sum(streamed=("weights", "experts", "kv"), computed=("compute",), least="reachable")
PREFILL_SUM = Sum(streamed=("read",), computed=("dense", "experts", "attention"))
