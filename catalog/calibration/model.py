"""The calibrated speed of any config: two posteriors, fitted at catalog build and read everywhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from catalog.calibration.evidence import TIMING_HARNESS, measured_here
from catalog.calibration.hierarchy import Cases, Posterior
from catalog.calibration.situations import CONTENT_SLOPES, UNSTATED, Situations, describe
from catalog.calibration.speed import DECODE, PREFILL
from catalog.physics.kv import kv_bytes_per_value
from catalog.physics.prompts import prefill_terms, prefills_waited_for
from catalog.physics.terms import SKEW, Load, decode_terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.calibration.evidence import Lesson
    from catalog.calibration.hierarchy import Floats

SKEWS = {TIMING_HARNESS: 0.0, "llama-batched-bench": 10.0}
"""Tools without real text: the router of random weights prefers no expert, random tokens all go to a few."""
CONTEXT_SCALE = 4096.0
PROMPT_SCALE = 2048.0
OUTPUT_SCALE = 256.0
FEW_TOKENS = 8.0
"""Tokens of a step, drafts included, up to which llama.cpp multiplies with vector kernels (ggml-cuda/mmvq.cuh)."""


@dataclass
class SpeedModel:
    """Posteriors of log seconds per prefill and per output token."""

    prefill: Posterior
    decode: Posterior


@dataclass(frozen=True)
class Table:
    """Lessons as columns: situations, load, and what was measured."""

    situations: Situations
    load: Load
    log_seconds: Floats
    noise_scale: Floats
    labels: dict[str, np.ndarray]
    kind: np.ndarray
    interleaved: Floats

    def __len__(self) -> int:
        return len(self.log_seconds)


def tabulate(lessons: Sequence[Lesson]) -> Table:
    """Lessons as columns, in order."""
    situations = describe([x.config for x in lessons])
    asks = np.array([(x.ask.isl, x.ask.osl, x.ask.context, x.ask.concurrency) for x in lessons], dtype=float).reshape(
        -1, 4
    )
    values = np.array([kv_bytes_per_value(x.ask.kv_dtype or "auto") for x in lessons], dtype=float)
    skews = np.array([SKEWS.get(x.measurement.tool or "", SKEW) for x in lessons], dtype=float)
    labels = dict(situations.labels) | {
        "source": np.array([_foreign(x) for x in lessons], dtype=object),
        "own": np.array(["own" if measured_here(x.measurement) else None for x in lessons], dtype=object),
        "version": np.array([_version(x) for x in lessons], dtype=object),
        "content": np.array([x.measurement.content or UNSTATED for x in lessons], dtype=object),
    }
    return Table(
        situations,
        situations.load(asks[:, 0], asks[:, 1], asks[:, 2], asks[:, 3], values, skews),
        np.array([x.log_seconds for x in lessons], dtype=float),
        np.array([x.noise_scale for x in lessons], dtype=float),
        labels,
        np.array([x.quantity for x in lessons], dtype=object),
        np.array([x.interleaved for x in lessons], dtype=float),
    )


def _foreign(lesson: Lesson) -> str | None:
    """The source whose habits a row may share; one's own numbers are taken as what the box does."""
    return None if lesson.measurement.evidence == "own" else lesson.measurement.source


def _version(lesson: Lesson) -> str | None:
    version = lesson.measurement.engine_version
    return f"{lesson.measurement.engine} {version[:8]}" if version else None


def numbers(situations: Situations, load: Load) -> dict[str, Floats]:
    """The slopes' numbers: logarithms of what a workload can scale, and what is particular to each config."""
    return {**situations.numbers, **lengths(load), **company(situations, load)}


def lengths(load: Load) -> dict[str, Floats]:
    """Those that lengths decide."""
    return {
        "log context": np.log2(1.0 + load.context / CONTEXT_SCALE),
        "log prompt": np.log2(np.maximum(load.isl, 1.0) / PROMPT_SCALE),
    }


def company(situations: Situations, load: Load) -> dict[str, Floats]:
    """Those that the number of streams decides."""
    log_streams = np.log2(load.concurrency)
    log_tokens = log_streams + situations.log_step_tokens
    return {
        "log concurrency": log_streams,
        "log tokens": log_tokens,
        "company": (log_tokens > 0.0).astype(float),
        "few tokens": ((log_tokens > 0.0) & (log_tokens <= np.log2(FEW_TOKENS))).astype(float),
        **ragged(load, np.zeros(())),
    }


def _texts(table: Table) -> dict[str, Floats]:
    """What scales the drafts' acceptance by kind of text."""
    acceptance, stated = table.situations.numbers["acceptance"], table.labels["content"]
    return {slope: acceptance * (stated == content) for content, slope in CONTENT_SLOPES.items()}


def ragged(load: Load, served: Floats) -> dict[str, Floats]:
    """What scales the loss of a server's total throughput to streams that end at different times, where ``served`` is 1.

    Sources that print a total divide all tokens by the time until the last stream ends; the longer the outputs may
    get, the more of that time only some of the streams are left.
    """
    several = served * (load.concurrency > 1)
    return {"served total": several, "served length": several * np.log2(np.maximum(load.osl, 1.0) / OUTPUT_SCALE)}


def prefill_cases(table: Table) -> Cases:
    """Prefill lessons as cases. A first token waits for others' prefills, and for its own first step."""
    first = (table.kind == "ttft").astype(float)
    terms = prefill_terms(table.situations.shapes, table.situations.devices, table.load, first)
    waits = np.where(first > 0.0, prefills_waited_for(table.load), 1.0)
    terms = {name: x * (1.0 if name == "first" else waits) for name, x in terms.items()}
    return Cases(table.labels, numbers(table.situations, table.load), terms)


def decode_cases(table: Table, prefill: Posterior, *, measured: bool = False) -> Cases:
    """Decode lessons as cases, their interleaved prefills as the prefill posterior expects them of anyone or of their source."""
    alone = prefill_terms(table.situations.shapes, table.situations.devices, table.load, np.zeros(len(table)))
    cases = Cases(table.labels, numbers(table.situations, table.load), alone)
    prefill_s = np.exp(prefill.log_time(cases, measured=measured))
    total = (table.kind == "total").astype(float)
    terms = decode_terms(
        table.situations.shapes, table.situations.devices, table.load, prefill_s * table.interleaved, total
    )
    scales = numbers(table.situations, table.load) | ragged(table.load, total * table.interleaved) | _texts(table)
    return Cases(table.labels, scales, terms)


def fit_speed(lessons: Sequence[Lesson], alike: SpeedModel | None = None) -> SpeedModel:
    """Learn both posteriors; ``alike``, a fit of similar lessons, gives the spreads and saves the rounds that learn them."""
    from catalog.calibration.fitting import fit  # noqa: PLC0415  (only building needs SciPy, which takes a quarter of a second)

    prompts = tabulate([x for x in lessons if x.quantity in {"prefill", "ttft"}])
    prefill = fit(
        PREFILL, prefill_cases(prompts), prompts.log_seconds, prompts.noise_scale, alike.prefill if alike else None
    )
    steps = tabulate([x for x in lessons if x.quantity in {"decode", "total"}])
    decode = fit(
        DECODE, decode_cases(steps, prefill, measured=True), steps.log_seconds + steps.situations.log_accepted, steps.noise_scale,
        alike.decode if alike else None,
    )  # fmt: skip
    return SpeedModel(prefill, decode)
