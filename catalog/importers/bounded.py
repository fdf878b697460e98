"""Reading files nobody vouches for: every size is checked before it is believed, and errors say what to do.

Limits are far above any published model and far below what would fill a machine's memory.
"""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

MAX_JSON_BYTES = 16 * 2**20
"""Parsed, JSON takes up to thirty times its size; the largest published index has 10 MB."""
MAX_LAYERS = 2000
MAX_COUNT = 100_000_000
MAX_PARAMETERS = 10**14


class ImportFileError(ValueError):
    """A file that is no model, or claims what cannot be: ``file`` and a message that names the field and the fix."""

    def __init__(self, file: str, message: str) -> None:
        super().__init__(f"{file}: {message}")
        self.file = file
        self.message = message


def regular_file(path: Path) -> int:
    """The size in bytes of an ordinary file. Raises ImportFileError for what is missing, a folder, pipe or device."""
    try:
        status = path.stat()
    except OSError as error:
        raise ImportFileError(path.name, f"cannot be opened: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise ImportFileError(path.name, "is not a file")
    return status.st_size


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of at most MAX_JSON_BYTES."""
    if regular_file(path) > MAX_JSON_BYTES:
        raise ImportFileError(path.name, f"is larger than {MAX_JSON_BYTES} bytes: this is no config.json or index")
    return parse_json(path.read_bytes(), path.name)


def parse_json(text: bytes, file: str) -> dict[str, Any]:
    """A JSON object; whatever else raises ImportFileError."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ImportFileError(file, f"is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ImportFileError(file, "holds no JSON object")
    return value


class Fields:
    """Typed access to an object of a file; a wrong type or an absurd number is an error that names the field."""

    def __init__(self, values: dict[str, Any], file: str) -> None:
        self.values = values
        self.file = file

    def count(self, *names: str, high: int = MAX_COUNT) -> int:
        """The first of ``names`` that is there, as a positive count. Raises ImportFileError when none is."""
        found = self.count_or(None, *names, high=high)
        if not found:
            raise ImportFileError(self.file, f"{names[0]}: missing or zero, needed to count parameters")
        return found

    def count_or(self, default: int | None, *names: str, high: int = MAX_COUNT) -> int | None:
        """The first of ``names`` that is there, as a count from 0 to ``high``; ``default`` when none is."""
        name = next((name for name in names if self.values.get(name) is not None), None)
        if name is None:
            return default
        value = self.values[name]
        if isinstance(value, bool) or not isinstance(value, int):
            raise ImportFileError(self.file, f"{name}: {_shown(value)} is not a whole number")
        if not 0 <= value <= high:
            raise ImportFileError(self.file, f"{name}: {_shown(value)} is outside 0 to {high}")
        return value

    def optional(self, *names: str) -> int:
        """A count that is 0 when it is not there."""
        return self.count_or(0, *names) or 0

    def flag(self, name: str, *, default: bool) -> bool:
        """A truth value."""
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise ImportFileError(self.file, f"{name}: {_shown(value)} is not true or false")
        return value

    def text(self, name: str) -> str | None:
        """A string, or None."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise ImportFileError(self.file, f"{name}: {_shown(value)} is not a string")
        return value

    def items(self, name: str) -> list[Any]:
        """A list of at most MAX_LAYERS items; empty when it is not there."""
        value = self.values.get(name) or []
        if not isinstance(value, list):
            raise ImportFileError(self.file, f"{name}: {_shown(value)} is not a list")
        if len(value) > MAX_LAYERS:
            raise ImportFileError(self.file, f"{name}: {len(value)} items, more than the {MAX_LAYERS} layers allowed")
        return value

    def inner(self, *names: str) -> Fields | None:
        """The first of ``names`` that holds an object."""
        for name in names:
            value = self.values.get(name)
            if isinstance(value, dict):
                return Fields(value, self.file)
        return None


def _shown(value: object) -> str:
    return repr(value)[:60] if not isinstance(value, int) or abs(value) < MAX_PARAMETERS else "a huge number"
