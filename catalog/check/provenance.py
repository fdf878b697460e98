"""Numbers nobody can look up."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from catalog.check.findings import error, warning
from catalog.citations import UncitableError, cite

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catalog.check.findings import Finding, Places
    from catalog.facts import Artifact, Facts, QualityScore, QuantLoss

ADDRESS = re.compile(r"https?://[^\s/]+\.[^\s/]+|models_data/")


def row_addresses(facts: Facts, places: Places) -> Iterator[Finding]:
    """Rows whose url is no address."""
    for index, measurement in enumerate(facts.measurements):
        if not ADDRESS.match(measurement.url):
            yield _no_address(places.measurement(index), measurement.url)
    tables: tuple[tuple[str, Sequence[QualityScore | QuantLoss | Artifact]], ...] = (
        ("quality/scores.csv", facts.quality_scores),
        ("quality/quant_losses.csv", facts.quant_losses),
        ("artifacts.csv", facts.artifacts),
    )
    for file, rows in tables:
        for index, row in enumerate(rows):
            if not ADDRESS.match(row.url):
                yield _no_address(places.row(file, index), row.url)


def record_sources(facts: Facts, places: Places) -> Iterator[Finding]:
    """Models, quants and hardware without any source: their figures are unconfirmed."""
    for folder in ("models", "quants", "hardware"):
        for record in getattr(facts, folder).values():
            if not any(source.strip() for source in record.sources):
                place = places.key(f"{folder}/{record.id}.toml", "sources")
                yield warning(place, "missing-source", "no source: its figures are unconfirmed")


def citable_sources(facts: Facts, places: Places) -> Iterator[Finding]:
    """Sources of models, quants and machines that cannot be looked up, or whose publisher has no evidence class."""
    for folder in ("models", "quants", "hardware"):
        for record in getattr(facts, folder).values():
            for position, stated in enumerate(record.sources):
                try:
                    cite(stated, facts)
                except UncitableError as reason:
                    place = places.key(f"{folder}/{record.id}.toml", "sources", position)
                    yield error(place, "uncitable", str(reason))


def source_addresses(facts: Facts, places: Places) -> Iterator[Finding]:
    """Sources whose url is no address."""
    for source in facts.sources.values():
        if not ADDRESS.match(source.url):
            yield _no_address(places.key("sources.toml", source.id, "url"), source.url)


def prices(facts: Facts, places: Places) -> Iterator[Finding]:
    """A price without its date and source."""
    for hardware in facts.hardware.values():
        if hardware.price_usd is not None and not (hardware.price_date and hardware.price_source):
            place = places.key(f"hardware/{hardware.id}.toml", "price_usd")
            yield error(place, "missing-source", "a price needs price_date and price_source")


def _no_address(place: tuple[str, int], url: str) -> Finding:
    return error(place, "missing-source", f"url {url!r} is no address")
