"""What an engine allocates on each unit: weights, KV cache, and what is neither.

Speculation adds what drafts: the model's own MTP layers, each counted as one average layer with its experts, or a
published draft head, counted as one dense layer.

The third part is scratch and run-time. Scratch is set by the widest moment of a prompt batch: three copies of the
hidden state, and either one layer's inside (gate, up and their product; the queries and outputs of all heads; the
experts of each token) or, in engines that keep logits for the whole batch, a vocabulary's worth of them. The llama.cpp
allocator leaves about one hidden state per chosen expert unused below the logits of a mixture: 0 to 2.3 were seen,
depending on how blocks happen to fit, so a mixture's buffers are known within -23 % to +10 %. Its attention masks add
2 bytes per cell and token of the batch, once for full layers and once for windows. Run-time (device context, kernels,
graphs) is the engine's own figure.

Several units: tensor parallelism splits weights and KV heads, but a unit holds at least one KV head and the whole
latent of MLA; a pipeline splits by whole layers, and one unit holds the output head as well. Scratch is not split.

What the operating system and the desktop keep is not here: it is missing from the budget.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from catalog.columns import Columns
from catalog.facts import Buffers
from catalog.physics.kv import kv_allocated_bytes, kv_shape, padded
from catalog.physics.weights import weight_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.facts import AttentionGroup, Engine, Model, Quant
    from catalog.physics.weights import WeightBytes

Floats = NDArray[np.float64]

HIDDEN_COPIES = 3.0
"""Hidden states of a batch alive at once: the embeddings, the residual and the normed one."""
MLP_COPIES = 3.0
"""Gate, up and their product."""
MASK_BYTES = 2.0
UNSTATED_BUFFERS = Buffers(batch_tokens=8192, activation_bytes=2, block_tokens=16, source="the largest default known")
UNSTATED_RUNTIME_BYTES = 1.74e9
"""Run-time of an engine whose own figure is not known: as vLLM's (see its file)."""


@dataclass(frozen=True)
class Footprint(Columns):
    """What one unit holds of n configs before the workload is known: scalars for one config, columns (n,) for many."""

    weights_bytes: Any
    kv_full_values: Any
    kv_window_values: Any
    kv_window_tokens: Any
    state_bytes: Any
    block_tokens: Any
    batch_tokens: Any
    mask_bytes_per_cell: Any
    fixed_overhead_bytes: Any


def footprint(model: Model, quant: Quant, engine: Engine, units: int = 1, speculation: str = "none") -> Footprint:
    """The footprint on each of ``units``. Raises ValueError where the bytes of the weights are not known."""
    weights = weight_bytes(model, quant, engine.id)
    if weights is None:
        raise ValueError(f"the stored bits of {quant.id} or the architecture of {model.id} are not known")
    drafts = draft_bytes(model, weights, speculation)
    tensor = engine.multi_unit == "tensor"
    buffers = engine.buffers or UNSTATED_BUFFERS
    cache, layers = kv_shape(model, units if tensor else 1), 1.0 if tensor else layer_share(model, units)
    runtime = UNSTATED_RUNTIME_BYTES if engine.runtime_bytes is None else engine.runtime_bytes
    return Footprint(
        weights_bytes=(weights.stored_bytes + drafts) / units if tensor else pipeline_bytes(weights, layers) + drafts,
        kv_full_values=cache.kv_full_values * layers,
        kv_window_values=cache.kv_window_values * layers,
        kv_window_tokens=cache.kv_window_tokens,
        state_bytes=cache.state_bytes * layers,
        block_tokens=buffers.block_tokens,
        batch_tokens=buffers.batch_tokens,
        mask_bytes_per_cell=MASK_BYTES * buffers.batch_tokens if buffers.attention_mask else 0.0,
        fixed_overhead_bytes=scratch_bytes(model, buffers) + runtime,
    )


def columns(footprints: Sequence[Footprint]) -> Footprint:
    """The footprints of n configs as columns (n,)."""
    return Footprint(*(np.array([getattr(f, c.name) for f in footprints], dtype=float) for c in fields(Footprint)))


def memory_bytes(
    held: Footprint, context: Any, concurrency: Any, kv_bytes_per_value: Any
) -> tuple[Floats, Floats, Floats]:
    """Weights, cache and overhead in bytes per unit, for ``concurrency`` streams of up to ``context`` tokens each."""
    cache = kv_allocated_bytes(
        held,
        context,
        concurrency,
        kv_bytes_per_value,
        block_tokens=held.block_tokens,
        batch_tokens=held.batch_tokens,
    )
    overhead = held.fixed_overhead_bytes + mask_bytes(held, context)
    return np.asarray(held.weights_bytes, dtype=float), cache, np.asarray(overhead, dtype=float)


def mask_bytes(held: Footprint, context: Any) -> Floats:
    """Attention masks: one for the layers that see everything, one more if some see a window. Streams share them."""
    cells = padded(context, held.block_tokens)
    window = np.minimum(cells, padded(held.kv_window_tokens + held.batch_tokens, held.block_tokens))
    return np.asarray(held.mask_bytes_per_cell * (cells + np.where(np.asarray(held.kv_window_tokens) > 0, window, 0.0)))


def scratch_bytes(model: Model, buffers: Buffers) -> float:
    """Bytes of activations at the widest moment of a batch."""
    hidden = float(model.hidden_size or 0)
    routed = model.moe.experts_per_token * hidden if model.moe else 0.0
    logits = float(model.vocab_size or 0) + routed if buffers.all_logits else 0.0
    values = HIDDEN_COPIES * hidden + max(logits, widest_layer_values(model))
    return buffers.batch_tokens * buffers.activation_bytes * values


def widest_layer_values(model: Model) -> float:
    """Values per token inside the widest layer."""
    mlp, moe = MLP_COPIES * (model.intermediate_size or 0), model.moe
    if moe:
        width = moe.moe_intermediate_size or 0
        shared = moe.shared_expert_intermediate_size or width * (moe.shared_experts or 0)
        routed = moe.experts_per_token * (MLP_COPIES * width + (model.hidden_size or 0))
        mlp = max(mlp, routed + MLP_COPIES * shared)
    return max([mlp, *(_attention_values(g, model.attention_heads or 0) for g in model.attention)])


def _attention_values(group: AttentionGroup, heads: int) -> float:
    """Queries and outputs of all heads; with MLA, both live in the latent's space."""
    latent = (group.kv_lora_rank or 0) + (group.qk_rope_head_dim or 0)
    return 2.0 * heads * (latent if group.kind == "mla" else group.head_dim or 0)


def draft_bytes(model: Model, weights: WeightBytes, speculation: str) -> float:
    """Bytes of what drafts: MTP layers like the model's own, or a head of one dense layer; n-grams need none."""
    method, layers = speculation.partition("-")[0], model.layers or len(model.attention) or 1
    dense = (weights.dense_read_bytes - weights.head_bytes) / layers
    if method in {"none", "ngram"}:
        return 0.0
    return (model.mtp_layers or 1) * (dense + weights.routed_expert_bytes / layers) if method == "mtp" else dense


def layer_share(model: Model, units: int) -> float:
    """Largest share of the layers on one unit of a pipeline."""
    layers = model.layers or sum(g.layers for g in model.attention) or units
    return math.ceil(layers / units) / layers


def pipeline_bytes(weights: WeightBytes, share: float) -> float:
    """Weights on the fullest unit of a pipeline: its share of the layers, and the output head."""
    return (weights.stored_bytes - weights.head_bytes) * share + weights.head_bytes
