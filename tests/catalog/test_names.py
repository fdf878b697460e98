"""Raw names find their ids again, and never a wrong one."""

from __future__ import annotations

from pathlib import Path

from catalog.load import load_facts
from catalog.names import claims, find_id, quant_id

FACTS = load_facts(Path(__file__).parents[2] / "models_data")


def test_every_mapped_model_name_is_found_again() -> None:
    """An import of the same rows would map every model to where it was mapped before."""
    rows = {(m.raw_model, m.model) for m in FACTS.measurements if m.raw_model}
    assert {raw for raw, model in rows if find_id(FACTS.models, raw) != model} == set()


def test_quant_names_are_found_or_ambiguous() -> None:
    """A quant's raw name maps where it was mapped before, or, claimed by several, nowhere."""
    claimed = claims(FACTS.quants.values())
    rows = {(m.raw_quant, m.quant) for m in FACTS.measurements if m.raw_quant and m.raw_quant not in FACTS.quants}
    wrong = {(raw, quant) for raw, quant in rows if find_id(FACTS.quants, raw) not in (quant, None)}
    lost = {raw for raw, _ in rows if find_id(FACTS.quants, raw) is None and len(claimed.get(raw.casefold(), ())) < 2}
    assert wrong == set()
    assert lost == set()


def test_an_engine_settles_what_several_claim() -> None:
    """A raw quant maps, on its engine, where it was mapped before, or nowhere; few are left without an id."""
    rows = [(m.raw_quant, m.engine, m.quant) for m in FACTS.measurements if m.raw_quant and m.engine != "unknown"]
    found = [quant_id(FACTS, raw, engine) for raw, engine, _ in rows]
    wrong = {(row, one) for row, one in zip(rows, found, strict=True) if one not in (row[2], None)}
    assert len(wrong) <= 25, wrong
    assert found.count(None) < 0.08 * len(rows)
    assert quant_id(FACTS, "NVFP4", "vllm") == "nvfp4"
    assert quant_id(FACTS, "NVFP4", "llama.cpp") == "nvfp4-gguf"


def test_case_and_space_do_not_matter() -> None:
    """Sources write names as they like."""
    assert find_id(FACTS.hardware, " gb10 ") == "dgx-spark"
    assert find_id(FACTS.models, "GPT-OSS 120B") == "gpt-oss-120b"


def test_an_unknown_or_ambiguous_name_maps_to_nothing() -> None:
    """Better unmapped and listed than mapped wrongly."""
    assert find_id(FACTS.models, "no-such-model") is None
    assert find_id(FACTS.quants, "NVFP4") is None
    assert find_id(FACTS.quants, "nvfp4") == "nvfp4"
