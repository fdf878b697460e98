"""What is learnt about a config is kept by these names of its parts: who runs it, on what, with which kernels and drafts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from catalog.calibration.situations import Config
    from catalog.facts import Model, Quant

DEFAULT_DRAFT_TOKENS = 3
"""Draft tokens per step where a source names a method without saying how many."""
ONE_BUILD = ("llama.cpp", "ds4")
"""Engines that run one set of kernels; the others choose among back-ends that differ by version, flags and image."""


def draft(speculation: str) -> tuple[str | None, int]:
    """Method and draft tokens of a speculation name: mtp-5 → (mtp, 5), eagle3 → (eagle3, 3), none → (None, 0)."""
    if speculation == "none":
        return None, 0
    method, _, length = speculation.rpartition("-")
    return (method, int(length)) if method and length.isdigit() else (speculation, DEFAULT_DRAFT_TOKENS)


def kernel(quant: Quant) -> str:
    """The group of formats that share kernels: GGUF types by their bits, others by their family."""
    if quant.family == "fp4":
        return "nvfp4" if quant.id.startswith("nvfp4") else "mxfp4"
    if quant.family.startswith("gguf"):
        found = re.search(r"(iq|tq|q)(\d)", quant.id)
        prefix = "legacy-" if re.fullmatch(r"q[45]_[01]", quant.id) else ""
        return prefix + "".join(found.groups()) if found else quant.family
    return "bf16" if quant.family == "native" else quant.family


def architecture(model: Model) -> str:
    """Dense or moe, with the kind of token mixing that needs kernels of its own."""
    kinds = {group.kind for group in model.attention}
    special = {"gated_delta": "delta", "kda": "delta", "linear": "delta", "mamba2": "mamba", "short_conv": "conv"}
    mixing = {special[k] for k in kinds if k in special} | ({"mla"} if kinds & {"mla", "compressed_sparse"} else set())
    return "-".join(["moe" if model.moe else "dense", *sorted(mixing)])


def body(model: Model) -> str:
    """Models of the same dimensions run alike, whatever they were trained on: the name of those dimensions."""
    if model.layers is None:
        return model.derivative_of or model.id
    experts = model.moe.num_experts if model.moe else 0
    return f"{model.layers}x{model.hidden_size}x{model.intermediate_size}x{model.vocab_size}x{experts}"


def labels(configs: Sequence[Config], methods: Sequence[str | None]) -> dict[str, NDArray[np.object_]]:
    """Of n configs and their draft methods, by name; None where there is nothing to name."""

    def column(values: Iterable[str | None]) -> NDArray[np.object_]:
        out = np.empty(len(configs), dtype=object)
        out[:] = list(values)
        return out

    return {
        "hardware": column(c.hardware.id for c in configs),
        "chip": column(c.hardware.compute_capability for c in configs),
        "engine": column(c.engine.id for c in configs),
        "engine family": column(c.engine.family for c in configs),
        "kernel": column(kernel(c.quant) for c in configs),
        "quant": column(c.quant.id for c in configs),
        "model": column(c.model.id for c in configs),
        "family": column(c.model.family for c in configs),
        "body": column(body(c.model) for c in configs),
        "architecture": column(architecture(c.model) for c in configs),
        "config": column(c.key for c in configs),
        "several": column("several" if c.units > 1 else None for c in configs),
        "build": column(None if c.engine.family in ONE_BUILD else c.engine.family for c in configs),
        "method": column(methods),
        "speculative": column("speculative" if m else None for m in methods),
    }
