"""In which number format an engine multiplies, and how fast a device is at it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from catalog.load import load_facts
from catalog.physics.peaks import FALLBACK_FLOPS_PER_BYTE, integer_tflops, operand_formats, peak_flops, weight_only
from catalog.physics.weights import as_run

if TYPE_CHECKING:
    from catalog.facts import Kernels

FACTS = load_facts(Path(__file__).parents[3] / "models_data")


@pytest.mark.parametrize(
    ("quant", "engine", "formats"),
    [
        ("q4_k_m", "llama.cpp", ("int8",)),
        ("mxfp4", "ollama", ("fp4", "int8")),
        ("bf16", "llama.cpp", ()),
        ("nvfp4", "vllm", ("fp4",)),
        ("mxfp4", "vllm", ()),
        ("fp8", "sglang", ("fp8",)),
        ("int8-w8a8", "vllm", ("int8",)),
        ("int8-w8a16", "vllm", ()),
        ("awq-int4", "vllm", ()),
    ],
)
def test_formats_follow_the_engines_kernels(quant: str, engine: str, formats: tuple[str, ...]) -> None:
    """llama.cpp quantises activations for every quantised type; others only where the format says so."""
    assert operand_formats(FACTS.quants[quant], FACTS.engines[engine]) == formats


@pytest.mark.parametrize(
    ("model", "quant", "checkpoint", "kernels", "wide"),
    [
        ("qwen3.6-27b", "fp8", None, None, False),
        ("qwen3.6-27b", "fp8", None, "weight-only", True),
        ("qwen3.6-27b", "nvfp4", None, None, True),  # NVIDIA's asks for 16-bit activations
        ("qwen3.6-35b-a3b", "nvfp4", "RedHatAI/Qwen3.6-35B-A3B-NVFP4", None, False),
        ("qwen3.6-35b-a3b", "nvfp4", "nvidia/Qwen3.6-35B-A3B-NVFP4", None, True),
        ("qwen3.6-27b", "awq-int4", None, "weight-only", False),  # has no other kernels
    ],
)
def test_weights_are_widened_where_kernels_or_checkpoint_say_so(
    model: str, quant: str, checkpoint: str | None, kernels: Kernels | None, *, wide: bool
) -> None:
    """Marlin runs FP8 and NVFP4 in 16 bits, and so is a W4A16 checkpoint run; a format without narrow kernels always is."""
    form = as_run(FACTS.quants[quant], checkpoint, kernels)
    assert weight_only(FACTS.models[model], form, FACTS.engines["vllm"]) == wide


@pytest.mark.parametrize(
    ("hardware", "tflops"),
    [
        ("rtx-4090", 660.6),  # published: four times its 165.2 of bf16
        ("rtx-3090", 4 * 71.2),
        ("rtx-a6000", 2 * 154.8),
        ("dgx-spark", 2 * 125.0),
        ("gtx-1080-ti", None),  # no tensor cores
        ("apple-m4-max-40", None),
    ],
)
def test_integers_are_published_or_follow_from_bf16(hardware: str, tflops: float | None) -> None:
    """GeForce boards halve 16-bit products that are summed in 32 bits, not integers."""
    assert integer_tflops(FACTS.hardware[hardware]) == (None if tflops is None else pytest.approx(tflops))


def test_a_device_without_the_format_multiplies_in_16_bits() -> None:
    """NVFP4 on a 3090 runs weight-only; where no peak is published, bandwidth stands in."""
    assert peak_flops(FACTS.hardware["rtx-3090"], ("fp4",)) == pytest.approx(71.2e12)
    assert peak_flops(FACTS.hardware["dgx-spark"], ("fp4",)) == pytest.approx(500e12)
    ultra = FACTS.hardware["apple-m3-ultra"]
    assert peak_flops(ultra, ("int8",)) == pytest.approx((ultra.bandwidth_gb_s or 0.0) * 1e9 * FALLBACK_FLOPS_PER_BYTE)
