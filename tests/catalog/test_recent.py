"""What is kept for the keys asked for last."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import pytest

from catalog.recent import Recent, forget_facts, kept_of_facts

if TYPE_CHECKING:
    from catalog.catalog import Catalog


def test_those_asked_for_last_are_kept() -> None:
    """Asking keeps a key young; the oldest is made anew."""
    made, kept = count(), Recent[int](2)
    assert [kept.get(key, lambda: next(made)) for key in "abacab"] == [0, 1, 0, 2, 0, 3]


def test_what_fails_is_not_kept() -> None:
    """The next who asks tries again."""
    kept = Recent[float](2)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            kept.get("a", lambda: 1 / 0)
    assert kept.get("a", lambda: 1.0) == 1.0


def test_a_selection_is_its_rows(catalog: Catalog) -> None:
    """Taken once for the same rows in the same order; another order is another selection."""
    table = catalog.candidates(catalog.hardware("dgx-spark"))
    few, turned = table.selected((5, 900, 77)), table.selected((900, 5, 77))
    assert few is table.selected((5, 900, 77))
    assert few.keys == tuple(table.keys[row] for row in (5, 900, 77))
    assert turned.keys == tuple(table.keys[row] for row in (900, 5, 77))
    assert np.array_equal(few.situations.shapes.layers, table.situations.shapes.layers[[5, 900, 77]])


def test_what_is_made_of_facts_is_kept_until_they_are_forgotten() -> None:
    """Equal facts are different ones: each is told by which object it is, words by what they say."""
    made: list[tuple[object, str]] = []

    @kept_of_facts(8)
    def name(fact: list[int], word: str) -> str:
        made.append((fact, word))
        return f"{word}{len(made)}"

    one, twin = [1], [1]
    assert [name(one, "a"), name(one, "a"), name(twin, "a"), name(one, "b")] == ["a1", "a1", "a2", "b3"]
    forget_facts()
    assert name(one, "a") == "a4"
