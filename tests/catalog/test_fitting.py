"""What the fit makes of series: rows that were taken in one go are no independent witnesses."""

from __future__ import annotations

import numpy as np
import pytest

from catalog.calibration.fitting import fit
from catalog.calibration.hierarchy import TOTAL, Cases, Effect, Specification
from catalog.physics.sums import Sum

ROWS = 33
LATER = 0.05
"""In log time: as much as the noise, so that no row is taken for wrong."""


def told(repetition: float, least_noise: float = LATER, weights: float = 1.0) -> tuple[float, float]:
    """Log time of a config of which one source has one row, at 0, and another 32 a little later; and the noise.

    ``weights`` are the seconds that physics says, of the last row.
    """
    labels = {
        "config": np.array(["c"] * ROWS, dtype=object),
        "source": np.array(["one"] + ["other"] * (ROWS - 1), dtype=object),
        "method": np.array([None] * ROWS, dtype=object),
    }
    seconds = np.append(np.ones(ROWS - 1), weights)
    cases = Cases(labels, {}, {"weights": seconds})
    specification = Specification(
        "decode",
        {"weights": (0.0, 1e-3)},
        (Effect("config", (TOTAL,), ("config",), 1.0),),
        Sum(streamed=("weights",), computed=()),
        least_noise=least_noise,
        repetition=repetition,
    )
    times = np.where(labels["source"] == "one", 0.0, LATER)
    posterior = fit(specification, cases, times, np.ones(ROWS))
    return float(posterior.log_time(cases)[0]), posterior.noise_sd


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
