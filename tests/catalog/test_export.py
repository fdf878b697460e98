"""The catalog for other engines: what Parquet files hold, read back without DuckDB's catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from catalog.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path

    from catalog.catalog import Catalog


def test_parquet_files_hold_every_table(catalog_file: Path, catalog: Catalog, tmp_path: Path) -> None:
    """Digit for digit, with the version in their metadata; a second export replaces the first."""
    folder = tmp_path / "o'brien"
    for _ in range(2):
        assert main(["export", str(folder), "--catalog", str(catalog_file)]) == 0
    files = {path.stem for path in folder.iterdir()}
    assert {"models", "measurements", "sources", "calibration_effects", "meta"} <= files
    assert not any(name.startswith(".") for name in files)
    connection = duckdb.connect()
    place = str(folder).replace("'", "''")
    rows = connection.execute(f"SELECT id, decode_tok_s, flags FROM '{place}/measurements.parquet' ORDER BY id")
    assert rows.fetchall() == [(m.id, m.decode_tok_s, list(m.flags)) for m in catalog.facts.measurements]
    (name, kind) = connection.execute(
        f"SELECT name, type FROM parquet_schema('{place}/models.parquet') WHERE name = 'record'"
    ).fetchall()[0]
    assert (name, kind) == ("record", "BYTE_ARRAY")
    version = connection.execute(f"SELECT value FROM parquet_kv_metadata('{place}/models.parquet')").fetchall()
    assert version == [(catalog.version.encode(),)]


def test_what_cannot_be_exported_is_said(
    tmp_path: Path, catalog_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No catalog, no place, no extension: status 1 and a sentence."""
    assert main(["export", str(tmp_path / "out"), "--catalog", str(tmp_path / "none.duckdb")]) == 1
    assert "catalog build" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["export", str(tmp_path / "file"), "--catalog", str(catalog_file)]) == 1
    assert "cannot be made" in capsys.readouterr().err
    empty = tmp_path / "empty.duckdb"
    duckdb.connect(str(empty)).close()
    assert main(["export", str(tmp_path / "out"), "--catalog", str(empty)]) == 1
    assert "is not a catalog" in capsys.readouterr().err


def test_a_ducklake_where_the_extension_is_installed(
    catalog_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every table in one snapshot; without the extension, how to get it."""
    lake = tmp_path / "lake.ducklake"
    status = main(["export", str(lake), "--ducklake", "--catalog", str(catalog_file)])
    if status == 1:
        assert "INSTALL ducklake" in capsys.readouterr().err
        pytest.skip("DuckDB's extension ducklake is not installed here")
    connection = duckdb.connect()
    connection.execute(f"LOAD ducklake; ATTACH 'ducklake:{lake}' AS lake")
    assert connection.execute("SELECT count(*) > 1000 FROM lake.measurements").fetchone() == (True,)
