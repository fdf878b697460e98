"""Parameters by tensor class, from the dimensions in a config.json.

Every product below is a weight matrix's shape; biases and norms are counted where they weigh anything.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.importers.bounded import MAX_LAYERS, MAX_PARAMETERS, Fields, ImportFileError

if TYPE_CHECKING:
    from catalog.facts import TensorClass
    from catalog.importers.layers import Architecture, Layer, Mixer

SHARED_WIDTHS = ("shared_expert_intermediate_size", "shared_intermediate_size", "moe_shared_expert_intermediate_size")
SHARED_NUMBERS = ("n_shared_experts", "moe_num_shared_experts", "num_shared_experts")
SHARED_OF_LLAMA4 = "interleave_moe_layer_step"


@dataclass(frozen=True)
class Dims:
    """The dimensions most layers need."""

    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    tied: bool


def dims_of(fields: Fields, architecture: Architecture) -> Dims:
    """The common dimensions of a config. Raises ImportFileError for what is missing or absurd."""
    hidden = fields.count("hidden_size", high=10**6)
    heads = fields.count("num_attention_heads", high=hidden)
    return Dims(
        hidden=hidden,
        heads=heads,
        kv_heads=fields.count_or(heads, "num_key_value_heads", high=heads) or heads,
        head_dim=fields.count_or(architecture.head_dim or hidden // heads, "head_dim", high=10**5) or hidden // heads,
        vocab=fields.count("vocab_size", high=10**8),
        tied=fields.flag("tie_word_embeddings", default=architecture.tied),
    )


def parameters_of(fields: Fields, architecture: Architecture, layers: list[Layer]) -> dict[TensorClass, int]:
    """Parameters of the text part by tensor class. Raises ImportFileError when they add up to an absurd number."""
    dims = dims_of(fields, architecture)
    total: Counter[TensorClass] = Counter({"embed": dims.vocab * dims.hidden})
    if not dims.tied:
        total["lm_head"] = dims.vocab * dims.hidden
    for layer, number in Counter(layers).items():
        for part in (_mixer(layer.mixer, fields, dims, architecture), _feed_forward(layer, fields, dims, architecture)):
            total.update({name: count * number for name, count in part.items()})
        total["other"] += architecture.norms_per_layer * dims.hidden * number
    total["other"] += dims.hidden
    if total.total() > MAX_PARAMETERS:
        raise ImportFileError(fields.file, "its dimensions multiply to more than 1e14 parameters: one of them is wrong")
    return {name: count for name, count in total.items() if count}


def encoder_parameters(vision: Fields) -> int:
    """Parameters of a vision transformer and its merger; 0 where the config does not give its dimensions.

    Patch and position embeddings are left out: under one percent.
    """
    hidden, width = vision.optional("hidden_size"), vision.optional("intermediate_size")
    layers = vision.count_or(0, "depth", "num_hidden_layers", high=MAX_LAYERS) or 0
    output, merge = vision.optional("out_hidden_size"), vision.optional("spatial_merge_size")
    merged = hidden * merge * merge
    return layers * (4 * hidden * hidden + 2 * hidden * width) + merged * (merged + output)


def expert_width(fields: Fields) -> int:
    """Intermediate size of one routed expert."""
    return fields.count("moe_intermediate_size", "intermediate_size")


def shared_experts(fields: Fields) -> tuple[int, int]:
    """Number of shared experts and the width of each; (0, 0) where there are none."""
    width = fields.optional(*SHARED_WIDTHS)
    if SHARED_OF_LLAMA4 in fields.values:
        return 1, fields.count("intermediate_size")
    number = fields.count_or(1 if width else 0, *SHARED_NUMBERS, high=1000) or 0
    return (number, width or expert_width(fields)) if number else (0, 0)


def _mixer(kind: Mixer, fields: Fields, dims: Dims, architecture: Architecture) -> Counter[TensorClass]:
    if kind == "none":
        return Counter()
    if kind == "mla":
        return Counter({"attn": _mla(fields, dims)})
    if kind == "gated_delta":
        return Counter({"linear_attn": _gated_delta(fields, dims)})
    if kind == "mamba2":
        return Counter({"linear_attn": _mamba2(fields, dims)})
    return Counter({"attn": _grouped_query(fields, dims, architecture)})


def _grouped_query(fields: Fields, dims: Dims, architecture: Architecture) -> int:
    queries, keys = dims.heads * dims.head_dim, dims.kv_heads * dims.head_dim
    gates = queries if architecture.query_gate else 0
    weights = dims.hidden * (queries + gates + 2 * keys) + queries * dims.hidden
    biased = architecture.qkv_bias or fields.flag("attention_bias", default=False)
    return weights + (queries + 2 * keys if biased else 0) + (dims.hidden if architecture.output_bias else 0)


def _mla(fields: Fields, dims: Dims) -> int:
    """Multi-head latent attention: low-rank queries, one latent for keys and values, and a sparse indexer if any."""
    rank, latent = fields.optional("q_lora_rank"), fields.count("kv_lora_rank")
    rope, nope = fields.count("qk_rope_head_dim"), fields.count("qk_nope_head_dim")
    value = fields.count("v_head_dim")
    wide = dims.heads * (nope + rope)
    query = dims.hidden * rank + rank * wide if rank else dims.hidden * wide
    keys_values = dims.hidden * (latent + rope) + latent * dims.heads * (nope + value)
    index_heads, index_dim = fields.optional("index_n_heads"), fields.optional("index_head_dim")
    indexer = rank * index_heads * index_dim + dims.hidden * (index_dim + index_heads)
    return query + keys_values + dims.heads * value * dims.hidden + indexer


def _gated_delta(fields: Fields, dims: Dims) -> int:
    keys = fields.count("linear_num_key_heads") * fields.count("linear_key_head_dim")
    value_heads = fields.count("linear_num_value_heads")
    values = value_heads * fields.count("linear_value_head_dim")
    kernel = fields.count_or(4, "linear_conv_kernel_dim") or 4
    return dims.hidden * (2 * keys + 3 * values + 2 * value_heads) + (2 * keys + values) * kernel


def _mamba2(fields: Fields, dims: Dims) -> int:
    heads = fields.count("mamba_num_heads", "mamba_n_heads")
    inner = heads * fields.count("mamba_head_dim", "mamba_d_head")
    groups = fields.count_or(1, "n_groups", "mamba_n_groups") or 1
    state = fields.count("ssm_state_size", "mamba_d_state")
    kernel = fields.count_or(4, "conv_kernel", "mamba_d_conv") or 4
    convolved = inner + 2 * groups * state
    return (
        dims.hidden * (inner + convolved + heads) + convolved * (kernel + 1) + 3 * heads + inner + inner * dims.hidden
    )


def _feed_forward(layer: Layer, fields: Fields, dims: Dims, architecture: Architecture) -> Counter[TensorClass]:
    matrices = 3 if architecture.gated_mlp else 2
    if layer.feed_forward == "none":
        return Counter()
    if layer.feed_forward == "dense":
        return Counter(
            {"dense_mlp": matrices * dims.hidden * fields.count("intermediate_size_mlp", "intermediate_size")}
        )
    experts = fields.count("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", high=10**5)
    latent = fields.optional("moe_latent_size")
    width = expert_width(fields)
    each = matrices * (latent or dims.hidden) * width + (2 * width + dims.hidden if architecture.expert_bias else 0)
    number, shared = shared_experts(fields)
    gate = dims.hidden if "shared_expert_intermediate_size" in fields.values else 0
    return Counter(
        {
            "routed_experts": experts * each,
            "router": dims.hidden * experts + 2 * dims.hidden * latent,
            "shared_experts": number * matrices * dims.hidden * shared + gate,
        }
    )
