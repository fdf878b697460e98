"""Tables of columns: some rows of one, and several one after the other."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


class Columns:
    """Base of dataclasses whose fields are columns of n rows: arrays, tuples and dicts of arrays, other tables.

    An array without rows is one number for all of them.
    """

    WHOLE: ClassVar[frozenset[str]] = frozenset()
    """Fields that are no columns, though they look like some."""

    def take(self, rows: Any, **changed: Any) -> Self:
        """The same for some of the rows, by position or as a mask; ``changed`` fields are as given."""
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        taken = {name: x if name in self.WHOLE else rows_of(x, rows) for name, x in self.values().items()}
        return type(self)(**(taken | changed))

    def join(self, others: Sequence[Self]) -> Self:
        """These rows, then those of others; what is no column is as here."""
        rest = [other.values() for other in others]
        columns = {name: [x, *(other[name] for other in rest)] for name, x in self.values().items()}
        return type(self)(**{name: x[0] if name in self.WHOLE else _joined(x) for name, x in columns.items()})

    def values(self) -> dict[str, Any]:
        """The fields by name."""
        kind: Any = type(self)
        return {name: getattr(self, name) for name in names_of(kind)}


@cache
def names_of(kind: Any) -> tuple[str, ...]:
    """The fields of a dataclass."""
    return tuple(field.name for field in fields(kind))


def rows_of(value: Any, rows: Any) -> Any:
    """Some rows of a column; what is none stays."""
    if isinstance(value, np.ndarray):
        return value[rows] if value.ndim else value
    if isinstance(value, tuple):
        return tuple(value[i] for i in rows.tolist())
    if isinstance(value, dict):
        return {name: column[rows] for name, column in value.items()}
    return value.take(rows) if hasattr(value, "take") else value


def _joined(values: list[Any]) -> Any:
    first = values[0]
    if isinstance(first, np.ndarray):
        return np.concatenate(values)
    if isinstance(first, tuple):
        return tuple(chain.from_iterable(values))
    if isinstance(first, dict):
        return {name: np.concatenate([value[name] for value in values]) for name in first}
    return first.join(values[1:]) if isinstance(first, Columns) else first
