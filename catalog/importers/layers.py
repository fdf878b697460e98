"""What each layer of an architecture does: a token mixer, then a feed-forward part.

``ARCHITECTURES`` is the list of what this project knows; anything else is refused rather than guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from catalog.importers.bounded import MAX_LAYERS, Fields, ImportFileError

Mixer = Literal["full", "sliding", "chunked", "mla", "gated_delta", "mamba2", "none"]
FeedForward = Literal["dense", "moe", "none"]
NAMED_MIXERS: dict[str, Mixer] = {
    "full_attention": "full",
    "attention": "full",
    "sliding_attention": "sliding",
    "chunked_attention": "chunked",
    "linear_attention": "gated_delta",
    "mamba": "mamba2",
}
PATTERN_LETTERS: dict[str, tuple[Mixer, FeedForward]] = {
    "M": ("mamba2", "none"),
    "*": ("full", "none"),
    "-": ("none", "dense"),
    "E": ("none", "moe"),
}


class Layer(NamedTuple):
    """One layer: how it mixes tokens and what it multiplies them with."""

    mixer: Mixer
    feed_forward: FeedForward


Pattern = Callable[[Fields, int], list[Mixer]]


@dataclass(frozen=True)
class Architecture:
    """How a ``model_type`` differs from a plain Llama."""

    mixers: Pattern
    tied: bool = False
    gated_mlp: bool = True
    query_gate: bool = False
    qkv_bias: bool = False
    output_bias: bool = False
    expert_bias: bool = False
    head_dim: int | None = None
    norms_per_layer: int = 2
    one_part_layers: bool = False
    moe: bool | None = None


def layers_of(fields: Fields, architecture: Architecture) -> list[Layer]:
    """Every layer of the model, in order."""
    if architecture.one_part_layers:
        pattern = fields.text("hybrid_override_pattern") or ""
        unknown = set(pattern) - set(PATTERN_LETTERS)
        if not pattern or unknown or len(pattern) > MAX_LAYERS:
            raise ImportFileError(fields.file, "hybrid_override_pattern: expected up to 2000 letters of M * - E")
        return [Layer(*PATTERN_LETTERS[letter]) for letter in pattern]
    number = fields.count("num_hidden_layers", high=MAX_LAYERS)
    mixers = architecture.mixers(fields, number)
    return [Layer(mixer, _feed_forward(fields, architecture, index)) for index, mixer in enumerate(mixers)]


def _feed_forward(fields: Fields, architecture: Architecture, index: int) -> FeedForward:
    experts = fields.optional("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
    if not experts or architecture.moe is False:
        return "dense"
    dense = (
        index < fields.optional("first_k_dense_replace", "moe_layer_start_index")
        or index in fields.items("mlp_only_layers")
        or (index + 1) % (fields.optional("decoder_sparse_step", "interleave_moe_layer_step") or 1)
    )
    return "dense" if dense else "moe"


def _all(mixer: Mixer) -> Pattern:
    return lambda _, number: [mixer] * number


def _named(default: Pattern) -> Pattern:
    """``layer_types`` where the file lists them, else a default pattern."""

    def mixers(fields: Fields, number: int) -> list[Mixer]:
        names = fields.items("layer_types")
        if not names:
            return default(fields, number)
        unknown = [name for name in names if not isinstance(name, str) or name not in NAMED_MIXERS]
        if unknown or len(names) != number:
            problem = f"unknown kind {unknown[0]!r}" if unknown else f"{len(names)} kinds for {number} layers"
            raise ImportFileError(fields.file, f"layer_types: {problem}")
        return [NAMED_MIXERS[name] for name in names]

    return mixers


def _every(period_field: str, period: int, most: Mixer, last: Mixer) -> Pattern:
    """``last`` in every period-th layer, ``most`` in the others."""

    def mixers(fields: Fields, number: int) -> list[Mixer]:
        every = fields.count_or(period, period_field) or period
        return [last if (index + 1) % every == 0 else most for index in range(number)]

    return _named(mixers)


def _windowed(fields: Fields, number: int) -> list[Mixer]:
    """Sliding in all layers when the file gives a window and says to use it."""
    used = fields.optional("sliding_window") > 0 and fields.flag("use_sliding_window", default=True)
    return ["sliding" if used else "full"] * number


def _three_of_four_if_windowed(fields: Fields, number: int) -> list[Mixer]:
    """Three sliding layers to one full, for models of this kind that have a window at all."""
    if not fields.optional("sliding_window"):
        return ["full"] * number
    return ["full" if (index + 1) % 4 == 0 else "sliding" for index in range(number)]


LLAMA = Architecture(_named(_all("full")))
QWEN3 = Architecture(_named(_all("full")), head_dim=128)
DEEPSEEK = Architecture(_all("mla"))
GATED_DELTA = Architecture(_every("full_attention_interval", 4, "gated_delta", "full"), query_gate=True, head_dim=256)
ARCHITECTURES: dict[str, Architecture] = {
    **dict.fromkeys(("llama", "smollm3", "granite", "phi3", "ministral3"), LLAMA),
    **dict.fromkeys(("qwen3", "qwen3_moe", "qwen3_vl_text", "qwen3_vl_moe_text", "minimax_m2"), QWEN3),
    **dict.fromkeys(("glm4_moe", "solar_open", "dots1", "ernie4_5_moe"), QWEN3),
    **dict.fromkeys(
        ("deepseek_v2", "deepseek_v3", "deepseek_v32", "kimi_k2", "glm4_moe_lite", "glm_moe_dsa"), DEEPSEEK
    ),
    **dict.fromkeys(("qwen3_next", "qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text"), GATED_DELTA),
    **dict.fromkeys(("exaone4", "olmo3"), Architecture(_named(_three_of_four_if_windowed))),
    "mistral": Architecture(_named(_windowed)),
    "mixtral": Architecture(_windowed),
    "qwen2": Architecture(_named(_all("full")), qkv_bias=True),
    "qwen2_5_vl_text": Architecture(_named(_all("full")), qkv_bias=True),
    "qwen2_5_vl": Architecture(_named(_all("full")), qkv_bias=True),
    "seed_oss": Architecture(_named(_all("full")), qkv_bias=True, head_dim=128),
    "gemma2": Architecture(_every("", 2, "sliding", "full"), tied=True, head_dim=256, norms_per_layer=4),
    "gemma3_text": Architecture(
        _every("sliding_window_pattern", 6, "sliding", "full"), tied=True, head_dim=256, norms_per_layer=4
    ),
    "gpt_oss": Architecture(
        _every("", 2, "sliding", "full"), qkv_bias=True, output_bias=True, expert_bias=True, head_dim=64
    ),
    "llama4_text": Architecture(_every("no_rope_layer_interval", 4, "chunked", "full"), head_dim=128),
    "nemotron_h": Architecture(_all("full"), gated_mlp=False, norms_per_layer=1, one_part_layers=True),
    "granitemoehybrid": Architecture(_named(_all("full")), tied=True),
}
