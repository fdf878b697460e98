"""Where in a TOML or CSV file a fact stands, so that every complaint names a line.

``tomllib`` forgets line numbers, so a key is found again in the text. Files are laid out one key a line
(tables, arrays of tables, or arrays of inline tables), which makes that exact.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Key = str | int


def toml_line(text: str, keys: Sequence[Key]) -> int:
    """The 1-based line of the deepest part of ``keys`` that can be found, 1 when none is.

    ``("attention", 2, "kind")`` is the key ``kind`` of the third ``[[attention]]`` or the third inline table.
    """
    lines = text.splitlines()
    start, found = 0, 1
    path: list[str] = []
    for key in keys:
        if isinstance(key, int):
            position = _nth_item(lines, path, key, start)
        else:
            path.append(key)
            position = _key_or_table(lines, path, start)
        if position is None:
            break
        start, found = position, position + 1
    return found


def _name(part: str) -> str:
    return rf'(?:{re.escape(part)}|"{re.escape(part)}")'


def _key_or_table(lines: list[str], path: list[str], start: int) -> int | None:
    dotted = r"\s*\.\s*".join(_name(part) for part in path)
    patterns = (
        rf"\s*\[\[?\s*{dotted}\s*\]",
        rf"\s*{_name(path[-1])}\s*=",
        rf".*[{{,]\s*{_name(path[-1])}\s*=",
    )
    for pattern in patterns:
        match = re.compile(pattern)
        for number in range(start, len(lines)):
            if match.match(lines[number]):
                return number
            if number > start and len(path) > 1 and re.match(r"\s*\[", lines[number]):
                break
    return None


def _nth_item(lines: list[str], path: list[str], index: int, start: int) -> int | None:
    header = re.compile(rf"\s*\[\[\s*{_name(path[-1])}\s*\]\]")
    headers = [number for number, line in enumerate(lines) if header.match(line)]
    if headers:
        return headers[index] if index < len(headers) else None
    items = [number for number in range(start + 1, len(lines)) if not re.match(r"\s*(#|$)", lines[number])]
    return items[index] if index < len(items) and lines[start].rstrip().endswith("[") else start


def csv_lines(path: Path) -> list[int]:
    """The 1-based line on which each data row of a CSV file ends (rows may span lines; blank rows do not count)."""
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.reader(stream)
        next(reader, None)
        return [reader.line_num for row in reader if row]
