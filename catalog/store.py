"""The DuckDB file: built beside its place and renamed into it, repeatable in content, read whole at start."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
from tqdm import tqdm

from catalog.calibration.evidence import evidence
from catalog.calibration.hierarchy import Posterior
from catalog.calibration.model import SpeedModel, fit_speed
from catalog.calibration.speed import DECODE, PREFILL
from catalog.catalog import Catalog
from catalog.errors import BrokenCatalogError
from catalog.facts import (
    Artifact,
    Benchmark,
    Engine,
    Facts,
    Flag,
    Hardware,
    Measurement,
    Model,
    Publisher,
    QualityScore,
    Quant,
    QuantLoss,
    Source,
)
from catalog.ledger import with_ledger
from catalog.load import load_facts
from catalog.quality.table import QualityTable, fit_quality, read_quality

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from catalog.calibration.hierarchy import Floats
    from catalog.facts import Record

SCHEMA = Path(__file__).with_name("schema.sql")
SCHEMA_NUMBER = "5"
NAMED: dict[str, type[Record]] = {
    "models": Model,
    "quants": Quant,
    "engines": Engine,
    "hardware": Hardware,
    "sources": Source,
    "publishers": Publisher,
    "flags": Flag,
    "benchmarks": Benchmark,
}
LISTED: dict[str, tuple[type[Record], tuple[str, ...]]] = {
    "quality_scores": (QualityScore, ("model", "benchmark")),
    "quant_losses": (QuantLoss, ("model", "quant")),
    "artifacts": (Artifact, ("model", "quant")),
}
"""Facts without an id, and the ids that each refers to."""
BLOCK = 128
MEAN_COUNTS = ("isl", "osl", "decode_kv_tokens")
SPECIFICATIONS = {"prefill": PREFILL, "decode": DECODE}


def build(root: Path, path: Path, ledger: str | Path | None = None) -> str:
    """Read models_data at ``root``, fit the calibration and write the catalog at ``path``; returns its version.

    ``ledger``: measurements that came in over the wire, to be taken in as well.

    The file is written beside its place and renamed, so readers see the old one or the new one, never half of one.
    """
    facts = load_facts(root)
    if ledger is not None:
        facts = with_ledger(facts, ledger)
    known = evidence(facts, facts.measurements)
    speed = fit_speed(known.lessons)
    quality = fit_quality(facts)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    try:
        learnt: dict[str, Sequence[tuple[Any, ...]]] = {
            "teachings": known.teachings,
            **_calibration_rows(speed),
            **quality.rows(),
        }
        version = _write(beside, facts, learnt, speed)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return version


def _write(path: Path, facts: Facts, learnt: Mapping[str, Sequence[tuple[Any, ...]]], speed: SpeedModel) -> str:
    """Facts, then what refers to them: every reference is a foreign key."""
    stated = _fact_rows(facts)
    content = hashlib.sha256(json.dumps({**stated, **learnt}, sort_keys=True, default=str).encode())
    with duckdb.connect(str(path)) as connection, tempfile.NamedTemporaryFile("wb", suffix=".json") as lines:
        connection.execute(SCHEMA.read_text())
        for table, facts_of_it in stated.items():
            _insert(connection, table, facts_of_it)
        for row in tqdm(facts.measurements, "writing measurements", disable=None, leave=False):
            line = row.model_dump_json().encode() + b"\n"
            content.update(line)
            lines.write(line)
        lines.flush()
        _insert_measurements(connection, Path(lines.name))
        for table, rows in learnt.items():
            _insert(connection, table, rows)
        for quantity in SPECIFICATIONS:
            _insert_covariance(connection, quantity, getattr(speed, quantity).covariance)
        version = content.hexdigest()[:12]
        connection.executemany("INSERT INTO meta VALUES (?, ?)", [("version", version), ("schema", SCHEMA_NUMBER)])
    return version


def _types(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """Column names of a table, in order, with their types."""
    return dict(connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index", [table]
    ).fetchall())  # fmt: skip


def _insert_measurements(connection: duckdb.DuckDBPyConnection, lines: Path) -> None:
    """Insert a file of JSON lines in bulk, whatever their number."""
    connection.execute(
        "INSERT INTO measurements BY NAME SELECT * FROM read_json(?, format = 'newline_delimited', columns = ?)",
        [str(lines), _types(connection, "measurements")],
    )


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows a column list at a time: far quicker than one statement a row. Generated columns come last in a table."""
    if not rows:
        return
    columns = list(_types(connection, table).items())[: len(rows[0])]
    names, values = ", ".join(name for name, _ in columns), ", ".join(f"unnest(?::{kind}[])" for _, kind in columns)
    connection.execute(f"INSERT INTO {table} ({names}) SELECT {values}", [list(c) for c in zip(*rows, strict=True)])


def _fact_rows(facts: Facts) -> dict[str, list[tuple[Any, ...]]]:
    named = {
        kind: [
            (name, i, record.model_dump_json(exclude_none=True))
            for i, (name, record) in enumerate(getattr(facts, kind).items())
        ]
        for kind in NAMED
    }
    listed = {
        kind: [
            (i, *(getattr(record, key) for key in keys), record.model_dump_json(exclude_none=True))
            for i, record in enumerate(getattr(facts, kind))
        ]
        for kind, (_, keys) in LISTED.items()
    }
    return {**named, **listed}


def _calibration_rows(speed: SpeedModel) -> dict[str, list[tuple[Any, ...]]]:
    effects: list[tuple[Any, ...]] = []
    spreads: list[tuple[Any, ...]] = []
    for quantity in SPECIFICATIONS:
        posterior: Posterior = getattr(speed, quantity)
        rank = {int(position): i for i, position in enumerate(posterior.lasting())}
        for (effect, level), i in posterior.index.items():
            sd = float(np.sqrt(max(posterior.covariance[rank[i], rank[i]], 0.0))) if i in rank else None
            effects.append((quantity, i, effect, level, float(posterior.mean[i]), sd, int(posterior.counts[i])))
        spreads += [(quantity, name, float(value)) for name, value in posterior.spread.items()]
        spreads.append((quantity, "noise", posterior.noise_sd))
    return {"calibration_effects": effects, "calibration_spreads": spreads}


def _insert_covariance(connection: duckdb.DuckDBPyConnection, quantity: str, covariance: Floats) -> None:
    """Write the lower triangle, a row's list at a time, without a Python object per number."""
    rows, columns = np.tril_indices(len(covariance))
    triangle = {"i": rows, "j": columns, "c": covariance[rows, columns].astype(np.float32)}
    connection.register("triangle", triangle)
    connection.execute(
        "INSERT INTO calibration_covariance SELECT ?, i, list(c ORDER BY j) FROM triangle GROUP BY i ORDER BY i",
        [quantity],
    )
    connection.unregister("triangle")


def open_catalog(path: Path) -> Catalog:
    """Read the whole catalog into memory. Raises BrokenCatalogError with what is wrong and how to mend it."""
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
            if meta.get("schema") != SCHEMA_NUMBER:
                raise BrokenCatalogError(
                    f"{path} has layout {meta.get('schema')}, this version reads {SCHEMA_NUMBER}: rebuild it"
                )
            facts = _read_facts(connection)
            return Catalog(meta["version"], facts, _read_speed(connection), _read_quality(connection, facts))
    except (duckdb.Error, KeyError, ValueError) as error:
        raise BrokenCatalogError(
            f"{path} is not a readable catalog ({error}): run `python -m catalog build`"
        ) from error


def _read_facts(connection: duckdb.DuckDBPyConnection) -> Facts:
    named: dict[str, Any] = {
        kind: {name: record.model_validate_json(text) for name, text in _records(connection, kind, "id, record")}
        for kind, record in NAMED.items()
    }
    listed: dict[str, Any] = {
        kind: tuple(record.model_validate_json(text) for (text,) in _records(connection, kind, "record"))
        for kind, (record, _) in LISTED.items()
    }
    cursor = connection.execute("SELECT * FROM measurements ORDER BY id")
    columns = [name for name, *_ in cursor.description or ()]
    rows = (dict(zip(columns, row, strict=True)) for row in cursor.fetchall())
    measurements = tuple(_measurement(row) for row in rows)
    return Facts.model_construct(**named, **listed, measurements=measurements)


def _records(connection: duckdb.DuckDBPyConnection, table: str, columns: str) -> list[tuple[Any, ...]]:
    query = f"SELECT {columns} FROM {table} ORDER BY position"  # noqa: S608  (a name of NAMED or LISTED)
    return connection.execute(query).fetchall()


def _measurement(row: dict[str, Any]) -> Measurement:
    """A row as it was validated when written: lists as tuples, mean counts whole where they are."""
    counts = {name: int(row[name]) for name in MEAN_COUNTS if row[name] is not None and row[name].is_integer()}
    return Measurement.model_construct(**{**row, **counts, "flags": tuple(row["flags"])})


def _read_speed(connection: duckdb.DuckDBPyConnection) -> SpeedModel:
    return SpeedModel(*(_read_posterior(connection, quantity) for quantity in SPECIFICATIONS))


def _read_quality(connection: duckdb.DuckDBPyConnection, facts: Facts) -> QualityTable:
    index = connection.execute("SELECT * FROM quality_index ORDER BY model, task").fetchall()
    return read_quality(facts, index, connection.execute("SELECT * FROM quant_penalty ORDER BY quant").fetchall())


def _read_posterior(connection: duckdb.DuckDBPyConnection, quantity: str) -> Posterior:
    effects = connection.execute(
        "SELECT effect, level, mean, rows FROM calibration_effects WHERE quantity = ? ORDER BY position", [quantity]
    ).fetchall()
    spreads = dict(
        connection.execute("SELECT effect, spread FROM calibration_spreads WHERE quantity = ?", [quantity]).fetchall()
    )
    flat = connection.execute(
        "SELECT unnest(covariances) AS c FROM (SELECT covariances FROM calibration_covariance"
        " WHERE quantity = ? ORDER BY position)",
        [quantity],
    ).fetchnumpy()["c"]
    index = {(effect, level): i for i, (effect, level, _, _) in enumerate(effects)}
    noise = spreads.pop("noise")
    specification = SPECIFICATIONS[quantity]
    if spreads.keys() != {effect.name for effect in specification.all_effects()}:
        raise ValueError(f"its calibration of {quantity} knows other effects than this version")
    return Posterior(
        specification,
        index,
        np.array([mean for _, _, mean, _ in effects]),
        _symmetric(np.asarray(flat)),
        spreads,
        noise,
        np.array([rows for _, _, _, rows in effects], dtype=float),
    )


def _symmetric(triangle: NDArray[np.float32]) -> NDArray[np.float32]:
    """The matrix whose lower triangle, row after row, is given; mirrored in blocks that stay in the cache."""
    size = int((np.sqrt(8 * len(triangle) + 1) - 1) / 2)
    full, start = np.zeros((size, size), dtype=np.float32), 0
    for i in range(size):
        full[i, : i + 1] = triangle[start : start + i + 1]
        start += i + 1
    for i in range(0, size, BLOCK):
        block = slice(i, i + BLOCK)
        full[:i, block] = full[block, :i].T
        full[block, block] += np.tril(full[block, block], -1).T
    return full
