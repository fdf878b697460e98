"""What the README shows is what the service answers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from service.recommendation import ranking
from service.settings import PREFIX, Settings

if TYPE_CHECKING:
    from litestar.testing import TestClient

README = (Path(__file__).parents[1] / "README.md").read_text()


def agrees(shown: Any, real: Any) -> None:
    """Everything shown is there: numbers to one percent, words exactly."""
    if isinstance(shown, dict):
        for name, value in shown.items():
            agrees(value, real[name])
    elif isinstance(shown, list):
        for mine, other in zip(shown, real, strict=False):
            agrees(mine, other)
    elif isinstance(shown, float):
        assert real == pytest.approx(shown, rel=0.01)
    else:
        assert real == shown


def test_the_first_question_has_the_answer_shown(client: TestClient[Any]) -> None:
    """The curl line, asked."""
    found = re.search(r"curl 'http://127.0.0.1:8000(.+?)'", README)
    shown = re.search(r"<!-- answer -->\n```json\n(.+?)```", README, re.DOTALL)
    assert found
    assert shown
    agrees(json.loads(shown[1]), client.get(found[1]).json())


def test_the_ranking_formula_is_the_one_in_use() -> None:
    """Its weights, in the order of the formula."""
    formula = re.search(r"score = 100 · \((.+)\)", README)
    assert formula
    weights = [float(w) for w in re.findall(r"0\.\d\d", formula[1])]
    assert weights == [
        ranking.QUALITY_WEIGHT,
        ranking.SPEED_WEIGHT,
        ranking.MEMORY_WEIGHT,
        ranking.EVIDENCE_WEIGHT,
    ]


def test_every_setting_is_documented() -> None:
    """Each variable that is read is named."""
    assert [name for name in Settings.model_fields if PREFIX + name.upper() not in README] == []
