"""Tables of columns: some rows of one, and several one after the other."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache, cached_property
from itertools import chain, count
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, Self, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

Table = TypeVar("Table", bound="Columns")
ONCE = 3
"""How often a few rows are read of a table that serves one question: laying its columns side by side would not pay."""


class Columns:
    """Base of dataclasses whose fields are columns of n rows: arrays, tuples and dicts of arrays, other tables.

    An array without rows is one number for all of them.
    """

    WHOLE: ClassVar[frozenset[str]] = frozenset()
    """Fields that are no columns."""

    def take(self, rows: Any) -> Self:
        """The same for some of the rows, by position or as a mask."""
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        return self.mapped(lambda column: rows_of(column, rows))

    def few(self, rows: NDArray[np.int64]) -> Self:
        """The same for a few rows of a large table: in a quarter of the time where it is asked again and again."""
        return self._side_by_side.take(rows) if next(self._times) > ONCE else self.take(rows)

    @cached_property
    def _times(self) -> count[int]:
        return count()

    @cached_property
    def _side_by_side(self) -> SideBySide[Self]:
        return SideBySide(self)

    def mapped(self, of: Callable[[Any], Any]) -> Self:
        """The same table with ``of(column)`` in each column's place."""
        whole, given = self.WHOLE, self.values()
        return type(self)(**{name: x if name in whole else _mapped(x, of) for name, x in given.items()})

    def join(self, others: Sequence[Self]) -> Self:
        """These rows, then those of others; what is no column is as here."""
        rest = [other.values() for other in others]
        columns = {name: [x, *(other[name] for other in rest)] for name, x in self.values().items()}
        return type(self)(**{name: x[0] if name in self.WHOLE else _joined(x) for name, x in columns.items()})

    def values(self) -> dict[str, Any]:
        """The fields by name."""
        kind: Any = type(self)
        return {name: getattr(self, name) for name in names_of(kind)}


class _Place(NamedTuple):
    """Where a column stands among those of its type."""

    kind: str
    at: int


class SideBySide(Generic[Table]):
    """A table whose columns lie side by side: what it knows of a row is read in one place, not in a hundred."""

    def __init__(self, table: Table) -> None:
        columns: dict[str, list[NDArray[Any]]] = {}

        def place(column: Any) -> Any:
            if not isinstance(column, np.ndarray) or column.ndim != 1 or column.dtype.hasobject:
                return column
            alike = columns.setdefault(column.dtype.char, [])
            alike.append(column)
            return _Place(column.dtype.char, len(alike) - 1)

        self._places = table.mapped(place)
        self._rows = {kind: np.stack(alike, axis=1) for kind, alike in columns.items()}

    def take(self, rows: NDArray[np.int64]) -> Table:
        """Some rows, by position."""
        taken = {kind: list(np.ascontiguousarray(every[rows].T)) for kind, every in self._rows.items()}

        def column(of: Any) -> Any:
            if type(of) is _Place:
                return taken[of.kind][of.at]
            return of.few(rows) if hasattr(of, "few") else rows_of(of, rows)

        return self._places.mapped(column)


@dataclass(frozen=True)
class Kinds(Generic[Table]):
    """One row of each kind in a table, and which kind each of its rows is: what rows share is worked out once.

    ``kind``: (n,), of the table's n rows; there are ``count`` kinds.
    """

    of: Table
    kind: NDArray[np.int64]
    count: int

    def take(self, rows: NDArray[np.int64]) -> Kinds[Table]:
        """The same for some of the rows; where they are fewer than the kinds, each is a kind of its own."""
        some = Kinds(self.of, self.kind[rows], self.count)
        return some.each() if len(rows) < self.count else some

    def each(self) -> Kinds[Table]:
        """The same, each row a kind of its own."""
        return Kinds(self.of.take(self.kind), np.arange(len(self.kind)), len(self.kind))


def kinds(table: Table, columns: Iterable[NDArray[Any]]) -> Kinds[Table]:
    """Rows of a table are of one kind where these columns of it are the same."""
    known: dict[bytes, int] = {}
    told = np.stack(list(columns), axis=1)
    kind = np.array([known.setdefault(row.tobytes(), len(known)) for row in told], dtype=np.int64)
    _, first = np.unique(kind, return_index=True)
    return Kinds(table.take(first), kind, len(known))


@cache
def names_of(kind: Any) -> tuple[str, ...]:
    """The fields of a dataclass."""
    return tuple(field.name for field in fields(kind))


def rows_of(column: Any, rows: NDArray[np.int64]) -> Any:
    """Some rows of a column, by position."""
    if isinstance(column, np.ndarray):
        return column[rows] if column.ndim else column
    return tuple([column[i] for i in rows.tolist()]) if isinstance(column, tuple) else column.take(rows)


def _mapped(value: Any, of: Callable[[Any], Any]) -> Any:
    if isinstance(value, Columns):
        return value.mapped(of)
    return {name: of(column) for name, column in value.items()} if isinstance(value, dict) else of(value)


def _joined(values: list[Any]) -> Any:
    first = values[0]
    if isinstance(first, np.ndarray):
        return np.concatenate(values)
    if isinstance(first, tuple):
        return tuple(chain.from_iterable(values))
    if isinstance(first, dict):
        return {name: np.concatenate([value[name] for value in values]) for name in first}
    return first.join(values[1:]) if isinstance(first, Columns) else first
