"""One line of a benchmark, in common words, before any name is mapped."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalog.importers.bounded import ImportFileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from catalog.facts import Content


@dataclass(frozen=True)
class Run:
    """What one run was and did; None is not known. Names are as the tool prints them.

    ``decode_tok_s`` is of one stream after its first token, ``decode_total_tok_s`` of all streams, ``prefill_tok_s`` of
    all prompts together. ``context_depth`` stands in the cache before the ``isl`` tokens, ``decode_kv_tokens`` when the
    first output token is made.
    """

    model: str | None = None
    quant: str | None = None
    engine: str | None = None
    engine_version: str | None = None
    hardware: str | None = None
    units: int | None = None
    plain: bool = False
    """The tool cannot speculate."""
    content: Content | None = None
    """What kind of text it has written, where the tool decides."""
    concurrency: int | None = None
    isl: float | None = None
    osl: float | None = None
    context_depth: int | None = None
    decode_kv_tokens: float | None = None
    kv_dtype: str | None = None
    prefill_tok_s: float | None = None
    decode_tok_s: float | None = None
    decode_total_tok_s: float | None = None
    ttft_ms: float | None = None
    date: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Runs:
    """A file's runs, the tool that printed them, and a line for everything in it that is no measurement."""

    tool: str
    runs: tuple[Run, ...]
    remarks: tuple[str, ...] = ()


class Cells:
    """A run's fields by name, as numbers or text. Errors name file, place and field."""

    def __init__(self, values: Mapping[str, Any], place: str) -> None:
        self._values = values
        self._place = place

    def number(self, name: str) -> float | None:
        """A finite number, given as one or as text; None where it is missing, empty or ``N/A``."""
        value = self._values.get(name)
        if value in (None, "", "N/A", "null"):
            return None
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        if isinstance(value, bool) or not math.isfinite(number):
            raise ImportFileError(self._place, f"{name}: {str(value)[:60]!r} is not a number")
        return number

    def needed(self, name: str) -> float:
        """A number that must be there."""
        number = self.number(name)
        if number is None:
            raise ImportFileError(self._place, f"{name}: missing")
        return number

    def count(self, name: str) -> int | None:
        """A whole number of at least 0."""
        number = self.number(name)
        if number is None:
            return None
        if number < 0 or number != int(number):
            raise ImportFileError(self._place, f"{name}: {number:g} is not a count")
        return int(number)

    def text(self, name: str) -> str | None:
        """Text, or None where there is none."""
        value = self._values.get(name)
        return str(value).strip() or None if value not in (None, "") else None

    def inner(self, name: str) -> Cells:
        """An object's fields; empty where there is none."""
        value = self._values.get(name)
        return Cells(value if isinstance(value, dict) else {}, f"{self._place}: {name}")

    def each(self, name: str) -> Iterator[Cells]:
        """The objects of a list; none where there is no list."""
        values = self._values.get(name)
        for i, value in enumerate(values if isinstance(values, list) else ()):
            if isinstance(value, dict):
                yield Cells(value, f"{self._place}: {name} {i + 1}")

    def first(self, name: str) -> str | None:
        """The first text of a list, or None."""
        values = self._values.get(name)
        return str(values[0]) if isinstance(values, list) and values else None


def positive(value: float | None) -> float | None:
    """A rate or time as it is kept: zero says that nothing was measured."""
    return round(value, 4) if value is not None and value > 0 else None
