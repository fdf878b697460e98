"""A regression whose groups are absorbed says what the same one in dense algebra says."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from catalog.calibration.ridge import Ridge


class Problem(NamedTuple):
    """Columns, error variances, groups and what was measured."""

    columns: np.ndarray
    variance: np.ndarray
    groups: np.ndarray
    target: np.ndarray


def problem(seed: int, rows: int, groups: int, shared: int) -> Problem:
    """Rows in no order; each group has two columns of its own, one of a single row, and a column may be empty."""
    random = np.random.default_rng(seed)
    of = random.integers(groups, size=rows)
    own = (of[:, None] == np.arange(groups)) * random.normal(size=(rows, 1))
    single = (random.permutation(rows)[:, None] == np.arange(groups)) * 1.0
    common = random.normal(size=(rows, shared)) * (random.random((rows, shared)) < 0.7)
    columns = np.hstack([own, single, common, np.zeros((rows, 1))])
    columns = columns[:, random.permutation(columns.shape[1])]
    return Problem(columns, random.uniform(0.01, 1.0, rows), of, random.normal(size=rows))


PROBLEMS = st.builds(problem, st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 6), st.integers(0, 5))


@given(PROBLEMS)
@settings(max_examples=100)
def test_absorbing_groups_changes_nothing(given: Problem) -> None:
    """Means, what is left of the variances, how certain rows are and covariances, against the textbook's formulas."""
    columns, variance, groups, target = given
    ridge = Ridge(sparse.csc_matrix(columns), variance, groups)
    certainty = np.linalg.inv(columns @ columns.T + np.diag(variance))
    covariance = np.eye(columns.shape[1]) - columns.T @ certainty @ columns
    keep = np.arange(columns.shape[1])[::-2]
    assert ridge.mean(target) == pytest.approx(columns.T @ certainty @ target, abs=1e-8)
    assert ridge.variances() == pytest.approx(np.diag(covariance), abs=1e-8)
    assert ridge.certainties() == pytest.approx(np.diag(certainty), rel=1e-6)
    assert ridge.covariance(keep) == pytest.approx(covariance[np.ix_(keep, keep)], abs=1e-8)


def test_what_is_no_number_is_refused() -> None:
    """It would come out as weights that are none."""
    columns, variance, groups, target = problem(0, 9, 3, 2)
    ridge = Ridge(sparse.csc_matrix(columns), variance, groups)
    with pytest.raises(ValueError, match="infs or NaNs"):
        ridge.mean(np.full_like(target, np.nan))
