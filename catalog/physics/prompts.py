"""The physical terms of a prompt's prefill, in seconds at perfect efficiency.

A *prefill* pushes isl tokens through the weights that a decode step reads: FLOPs dominate. Its arguments and its terms are as
those of a step, see ``terms``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from catalog.columns import Columns
from catalog.physics.terms import LAYER_SECONDS, exchanges, expert_share

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog.physics.terms import Devices, Floats, Load, Shapes

REQUEST_SECONDS = 1e-2
"""Unit of the overhead per request."""
FIRST_SECONDS = 1e-2
"""Unit of what a first token takes beyond the prefill."""


def prefill_ceiling_tok_s(shapes: Shapes, devices: Devices) -> Floats:
    """Prompt tokens per second that no engine can exceed: dense peak over two FLOPs per parameter and token."""
    body = shapes.active_params - shapes.head_params
    return devices.peak_flops * devices.units / (2.0 * body)


def prefill_terms(shapes: Shapes, devices: Devices, load: Load, first: Floats) -> dict[str, Floats]:
    """Terms of one request's share in a prefill; ``first`` is 1 where the time to the first token is meant."""
    return {**request_terms(prompt_units(shapes, devices), shapes, load), "first": first * FIRST_SECONDS}


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
        return PromptUnits(**{name: x * factor[name.partition("_")[0]] for name, x in self.values().items()})


def prompt_units(shapes: Shapes, devices: Devices) -> PromptUnits:
    """The units at perfect efficiency. The output head sees only a prompt's last token, so it is left out."""
    peak = devices.peak_flops * devices.parallel
    wide_peak = devices.attention_peak_flops * devices.parallel
    narrow = shapes.dense_params - shapes.head_params - shapes.wide_params
    bandwidth = devices.bandwidth_bytes_s * devices.parallel
    return PromptUnits(
        dense_token=2.0 * (narrow / peak + shapes.wide_params / wide_peak),
        experts_token=2.0 * shapes.expert_params * shapes.routed_share / peak,
        attention_pair=shapes.attention_full_flops / wide_peak,
        attention_window_pair=shapes.attention_window_flops / wide_peak,
        attention_sparse_pair=shapes.attention_sparse_flops / wide_peak,
        link_token=exchanges(shapes, devices).bytes_per_token / devices.link_bytes_s,
        request=np.full(len(shapes), REQUEST_SECONDS),
        read_dense=shapes.dense_bytes / bandwidth,
        read_experts=shapes.expert_bytes / bandwidth,
        layer_pass=shapes.layers * 10.0 * LAYER_SECONDS,
    )


def request_terms(units: PromptUnits, shapes: Shapes, load: Load) -> dict[str, Floats]:
    """Terms of one request's share in a prefill, its first token apart."""
    return {**prompt_terms(units, shapes, load), **pass_terms(units, shapes, load)}


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
