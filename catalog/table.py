"""Configs as columns, and what they do under a workload: one formula for one config and for a hundred thousand."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.calibration.evidence import measured_here
from catalog.calibration.prepared import Prepared, prepare
from catalog.calibration.situations import Situations, describe, kernel
from catalog.configs import ConfigKey, cannot_load, cannot_run
from catalog.pace import Pace, pace_of
from catalog.physics.memory import Footprint, columns, footprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from catalog.calibration.situations import Config
    from catalog.catalog import Catalog
    from catalog.facts import Hardware
    from catalog.prediction import Bools, Floats, Ints

MEASURED, CALIBRATED, ROOFLINE = 0, 1, 2
"""Positions in prediction.BASES."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """n configs on some units of one machine. Every column has length n, in the order of ``keys``."""

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
    paces: dict[int, Pace]
    """Paces by number of streams, as far as they were asked for."""

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def engines(self) -> dict[int, int]:
        """Engines that occur, by position in ``engine_index``, each with one row of it."""
        found, rows = np.unique(self.engine_index, return_index=True)
        return dict(zip(found.tolist(), rows.tolist(), strict=True))

    @cached_property
    def row_of(self) -> dict[ConfigKey, int]:
        """Where each config stands."""
        return {key: i for i, key in enumerate(self.keys)}

    @cached_property
    def families(self) -> dict[str, Ints]:
        """The rows of each family of models."""
        found: dict[str, list[int]] = {}
        for i, config in enumerate(self.configs):
            found.setdefault(config.model.family, []).append(i)
        return {family: np.array(rows, dtype=np.int64) for family, rows in found.items()}

    @cached_property
    def speculations(self) -> NDArray[np.object_]:
        """Each config's speculation."""
        return np.array([key.speculation for key in self.keys], dtype=object)

    @cached_property
    def copies(self) -> Bools:
        """Whether each config's model is derived from another."""
        return np.array([config.model.derivative_of is not None for config in self.configs], dtype=bool)

    def take(self, rows: Any) -> Candidates:
        """The same columns for some of the rows."""
        taken: Candidates = _take(self, np.asarray(rows))
        return taken

    def pace(self, streams: int) -> Pace:
        """A step of so many streams: no question changes it, so it is kept."""
        if streams not in self.paces:
            self.paces[streams] = pace_of(self.situations, self.decode, streams)
        return self.paces[streams]

    def unsupported_reason(self, row: int) -> str:
        """Why the engine cannot run this config here, in a sentence."""
        return _unsupported(self.configs[row]) or ""


def tabulate_configs(catalog: Catalog, configs: list[Config], hardware: Hardware, units: int) -> Candidates:
    """Describe configs once: everything the workload does not change."""
    keys = tuple(ConfigKey(c.model.id, c.quant.id, c.engine.id, c.speculation) for c in configs)
    situations = describe(configs)
    usable = [catalog.usable_of(key, hardware.id, units) for key in keys]
    measured = np.array([bool(rows) for rows in usable], dtype=bool)
    own = np.array([any(map(measured_here, rows)) for rows in usable], dtype=bool)
    basis = _basis(catalog, configs, measured)
    decode = prepare(catalog.speed.decode, situations, own)
    return Candidates(
        hardware,
        units,
        tuple(configs),
        keys,
        situations,
        _footprints(configs),
        prepare(catalog.speed.prefill, situations, own),
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
        {},
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


def join(tables: Sequence[Candidates]) -> Candidates:
    """The rows of several tables one after the other, in the order given; machine and units are the first one's."""
    joined: Candidates = _join(tables)
    return joined


def _join(tables: Sequence[Any]) -> Any:
    """Rows of any (nested) dataclasses of columns."""
    changed: dict[str, Any] = {}
    for f in fields(tables[0]):
        values = [getattr(table, f.name) for table in tables]
        if isinstance(values[0], np.ndarray):
            changed[f.name] = np.concatenate(values)
        elif f.name in {"configs", "keys"}:
            changed[f.name] = tuple(chain.from_iterable(values))
        elif f.name == "paces":
            changed[f.name] = {}
        elif isinstance(values[0], dict):
            changed[f.name] = {name: np.concatenate([value[name] for value in values]) for name in values[0]}
        elif f.name in {"prefill", "decode"}:
            changed[f.name] = values[0].join(values[1:])
        elif f.name in {"situations", "shapes", "devices", "footprints"}:
            changed[f.name] = _join(values)
        else:
            changed[f.name] = values[0]
    return type(tables[0])(**changed)


def _take(table: Any, rows: Any) -> Any:
    """Rows of any (nested) dataclass of columns; what is not a column stays."""
    if rows.dtype == bool:
        rows = np.flatnonzero(rows)
    changed: dict[str, Any] = {}
    for f in fields(table):
        value = getattr(table, f.name)
        if isinstance(value, np.ndarray):
            changed[f.name] = value[rows]
        elif isinstance(value, tuple) and f.name in {"configs", "keys"}:
            changed[f.name] = tuple(value[i] for i in rows)
        elif f.name == "paces":
            changed[f.name] = {streams: pace.take(rows) for streams, pace in list(value.items())}
        elif isinstance(value, dict):
            changed[f.name] = {k: v[rows] if isinstance(v, np.ndarray) else v for k, v in value.items()}
        elif f.name in {"prefill", "decode"}:
            changed[f.name] = value.take(rows)
        elif f.name in {"situations", "shapes", "devices", "footprints"}:
            changed[f.name] = _take(value, rows)
        else:
            changed[f.name] = value
    return type(table)(**changed)
