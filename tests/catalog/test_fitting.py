"""What the fit makes of series: rows that were taken in one go are no independent witnesses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from catalog.calibration.fitting import BLOCK, Start, _gram, _mirrored, fit
from catalog.calibration.hierarchy import TOTAL, Cases, Effect, Posterior, Specification
from catalog.physics.sums import Sum

ROWS = 33
LATER = 0.05
"""In log time: as much as the noise, so that no row is taken for wrong."""


def series(
    repetition: float, least_noise: float = LATER, weights: float = 1.0, usual: tuple[str, ...] = ()
) -> tuple[Cases, Specification]:
    """Rows of one config: one of a source, 32 of another. ``weights`` are the seconds that physics says, of the last row."""
    labels = {
        "config": np.array(["c"] * ROWS, dtype=object),
        "source": np.array(["one"] + ["other"] * (ROWS - 1), dtype=object),
        "method": np.array([None] * ROWS, dtype=object),
    }
    cases = Cases(labels, {}, {"weights": np.append(np.ones(ROWS - 1), weights)})
    effects: tuple[Effect, ...] = (Effect("config", (TOTAL,), ("config",), 1.0),)
    if usual:
        effects += (Effect("source", (TOTAL,), ("source",), 0.3, transient=True),)
    specification = Specification(
        "decode",
        {"weights": (0.0, 1e-3)},
        effects,
        Sum(streamed=("weights",), computed=()),
        least_noise=least_noise,
        repetition=repetition,
        usual=usual,
    )
    return cases, specification


def told(repetition: float, least_noise: float = LATER, weights: float = 1.0) -> tuple[float, float]:
    """Log time of the config, of which one source's row is at 0 and the other's are a little later; and the noise."""
    cases, specification = series(repetition, least_noise, weights)
    times = np.where(cases.labels["source"] == "one", 0.0, LATER)
    posterior = fit(specification, cases, times, np.ones(ROWS))
    return float(posterior.log_time(cases)[0]), posterior.noise_sd


def again(cases: Cases, specification: Specification, start: Posterior) -> float:
    """Log time by a fit to rows that are later, with the spreads of a start."""
    posterior = fit(specification, cases, np.full(ROWS, LATER), np.ones(ROWS), Start(start, 4))
    return float(posterior.log_time(cases)[0])


def test_a_long_series_outweighs_a_short_one_by_less_than_its_length() -> None:
    """The more repetition is discounted, the more the single row of the other source counts."""
    trusting, wary = (told(repetition)[0] for repetition in (0.0, 0.9))
    assert trusting == pytest.approx(LATER, rel=0.05)
    assert wary < 0.8 * trusting


def test_no_row_is_surer_than_the_least_noise() -> None:
    """However well rows agree among themselves."""
    assert told(0.3, least_noise=0.2)[1] >= 0.2


@pytest.mark.parametrize("seconds", [np.nan, np.inf])
def test_physics_that_is_no_number_is_refused_by_name(seconds: float) -> None:
    """It would spread to every effect, and be printed as an error of nan %."""
    with pytest.raises(FloatingPointError, match="weights of c takes"):
        told(0.3, weights=seconds)


def test_a_fit_leaves_nothing_of_what_its_start_knew_of_other_rows() -> None:
    """However far off its means are: only the spreads are taken, as they are learnt from many rows."""
    cases, specification = series(0.3)
    start = fit(specification, cases, np.zeros(ROWS), np.ones(ROWS))
    expected = again(cases, specification, start)
    start.mean = start.mean + 3.0
    assert again(cases, specification, start) == expected


def test_the_usual_is_no_effect_of_a_start() -> None:
    """What a start added to its means for whoever asks next is not there twice: a fit that is done stays where it is."""
    cases, specification = series(0.3, usual=("config",))
    times = np.where(cases.labels["source"] == "one", 0.0, LATER)
    start = fit(specification, cases, times, np.ones(ROWS))
    assert np.any(start.usual != 0.0)
    on = fit(specification, cases, times, np.ones(ROWS), Start(start, 1, means=True))
    assert on.log_time(cases) == pytest.approx(start.log_time(cases), abs=1e-3)


@pytest.mark.parametrize("rows", [40, BLOCK + 3])
def test_products_of_rows_are_those_of_the_whole_matrix(rows: int) -> None:
    """Some columns common, most rare, and a block that does not divide."""
    random = np.random.default_rng(0)
    matrix = np.hstack([random.normal(size=(rows, 3)), np.diag(random.normal(size=rows))])
    products = _gram(sparse.csr_matrix(matrix))
    assert products == pytest.approx(matrix @ matrix.T)
    assert _mirrored(np.tril(products)) == pytest.approx(products)
