"""The physical terms of a decode step, in seconds at perfect efficiency; ``prompts`` has those of a prefill.

A *decode step* makes one token for each of B streams. It reads every dense weight once, the distinct experts that the
B tokens are routed to, and each stream's KV cache; it multiplies B tokens with the weights it read; and it launches
some kernels per layer. Each function returns the terms by name; what an engine makes of them (its efficiency on bytes, its
time per layer) is the calibration's.

All arguments are NumPy arrays of a common shape (n,) or broadcastable to it; times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from catalog.columns import Columns
from catalog.physics.kv import kv_streamed_bytes

Floats = NDArray[np.float64]

LAYER_SECONDS = 1e-5
"""Unit of the overheads per layer: about two kernel launches."""
STEP_SECONDS = 1e-3
"""Unit of the overhead per step: sampling, scheduling, detokenising."""
SEQUENCE_SECONDS = 1e-4
"""Unit of the overhead per stream and step."""
SKEW = 3.0
"""How unevenly real text chooses experts (see ``expert_share``)."""
EXCHANGED_BYTES = 2.0
"""Bytes of a value that units send each other."""
LEAST_SKEW = 1e-6
"""Stands for none."""


@dataclass(frozen=True)
class Shapes(Columns):
    """What physics needs to know of n (model, quant, engine) triples. Shapes (n,); bytes, parameters and counts.

    A layer is one token mixer and one feed-forward; where a model stacks them one by one, two of them count as one.
    """

    stored_bytes: Floats
    dense_bytes: Floats
    expert_bytes: Floats
    experts: Floats
    experts_per_token: Floats
    dense_params: Floats
    wide_params: Floats
    """Those of them that a prompt is multiplied with in 16 bits because they are stored so, whatever the quant's kernels can do."""
    expert_params: Floats
    head_bytes: Floats
    head_params: Floats
    kv_full_values: Floats
    kv_window_values: Floats
    kv_window_tokens: Floats
    kv_sparse_values: Floats
    kv_sparse_tokens: Floats
    state_bytes: Floats
    attention_full_flops: Floats
    attention_window_flops: Floats
    attention_sparse_flops: Floats
    layers: Floats
    moe_layers: Floats
    linear_layers: Floats
    hidden_size: Floats

    def __len__(self) -> int:
        return len(self.stored_bytes)

    @cached_property
    def routed_share(self) -> Floats:
        """Share of the experts that one token is routed to: k/E; 0 for dense models."""
        return np.divide(self.experts_per_token, self.experts, out=np.zeros(len(self)), where=self.experts > 0)

    @cached_property
    def narrow_share(self) -> Floats:
        """Share of the dense parameters a prompt is multiplied with that the quant's kernels multiply."""
        return 1.0 - self.wide_params / np.maximum(self.dense_params - self.head_params, 1.0)

    @cached_property
    def log_unrouted_share(self) -> Floats:
        """log(1 - k/E), of the share that one token leaves unread; finite where a token takes them all."""
        return np.log1p(-np.minimum(self.routed_share, 1.0 - 1e-12))

    @cached_property
    def active_params(self) -> Floats:
        """Parameters one token is multiplied with."""
        return self.dense_params + self.expert_params * self.routed_share


@dataclass(frozen=True)
class Devices(Columns):
    """Where it runs. Peaks are dense; ``parallel`` is how many units work on one token at a time."""

    bandwidth_bytes_s: Floats
    reachable_bytes_s: Floats
    """What the best read kernel reaches of the bandwidth."""
    peak_flops: Floats
    attention_peak_flops: Floats
    parallel: Floats
    units: Floats
    link_bytes_s: Floats


@dataclass(frozen=True)
class Load:
    """What is asked of it: tokens, streams, bytes per cached value, draft tokens per step (0: no speculation) and what they yield."""

    isl: Floats
    osl: Floats
    context: Floats
    concurrency: Floats
    kv_bytes_per_value: Floats
    draft_tokens: Floats
    accepted: Floats
    """Tokens that a step is expected to yield each stream."""
    block_draft: Floats
    batch_tokens: Floats
    """Tokens of prompts that the engine pushes through the weights together."""
    skew: Floats
    """How unevenly its tokens choose experts: SKEW for real text, 0 for random weights."""


def expert_share(shapes: Shapes, tokens: Floats, skew: Floats) -> Floats:
    """Share of the experts that ``tokens`` tokens touch, k/E for one; 0 for dense models.

    Some experts are chosen more often than others, so tokens share them. If how often follows a gamma distribution whose
    variance is ``skew`` times its mean squared, n tokens leave an expert untouched with probability (1 + n·c)^(-1/skew), where c
    makes that of one token 1 - k/E. Without skew it is (1 - k/E)^n.
    """
    skew = np.maximum(skew, LEAST_SKEW)
    chosen = np.expm1(-skew * shapes.log_unrouted_share)
    return np.asarray(-np.expm1(-np.log1p(tokens * chosen) / skew))


def step_bytes(shapes: Shapes, load: Load) -> Floats:
    """Bytes a decode step must read: dense weights, distinct experts, every stream's cache. Over all units."""
    return weights_read_bytes(shapes, load) + load.concurrency * cache_bytes(shapes, load)


def weights_read_bytes(shapes: Shapes, load: Load) -> Floats:
    """Of them, the weights."""
    share = expert_share(shapes, load.concurrency, load.skew)
    return shapes.dense_bytes + shapes.expert_bytes * share


def cache_bytes(shapes: Shapes, load: Load) -> Floats:
    """Of them, one stream's cache."""
    return kv_streamed_bytes(shapes, load.context, load.kv_bytes_per_value)


def decode_ceiling_tok_s(shapes: Shapes, devices: Devices, load: Load) -> Floats:
    """Tokens per second of one stream that no engine can exceed without speculation: bandwidth over bytes, or peak over FLOPs."""
    bandwidth, compute_s = pooled_bytes_s(devices, load), pooled_compute_s(shapes, devices, load)
    return ceiling_tok_s(step_bytes(shapes, load), bandwidth, compute_s)


def ceiling_tok_s(bytes_per_step: Floats, pooled_bytes_s: Floats, pooled_compute_s: Floats) -> Floats:
    """The same of its parts."""
    return 1.0 / np.maximum(bytes_per_step / pooled_bytes_s, pooled_compute_s)


def pooled_bytes_s(devices: Devices, load: Load) -> Floats:
    """Bandwidth of the units that can work on a step at once: all of them where there are several streams."""
    return devices.bandwidth_bytes_s * np.where(load.concurrency > 1, devices.units, devices.parallel)


def pooled_compute_s(shapes: Shapes, devices: Devices, load: Load) -> Floats:
    """Seconds that the multiplications of a step take them at their peak."""
    together = np.where(load.concurrency > 1, devices.units, devices.parallel)
    return 2.0 * shapes.active_params * load.concurrency / (devices.peak_flops * together)


def decode_terms(shapes: Shapes, devices: Devices, load: Load, prefill_s: Floats, total: Floats) -> dict[str, Floats]:
    """Terms of the time per step of one stream: the step itself, every stream's cache, and the prefills in between."""
    read = load.concurrency * cache_bytes(shapes, load)
    step, cache = step_terms(shapes, devices, load), {name: read * unit for name, unit in cache_units(devices).items()}
    reachable = step["reachable"] + cache["reachable"]
    return {**step, **cache, "reachable": reachable, "interleave": interleaved_s(load, prefill_s, total)}


def step_terms(shapes: Shapes, devices: Devices, load: Load) -> dict[str, Floats]:
    """Terms of a step that the number of streams decides alone, whatever their lengths.

    A step yields one token, or with speculation ``accepted`` ones for one wider step of draft_tokens + 1 tokens plus drafting.
    ``state`` is one more reading and writing of the recurrent states of all streams but one: engines may gather those of several
    and put them back, how often is learnt; a lone stream's stay in their place.
    """
    bandwidth = devices.bandwidth_bytes_s * devices.parallel
    streams = load.concurrency
    tokens = streams * (load.draft_tokens + 1.0)
    share = expert_share(shapes, tokens, load.skew)
    drafts = np.where(load.block_draft > 0, np.minimum(load.draft_tokens, 1.0), load.draft_tokens)
    draft_bytes = shapes.head_bytes + shapes.dense_bytes / np.maximum(shapes.layers, 1.0)
    exchange = exchanges(shapes, devices)
    weights, experts = shapes.dense_bytes / bandwidth, shapes.expert_bytes * share / bandwidth
    return {
        "weights": weights,
        "experts": experts,
        "reachable": (weights + experts) * (devices.bandwidth_bytes_s / devices.reachable_bytes_s),
        "compute": 2.0 * tokens * shapes.active_params / (devices.peak_flops * devices.parallel),
        "step": np.full(len(shapes), STEP_SECONDS),
        "layer": shapes.layers * LAYER_SECONDS,
        "moe": shapes.moe_layers * LAYER_SECONDS,
        "linear": shapes.linear_layers * LAYER_SECONDS,
        "state": 2.0 * (streams - 1.0) * shapes.state_bytes / bandwidth,
        "sequence": streams * SEQUENCE_SECONDS,
        "link latency": exchange.hops * LAYER_SECONDS,
        "link": tokens * exchange.bytes_per_token / devices.link_bytes_s,
        "draft": drafts * draft_bytes / bandwidth,
    }


class Exchange(NamedTuple):
    """What units tell each other for a token: bytes that each sends, and how often all wait for it."""

    bytes_per_token: Floats
    hops: Floats


def exchanges(shapes: Shapes, devices: Devices) -> Exchange:
    """None on one unit. Tensor parallel sums up twice a layer, a ring over n units sends 2 (n - 1) / n of the sum; a pipeline hands on n - 1 times."""
    units, vector = devices.units, shapes.hidden_size * EXCHANGED_BYTES
    sums = np.where(devices.parallel > 1, 2.0 * shapes.layers, 0.0)
    handed = np.where(devices.parallel > 1, 0.0, units - 1.0)
    return Exchange(vector * (sums * 2.0 * (units - 1.0) / units + handed), sums + handed)


def cache_units(devices: Devices) -> dict[str, Floats]:
    """Terms of reading one byte of a cache."""
    bandwidth = devices.bandwidth_bytes_s * devices.parallel
    return {"kv": 1.0 / bandwidth, "reachable": 1.0 / (devices.reachable_bytes_s * devices.parallel)}


def interleaved_s(load: Load, prefill_s: Floats, total: Floats) -> Floats:
    """Seconds of others' prefills per step: servers that start B requests together interleave them with decoding.

    A stream meets (B-1)/2 of them, each of ``prefill_s``, on average over the steps of its osl tokens; the total throughput,
    where ``total`` is 1, waits for all B-1.
    """
    return (load.concurrency - 1.0) * (0.5 + 0.5 * total) * prefill_s * load.accepted / load.osl


def accepted_tokens(draft_tokens: Floats, acceptance: float) -> Floats:
    """Expected tokens per speculative step: 1 + a + … + a^N for N drafts, each accepted with probability a."""
    return np.asarray((1.0 - acceptance ** (draft_tokens + 1.0)) / (1.0 - acceptance))


def acceptance_elasticity(draft_tokens: Floats, acceptance: float) -> Floats:
    """How much the logarithm of ``accepted_tokens`` gains per unit of the log odds a / (1 - a) of a draft; 0 without drafts.

    With S the accepted tokens, d log S / d logit a = a · (1 - (N + 1) · a^N · (1 - a) / (1 - a^(N + 1))): as S = (1 - a^(N+1)) / (1 - a)
    and d a / d logit a = a · (1 - a).
    """
    last = acceptance**draft_tokens
    return np.asarray(acceptance * (1.0 - (draft_tokens + 1.0) * last * (1.0 - acceptance) / (1.0 - acceptance * last)))
