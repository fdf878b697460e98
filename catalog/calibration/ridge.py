"""Bayesian linear regression where most columns have the rows of one group only: those are absorbed, group by group.

n rows, y = X w + e with w ~ N(0, I) and e ~ N(0, E). Let A be the columns whose rows are all of one group (a config's
own factor), B those that groups share (an engine's). With u, v the weights of either::

    C = A Aᵀ + E = L Lᵀ               block-diagonal: no row of A Aᵀ reaches into another group
    M = I + Bᵀ C⁻¹ B                  as large as there are shared columns
    v = M⁻¹ Bᵀ C⁻¹ y                  u = Aᵀ C⁻¹ (y - B v)

Nothing is approximated. With columns whitened by W = L⁻¹ every product is one of sparse matrices.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg, sparse

if TYPE_CHECKING:
    from catalog.calibration.hierarchy import Floats, Ints


class Ridge:
    """The posterior of p weights, for n rows whose errors have the given variances."""

    def __init__(self, columns: sparse.csc_matrix, variance: Floats, groups: Ints) -> None:
        """``columns``: X, (n, p), each multiplied by its weight's prior standard deviation; ``groups``: (n,) any numbers."""
        self._order = np.argsort(groups, kind="stable")
        columns, variance, groups = columns[self._order], variance[self._order], groups[self._order]
        self._shared = _shared(columns, groups)
        own, common = columns[:, ~self._shared].tocsr(), columns[:, self._shared].tocsr()
        self._whitening = _whitening(own, variance, groups)
        self._own, self._common = self._whitening @ own, self._whitening @ common
        self._precision = (self._common.T @ self._common).toarray() + np.eye(self._common.shape[1])

    def mean(self, target: Floats) -> Floats:
        """The weights to expect of y, (p,). Raises ValueError where one of the numbers is none."""
        given = self._whitening @ target[self._order]
        shared = linalg.cho_solve(linalg.cho_factor(self._precision), self._common.T @ given)
        weights = np.empty(len(self._shared))
        weights[self._shared], weights[~self._shared] = shared, self._own.T @ (given - self._common @ shared)
        return weights

    def variances(self) -> Floats:
        """What is left of each weight's prior variance, (p,): 1 where no row tells."""
        left = np.empty(len(self._shared))
        left[self._shared] = np.diag(self._covariance)
        left[~self._shared] = 1.0 - _squares(self._own.T) + _diagonal(self._across, self._covariance)
        return left

    def certainties(self) -> Floats:
        """1 over the variance of each row given all others, (n,): the diagonal of (X Xᵀ + E)⁻¹."""
        certain = np.empty(len(self._order))
        back = self._whitening.T.tocsr()
        certain[self._order] = _squares(back) - _diagonal(back @ self._common, self._covariance)
        return certain

    def covariance(self, keep: Ints) -> Floats:
        """The covariance of some of the weights, (k, k), in the order of ``keep``."""
        kept = self._shared[keep]
        place = np.where(self._shared, np.cumsum(self._shared), np.cumsum(~self._shared)) - 1
        shared, own = place[keep[kept]], place[keep[~kept]]
        of_own, across = self._own[:, own], self._across[own]
        onto = across @ self._covariance
        found = np.empty((len(keep), len(keep)))
        found[np.ix_(kept, kept)] = self._covariance[np.ix_(shared, shared)]
        found[np.ix_(~kept, kept)] = -onto[:, shared]
        found[np.ix_(kept, ~kept)] = -onto[:, shared].T
        found[np.ix_(~kept, ~kept)] = np.eye(len(own)) - (of_own.T @ of_own).toarray() + onto @ across.T
        return found

    @cached_property
    def _covariance(self) -> Floats:
        """M⁻¹: of the shared columns' weights."""
        return np.asarray(linalg.inv(self._precision, assume_a="pos"))

    @cached_property
    def _across(self) -> sparse.csr_matrix:
        """Aᵀ C⁻¹ B: how the weights of one group's columns hang on the shared ones."""
        return (self._own.T @ self._common).tocsr()


def _shared(columns: sparse.csc_matrix, groups: Ints) -> np.ndarray:
    """Whether a column has rows of several groups, (p,); rows are in the order of their groups."""
    columns.sort_indices()
    several, filled = np.zeros(columns.shape[1], dtype=bool), np.diff(columns.indptr) > 0
    first, last = columns.indices[columns.indptr[:-1][filled]], columns.indices[columns.indptr[1:][filled] - 1]
    several[filled] = groups[first] < groups[last]
    return several


def _whitening(own: sparse.csr_matrix, variance: Floats, groups: Ints) -> sparse.csr_matrix:
    """L⁻¹ of C = A Aᵀ + E, for rows in the order of their groups. Blocks of one size are inverted together."""
    starts = np.flatnonzero(np.diff(groups, prepend=groups[:1] - 1))
    sizes = np.diff(starts, append=len(groups))
    start, size = np.repeat(starts, sizes), np.repeat(sizes, sizes)
    ends = np.append(0, np.cumsum(size))
    filled = (own @ own.T + sparse.diags_array(variance)).tocoo()
    entries = np.zeros(ends[-1])
    entries[ends[filled.row] + filled.col - start[filled.row]] = filled.data
    for each in np.unique(sizes):
        these = np.repeat(size == each, size)
        entries[these] = np.linalg.inv(np.linalg.cholesky(entries[these].reshape(-1, each, each))).ravel()
    columns = np.arange(len(entries)) - np.repeat(ends[:-1] - start, size)
    return sparse.csr_matrix((entries, columns, ends), shape=(len(groups), len(groups)))


def _squares(rows: sparse.csr_matrix) -> Floats:
    """Sum of squares of each row."""
    return np.asarray(rows.multiply(rows).sum(axis=1)).ravel()


def _diagonal(rows: sparse.csr_matrix, matrix: Floats) -> Floats:
    """The diagonal of R M Rᵀ."""
    return np.asarray(rows.multiply(rows @ matrix).sum(axis=1)).ravel()
