"""``models_data/`` as typed records. An error names the file, the line and the rule it breaks.

One TOML file per model, quant, engine and hardware, whose name is its id; ``sources.toml``, ``publishers.toml``, ``flags.toml`` and
``benchmarks.toml`` with one table per id; CSV files for rows. An empty CSV cell, or a column left out, is not known.
"""

from __future__ import annotations

import csv
import re
import tomllib
from types import GenericAlias
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from tqdm import tqdm

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
from catalog.locate import toml_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

R = TypeVar("R", bound=BaseModel)

RULES = {
    "missing": "missing-field",
    "extra_forbidden": "unknown-field",
}
SOURCE_FIELDS = frozenset({"url", "source", "sources"})


class FactError(ValueError):
    """A fact that cannot be read: ``file`` (relative to the data folder), ``line``, ``rule`` and ``message``.

    ``more`` holds the other errors of the same load, so that one run shows everything.
    """

    def __init__(self, file: str, line: int, rule: str, message: str) -> None:
        super().__init__(f"{file}:{line}: {rule}: {message}")
        self.file = file
        self.line = line
        self.rule = rule
        self.message = message
        self.more: tuple[FactError, ...] = ()


def load_facts(root: Path) -> Facts:
    """Every fact under ``root``. Raises FactError for the first bad one, with all others in its ``more``."""
    reader = _Reader(root)
    facts = Facts(
        models=reader.folder("models", Model),
        quants=reader.folder("quants", Quant),
        engines=reader.folder("engines", Engine),
        hardware=reader.folder("hardware", Hardware),
        sources=reader.tables("sources.toml", Source),
        publishers=reader.tables("publishers.toml", Publisher),
        flags=reader.tables("flags.toml", Flag),
        benchmarks=reader.tables("benchmarks.toml", Benchmark),
        measurements=tuple(reader.measurements()),
        quality_scores=tuple(reader.rows("quality/scores.csv", QualityScore)),
        quant_losses=tuple(reader.rows("quality/quant_losses.csv", QuantLoss)),
        artifacts=tuple(reader.rows("artifacts.csv", Artifact)),
    )
    if reader.problems:
        first = reader.problems[0]
        first.more = tuple(reader.problems[1:])
        raise first
    return facts


class _Reader:
    """Reads files under ``root`` and collects what is wrong with them in ``problems``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.problems: list[FactError] = []

    def folder(self, name: str, kind: type[R]) -> dict[str, R]:
        """One record per file of a folder, by id."""
        paths = sorted((self.root / name).glob("*.toml"))
        if not paths:
            self._report(self.root / name, 1, "missing-file", f"no {name}/<id>.toml file found")
        records = ((path, self._record(path, self._toml(path), kind)) for path in paths)
        return {path.stem: record for path, record in records if record is not None}

    def tables(self, name: str, kind: type[R]) -> dict[str, R]:
        """One record per table of a TOML file, by id."""
        path = self.root / name
        tables = self._toml(path) or {}
        records = ((key, self._record(path, table, kind, (key,))) for key, table in tables.items())
        return {key: record for key, record in records if record is not None}

    def measurements(self) -> Iterator[Measurement]:
        """The rows of every ``measurements/<source>.csv``, in file order."""
        paths = sorted((self.root / "measurements").glob("*.csv"))
        for path in tqdm(paths, "reading measurements", disable=None, leave=False):
            yield from self.rows(f"measurements/{path.name}", Measurement, {"source": path.stem})

    def rows(self, name: str, kind: type[R], constant: dict[str, str] | None = None) -> list[R]:
        """One record per row of a CSV file; ``constant`` are fields every row has."""
        path = self.root / name
        numbered = list(self._cells(path, constant or {}))
        adapter: TypeAdapter[list[R]] = TypeAdapter(cast("type[list[R]]", GenericAlias(list, (kind,))))
        try:
            return adapter.validate_python([cells for _, cells in numbered])
        except ValidationError as error:
            for detail in _one_per_unknown_column(error.errors()):
                line = 1 if detail["type"] == "extra_forbidden" else numbered[int(detail["loc"][0])][0]
                self._report(path, line, *_explain(detail, detail["loc"][1:]))
        return []

    def _toml(self, path: Path) -> dict[str, Any] | None:
        try:
            return tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            self._report(path, 1, "missing-file", "this file is needed")
        except UnicodeDecodeError as error:
            self._report(path, 1, "not-utf8", str(error))
        except tomllib.TOMLDecodeError as error:
            line = re.search(r"at line (\d+)", str(error))
            self._report(path, int(line[1]) if line else 1, "toml-syntax", str(error))
        return None

    def _record(self, path: Path, table: Any, kind: type[R], prefix: tuple[str, ...] = ()) -> R | None:
        if table is None:
            return None
        identity = prefix[-1] if prefix else path.stem
        text = path.read_text(encoding="utf-8")
        if not isinstance(table, dict):
            self._report(
                path,
                toml_line(text, prefix),
                "bad-value",
                f"{identity}: expected a table",
            )
            return None
        if "id" in table:
            self._report(
                path,
                toml_line(text, (*prefix, "id")),
                "id-is-the-name",
                "leave id out: the name gives it",
            )
            return None
        try:
            return kind.model_validate({"id": identity, **table})
        except ValidationError as error:
            for detail in error.errors():
                keys = tuple(key for key in detail["loc"] if key != "id")
                self._report(
                    path,
                    toml_line(text, (*prefix, *keys)),
                    *_explain(detail, detail["loc"]),
                )
        return None

    def _cells(self, path: Path, constant: dict[str, str]) -> Iterator[tuple[int, dict[str, Any]]]:
        line = 0
        try:
            with path.open(encoding="utf-8-sig", newline="") as stream:
                reader = csv.reader(stream, strict=True)
                header = next(reader, [])
                if len(set(header)) < len(header):
                    self._report(path, 1, "csv-shape", "a column stands twice in the header line")
                    return
                for row in reader:
                    line = reader.line_num
                    if len(row) == len(header):
                        yield line, {**_known(header, row), **constant}
                    elif row:
                        self._report(path, line, "csv-shape", f"{len(row)} cells under {len(header)} columns")
        except FileNotFoundError:
            self._report(path, 1, "missing-file", "this file is needed")
        except (UnicodeDecodeError, csv.Error) as error:
            self._report(path, line + 1, "csv-syntax", str(error))

    def _report(self, path: Path, line: int, rule: str, message: str) -> None:
        self.problems.append(FactError(path.relative_to(self.root).as_posix(), line, rule, message))


def _known(header: Sequence[str], row: Sequence[str]) -> dict[str, Any]:
    cells: dict[str, Any] = {name: cell for name, cell in zip(header, row, strict=True) if cell}
    if "flags" in cells:
        cells["flags"] = tuple(cells["flags"].split(";"))
    return cells


def _explain(detail: ErrorDetails, loc: Sequence[str | int]) -> tuple[str, str]:
    """Rule and message of one pydantic error."""
    rule = RULES.get(detail["type"], "bad-value")
    if rule == "missing-field" and loc and loc[-1] in SOURCE_FIELDS:
        rule = "missing-source"
    shown = "" if rule == "missing-field" else f" (found {detail['input']!r:.80})"
    return (
        rule,
        f"{'.'.join(map(str, loc))}: {detail['msg']}{shown if rule == 'bad-value' else ''}",
    )


def _one_per_unknown_column(details: list[ErrorDetails]) -> list[ErrorDetails]:
    kept: dict[object, ErrorDetails] = {}
    for detail in details:
        kept.setdefault(
            detail["loc"][1:] if detail["type"] == "extra_forbidden" else detail["loc"],
            detail,
        )
    return list(kept.values())
