"""Configs as columns, and what they do under a workload: one formula for one config and for a hundred thousand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from catalog.calibration.evidence import measured_here
from catalog.calibration.labels import kernel
from catalog.calibration.prepared import Prepared, prepare
from catalog.calibration.situations import Situations, describe
from catalog.columns import Columns, Kinds, kinds
from catalog.configs import ConfigKey, cannot_load, cannot_run
from catalog.pace import Paces, paces_of
from catalog.physics.memory import Footprint, columns, footprint
from catalog.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from catalog.calibration.situations import Config
    from catalog.catalog import Catalog
    from catalog.facts import Hardware
    from catalog.physics.terms import Shapes
    from catalog.prediction import Bools, Floats, Ints

NO_ROWS = np.zeros(0, dtype=np.int64)
KEPT_SELECTIONS, KEPT_ROWS = 256, 32
"""How many selections a table keeps, and of how many rows at most: as many as fit in some ten megabytes."""
MEASURED, CALIBRATED, ROOFLINE = 0, 1, 2
"""Positions in prediction.BASES."""


@dataclass(frozen=True, eq=False)
class Candidates(Columns):
    """n configs on some units of one machine. Every column has length n, in the order of ``keys``."""

    WHOLE = frozenset({"hardware", "units"})

    hardware: Hardware
    units: int
    configs: tuple[Config, ...]
    keys: tuple[ConfigKey, ...]
    situations: Situations
    footprints: Footprint
    prefill: Prepared
    decode: Prepared
    model_index: Ints
    quant_index: Ints
    engine_index: Ints
    speculative: Bools
    exists: Bools
    measured: Bools
    official: Bools
    attested: Ints
    """2: measured; 1: measured on another number of units of this machine; 0: neither."""
    supported: Bools
    basis: Ints
    evidence: Floats
    """How near measurements are, 0-1: of this config 1; of its engine on this machine 1/2; of its kernels anywhere 1/4."""
    context_limit: Ints
    paces: Paces
    """What no question changes of their speed."""

    def __len__(self) -> int:
        return len(self.keys)

    def selected(self, rows: tuple[int, ...]) -> Candidates:
        """A few rows, kept for whoever selects the same: questions differ more than what their answers show."""
        return kept_selection(self._selections, rows, lambda: self.few(np.array(rows, dtype=np.int64)))

    @cached_property
    def _selections(self) -> Recent[Candidates]:
        return Recent(KEPT_SELECTIONS)

    @cached_property
    def engines(self) -> dict[int, int]:
        """Engines that occur, by position in ``engine_index``, each with one row of it."""
        found, rows = np.unique(self.engine_index, return_index=True)
        return dict(zip(found.tolist(), rows.tolist(), strict=True))

    @cached_property
    def caches(self) -> Kinds[Shapes]:
        """Shapes by what a step reads of a stream's cache: neither quants nor drafts make a difference."""
        shapes = self.situations.shapes
        full, window = (shapes.kv_full_values, shapes.state_bytes), (shapes.kv_window_values, shapes.kv_window_tokens)
        return kinds(shapes, (*full, *window, shapes.kv_sparse_values, shapes.kv_sparse_tokens))

    @cached_property
    def allocations(self) -> Kinds[Footprint]:
        """Footprints by what they hold besides weights."""
        told = self.footprints.values()
        return kinds(self.footprints, (column for name, column in told.items() if name != "weights_bytes"))

    @cached_property
    def attested_by_size(self) -> Ints:
        """Rows that are measured on any number of units of this machine: the largest model first, measured as here before others."""
        rows = np.flatnonzero(self.attested)
        return rows[np.lexsort((rows, -self.attested[rows], -self.situations.shapes.active_params[rows]))]

    @cached_property
    def row_of(self) -> dict[ConfigKey, int]:
        """Where each config stands."""
        return {key: i for i, key in enumerate(self.keys)}

    @cached_property
    def _groups(self) -> dict[tuple[str, ...], Ints]:
        """Rows that differ in one field alone, by that field's name and the others' values."""
        found: dict[tuple[str, ...], list[int]] = {}
        for i, config in enumerate(self.configs):
            for field in ("model", "quant", "engine"):
                found.setdefault(_group(field, config), []).append(i)
        return {name: np.array(rows, dtype=np.int64) for name, rows in found.items()}

    def alike(self, field: str, config: Config) -> Ints:
        """Rows, ascending, that differ from a config in its model (another of the family), quant or engine alone, and itself."""
        return self._groups.get(_group(field, config), NO_ROWS)

    def join(self, others: Sequence[Candidates]) -> Candidates:
        """These rows, then those of others; machine and units are these ones'."""
        joined = super().join(others)
        return replace(joined, paces=paces_of(joined.situations, joined.prefill, joined.decode))

    def unsupported_reason(self, row: int) -> str:
        """Why the engine cannot run this config here, in a sentence."""
        return _unsupported(self.configs[row]) or ""


def kept_selection(kept: Recent[Candidates], rows: tuple[int, ...], select: Callable[[], Candidates]) -> Candidates:
    """A selection, kept if it is small."""
    return kept.get(rows, select) if len(rows) <= KEPT_ROWS else select()


def tabulate_configs(catalog: Catalog, configs: list[Config], hardware: Hardware, units: int) -> Candidates:
    """Describe configs once: everything the workload does not change."""
    keys = tuple(ConfigKey(c.model.id, c.quant.id, c.engine.id, c.speculation) for c in configs)
    situations = describe(configs)
    usable = [catalog.usable_of(key, hardware.id, units) for key in keys]
    measured = np.array([bool(rows) for rows in usable], dtype=bool)
    own = np.array([any(map(measured_here, rows)) for rows in usable], dtype=bool)
    basis = _basis(catalog, configs, measured)
    prefill, decode = (prepare(p, situations, own) for p in (catalog.speed.prefill, catalog.speed.decode))
    return Candidates(
        hardware,
        units,
        tuple(configs),
        keys,
        replace(situations, labels={}),  # which have told all they know
        _footprints(configs),
        prefill,
        decode,
        _index([k.model for k in keys], catalog.model_ids),
        _index([k.quant for k in keys], catalog.quant_ids),
        _index([k.engine for k in keys], catalog.engine_ids),
        np.array([k.speculation != "none" for k in keys], dtype=bool),
        np.array([catalog.exists(c) for c in configs], dtype=bool),
        measured,
        np.array([any(m.evidence == "official" for m in rows) for rows in usable], dtype=bool),
        np.where(measured, 2, _elsewhere(catalog, keys, hardware)).astype(np.int64),
        np.array([_unsupported(c) is None for c in configs], dtype=bool),
        basis,
        _evidence(catalog, configs, basis),
        np.array([c.model.context_limit or 0 for c in configs], dtype=np.int64),
        paces_of(situations, prefill, decode),
    )


def _elsewhere(catalog: Catalog, keys: tuple[ConfigKey, ...], hardware: Hardware) -> Ints:
    """1 where a config was measured on this machine, whatever the number of units."""
    return np.array([(key, hardware.id) in catalog.attested for key in keys], dtype=np.int64)


def _footprints(configs: list[Config]) -> Footprint:
    """What one unit holds of each config, drafts included."""
    return columns([footprint(c.model, c.quant, c.engine, c.units, c.speculation) for c in configs])


def _unsupported(config: Config) -> str | None:
    engine, hardware = config.engine, config.hardware
    return cannot_run(engine, hardware, config.units) or cannot_load(engine, config.quant, hardware)


def _group(field: str, config: Config) -> tuple[str, ...]:
    """What is the same in all configs that differ in one field alone."""
    model, quant, engine = config.model, config.quant.id, config.engine.id
    if field == "model":
        return (field, model.family, quant, engine, config.speculation)
    return (field, model.id, engine if field == "quant" else quant, config.speculation)


def _index(names: list[str], known: tuple[str, ...]) -> Ints:
    place = {name: i for i, name in enumerate(known)}
    return np.array([place.get(name, -1) for name in names], dtype=np.int64)


def _basis(catalog: Catalog, configs: list[Config], measured: Bools) -> Ints:
    """Measured; else calibrated where the engine was measured on the device, or the engine's kernel on any; else roofline."""
    seen = catalog.speed.decode.index
    near = np.array(
        [
            ("device cache", f"{c.hardware.id}|{c.engine.family}") in seen
            or ("kernel", f"{c.engine.family}|{kernel(c.quant)}") in seen
            for c in configs
        ],
        dtype=bool,
    )
    return np.where(measured, MEASURED, np.where(near, CALIBRATED, ROOFLINE)).astype(np.int64)


def _evidence(catalog: Catalog, configs: list[Config], basis: Ints) -> Floats:
    seen = catalog.speed.decode.index
    here = np.array([("device engine", f"{c.hardware.id}|{c.engine.id}") in seen for c in configs], dtype=bool)
    calibrated = np.where(here, 0.5, 0.25)
    return np.where(basis == MEASURED, 1.0, np.where(basis == CALIBRATED, calibrated, 0.0))
