"""schemathesis asks a live service whatever its own description allows, and what it forbids."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("schemathesis")
DELIBERATE = ("positive_data_acceptance", "negative_data_rejection", "missing_required_header")
"""A well-formed name that the catalog does not know is refused: no schema can list them. Numbers may come as text in JSON, as
they do in a query. This service takes no measurements, and says so before it looks at their headers."""


def asked(url: str, examples: int) -> int:
    """Run all checks; returns how many cases were asked."""
    command = [str(PROGRAM), "run", f"{url}/openapi.json", "--max-examples", str(examples), "--seed", "1", "--no-color"]
    command += ["--checks", "all", "--exclude-checks", ",".join(DELIBERATE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    found = re.search(r"(\d+) generated", done.stdout)
    assert found
    return int(found[1])


def test_every_answer_is_one_that_is_described(url: str) -> None:
    """No crash, no undescribed status, type or shape; what the description forbids is refused."""
    assert asked(url, 15) >= 200


@pytest.mark.long
def test_every_answer_is_one_that_is_described_at_length(url: str) -> None:
    """Twenty thousand cases."""
    assert asked(url, 1000) >= 20_000
