"""The DuckDB file: the same facts give the same catalog, and what is broken is refused without harm."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pytest

from catalog.errors import BrokenCatalogError
from catalog.store import build, open_catalog

if TYPE_CHECKING:
    from catalog.catalog import Catalog
    from catalog.facts import Facts

KEPT = ("seed.csv", "geerlingguy.csv", "hasso5703.csv")


@pytest.fixture
def few(data_copy: Path) -> Path:
    """The facts with the measurements of three sources: a catalog of them builds in seconds."""
    for path in (data_copy / "measurements").glob("*.csv"):
        if path.name not in KEPT:
            path.unlink()
    return data_copy


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_the_same_facts_give_the_same_catalog(few: Path, tmp_path: Path) -> None:
    """Built twice, the version and every table are equal; one figure changed, the version is another."""
    first, second = tmp_path / "first.duckdb", tmp_path / "second.duckdb"
    assert build(few, first) == build(few, second)
    tables = [name for (name,) in rows(first, "SELECT table_name FROM duckdb_tables()")]
    assert len(tables) >= 8
    for table in tables:
        query = f"SELECT * FROM {table} ORDER BY ALL"
        assert rows(first, query) == rows(second, query), table
    seed = few / "measurements" / "seed.csv"
    seed.write_text(seed.read_text().replace("82.74", "82.75"))
    assert build(few, second) != rows(first, "SELECT value FROM meta WHERE key = 'version'")[0][0]


def test_a_catalog_reads_back_what_was_written(catalog: Catalog, facts: Facts) -> None:
    """Facts and measurements, digit for digit, and a covariance that is one."""
    assert catalog.facts.models == facts.models
    assert catalog.facts.measurements == tuple(sorted(facts.measurements, key=lambda row: row.id))
    for posterior in (catalog.speed.prefill, catalog.speed.decode):
        assert np.array_equal(posterior.covariance, posterior.covariance.T)
        assert (np.diag(posterior.covariance) >= 0).all()


@pytest.mark.parametrize(
    "orphan",
    [
        "UPDATE measurements SET model = 'nobody-1b' WHERE id = (SELECT min(id) FROM measurements)",
        "UPDATE measurements SET engine = 'none' WHERE id = (SELECT min(id) FROM measurements)",
        (
            "INSERT INTO quality_scores (position, model, benchmark, record) SELECT 99999, 'nobody-1b', benchmark, record"
            " FROM quality_scores LIMIT 1"
        ),
        "INSERT INTO teachings VALUES ('nothing-1', 'decode', 1, 'clean')",
        "DELETE FROM sources",
    ],
)
def test_the_file_itself_refuses_orphans(orphan: str, catalog_file: Path, tmp_path: Path) -> None:
    """Every reference is a foreign key."""
    copy = tmp_path / "catalog.duckdb"
    shutil.copy(catalog_file, copy)
    with duckdb.connect(str(copy)) as connection, pytest.raises(duckdb.ConstraintException, match="foreign key"):
        connection.execute(orphan)


def test_every_table_and_column_is_explained(catalog_file: Path) -> None:
    """By a comment in the file itself."""
    unexplained = rows(
        catalog_file,
        "SELECT table_name, column_name FROM duckdb_columns() WHERE comment IS NULL AND NOT internal "
        "UNION ALL SELECT table_name, '' FROM duckdb_tables() WHERE comment IS NULL "
        "UNION ALL SELECT view_name, '' FROM duckdb_views() WHERE comment IS NULL AND NOT internal",
    )
    assert unexplained == []


def test_conflicting_rows_say_who_is_believed(catalog_file: Path) -> None:
    """All rows of a conflict are kept; their shares of the say add up, and each has its reason."""
    found = rows(
        catalog_file,
        "SELECT tok_s, percent_of_say, reason FROM conflicting_rows WHERE quantity = 'decode' AND model = 'gpt-oss-20b' "
        "AND engine = 'llama.cpp' AND quant = 'mxfp4' AND hardware = 'dgx-spark' AND units = 1 AND speculation = 'none'",
    )
    speeds = [float(str(speed)) for speed, _, _ in found]
    assert max(speeds) >= 84.1
    assert sum(float(str(share)) for _, share, _ in found) == pytest.approx(100, abs=len(found) / 2)
    assert all(reason for _, _, reason in found)


def test_a_build_that_fails_leaves_the_old_file(few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails, at the last moment or before: the old bytes stay, and nothing lies beside them."""
    path = tmp_path / "catalog.duckdb"
    path.write_bytes(b"the old catalog")

    def fail(*_: object) -> None:
        raise OSError("disk gone")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk gone"):
        build(few, path)
    assert path.read_bytes() == b"the old catalog"
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["catalog.duckdb"]


CHANGES = {
    "other layout": "UPDATE meta SET value = '0' WHERE key = 'schema'",
    "table gone": "DROP TABLE quant_penalty",
    "other effects": "UPDATE calibration_spreads SET effect = 'phase of the moon' WHERE effect = 'kernel'",
}


@pytest.mark.parametrize("harm", ["missing", "empty", "noise", "truncated", *CHANGES])
def test_a_broken_file_is_refused_with_the_cure(harm: str, catalog_file: Path, tmp_path: Path) -> None:
    """As a BrokenCatalogError that names the file, whatever is wrong with it."""
    path = tmp_path / "catalog.duckdb"
    if harm == "empty":
        path.touch()
    elif harm == "noise":
        path.write_bytes(os.urandom(100_000))
    elif harm == "truncated":
        path.write_bytes(catalog_file.read_bytes()[:200_000])
    elif harm in CHANGES:
        shutil.copy(catalog_file, path)
        with duckdb.connect(str(path)) as connection:
            connection.execute(CHANGES[harm])
    with pytest.raises(BrokenCatalogError, match=r"catalog\.duckdb"):
        open_catalog(path)
