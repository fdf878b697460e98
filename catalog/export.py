"""``python -m catalog export``: the catalog's tables for other engines, as Parquet files or in a DuckLake.

Spark, Trino, Athena and pandas read the files as they are: one a table, lists as lists, whole records as JSON text. The
catalog's version stands in each file's metadata, so that one can tell what an analysis was made from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from catalog.errors import BrokenCatalogError, CatalogError

if TYPE_CHECKING:
    from pathlib import Path

PARQUET = "FORMAT parquet, COMPRESSION zstd"
LAKE = "lake"


class ExportError(CatalogError):
    """Why nothing was exported, and what to do."""


def export_parquet(catalog: Path, folder: Path) -> dict[str, int]:
    """Write ``folder``/<table>.parquet for every table; returns the rows of each.

    Each file is written beside its place and renamed into it. Raises BrokenCatalogError or ExportError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(f"{folder} cannot be made: {error.strerror}") from error
    with _opened(catalog) as connection:
        version = _version(connection, catalog)
        found = {}
        for table in _tables(connection):
            beside, place = folder / f".{table}.parquet", folder / f"{table}.parquet"
            metadata = f"KV_METADATA {{catalog_version: '{version}'}}"
            try:
                connection.execute(f"COPY ({_rows(connection, table)}) TO '{_quoted(beside)}' ({PARQUET}, {metadata})")
                beside.replace(place)
            except (duckdb.Error, OSError) as error:
                raise ExportError(f"{place} cannot be written: {error}") from error
            finally:
                beside.unlink(missing_ok=True)
            found[table] = _count(connection, table)
    return found


def export_ducklake(catalog: Path, lake: Path) -> dict[str, int]:
    """Write every table into the DuckLake whose catalog is the file ``lake``, as one snapshot; returns the rows of each.

    The data files stand beside it, in ``<lake>.files``. Raises BrokenCatalogError, or ExportError where DuckDB's
    extension ``ducklake`` is not installed.
    """
    with _opened(catalog) as connection:
        _version(connection, catalog)
        try:
            connection.execute("LOAD ducklake")
        except duckdb.Error as error:
            reason = "DuckDB's extension ducklake is not installed: `INSTALL ducklake` in the DuckDB shell fetches it"
            raise ExportError(f"{reason} ({str(error).splitlines()[0]})") from error
        found = {}
        try:
            connection.execute(f"ATTACH 'ducklake:{_quoted(lake)}' AS {LAKE} (DATA_PATH '{_quoted(lake)}.files')")
            connection.execute("BEGIN")
            for table in _tables(connection):
                connection.execute(f"CREATE OR REPLACE TABLE {LAKE}.{table} AS {_rows(connection, table)}")
                found[table] = _count(connection, table)
            connection.execute("COMMIT")
        except duckdb.Error as error:
            raise ExportError(f"{lake} cannot be written: {error}") from error
    return found


def _opened(catalog: Path) -> duckdb.DuckDBPyConnection:
    """The catalog, attached read-only to a database in memory that may write elsewhere."""
    connection = duckdb.connect()
    try:
        connection.execute(f"ATTACH '{_quoted(catalog)}' AS source (READ_ONLY)")
        connection.execute("USE source")
    except duckdb.Error as error:
        connection.close()
        raise BrokenCatalogError(f"{catalog} is not a readable catalog: run `python -m catalog build`") from error
    return connection


def _version(connection: duckdb.DuckDBPyConnection, catalog: Path) -> str:
    try:
        found = connection.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
    except duckdb.Error:
        found = None
    if found is None:
        raise BrokenCatalogError(f"{catalog} is not a catalog: run `python -m catalog build`")
    return str(found[0])


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    query = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'source' AND NOT internal ORDER BY table_name"
    return [name for (name,) in connection.execute(query).fetchall()]


def _rows(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """A query for a table's rows, JSON as the text that every engine reads."""
    query = "SELECT column_name FROM duckdb_columns() WHERE database_name = 'source' AND table_name = ? AND data_type = 'JSON'"
    whole = [name for (name,) in connection.execute(query, [table]).fetchall()]
    replaced = ", ".join(f"CAST({name} AS VARCHAR) AS {name}" for name in whole)
    columns = f"* REPLACE ({replaced})" if whole else "*"
    return f"SELECT {columns} FROM source.{table}"  # noqa: S608  (a table's name from the catalog itself)


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return connection.table(f"source.{table}").count("*").fetchall()[0][0]  # type: ignore[no-any-return]


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
