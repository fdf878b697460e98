"""What recurrent states cost a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catalog.calibration.evidence import config_of
from catalog.calibration.situations import describe
from catalog.physics.terms import step_terms

if TYPE_CHECKING:
    from catalog.facts import Facts


def test_states_are_gathered_for_company_alone(facts: Facts) -> None:
    """Each stream beyond the first has its states read and written once more; attention keeps none."""
    rows = {row.id: row for row in facts.measurements}
    config = config_of(facts, rows["own-h100-0001"])
    both = describe([config, config._replace(model=facts.models["qwen3.6-27b"])])

    def state_s(streams: int) -> list[float]:
        return list(step_terms(both.shapes, both.devices, both.load(1, 1, 1, streams, 2.0))["state"])

    states = 48 * (48 * 128 * 128 + 3 * (2 * 16 * 128 + 48 * 128)) * 4
    assert state_s(1) == [0.0, 0.0]
    assert state_s(5) == [0.0, pytest.approx(4 * 2 * states / 3.35e12)]
