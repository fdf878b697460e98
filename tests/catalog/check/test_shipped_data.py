"""The facts that ship with the project pass their own check."""

from __future__ import annotations

from pathlib import Path

from catalog.check import check_folder

ROOT = Path(__file__).parents[3] / "models_data"


def test_the_shipped_facts_have_no_error() -> None:
    """What is wrong in the sources is flagged, so nothing unflagged is left."""
    assert [finding for finding in check_folder(ROOT) if finding.severity == "error"] == []
