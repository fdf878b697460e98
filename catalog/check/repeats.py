"""Rows that stand twice, and numbers that several sources quote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.check.findings import error, warning
from catalog.quotes import quotes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catalog.check.findings import Finding, Places
    from catalog.facts import Facts, Record


def duplicate_measurements(facts: Facts, places: Places) -> Iterator[Finding]:
    """An id used twice, or the same row under two ids."""
    ids: dict[object, int] = {}
    rows: dict[object, int] = {}
    for index, measurement in enumerate(facts.measurements):
        content = tuple(value for name, value in measurement if name != "id")
        for seen, key, what in ((ids, measurement.id, "id"), (rows, content, "row")):
            first = seen.setdefault(key, index)
            if first != index:
                file, line = places.measurement(first)
                yield error(places.measurement(index), "duplicate", f"the same {what} as {file}:{line}")


def duplicate_rows(facts: Facts, places: Places) -> Iterator[Finding]:
    """The same score, loss or artifact twice."""
    tables: tuple[tuple[str, Sequence[Record]], ...] = (
        ("quality/scores.csv", facts.quality_scores),
        ("quality/quant_losses.csv", facts.quant_losses),
        ("artifacts.csv", facts.artifacts),
    )
    for file, records in tables:
        seen: dict[object, int] = {}
        for index, record in enumerate(records):
            first = seen.setdefault(tuple(value for _, value in record), index)
            if first != index:
                line = places.row(file, first)[1]
                yield error(places.row(file, index), "duplicate", f"the same row as line {line}")


def quoted_measurements(facts: Facts, places: Places) -> Iterator[Finding]:
    """A number that another row already states: it counts once."""
    repeated = quotes(facts.measurements)
    for index, measurement in enumerate(facts.measurements):
        if measurement.id in repeated:
            message = f"repeats {repeated[measurement.id]}: counted once"
            yield warning(places.measurement(index), "quoted", message)
