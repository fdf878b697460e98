"""The wire is a snapshot, and the service keeps to its own description."""

from __future__ import annotations

import json
from pathlib import Path

from service.api.openapi import describe

SNAPSHOT = Path(__file__).parents[1] / "openapi.json"


def test_the_description_is_the_snapshot() -> None:
    """It changes only on purpose: rewrite tests/openapi.json (`describe()`, two-step indented) and say so in CHANGELOG."""
    assert describe() == json.loads(SNAPSHOT.read_text())
