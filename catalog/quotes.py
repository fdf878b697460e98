"""Which measurements repeat another: one number quoted by several sources is one witness, not several."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from catalog.facts import Measurement

FIGURES = ("prefill_tok_s", "decode_tok_s", "decode_total_tok_s", "ttft_ms")
EVIDENCE_ORDER = {"official": 0, "maintainer": 1, "own": 2, "community": 3}
CHANCE_DIGITS = 6
"""Figures with this many digits in all do not agree by chance on one model and machine."""
QUOTE_DIGITS = 3
"""Enough when another source states the same config as well."""
UNDATED = "9999"


def quotes(measurements: Sequence[Measurement]) -> dict[str, str]:
    """The id of each repeated measurement, with the id of the one it repeats.

    The one kept is of the better evidence class, then the earlier date, then the earlier row.
    """
    groups: dict[object, list[Measurement]] = defaultdict(list)
    for measurement in measurements:
        groups[_identity(measurement)].append(measurement)
    repeated = {}
    for group in groups.values():
        kept: list[Measurement] = []
        for candidate in sorted(group, key=_precedence):
            original = next((first for first in kept if _is_quote(candidate, first)), None)
            if original is None:
                kept.append(candidate)
            else:
                repeated[candidate.id] = original.id
    return repeated


def _figures(m: Measurement) -> tuple[float | None, ...]:
    return tuple(getattr(m, name) for name in FIGURES)


def _identity(m: Measurement) -> object:
    return m.model, m.hardware, m.units, _figures(m)


def _precedence(m: Measurement) -> tuple[int, str]:
    return EVIDENCE_ORDER[m.evidence], m.date or UNDATED


def _is_quote(later: Measurement, first: Measurement) -> bool:
    digits = _digits(_figures(later))
    if digits >= CHANCE_DIGITS and _same(later, first, ("concurrency", "isl", "osl", "context_depth", "content")):
        return True
    config = ("quant", "engine", "speculation", "concurrency", "content")
    return digits >= QUOTE_DIGITS and later.source != first.source and _same(later, first, config)


def _same(a: Measurement, b: Measurement, fields: Iterable[str]) -> bool:
    """Whether two rows agree wherever both state something."""
    pairs = [(getattr(a, name), getattr(b, name)) for name in fields]
    return all(x == y or x is None or y is None for x, y in pairs)


def _digits(figures: Iterable[float | None]) -> int:
    return sum(len(f"{figure:.12g}".replace(".", "").strip("0")) for figure in figures if figure)
