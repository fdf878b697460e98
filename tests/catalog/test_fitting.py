"""What the fit makes of series: rows that were taken in one go are no independent witnesses."""

from __future__ import annotations

import numpy as np
import pytest

from catalog.calibration.fitting import fit
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
        steps=10,
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


def again(cases: Cases, specification: Specification, alike: Posterior) -> float:
    """Log time by a fit to rows that are later, with the spreads of another."""
    posterior = fit(specification, cases, np.full(ROWS, LATER), np.ones(ROWS), alike)
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


def test_a_fit_leaves_nothing_of_what_a_like_one_knew_of_other_rows() -> None:
    """However far off its means are: only the spreads are taken, as they are learnt from many rows."""
    cases, specification = series(0.3)
    alike = fit(specification, cases, np.zeros(ROWS), np.ones(ROWS))
    expected = again(cases, specification, alike)
    alike.mean = alike.mean + 3.0
    assert again(cases, specification, alike) == expected


def test_the_usual_is_added_once() -> None:
    """What a fit adds to its means for whoever asks next, it adds again to a like one, not on top of it."""
    cases, specification = series(0.3, usual=("config",))
    times = np.where(cases.labels["source"] == "one", 0.0, LATER)
    first = fit(specification, cases, times, np.ones(ROWS))
    assert np.any(first.usual != 0.0)
    second = fit(specification, cases, times, np.ones(ROWS), first)
    assert second.log_time(cases) == pytest.approx(first.log_time(cases), abs=1e-3)


def test_what_an_effect_on_the_whole_leaves_alone() -> None:
    """Drafts that are accepted twice as often halve the steps of a token, not the prefills that it waits for."""
    kinds = np.array(["plain", "drafts"] * 20, dtype=object)
    labels = {"config": kinds, "method": np.array([None, "mtp"] * 20, dtype=object)}
    waited = np.repeat([0.0, 3.0], 20)
    cases = Cases(labels, {}, {"step": np.ones(40), "wait": waited})
    specification = Specification(
        "decode",
        {"step": (0.0, 1e-3), "wait": (0.0, 1e-3)},
        (Effect("method", (TOTAL,), ("method",), 1.0, inverse=("wait",)),),
        Sum(streamed=("step",), computed=()),
        steps=10,
    )
    seconds = np.where(kinds == "drafts", 0.5, 1.0) + waited
    posterior = fit(specification, cases, np.log(seconds), np.ones(40))
    assert np.exp(posterior.log_time(cases)) == pytest.approx(seconds, rel=0.02)


def test_a_level_counts_the_rows_that_tell_of_it() -> None:
    """Not those whose slope is 0: they say nothing of how drafts of a text are accepted."""
    labels = {"config": np.array(["a", "b", "c"], dtype=object)}
    cases = Cases(labels, {"of code": np.array([1.0, 0.5, 0.0])}, {"step": np.ones(3)})
    code = Effect("code", (TOTAL,), (), 1.0, slope="of code")
    specification = Specification(
        "decode", {"step": (0.0, 1.0)}, (code,), Sum(streamed=("step",), computed=()), steps=2
    )
    posterior = fit(specification, cases, np.zeros(3), np.ones(3))
    assert posterior.counts[posterior.index["code", "all"]] == 2
    assert posterior.counts[posterior.index["base:step", "all"]] == 3
