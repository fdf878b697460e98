"""Every rule of the catalog against one bad file each: ``base/`` is sound, ``bad/<case>/`` replaces or adds files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from catalog.check import check_folder, render

HERE = Path(__file__).parent
BAD = {
    "ambiguous-alias": ("models/large-8b.toml", 10, "ambiguous-alias", "warning"),
    "bad-number": ("measurements/one.csv", 2, "bad-value", "error"),
    "bad-value": ("models/small-8b.toml", 8, "bad-value", "error"),
    "context-measured-deeper": ("models/small-8b.toml", 4, "library-default-context", "error"),
    "csv-shape": ("measurements/one.csv", 3, "csv-shape", "error"),
    "csv-syntax": ("measurements/one.csv", 3, "csv-syntax", "error"),
    "decode-above-ceiling": ("measurements/one.csv", 2, "decode-above-ceiling", "error"),
    "decode-above-measured-bandwidth": ("measurements/one.csv", 2, "decode-above-measured-bandwidth", "warning"),
    "duplicate-id": ("measurements/one.csv", 3, "duplicate", "error"),
    "duplicate-row": ("measurements/one.csv", 3, "duplicate", "error"),
    "duplicate-score": ("quality/scores.csv", 3, "duplicate", "error"),
    "id-is-the-name": ("quants/q8_0.toml", 1, "id-is-the-name", "error"),
    "library-default-context": ("models/small-8b.toml", 5, "library-default-context", "warning"),
    "missing-field": ("models/small-8b.toml", 1, "missing-field", "error"),
    "missing-source": ("measurements/one.csv", 2, "missing-source", "error"),
    "missing-source-address": ("sources.toml", 3, "missing-source", "error"),
    "missing-source-cell": ("measurements/one.csv", 2, "missing-source", "error"),
    "missing-source-price": ("hardware/box.toml", 12, "missing-source", "error"),
    "missing-source-record": ("quants/q8_0.toml", 9, "missing-source", "warning"),
    "not-utf8": ("quants/q8_0.toml", 1, "not-utf8", "error"),
    "orphan-flag": ("measurements/one.csv", 2, "orphan", "error"),
    "orphan-key": ("quants/q8_0.toml", 3, "orphan", "error"),
    "orphan-row": ("measurements/one.csv", 2, "orphan", "error"),
    "orphan-score": ("quality/scores.csv", 2, "orphan", "error"),
    "orphan-source": ("measurements/three.csv", 2, "orphan", "error"),
    "prefill-above-peak": ("measurements/one.csv", 2, "prefill-above-peak", "error"),
    "prefill-above-peak-by-ttft": ("measurements/one.csv", 2, "prefill-above-peak", "error"),
    "quoted": ("measurements/two.csv", 2, "quoted", "warning"),
    "range-bits": ("quants/q8_0.toml", 16, "range", "error"),
    "range-budget": ("hardware/box.toml", 5, "range", "error"),
    "range-contradiction": ("measurements/one.csv", 2, "range", "error"),
    "range-hardware": ("hardware/box.toml", 7, "range", "error"),
    "range-measurement": ("measurements/one.csv", 2, "range", "error"),
    "range-mixtures": ("quants/q8_0.toml", 25, "range", "error"),
    "range-score": ("quality/scores.csv", 2, "range", "error"),
    "range-shape": ("models/small-8b.toml", 7, "range", "error"),
    "speculation-suspected": ("measurements/one.csv", 2, "speculation-suspected", "error"),
    "toml-syntax": ("models/small-8b.toml", 2, "toml-syntax", "error"),
    "uncitable-publisher": ("quants/q8_0.toml", 10, "uncitable", "error"),
    "uncitable-rows": ("quants/q8_0.toml", 10, "uncitable", "error"),
    "uncitable-words": ("quants/q8_0.toml", 10, "uncitable", "error"),
    "unknown-column": ("measurements/one.csv", 1, "unknown-field", "error"),
    "unknown-field": ("hardware/box.toml", 7, "unknown-field", "error"),
    "weights-exceed-memory": ("measurements/one.csv", 2, "weights-exceed-memory", "error"),
}
FLAGGED = {
    "decode-above-ceiling": "spec-suspected",
    "speculation-suspected": "spec-suspected",
    "prefill-above-peak": "pp-exceeds-compute-peak",
    "prefill-above-peak-by-ttft": "prompt-cached",
    "weights-exceed-memory": "weights-exceed-memory",
}


def tree(folder: Path, case: str | None = None) -> Path:
    """The sound facts in ``folder``, with the files of a bad case laid over them."""
    root = folder / "models_data"
    shutil.copytree(HERE / "base", root)
    if case:
        shutil.copytree(HERE / "bad" / case, root, dirs_exist_ok=True)
    return root


def test_sound_facts_have_no_finding(tmp_path: Path) -> None:
    """Rules stay silent where nothing is wrong."""
    assert check_folder(tree(tmp_path)) == []


@pytest.mark.parametrize("case", sorted(BAD))
def test_a_bad_file_is_found(case: str, tmp_path: Path) -> None:
    """A finding names the file, the line and the rule of what is wrong."""
    found = [(f.file, f.line, f.rule, f.severity) for f in check_folder(tree(tmp_path, case))]
    assert BAD[case] in found


def test_every_bad_folder_is_tested() -> None:
    """No bad file lies around without an expectation."""
    assert {path.name for path in (HERE / "bad").iterdir()} == set(BAD)


@pytest.mark.parametrize("case", sorted(FLAGGED))
def test_a_flagged_impossible_number_is_kept(case: str, tmp_path: Path) -> None:
    """A published number that cannot be right is no error once its row says so."""
    root = tree(tmp_path, case)
    path = root / "measurements/one.csv"
    header, row = path.read_text(encoding="utf-8").splitlines()
    path.write_text(f"{header},flags\n{row},{FLAGGED[case]}\n", encoding="utf-8")
    assert [finding for finding in check_folder(root) if finding.severity == "error"] == []


@pytest.mark.parametrize(("streams", "above"), [("1", True), ("4", False)])
def test_stages_of_a_pipeline_take_turns_for_a_stream_alone(streams: str, above: bool, tmp_path: Path) -> None:
    """llama.cpp on two units reads them one after the other: as fast as one, but for several streams."""
    root = tree(tmp_path)
    path = root / "measurements/one.csv"
    header, row = path.read_text(encoding="utf-8").splitlines()
    fast = row.replace("none,stated,1,", f"none,stated,{streams},").replace("27.43", "45.0")
    path.write_text(f"{header},units\n{fast},2\n", encoding="utf-8")
    assert ("decode-above-ceiling" in {finding.rule for finding in check_folder(root)}) == above


def test_findings_render_as_lines(tmp_path: Path) -> None:
    """A person can click a finding open, and sees the count at the end."""
    lines = render(check_folder(tree(tmp_path, "range-budget"))).splitlines()
    assert lines[0].startswith("hardware/box.toml:5: error: range: memory_safe_bytes 131000000000")
    assert lines[-1] == "1 errors, 0 warnings"


def test_all_load_errors_are_shown_at_once(tmp_path: Path) -> None:
    """One run shows every unreadable fact, not just the first."""
    root = tree(tmp_path, "toml-syntax")
    shutil.copytree(HERE / "bad" / "unknown-field", root, dirs_exist_ok=True)
    assert {finding.rule for finding in check_folder(root)} == {"toml-syntax", "unknown-field"}
