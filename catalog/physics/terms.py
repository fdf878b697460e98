"""The physical terms of a decode step and of a prompt's prefill, in seconds at perfect efficiency.

A *decode step* makes one token for each of B streams. It reads every dense weight once, the distinct experts that the
B tokens are routed to, and each stream's KV cache; it multiplies B tokens with the weights it read; and it launches
some kernels per layer. A *prefill* pushes isl tokens through the same weights: FLOPs dominate. Each function returns
the terms by name; what an engine makes of them (its efficiency on bytes, its time per layer) is the calibration's.

All arguments are NumPy arrays of a common shape (n,) or broadcastable to it; times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from catalog.columns import Columns
from catalog.physics.kv import kv_streamed_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

Floats = NDArray[np.float64]

LAYER_SECONDS = 1e-5
"""Unit of the overheads per layer: about two kernel launches."""
STEP_SECONDS = 1e-3
"""Unit of the overhead per step: sampling, scheduling, detokenising."""
SEQUENCE_SECONDS = 1e-4
"""Unit of the overhead per stream and step."""
REQUEST_SECONDS = 1e-2
"""Unit of the overhead per request."""
FIRST_SECONDS = 1e-2
"""Unit of what a first token takes beyond the prefill."""
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


def prefill_ceiling_tok_s(shapes: Shapes, devices: Devices) -> Floats:
    """Prompt tokens per second that no engine can exceed: dense peak over two FLOPs per parameter and token."""
    body = shapes.active_params - shapes.head_params
    return devices.peak_flops * devices.units / (2.0 * body)


def decode_terms(shapes: Shapes, devices: Devices, load: Load, prefill_s: Floats, total: Floats) -> dict[str, Floats]:
    """Terms of the time per step of one stream: the step itself, every stream's cache, and the prefills in between."""
    read = load.concurrency * cache_bytes(shapes, load)
    step, cache = step_terms(shapes, devices, load), {name: read * unit for name, unit in cache_units(devices).items()}
    reachable = step["reachable"] + cache["reachable"]
    return {**step, **cache, "reachable": reachable, "interleave": interleaved_s(load, prefill_s, total)}


def step_terms(shapes: Shapes, devices: Devices, load: Load) -> dict[str, Floats]:
    """Terms of a step that the number of streams decides alone, whatever their lengths.

    A step yields one token, or with speculation ``accepted`` ones for one wider step of draft_tokens + 1 tokens plus drafting.
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


def prefill_terms(shapes: Shapes, devices: Devices, load: Load, first: Floats) -> dict[str, Floats]:
    """Terms of one request's share in a prefill; ``first`` is 1 where the time to the first token is meant."""
    units = prompt_units(shapes, devices)
    terms = {**prompt_terms(units, shapes, load), **pass_terms(units, shapes, load)}
    return terms | {"first": first * FIRST_SECONDS}


def prefills_waited_for(load: Load) -> Floats:
    """Prefills until a request's own is done, on average over B that start together: (B + g) / 2.

    Prompts that go through the weights in one batch, g of them, are done together; longer ones one after the other (g = 1).
    """
    together = np.clip(load.batch_tokens / load.isl, 1.0, load.concurrency)
    return np.asarray((load.concurrency + together) / 2.0)


@dataclass(frozen=True)
class PromptUnits(Columns):
    """Seconds of what a prompt is made of, each named by its term and by what it is for. Shapes (n,).

    For a token, for a pair of tokens of which one sees the other (all of them; within a window; what an indexer lets through),
    for the request, and for a pass of a batch through the weights.
    """

    dense_token: Floats
    experts_token: Floats
    attention_pair: Floats
    attention_window_pair: Floats
    attention_sparse_pair: Floats
    link_token: Floats
    request: Floats
    read_dense: Floats
    read_experts: Floats
    """If a batch touches all experts."""
    layer_pass: Floats

    def scaled(self, factor: Mapping[str, Floats]) -> PromptUnits:
        """Each times the factor on its term, which its name begins with."""
        return PromptUnits(**{name: x * factor[name.partition("_")[0]] for name, x in vars(self).items()})


def prompt_units(shapes: Shapes, devices: Devices) -> PromptUnits:
    """The units at perfect efficiency. The output head sees only a prompt's last token, so it is left out."""
    peak = devices.peak_flops * devices.parallel
    attention_peak = devices.attention_peak_flops * devices.parallel
    bandwidth = devices.bandwidth_bytes_s * devices.parallel
    return PromptUnits(
        dense_token=2.0 * (shapes.dense_params - shapes.head_params) / peak,
        experts_token=2.0 * shapes.expert_params * shapes.routed_share / peak,
        attention_pair=shapes.attention_full_flops / attention_peak,
        attention_window_pair=shapes.attention_window_flops / attention_peak,
        attention_sparse_pair=shapes.attention_sparse_flops / attention_peak,
        link_token=exchanges(shapes, devices).bytes_per_token / devices.link_bytes_s,
        request=np.full(len(shapes), REQUEST_SECONDS),
        read_dense=shapes.dense_bytes / bandwidth,
        read_experts=shapes.expert_bytes / bandwidth,
        layer_pass=shapes.layers * 10.0 * LAYER_SECONDS,
    )


def prompt_terms(units: PromptUnits, shapes: Shapes, load: Load) -> dict[str, Floats]:
    """What one request's prompt costs, whoever waits beside it: each token attends to the history and to those before it."""
    before = np.maximum(load.context - load.isl, 0.0)
    pairs = load.isl * (before + load.isl / 2.0)
    in_window = pairs_within(shapes.kv_window_tokens, before, load.isl)
    skipped = pairs - pairs_within(shapes.kv_sparse_tokens, before, load.isl)
    attention_s = pairs * units.attention_pair + in_window * units.attention_window_pair
    return {
        "dense": load.isl * units.dense_token,
        "experts": load.isl * units.experts_token,
        "attention": attention_s - skipped * units.attention_sparse_pair,
        "request": units.request,
        "link": load.isl * units.link_token,
    }


def pairs_within(window: Floats, before: Floats, isl: Floats) -> Floats:
    """Pairs of a prompt's tokens with those before them, as far as a window reaches: the sum of min(x, window) over their places x.

    Its integral is x²/2 up to the window, and straight beyond.
    """

    def integral(x: Floats) -> Floats:
        within = np.minimum(x, window)
        return within * (x - within / 2.0)

    return np.asarray(integral(before + isl) - integral(before))


def pass_terms(units: PromptUnits, shapes: Shapes, load: Load) -> dict[str, Floats]:
    """A request's share in reading the weights, once per batch of tokens, which requests that wait together fill together."""
    together = load.concurrency * load.isl
    passes = np.maximum(np.ceil(together / load.batch_tokens), 1.0) / load.concurrency
    touched = expert_share(shapes, np.minimum(together, load.batch_tokens), load.skew)
    return {"read": passes * (units.read_dense + units.read_experts * touched), "layer": passes * units.layer_pass}


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
