"""The evaluation, run whole: README tells what it finds, and intervals are as wide as it says they must be."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from catalog.calibration.evidence import evidence
from catalog.calibration.intervals import SCALE
from catalog.evaluation.report import CLOSING, OPENING, Report, evaluate, render, told, update, write

if TYPE_CHECKING:
    from catalog.facts import Facts

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(scope="module")
def report(facts: Facts) -> Report:
    """One run for all that follows; it takes minutes."""
    return evaluate(facts, evidence(facts, facts.measurements).lessons)


def cells(table: str) -> list[list[str]]:
    """Rows of a Markdown table."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_readme_tells_what_the_evaluation_finds(report: Report) -> None:
    """Words and rows exactly, figures to a point or two hundredths: BLAS libraries round differently."""
    shown = cells(README.read_text().partition(OPENING)[2].partition(CLOSING)[0].strip())
    found = cells(told(report))
    assert [row[:3] for row in shown] == [row[:3] for row in found]
    for mine, other in zip(shown[2:], found[2:], strict=True):
        for a, b in zip(mine[3:], other[3:], strict=True):
            x, y = (float(re.sub(r"[%+]", "", text)) for text in (a, b))
            assert x == pytest.approx(y, rel=0.02, abs=1.0 if a.endswith("%") else 0.02), (mine, other)


def test_intervals_are_as_wide_as_needed(report: Report) -> None:
    """The factor in use is within a tenth of the one that covers four in five of what was left out."""
    found = {regime: factor for regime, factor in report.factors.items() if not math.isnan(factor)}
    assert len(found) >= 9
    assert {r: f for r, f in found.items() if not 0.9 <= f / SCALE[r] <= 1.1} == {}


def test_predictions_beat_the_formulas_that_everyone_uses(report: Report) -> None:
    """On the rows that most people ask about, by more than half again."""
    group = "GB10, one stream, decode"
    mine = next(x for x in report.scores if x.group == group and x.left_out == "model")
    for found in report.baselines.values():
        assert mine.mean_error < 0.67 * next(x for x in found if x.group == group).mean_error


def test_the_report_is_written_whole(report: Report, tmp_path: Path) -> None:
    """Tables as CSV, plots as PNG, and the table into a document without touching the rest of it."""
    files = write(report, tmp_path)
    assert {path.suffix for path in files} == {".csv", ".png"}
    assert all(path.stat().st_size > 100 for path in files)
    assert "The worst 20" in render(report)
    document = tmp_path / "document.md"
    document.write_text(f"before\n{OPENING}\n{CLOSING}\nafter\n")
    update(report, document)
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert told(report) in text
    update(report, document)
    assert document.read_text() == text
    document.write_text("no place for it")
    with pytest.raises(ValueError, match="needs one line"):
        update(report, document)
    assert document.read_text() == "no place for it"


def test_every_miss_has_a_reason(report: Report) -> None:
    """Twenty rows, each with a word on why."""
    assert len(report.worst) == 20
    assert all(miss.why for miss in report.worst)
