"""Tables of columns: what is taken and joined does what it did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from catalog.prediction import Workload

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from catalog.catalog import Catalog
    from catalog.columns import Columns

WORKLOAD = Workload(2048, 128, 4096, 4, "auto", 1, 101e9)


def test_joined_rows_do_what_they_did(catalog: Catalog) -> None:
    """Two parts of a table, one after the other, in every figure and with its interval."""
    table = catalog.candidates(catalog.hardware("dgx-spark"))
    rows = np.array([5, 900, 77, 3])
    joined = table.take(rows[:2]).join([table.take(rows[2:])])
    assert joined.keys == tuple(table.keys[i] for i in rows)
    whole, part = (catalog.predict(x, WORKLOAD) for x in (table, joined))
    for name in ("decode_tok_s", "prefill_tok_s", "ttft_ms", "latency_ms"):
        there, here = getattr(whole, name), getattr(part, name)
        assert here.value == pytest.approx(there.value[rows])
        assert here.low == pytest.approx(there.low[rows], rel=1e-4)


def test_a_mask_takes_its_rows(catalog: Catalog) -> None:
    """In their order; what is no column stays."""
    table = catalog.candidates(catalog.hardware("dgx-spark"))
    mask = np.zeros(len(table), dtype=bool)
    mask[[4, 2]] = True
    taken = table.take(mask)
    assert taken.keys == (table.keys[2], table.keys[4])
    assert taken.hardware is table.hardware


def test_a_few_rows_are_those_rows(catalog: Catalog) -> None:
    """Read side by side, every column holds what it holds when each is read alone, of its type."""
    table = catalog.candidates(catalog.hardware("dgx-spark"))
    rows = np.array([5, 900, 77, 5])
    few, taken = table.few(rows), table.take(rows)
    assert few.keys == taken.keys == tuple(table.keys[i] for i in rows)
    assert few.hardware is table.hardware
    pairs = list(zip(_leaves(few), _leaves(taken), strict=True))
    assert len(pairs) > 100
    for one, other in pairs:
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)
    there, here = (catalog.predict(x, WORKLOAD).latency_ms for x in (taken, few))
    assert np.array_equal(here.high, there.high)


def test_what_rows_share_is_theirs(catalog: Catalog) -> None:
    """Every row has what its kind has, in the whole table and in parts of it, smaller and larger than the kinds."""
    table = catalog.candidates(catalog.hardware("dgx-spark"))
    held, kinds = table.footprints.kv_full_values, table.allocations
    assert kinds.count < len(table) / 5
    assert np.array_equal(kinds.of.kv_full_values[kinds.kind], held)
    for rows in (np.array([5, 900, 77]), np.arange(len(table) - 1, -1, -2)):
        some = kinds.take(rows)
        assert np.array_equal(some.of.kv_full_values[some.kind], held[rows])
        assert np.array_equal(some.each().of.kv_full_values, held[rows])


def _leaves(table: Columns) -> list[NDArray[Any]]:
    found: list[NDArray[Any]] = []
    table.mapped(lambda column: found.append(column) if isinstance(column, np.ndarray) else None)
    return found
