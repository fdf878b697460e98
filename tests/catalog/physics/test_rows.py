"""Rows that no super-block fits into."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.load import load_facts
from catalog.physics.rows import class_rows, fallen_bits, fitted_bits

FACTS = load_facts(Path(__file__).parents[3] / "models_data")
Q4_K_M = FACTS.quants["q4_k_m"]


@pytest.mark.parametrize(("bits", "fallen"), [(2.0625, 4.5), (3.4375, 4.5), (4.5, 5.5), (5.5, 6.0), (6.5625, 8.5)])
def test_each_type_has_its_replacement(bits: float, fallen: float) -> None:
    """Q5_0 replaces Q4_K, Q5_1 Q5_K, Q8_0 Q6_K, and IQ4_NL whatever is smaller."""
    assert fallen_bits(bits, bits) == fallen


def test_a_mix_falls_type_by_type() -> None:
    """Half Q4_K, half Q6_K (5.53 bits) becomes half Q5_0, half Q8_0 (7 bits)."""
    assert fallen_bits((4.5 + 6.5625) / 2, 4.5) == pytest.approx(7.0)


def test_widths_that_pack_leave_the_recipe_alone() -> None:
    """Qwen3-30B-A3B's rows are 2048, 4096 and 768 wide: all whole super-blocks."""
    bits = Q4_K_M.bits or {}
    assert fitted_bits(FACTS.models["qwen3-30b-a3b"], Q4_K_M, bits) == pytest.approx(bits)


def test_narrow_experts_pay_in_their_down_projection() -> None:
    """GLM-4.5-Air's experts are 1408 wide: two thirds stay Q4_K, one third becomes half Q5_0, half Q8_0."""
    bits = fitted_bits(FACTS.models["glm-4.5-air"], Q4_K_M, Q4_K_M.bits or {})
    assert bits["routed_experts"] == pytest.approx((2 * 4.5 + 7.0) / 3, abs=0.01)
    assert bits["attn"] == (Q4_K_M.bits or {})["attn"]


def test_mlps_without_a_gate_have_two_matrices() -> None:
    """Nemotron's experts are an up- and a down-projection; rows of 2688 and 1856 both fall back."""
    rows = class_rows(FACTS.models["nemotron-3-nano-30b-a3b"])
    assert rows["routed_experts"] == (2688, 1856, 0.5)
    bits = fitted_bits(FACTS.models["nemotron-3-nano-30b-a3b"], Q4_K_M, Q4_K_M.bits or {})
    assert bits["routed_experts"] == pytest.approx((5.5 + 7.0) / 2, abs=0.01)
    assert bits["embed"] == 5.5
    assert bits["lm_head"] == 8.5


@pytest.mark.parametrize("quant", ["q8_0", "q4_0", "iq4_nl", "mxfp4", "bf16", "nvfp4"])
def test_blocks_of_32_fit_every_width(quant: str) -> None:
    """Only super-blocks fall back."""
    record = FACTS.quants[quant]
    assert fitted_bits(FACTS.models["nemotron-3-nano-30b-a3b"], record, record.bits or {}) == record.bits


def test_a_model_without_dimensions_keeps_the_recipe() -> None:
    """Nothing is guessed about widths nobody published."""
    model = FACTS.models["qwen3-30b-a3b"].model_copy(update={"hidden_size": None})
    assert class_rows(model) == {}
