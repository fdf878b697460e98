"""Columns of numbers are rounded as each number is."""

from __future__ import annotations

import numpy as np
import pytest

from service.recommendation.rounding import all_rounded, rounded

CHANCE = np.random.default_rng(1)


@pytest.mark.parametrize(
    "values",
    [
        np.exp(CHANCE.uniform(-15.0, 15.0, 20_000)),
        CHANCE.integers(1, 10**7, 20_000) / 10.0,
        CHANCE.integers(10_000, 100_000, 20_000) * 5 / 1e4,
        np.array(
            [
                1.0,
                10.0,
                1e3,
                1e4,
                9999.5,
                999.95,
                0.00099995,
                1e-5,
                1e7,
                12345.0,
                12355.0,
                0.0,
                1.23456e-20,
                1.23456e30,
                np.inf,
            ]
        ),
    ],
)
def test_all_are_rounded_as_one_is(values: np.ndarray) -> None:
    """To the last bit: also halves, and powers of ten and their neighbours."""
    assert all_rounded(values).tolist() == [rounded(x) for x in values.tolist()]


def test_rows_keep_their_shape() -> None:
    """Any shape."""
    assert all_rounded(np.array([[1.23456, 2.0], [123456.0, 0.1]])).tolist() == [[1.235, 2.0], [123500.0, 0.1]]
