"""The two times that everything is made of, the prefill of a request and the time per output token, and what scales them.

Each effect is one thing physics cannot know. Effects on a term say how an engine, a kernel on a chip or a device uses
bandwidth, compute or launches (a chip is a generation of devices that run the same kernels, as the vendor numbers its
compute capability); effects on the total say what is particular to a body of weights, a config, or (transient)
to a source, its engine version and its runs.
"""

from __future__ import annotations

import math

from catalog.calibration.hierarchy import TOTAL, Effect, Specification
from catalog.calibration.situations import CONTENT_SLOPES, UNSTATED
from catalog.physics.sums import DECODE_SUM, PREFILL_SUM

OVERHEADS = ("step", "layer", "moe", "linear", "sequence")
LAUNCHED = ("layer", "moe", "linear")
"""What an engine may launch as one recorded graph for one token, and kernel by kernel for several."""
STREAMED = DECODE_SUM.streamed
PER_TOKEN = ("interleave",)
"""What a token waits for however many of its step's drafts are accepted: a request's tokens share the prefills of others."""
DECODE_STEPS = 10
"""Three times as many change what is said of models and sources left out by 0.1 to 0.6 % on average."""
PREFILL_STEPS = 6
"""Few on purpose. Whether a prompt waits for reads, for multiplications or for launches is hard to tell from its time alone:
a fit that runs to its end finds slightly likelier answers far from what is usual, and is further off on models it has not seen."""


def _log(mean: float, sd: float) -> tuple[float, float]:
    return math.log(mean), sd


def _acceptance(
    name: str, keys: tuple[str, ...], sd: float, slope: str = "acceptance", *, transient: bool = False
) -> Effect:
    """An effect on the log odds that a draft is accepted: on a step's share of each token, not on what a token waits for."""
    return Effect(name, (TOTAL,), keys, sd, slope=slope, inverse=PER_TOKEN, transient=transient)


DECODE = Specification(
    quantity="decode",
    base={
        "weights": _log(1 / 0.82, 0.1),
        "experts": _log(1 / 0.75, 0.2),
        "kv": _log(1 / 0.6, 0.4),
        "reachable": _log(1.0, 1e-3),
        "compute": _log(4.0, 0.7),
        "step": _log(1.0, 1.0),
        "layer": _log(1.0, 1.0),
        "moe": _log(1.0, 1.0),
        "linear": _log(1.0, 1.0),
        "state": _log(1.0, 1.0),
        "sequence": _log(0.5, 1.0),
        "link latency": _log(5.0, 1.5),
        "link": _log(1.0, 0.7),
        "draft": _log(1.0, 0.5),
        "interleave": _log(0.8, 0.4),
    },
    effects=(
        Effect("device bandwidth", STREAMED, ("hardware",), 0.12),
        Effect("engine weights", ("weights",), ("engine family",), 0.08),
        Effect("chip width", ("weights",), ("chip", "engine family"), 0.08, slope="log width"),
        Effect("kernel", ("weights", "experts"), ("engine family", "kernel"), 0.08),
        Effect("device kernel", ("weights", "experts"), ("hardware", "engine family", "kernel"), 0.08),
        Effect("chip kernel", ("weights", "experts"), ("chip", "engine family", "kernel"), 0.08),
        Effect("engine experts", ("experts",), ("engine family",), 0.08),
        Effect("kernel experts", ("experts",), ("engine family", "kernel"), 0.07),
        Effect("engine expert size", ("experts",), ("engine family",), 0.08, slope="log expert"),
        Effect("device experts", ("experts",), ("hardware", "engine family"), 0.08),
        Effect("experts by concurrency", ("experts",), ("engine family",), 0.05, slope="log tokens"),
        Effect("engine company", ("weights", "experts"), ("engine family",), 0.1, slope="company"),
        Effect("kernel company", ("weights", "experts"), ("engine family", "kernel"), 0.1, slope="company"),
        Effect(
            "chip kernel company", ("weights", "experts"), ("chip", "engine family", "kernel"), 0.1, slope="company"
        ),
        Effect("device company", ("weights", "experts"), ("hardware", "engine family"), 0.1, slope="company"),
        Effect("engine company launches", LAUNCHED, ("engine family",), 1.0, slope="company"),
        Effect("chip company launches", LAUNCHED, ("chip", "engine family"), 0.4, slope="company"),
        Effect("device company launches", LAUNCHED, ("hardware", "engine family"), 0.4, slope="company"),
        Effect("engine cache", ("kv",), ("engine family",), 0.3),
        Effect("device cache", ("kv",), ("hardware", "engine family"), 0.3),
        Effect("body cache", ("kv",), ("body", "engine family"), 0.25),
        Effect("engine step", ("step",), ("engine family",), 0.7),
        Effect("engine layer", ("layer",), ("engine family",), 0.5),
        Effect("engine moe", ("moe",), ("engine family",), 0.5),
        Effect("engine linear", ("linear",), ("engine family",), 0.5),
        Effect("engine state", ("state",), ("engine family",), 0.7),
        Effect("engine sequence", ("sequence",), ("engine family",), 0.7),
        Effect("chip overhead", OVERHEADS, ("chip", "engine family"), 0.3),
        Effect("device overhead", OVERHEADS, ("hardware",), 0.5),
        Effect("device engine overhead", OVERHEADS, ("hardware", "engine family"), 0.2),
        Effect("engine compute", ("compute",), ("engine family", "kernel"), 0.4),
        Effect("device compute", ("compute",), ("hardware",), 0.4),
        Effect("few tokens", ("compute",), ("engine family",), 0.7, slope="few tokens"),
        Effect("few tokens kernel", ("compute",), ("engine family", "kernel"), 0.4, slope="few tokens"),
        Effect("few tokens chip", ("compute",), ("chip", "engine family"), 0.5, slope="few tokens"),
        Effect("few tokens device", ("compute",), ("hardware", "engine family"), 0.7, slope="few tokens"),
        Effect("engine interleave", ("interleave",), ("engine family",), 0.3),
        Effect("body interleave", ("interleave",), ("body", "engine family"), 0.2),
        Effect("device link", ("link", "link latency"), ("hardware",), 2.0),
        Effect("engine link", ("link", "link latency"), ("engine family", "hardware"), 0.8),
        Effect("engine", (TOTAL,), ("engine",), 0.05),
        Effect("device engine", (TOTAL,), ("hardware", "engine"), 0.06),
        Effect("architecture", (TOTAL,), ("architecture", "engine family"), 0.1),
        Effect("family", (TOTAL,), ("family", "engine family"), 0.06),
        Effect("body", (TOTAL,), ("body",), 0.05),
        Effect("body engine", (TOTAL,), ("body", "engine family"), 0.05),
        Effect("body kernel", (TOTAL,), ("body", "engine family", "kernel"), 0.05),
        Effect("model quant", (TOTAL,), ("model", "quant"), 0.04),
        Effect("body device", (TOTAL,), ("body", "engine family", "hardware"), 0.05),
        Effect("config", (TOTAL,), ("config",), 0.05),
        Effect("own", (TOTAL,), ("own", "config"), 0.15),
        Effect("engine units", (TOTAL,), ("engine family", "several"), 0.03, slope="log units"),
        Effect("device units", (TOTAL,), ("hardware", "engine family", "several"), 0.03, slope="log units"),
        Effect("body units", (TOTAL,), ("body", "engine family", "several"), 0.05, slope="log units"),
        Effect("ragged", (TOTAL,), (), 0.15, slope="served total"),
        Effect("ragged length", (TOTAL,), (), 0.05, slope="served length"),
        Effect("source ragged", (TOTAL,), ("source",), 0.1, slope="served total", transient=True),
        Effect("source ragged length", (TOTAL,), ("source",), 0.05, slope="served length", transient=True),
        Effect("version", (TOTAL,), ("version",), 0.05, transient=True),
        Effect("source", (TOTAL,), ("source",), 0.05, transient=True),
        Effect("source device", (TOTAL,), ("source", "hardware"), 0.08, transient=True),
        Effect("source kernel", (TOTAL,), ("source", "engine family", "kernel"), 0.06, transient=True),
        Effect("source build", (TOTAL,), ("source", "build", "kernel"), 0.1, transient=True),
        Effect("run", (TOTAL,), ("source", "config"), 0.05, transient=True),
        Effect(
            "source concurrency", (TOTAL,), ("source", "engine family"), 0.07, slope="log concurrency", transient=True
        ),
        Effect("engine concurrency", (TOTAL,), ("engine family",), 0.05, slope="log concurrency"),
        Effect(
            "device concurrency", (TOTAL,), ("hardware", "engine family"), 0.08, slope="log concurrency", min_rows=3
        ),
        Effect(
            "device kernel concurrency",
            (TOTAL,),
            ("hardware", "engine family", "kernel"),
            0.06,
            slope="log concurrency",
        ),
        Effect("body concurrency", (TOTAL,), ("body", "engine family"), 0.04, slope="log concurrency", min_rows=3),
        Effect("body company", (TOTAL,), ("body", "engine family"), 0.05, slope="company", min_rows=3),
        Effect("config concurrency", (TOTAL,), ("config",), 0.03, slope="log concurrency", min_rows=4),
        Effect("body context", (TOTAL,), ("body", "engine family"), 0.02, slope="log context", min_rows=3),
        Effect("config context", (TOTAL,), ("config",), 0.02, slope="log context", min_rows=4),
        Effect("method", (TOTAL,), ("method",), 0.25),
        _acceptance("method acceptance", ("method",), 0.5),
        _acceptance("method body", ("method", "body"), 0.15),
        Effect("method engine", (TOTAL,), ("method", "engine family"), 0.15),
        _acceptance("method config", ("method", "config"), 0.15),
        Effect("method experts", ("experts",), ("method",), 0.2),
        Effect("method context", (TOTAL,), ("method", "engine family"), 0.05, slope="log context"),
        Effect("method concurrency", (TOTAL,), ("method",), 0.08, slope="log concurrency"),
        *(
            _acceptance(slope, ("speculative",), 0.7, slope)
            for content, slope in CONTENT_SLOPES.items()
            if content != UNSTATED
        ),
        _acceptance("source text", ("source", "speculative", "content"), 0.4, transient=True),
        _acceptance("unstated text", ("source", "speculative"), 0.7, CONTENT_SLOPES[UNSTATED], transient=True),
        _acceptance("method source", ("method", "source"), 0.6, transient=True),
    ),
    sum=DECODE_SUM,
    steps=DECODE_STEPS,
    least_noise=0.15,
    repetition=0.3,
    usual=("config", "ragged", "ragged length", "engine concurrency", "device concurrency"),
)

PREFILL = Specification(
    quantity="prefill",
    base={
        "dense": _log(1 / 0.5, 0.4),
        "experts": _log(1 / 0.3, 0.5),
        "attention": _log(1 / 0.3, 0.5),
        "read": _log(1 / 0.75, 0.2),
        "layer": _log(1.0, 1.0),
        "request": _log(0.5, 1.0),
        "link": _log(1.0, 1.5),
        "first": _log(3.0, 1.0),
    },
    effects=(
        Effect("chip compute", ("dense", "experts", "attention"), ("chip",), 0.3),
        Effect("device compute", ("dense", "experts", "attention"), ("hardware",), 0.3),
        Effect("peak", ("dense", "experts", "attention"), (), 0.2, slope="log peak"),
        Effect("engine peak", ("dense", "experts", "attention"), ("engine family",), 0.1, slope="log peak"),
        Effect("engine dense", ("dense",), ("engine family",), 0.3),
        Effect("width", ("dense",), (), 0.2, slope="log width"),
        Effect("engine width", ("dense",), ("engine family",), 0.1, slope="log width"),
        Effect("precision", ("dense",), (), 0.5, slope="dense precision"),
        Effect("precision experts", ("experts",), (), 0.5, slope="log precision"),
        Effect("engine precision", ("dense",), ("engine family",), 0.3, slope="dense precision"),
        Effect("engine precision experts", ("experts",), ("engine family",), 0.3, slope="log precision"),
        Effect("kernel", ("dense", "experts"), ("engine family", "kernel"), 0.3),
        Effect("weight-only", ("dense",), ("engine family",), 0.4, slope="dense weight-only"),
        Effect("weight-only experts", ("experts",), ("engine family",), 0.4, slope="weight-only"),
        Effect("kernel weight-only", ("dense",), ("engine family", "kernel"), 0.3, slope="dense weight-only"),
        Effect("kernel weight-only experts", ("experts",), ("engine family", "kernel"), 0.3, slope="weight-only"),
        Effect("chip kernel", ("dense", "experts"), ("chip", "engine family", "kernel"), 0.2),
        Effect("device kernel", ("dense", "experts"), ("hardware", "engine family", "kernel"), 0.2),
        Effect("engine experts", ("experts",), ("engine family",), 0.3),
        Effect("kernel experts", ("experts",), ("engine family", "kernel"), 0.25),
        Effect("expert size", ("experts",), (), 0.2, slope="log expert"),
        Effect("engine expert size", ("experts",), ("engine family",), 0.1, slope="log expert"),
        Effect("engine attention", ("attention",), ("engine family",), 0.5),
        Effect("device attention", ("attention",), ("hardware", "engine family"), 0.4),
        Effect("engine layer", ("layer",), ("engine family",), 0.5),
        Effect("engine request", ("request",), ("engine family",), 0.5),
        Effect("device overhead", ("layer", "request", "first"), ("hardware",), 0.5),
        Effect("engine first", ("first",), ("engine family",), 0.7),
        Effect("device link", ("link",), ("hardware",), 2.0),
        Effect("engine link", ("link",), ("engine family", "hardware"), 0.5),
        Effect("engine", (TOTAL,), ("engine",), 0.1),
        Effect("device engine", (TOTAL,), ("hardware", "engine"), 0.12),
        Effect("architecture", (TOTAL,), ("architecture", "engine family"), 0.12),
        Effect("family", (TOTAL,), ("family", "engine family"), 0.1),
        Effect("body", (TOTAL,), ("body",), 0.08),
        Effect("body engine", (TOTAL,), ("body", "engine family"), 0.1),
        Effect("body kernel", (TOTAL,), ("body", "engine family", "kernel"), 0.08),
        Effect("model quant", (TOTAL,), ("model", "quant"), 0.06),
        Effect("body device", (TOTAL,), ("body", "engine family", "hardware"), 0.1),
        Effect("config", (TOTAL,), ("config",), 0.08),
        Effect("engine units", (TOTAL,), ("engine family", "several"), 0.2, slope="log units"),
        Effect("version", (TOTAL,), ("version",), 0.1, transient=True),
        Effect("source", (TOTAL,), ("source",), 0.1, transient=True),
        Effect("source kernel", (TOTAL,), ("source", "engine family", "kernel"), 0.1, transient=True),
        Effect("source build", (TOTAL,), ("source", "build", "kernel"), 0.1, transient=True),
        Effect("run", (TOTAL,), ("source", "config"), 0.08, transient=True),
        Effect("device concurrency", (TOTAL,), ("hardware", "engine family"), 0.05, slope="log concurrency"),
        Effect("method", (TOTAL,), ("method",), 0.2),
        Effect("method engine", (TOTAL,), ("method", "engine family"), 0.15),
    ),
    sum=PREFILL_SUM,
    steps=PREFILL_STEPS,
    usual=("engine", "device engine", "config"),
)
