"""The catalog in memory: facts, calibration and quality, and the two questions asked of them: what exists, what does it do.

Read-only and safe to share between threads. What does not depend on a question's workload is worked out once per
hardware and number of units, and kept.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from catalog.calibration.evidence import unusable
from catalog.calibration.labels import draft
from catalog.calibration.situations import Config, computable
from catalog.configs import ConfigKey, Existing, candidates, existing, exists
from catalog.errors import NotComputableError, UnknownIdError
from catalog.importers.bounded import Fields
from catalog.importers.config_json import Naming, model_from_fields, slug
from catalog.named import Named
from catalog.predict import Outcome
from catalog.recent import Recent
from catalog.table import Candidates, tabulate_configs

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

    from catalog.calibration.model import SpeedModel
    from catalog.facts import Engine, Facts, Hardware, Measurement, Model, Quant
    from catalog.prediction import Bools, Workload
    from catalog.quality.table import QualityTable

T = TypeVar("T")
UNLISTED = "unlisted"
"""Family, and start of the id, of a model that came with a question."""
KEPT_TABLES = 32
"""How many (hardware, units) tables stay in memory; the least recently asked leaves first."""
KEPT_FILTERED = 16
"""How many parts of tables that filters leave stay in memory, likewise."""


@dataclass(repr=False, eq=False)
class Catalog:
    """Everything the service knows. ``version`` names the content and is part of every answer."""

    version: str
    facts: Facts
    speed: SpeedModel
    quality: QualityTable
    _tables: dict[tuple[str, int], Candidates] = field(default_factory=dict, repr=False)
    _filtered: Recent[Candidates] = field(default_factory=lambda: Recent(KEPT_FILTERED), repr=False)
    _named: dict[str, Named] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def __repr__(self) -> str:
        return f"Catalog({self.version})"

    def predict(self, candidates: Candidates, workload: Workload) -> Outcome:
        """What the candidates do under the workload; see catalog.predict."""
        return Outcome(candidates, workload)

    @cached_property
    def notes(self) -> defaultdict[str, dict[Any, Any]]:
        """What its readers make of it once and keep for as long as it lives, under names of their own."""
        return defaultdict(dict)

    @cached_property
    def model_ids(self) -> tuple[str, ...]:
        """Model ids, in the order that index columns refer to."""
        return tuple(self.facts.models)

    @cached_property
    def quant_ids(self) -> tuple[str, ...]:
        """Quant ids, in the order that index columns refer to."""
        return tuple(self.facts.quants)

    @cached_property
    def engine_ids(self) -> tuple[str, ...]:
        """Engine ids, in the order that index columns refer to."""
        return tuple(self.facts.engines)

    @cached_property
    def families(self) -> frozenset[str]:
        """Every family of models."""
        return frozenset(m.family for m in self.facts.models.values())

    @cached_property
    def licenses(self) -> frozenset[str]:
        """Every licence that a model stands under."""
        return frozenset(m.license for m in self.facts.models.values() if m.license)

    @cached_property
    def _measurements(self) -> Mapping[tuple[str, str, str, str, str, int], tuple[Measurement, ...]]:
        found: dict[tuple[str, str, str, str, str, int], list[Measurement]] = {}
        for row in self.facts.measurements:
            key = (row.model, row.quant, row.engine, row.speculation or "none", row.hardware, row.units)
            found.setdefault(key, []).append(row)
        return {key: tuple(rows) for key, rows in found.items()}

    @cached_property
    def measurement_ids(self) -> frozenset[str]:
        """Id of every measurement."""
        return frozenset(row.id for row in self.facts.measurements)

    @cached_property
    def attested(self) -> frozenset[tuple[ConfigKey, str]]:
        """(config, hardware) pairs that somebody measured, on any number of units."""
        return frozenset((ConfigKey(*key[:4]), key[4]) for key in self._measurements)

    @cached_property
    def draft_methods(self) -> tuple[str, ...]:
        """Every method of speculation that an engine documents or that somebody measured."""
        engines = {name for engine in self.facts.engines.values() for name in engine.speculation}
        measured = {draft(m.speculation)[0] for m in self.facts.measurements if m.speculation}
        return tuple(sorted(engines | {name for name in measured if name}))

    def measurements_of(self, key: ConfigKey, hardware_id: str, units: int) -> tuple[Measurement, ...]:
        """Every measurement of that very config, usable or not; unknown speculation counts as none."""
        return self._measurements.get((*key, hardware_id, units), ())

    def usable_of(self, key: ConfigKey, hardware_id: str, units: int) -> tuple[Measurement, ...]:
        """The measurements of a config that teach its decode speed."""
        return tuple(
            m for m in self.measurements_of(key, hardware_id, units) if unusable(self.facts, m, "decode") is None
        )

    def hardware(self, hardware_id: str) -> Hardware:
        """A machine by id. Raises UnknownIdError with the nearest known id."""
        return _lookup("hardware", hardware_id, self.facts.hardware)

    def safe_budget_bytes(self, hardware: Hardware) -> float | None:
        """The default budget of a unit: what the data calls safe, else usable; None where its memory is not known."""
        known = hardware.memory_safe_bytes or hardware.memory_usable_bytes
        return float(known) if known else None

    def candidates(self, hardware: Hardware, units: int = 1) -> Candidates:
        """Every config that exists on ``units`` of the hardware; listed hardware is tabulated once and kept."""
        listed = self.facts.hardware.get(hardware.id) is hardware
        key = (hardware.id, units)
        if listed and key in self._tables:
            with self._lock:
                self._tables[key] = table = self._tables.pop(key)
            return table
        table = tabulate_configs(self, list(candidates(self.facts, hardware, units)), hardware, units)
        if listed:
            with self._lock:
                self._tables[key] = table
                while len(self._tables) > KEPT_TABLES:
                    self._tables.pop(next(iter(self._tables)))
        return table

    def filtered(self, table: Candidates, filters: Hashable, keep: Callable[[], Bools]) -> Candidates:
        """The rows of a table that ``keep`` says, kept for whoever sets the same filters on the same listed machine.

        ``filters`` names them; None: they are not kept.
        """

        def some() -> Candidates:
            kept = keep()
            return table if kept.all() else table.take(np.flatnonzero(kept))

        place = (table.hardware.id, table.units)
        listed = self._tables.get(place) is table
        return self._filtered.get((*place, filters), some) if listed and filters is not None else some()

    def of_model(self, model_id: str, hardware: Hardware, units: int = 1) -> Candidates:
        """The configs of one model alone, for questions that ask about it on many machines. Not kept."""
        found = candidates(self.facts, hardware, units, found=self._existing, of=model_id)
        return tabulate_configs(self, list(found), hardware, units)

    def models_from(self, described: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Model]:
        """Models nobody listed, from (name, config.json fields) pairs. Raises ImportFileError naming the bad field."""
        named = [(f"{UNLISTED}-{slug(name)}", name, fields) for name, fields in described]
        return {
            identity: model_from_fields(Fields(dict(fields), name), Naming(identity, name, UNLISTED))
            for identity, name, fields in named
        }

    def with_models(self, models: Mapping[str, Model], hardware: Hardware, units: int = 1) -> Candidates:
        """The configs of models nobody listed: every quant that anyone can make, on every engine that runs there."""
        facts = self.facts.model_copy(update={"models": dict(models)})
        return tabulate_configs(self, list(candidates(facts, hardware, units)), hardware, units)

    def config(self, key: ConfigKey, hardware: Hardware, units: int = 1) -> Config:
        """The records of a config. Raises UnknownIdError, or NotComputableError where physics cannot describe it."""
        model: Model = _lookup("model", key.model, self.facts.models)
        quant: Quant = _lookup("quant", key.quant, self.facts.quants)
        engine: Engine = _lookup("engine", key.engine, self.facts.engines)
        reason = computable(model, quant, engine.id)
        if hardware.bandwidth_gb_s is None:
            reason = f"the memory bandwidth of {hardware.id} is not known"
        if reason:
            raise NotComputableError(reason)
        return Config(model, quant, engine, hardware, units, key.speculation)

    def table(self, keys: list[ConfigKey], hardware: Hardware, units: int = 1) -> Candidates:
        """Candidates for configs asked for by name, in their order, whether or not they exist."""
        return tabulate_configs(self, [self.config(key, hardware, units) for key in keys], hardware, units)

    def named(self, hardware: Hardware) -> Named:
        """The machine's configs by name and units, whether or not they exist; kept for listed machines."""
        named = Named(lambda key, units: self._described(key, hardware, units))
        listed = self.facts.hardware.get(hardware.id) is hardware
        return self._named.setdefault(hardware.id, named) if listed else named

    def _described(self, key: ConfigKey, hardware: Hardware, units: int) -> Candidates:
        """A table of one config: a row of the machine's own, where it is tabulated and has it."""
        table = self._tables.get((hardware.id, units))
        row = table.row_of.get(key) if table and table.hardware is hardware else None
        return table.take([row]) if table and row is not None else self.table([key], hardware, units)

    def one(self, key: ConfigKey, hardware: Hardware, units: int = 1) -> Candidates:
        """One config by name, as a table of one row. Raises as ``config`` does."""
        return self.named(hardware).take([(key, units)])

    def exists(self, config: Config) -> bool:
        """Whether anybody published (or can make) the config."""
        return exists(config, self._existing)

    @cached_property
    def _existing(self) -> Existing:
        return existing(self.facts)


def _lookup(kind: str, name: str, known: Mapping[str, T]) -> T:
    if name in known:
        return known[name]
    nearest = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    raise UnknownIdError(kind, name, tuple(nearest))
