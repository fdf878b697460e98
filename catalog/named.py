"""Configs asked for by name: each is described once, and all of them are kept together as one table."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from catalog.recent import Recent
from catalog.table import KEPT_SELECTIONS, kept_selection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from catalog.configs import ConfigKey
    from catalog.table import Candidates

KEPT_ROWS = 10_000
"""How many stay described; then all are forgotten, and those asked for again are described anew."""


class Named:
    """Configs of one machine by key and units. ``describe`` makes a table of one row and may raise: then nothing is kept."""

    def __init__(self, describe: Callable[[ConfigKey, int], Candidates]) -> None:
        self._describe = describe
        self._tables: list[Candidates] = []
        self._place: dict[tuple[ConfigKey, int], int] = {}
        self._taken: Recent[Candidates] = Recent(KEPT_SELECTIONS)
        self._lock = Lock()

    def take(self, wanted: Sequence[tuple[ConfigKey, int]]) -> Candidates:
        """A table of at least one config, in the order asked; its units are the first one's. Raises as ``describe`` does."""
        with self._lock:
            if len(self._place) > KEPT_ROWS:
                self._tables, self._place = [], {}
            new = [name for name in dict.fromkeys(wanted) if name not in self._place]
            if new:
                first, *others = (*self._tables, *(self._describe(*name) for name in new))
                self._tables, self._taken = [first.join(others)], Recent(KEPT_SELECTIONS)
                self._place |= {name: len(self._place) + i for i, name in enumerate(new)}
            table, rows, taken = self._tables[0], tuple(self._place[name] for name in wanted), self._taken

        def select() -> Candidates:
            return replace(table.few(np.array(rows, dtype=np.int64)), units=wanted[0][1])

        return kept_selection(taken, rows, select)
