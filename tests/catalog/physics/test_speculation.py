"""Speculation: tokens that a step yields, and what a better guess is worth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from catalog.physics.terms import acceptance_elasticity, accepted_tokens

DRAFTS = np.array([0.0, 1.0, 3.0, 7.0, 15.0])


@pytest.mark.parametrize("acceptance", [0.3, 0.7, 0.95])
def test_elasticity_is_the_derivative(acceptance: float) -> None:
    """By the log odds of a draft, against a difference quotient."""
    odds, step = math.log(acceptance / (1.0 - acceptance)), 1e-5
    up, down = (1.0 / (1.0 + math.exp(-(odds + shift))) for shift in (step, -step))
    quotient = (np.log(accepted_tokens(DRAFTS, up)) - np.log(accepted_tokens(DRAFTS, down))) / (2.0 * step)
    assert acceptance_elasticity(DRAFTS, acceptance) == pytest.approx(quotient, abs=1e-7)


def test_more_drafts_make_a_guess_matter_more() -> None:
    """Without drafts nothing is guessed; each further draft adds less than the one before."""
    found = acceptance_elasticity(DRAFTS, 0.7)
    assert found[0] == 0.0
    assert (np.diff(found) > 0).all()
    assert found[-1] < 0.7
