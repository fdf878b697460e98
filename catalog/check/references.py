"""Ids that point nowhere, and raw names that two ids claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.check.findings import error, warning
from catalog.names import claims

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from catalog.check.findings import Finding, Places
    from catalog.facts import Facts, Record

MEASUREMENT_IDS = ("model", "quant", "engine", "hardware", "source")
ID_TABLES = {
    "model": "models",
    "quant": "quants",
    "engine": "engines",
    "hardware": "hardware",
    "source": "sources",
    "benchmark": "benchmarks",
}


def orphan_rows(facts: Facts, places: Places) -> Iterator[Finding]:
    """CSV rows whose model, quant, engine, hardware, source, benchmark or flag is in no file."""
    for index, measurement in enumerate(facts.measurements):
        names = [*_unknown(facts, measurement, MEASUREMENT_IDS)]
        names += [f"flag {flag}" for flag in measurement.flags if flag not in facts.flags]
        yield from (_orphan(places.measurement(index), name) for name in names)
    tables: tuple[tuple[str, Iterable[Record], tuple[str, ...]], ...] = (
        ("quality/scores.csv", facts.quality_scores, ("model", "benchmark")),
        ("quality/quant_losses.csv", facts.quant_losses, ("model", "quant")),
        ("artifacts.csv", facts.artifacts, ("model", "quant", "engine", "source")),
    )
    for file, records, fields in tables:
        for index, record in enumerate(records):
            yield from (_orphan(places.row(file, index), name) for name in _unknown(facts, record, fields))


def orphan_keys(facts: Facts, places: Places) -> Iterator[Finding]:
    """References between TOML files: derivative_of, native quants, a quant's engines, bits and layouts, an engine's families."""
    families = {quant.family for quant in facts.quants.values()}
    for engine_record in facts.engines.values():
        for family in {*engine_record.quant_families, *engine_record.experimental_families} - families:
            yield _orphan(places.key(f"engines/{engine_record.id}.toml", "quant_families"), f"quant family {family}")
    for model in facts.models.values():
        for name in model.native_quants:
            if name not in facts.quants:
                yield _orphan(places.key(f"models/{model.id}.toml", "native_quants"), f"quant {name}")
        if model.derivative_of and model.derivative_of not in facts.models:
            place = places.key(f"models/{model.id}.toml", "derivative_of")
            yield _orphan(place, f"model {model.derivative_of}")
    for quant in facts.quants.values():
        file = f"quants/{quant.id}.toml"
        for field in ("engines", "self_made_engines", "bits_by_engine"):
            for engine in getattr(quant, field):
                if engine not in facts.engines:
                    yield _orphan(places.key(file, field), f"engine {engine}")
        for index, layout in enumerate(quant.layouts):
            names = [f"model {layout.model}"] if layout.model not in facts.models else []
            names += [f"engine {engine}" for engine in layout.engines if engine not in facts.engines]
            yield from (_orphan(places.key(file, "layouts", index), name) for name in names)


def ambiguous_aliases(facts: Facts, places: Places) -> Iterator[Finding]:
    """A raw name that two ids claim maps to neither."""
    for folder in ("models", "quants", "engines", "hardware"):
        for name, ids in claims(getattr(facts, folder).values()).items():
            for claimant in ids if len(ids) > 1 else ():
                message = f"{name!r} is claimed by {', '.join(ids)}: as a raw name it maps to none"
                yield warning(places.key(f"{folder}/{claimant}.toml", "aliases"), "ambiguous-alias", message)


def _unknown(facts: Facts, record: Record, fields: Iterable[str]) -> Iterator[str]:
    for field in fields:
        value = getattr(record, field)
        if value is not None and value not in getattr(facts, ID_TABLES[field]):
            yield f"{field} {value}"


def _orphan(place: tuple[str, int], name: str) -> Finding:
    return error(place, "orphan", f"{name} is in no file: add it, or move the row to unmapped/ with a reason")
