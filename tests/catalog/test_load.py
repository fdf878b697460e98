"""Loading ``models_data/``: what ships is complete, and the page this began with reads back digit for digit."""

from __future__ import annotations

import csv
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from catalog.load import FactError, load_facts

if TYPE_CHECKING:
    from catalog.facts import Facts

ROOT = Path(__file__).parents[2] / "models_data"
MILLISECONDS = 1000


@pytest.fixture(scope="module")
def facts() -> Facts:
    """The shipped facts."""
    return load_facts(ROOT)


@pytest.fixture(scope="module")
def page() -> list[dict[str, str]]:
    """The 13 configs as the page prints them."""
    with (ROOT / "seed_page.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_everything_is_there(facts: Facts) -> None:
    """The catalog holds what it promises."""
    assert len(facts.models) >= 200
    assert len(facts.hardware) >= 85
    assert len(facts.quants) >= 85
    assert len(facts.engines) == 24
    swept_here = [m for m in facts.measurements if m.source == "own-h100"]
    assert len(swept_here) == 846
    assert len(facts.measurements) - len(swept_here) == 4230
    assert len(facts.quality_scores) == 999
    assert len(facts.quant_losses) == 261


def test_the_page_reads_back_exactly(facts: Facts, page: list[dict[str, str]]) -> None:
    """Numbers, approximations and missing values are as the page marks them."""
    rows = sorted((m for m in facts.measurements if m.source == "seed"), key=lambda m: m.id)
    assert len(rows) == len(page) == 13
    for row, printed in zip(rows, page, strict=True):
        assert row.decode_tok_s == float(printed["decode"])
        assert row.prefill_tok_s == (float(printed["prefill"]) if printed["prefill"] else None)
        assert row.isl == (int(printed["isl"]) if printed["isl"] else None)
        assert row.osl == int(printed["osl"])
        assert row.units == int(printed["units"])
        assert row.approx == (printed["decode_approx"] == "true")
        assert row.evidence == ("official" if printed["evidence"] == "NVIDIA-official" else "community")


def test_printed_latency_is_osl_over_decode(facts: Facts, page: list[dict[str, str]]) -> None:
    """The page's latency is 128 tokens divided by decode and nothing else; one of the 13 it rounds up by 0.7 ms."""
    decode = {m.id: m.decode_tok_s for m in facts.measurements}
    rounded_otherwise = []
    for number, printed in enumerate(page, start=1):
        row = f"seed-{number:02}"
        exact = Decimal(printed["osl"]) / Decimal(str(decode[row])) * MILLISECONDS
        assert abs(exact - Decimal(printed["latency_ms"])) < 1
        if exact.quantize(Decimal(1), rounding=ROUND_HALF_UP) != Decimal(printed["latency_ms"]):
            rounded_otherwise.append(row)
    assert rounded_otherwise == ["seed-09"]


@pytest.mark.parametrize(
    ("row", "flag"),
    [
        ("seed-04", "pp-exceeds-compute-peak"),
        ("seed-13", "pp-exceeds-compute-peak"),
        ("seed-06", "depth-not-stated-matches-d32768"),
    ],
)
def test_wrong_words_of_the_page_are_flagged(facts: Facts, row: str, flag: str) -> None:
    """The number stays, a flag and its sentence say what is off."""
    measurement = next(m for m in facts.measurements if m.id == row)
    assert flag in measurement.flags
    assert facts.flags[flag].meaning.endswith(".")


def test_wrong_remarks_of_the_page_are_named(facts: Facts) -> None:
    """The inverted ratio and the sparse peak are corrected where the source is described."""
    note = facts.sources["seed"].note or ""
    assert "upside down" in note
    assert "sparsity" in note


def test_numbers_are_kept_digit_for_digit(facts: Facts) -> None:
    """A rate read from a file is the number printed there, not a rounded one."""
    loaded = {m.id: m for m in facts.measurements}
    fields = ("prefill_tok_s", "decode_tok_s", "decode_total_tok_s", "ttft_ms")
    for path in sorted((ROOT / "measurements").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                for field in fields:
                    value = getattr(loaded[row["id"]], field)
                    assert (Decimal(repr(value)) if value is not None else None) == (
                        Decimal(row[field]) if row.get(field) else None
                    )


def test_the_default_budget_decides_the_known_cases(facts: Facts) -> None:
    """On one GB10 Llama 70B FP8 and gpt-oss-120b fit with their cache, Qwen3-235B NVFP4 does not."""
    spark = facts.hardware["dgx-spark"]
    assert spark.memory_safe_bytes is not None
    assert spark.memory_safe_bytes > 67.7 * 2**30 + 10e9
    assert 101e9 <= spark.memory_safe_bytes <= 112e9
    assert "hangs" in (spark.memory_note or "")


def test_models_have_families_and_speculation(facts: Facts) -> None:
    """A lighter model of the same family, and what a model can speculate with, are in the data."""
    assert facts.models["llama-3.1-70b-instruct"].family == facts.models["llama-3.1-8b-instruct"].family
    assert facts.models["qwen3.6-27b"].mtp_layers == 1
    assert {"dflash2", "dspark"} <= set(facts.models["qwen3.8-27b"].draft_heads)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """A wrong path says what is missing instead of loading nothing."""
    with pytest.raises(FactError) as caught:
        load_facts(tmp_path)
    missing = {(error.file, error.rule) for error in (caught.value, *caught.value.more)}
    assert ("models", "missing-file") in missing
    assert ("sources.toml", "missing-file") in missing
