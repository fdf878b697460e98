"""What a check says, and where in ``models_data/`` it points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from catalog.locate import csv_lines, toml_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from catalog.facts import Facts
    from catalog.locate import Key

Severity = Literal["error", "warning"]


@dataclass(frozen=True, order=True)
class Finding:
    """One thing wrong, or worth a look, on one line of one file (relative to the data folder)."""

    file: str
    line: int
    rule: str
    severity: Severity
    message: str


class Places:
    """Finds the file and line of a fact again; files are read only when something is found in them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lines: dict[str, list[int]] = {}

    def key(self, file: str, *keys: Key) -> tuple[str, int]:
        """The place of a key of a TOML file."""
        return file, toml_line((self.root / file).read_text(encoding="utf-8"), keys)

    def row(self, file: str, index: int) -> tuple[str, int]:
        """The place of the ``index``-th row of a CSV file, counted from 0."""
        if file not in self._lines:
            self._lines[file] = csv_lines(self.root / file)
        return file, self._lines[file][index]

    def measurement(self, index: int) -> tuple[str, int]:
        """The place of the ``index``-th measurement of all files."""
        for file, count in self._measurement_files:
            if index < count:
                return self.row(file, index)
            index -= count
        raise IndexError("no such measurement")

    @cached_property
    def _measurement_files(self) -> list[tuple[str, int]]:
        paths = sorted((self.root / "measurements").glob("*.csv"))
        return [(f"measurements/{path.name}", len(csv_lines(path))) for path in paths]


if TYPE_CHECKING:
    Rule = Callable[[Facts, Places], Iterable[Finding]]


def error(place: tuple[str, int], rule: str, message: str) -> Finding:
    """A finding that fails the check."""
    return Finding(*place, rule, "error", message)


def warning(place: tuple[str, int], rule: str, message: str) -> Finding:
    """A finding worth a look."""
    return Finding(*place, rule, "warning", message)
