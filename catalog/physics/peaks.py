"""Arithmetic peaks: how fast a device multiplies in the number format that an engine's kernels use for a quant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.physics.weights import layout_of

if TYPE_CHECKING:
    from catalog.facts import Engine, Hardware, Model, Quant

TFLOPS = 1e12
WIDE = ("bf16", "fp16")
"""What every kernel can fall back to: 16-bit operands, summed in 32 bits."""
FALLBACK_FLOPS_PER_BYTE = 100.0
"""Dense BF16 peak per byte/s of bandwidth where no peak is published; the device's own effect corrects it."""
INTEGER_CAPABILITY = 7.5
"""Compute capability from which NVIDIA's tensor cores multiply 8-bit integers."""
GEFORCE = "GeForce"
GEFORCE_INT8_OVER_BF16, INT8_OVER_BF16 = 4.0, 2.0
"""GeForce boards sum 16-bit products in 32 bits at half the rate of other boards; integers are not slowed."""


def operand_formats(quant: Quant, engine: Engine) -> tuple[str, ...]:
    """Formats, fastest first, in which the engine's kernels for this quant multiply where the device can; else in 16 bits.

    llama.cpp turns activations into 8-bit integers for every quantised type (its MMQ kernels, ggml-cuda/mmq.cu), and into 4-bit
    floats for MXFP4 and NVFP4 where the device has them. Other engines keep 16-bit activations for weight-only formats.
    """
    if engine.family == "llama.cpp":
        if quant.family == "native":
            return ()
        return ("fp4", "int8") if quant.family == "fp4" else ("int8",)
    if quant.id.startswith("nvfp4"):
        return ("fp4",)
    if quant.id.startswith("int8-w8a8"):
        return ("int8",)
    return ("fp8",) if quant.family == "fp8" else ()


def weight_only(model: Model, quant: Quant, engine: Engine) -> bool:
    """Whether weights are multiplied in 16 bits although the engine has narrower kernels for the quant: as it is run, or as the checkpoint asks."""
    layout = layout_of(model, quant, engine.id)
    return bool(operand_formats(quant, engine)) and (quant.weight_only or (layout is not None and layout.weight_only))


def peak_flops(hardware: Hardware, formats: tuple[str, ...] = ()) -> float:
    """Dense peak in FLOP/s of the first of these formats the device has, else of 16 bits; estimated from bandwidth if none is published."""
    for name in (*formats, *WIDE):
        peak = integer_tflops(hardware) if name == "int8" else hardware.peak_dense_tflops.get(name)
        if peak:
            return peak * TFLOPS
    return (hardware.bandwidth_gb_s or 0.0) * 1e9 * FALLBACK_FLOPS_PER_BYTE


def integer_tflops(hardware: Hardware) -> float | None:
    """Dense 8-bit integer peak, 10^12 operations per second; derived from the others on NVIDIA's boards, None where not known."""
    known = hardware.peak_dense_tflops
    if "int8" in known or hardware.vendor != "nvidia":
        return known.get("int8")
    if float(hardware.compute_capability or 0.0) < INTEGER_CAPABILITY:
        return None
    geforce = hardware.name.startswith(GEFORCE)
    if "bf16" in known:
        return known["bf16"] * (GEFORCE_INT8_OVER_BF16 if geforce else INT8_OVER_BF16)
    return None
