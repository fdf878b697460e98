"""What candidates do under a workload: physics times calibration, with intervals, in one pass over the columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from catalog.calibration.model import CONTEXT_SCALE, log_accepted
from catalog.physics import terms as physics
from catalog.physics.kv import kv_bytes_per_value
from catalog.physics.memory import memory_bytes
from catalog.prediction import Estimate, Outcome, Workload

if TYPE_CHECKING:
    from catalog.physics.terms import Load
    from catalog.prediction import Floats, Ints
    from catalog.table import Candidates

OVERHEAD_SHARE = 0.5
"""Share of a step above which overheads, not bytes, are what bounds it."""
BANDWIDTH, COMPUTE, OVERHEAD, LINK = range(4)
"""Positions in prediction.BOUNDS."""


def predict(candidates: Candidates, workload: Workload, *, intervals: bool = True) -> Outcome:
    """Speeds, times and memory of n candidates.

    Args:
        candidates: n configs of one machine.
        workload: tokens, streams and memory of the question.
        intervals: False leaves every ``log_sd`` at zero, for a first pass that only needs the values.

    Returns:
        Columns of length n.
    """
    situations, streams = candidates.situations, float(workload.concurrency)
    shapes, devices = situations.shapes, situations.devices
    values = kv_bytes_per_value(workload.kv_dtype)
    prompt = situations.load(workload.isl, workload.osl, workload.context, streams, values)
    middle = situations.load(workload.isl, workload.osl, workload.context + workload.osl / 2.0, streams, values)
    numbers = _numbers(workload.context + workload.osl / 2.0, streams)
    rows = np.arange(len(candidates)) if intervals else np.zeros(0, dtype=np.int64)

    none = np.zeros(len(candidates))
    alone = physics.prefill_terms(shapes, devices, prompt, none)
    log_prefill, prefill_share = candidates.prefill.log_time(alone, numbers)
    ceiling_prefill = physics.prefill_ceiling_tok_s(shapes, devices)
    prefill_s = np.maximum(np.exp(log_prefill), workload.isl / ceiling_prefill)
    prefill_sd = _spread(candidates.prefill.log_sd(prefill_share, numbers, rows), none)
    ttft_s = prefill_s * (streams + 1.0) / 2.0 + _first_token_s(candidates, alone, prefill_s, numbers)

    accepted = log_accepted(middle)
    ceiling = _ceiling(candidates, middle)
    step = physics.decode_terms(shapes, devices, middle, prefill_s, none)
    log_step, share = candidates.decode.log_time(step, numbers)
    decode = np.minimum(np.exp(accepted - log_step), ceiling)
    decode_sd = _spread(candidates.decode.log_sd(share, numbers, rows), none)
    total = physics.decode_terms(shapes, devices, middle, prefill_s, none + 1.0)
    log_total, _ = candidates.decode.log_time(total, numbers)
    throughput = streams * np.minimum(np.exp(accepted - log_total), ceiling)

    decode_s = workload.osl / decode
    latency_s = ttft_s + decode_s
    latency_sd = np.hypot(ttft_s * prefill_sd, decode_s * decode_sd) / latency_s
    weights, cache, overhead = memory(candidates, workload)
    return Outcome(
        decode_tok_s=Estimate(decode, decode_sd, ceiling),
        decode_total_tok_s=Estimate(throughput, decode_sd, ceiling * streams),
        prefill_tok_s=Estimate(workload.isl / prefill_s, prefill_sd, ceiling_prefill),
        ttft_ms=Estimate(ttft_s * 1e3, prefill_sd),
        decode_ms=Estimate(decode_s * 1e3, decode_sd),
        latency_ms=Estimate(latency_s * 1e3, latency_sd),
        single_stream_tok_s=decode if streams == 1 else _single_stream(candidates, workload),
        weights_bytes=weights,
        kv_bytes=cache,
        overhead_bytes=overhead,
        bytes_per_step=physics.step_bytes(shapes, middle),
        ceiling_tok_s=ceiling,
        bound=_bound(share, shapes, devices, middle),
        basis=candidates.basis,
    )


def _numbers(context: float, streams: float) -> dict[str, float]:
    return {"log context": float(np.log2(1.0 + context / CONTEXT_SCALE)), "log concurrency": float(np.log2(streams))}


def _spread(log_sd: Floats, none: Floats) -> Floats:
    return log_sd if len(log_sd) == len(none) else none


def _first_token_s(
    candidates: Candidates, alone: dict[str, Floats], prefill_s: Floats, numbers: dict[str, float]
) -> Floats:
    """What the first token takes beyond the prefill: tokenising, scheduling, the first step, as measured TTFTs show."""
    first = {**alone, "first": np.full(len(candidates), 10.0 * physics.STEP_SECONDS)}
    return np.maximum(np.exp(candidates.prefill.log_time(first, numbers)[0]) - prefill_s, 0.0)


def _ceiling(candidates: Candidates, load: Load) -> Floats:
    """Tokens per second of one stream that no engine can exceed; all drafts accepted, where there are drafts."""
    situations = candidates.situations
    return physics.decode_ceiling_tok_s(situations.shapes, situations.devices, load) * (load.draft_tokens + 1.0)


def _single_stream(candidates: Candidates, workload: Workload) -> Floats:
    """Decode speed with nobody else on the machine: what the verdict is about."""
    situations, middle = candidates.situations, workload.context + workload.osl / 2.0
    load = situations.load(workload.isl, workload.osl, middle, 1.0, kv_bytes_per_value(workload.kv_dtype))
    none = np.zeros(len(candidates))
    step = physics.decode_terms(situations.shapes, situations.devices, load, none, none)
    log_step, _ = candidates.decode.log_time(step, _numbers(middle, 1.0))
    return np.asarray(np.minimum(np.exp(log_accepted(load) - log_step), _ceiling(candidates, load)))


def memory(candidates: Candidates, workload: Workload) -> tuple[Floats, Floats, Floats]:
    """Weights, cache and overhead in bytes per unit, at context + osl tokens of every stream."""
    end, values = workload.context + workload.osl, kv_bytes_per_value(workload.kv_dtype)
    return memory_bytes(candidates.footprints, end, workload.concurrency, values)


def _bound(share: dict[str, Floats], shapes: physics.Shapes, devices: physics.Devices, load: Load) -> Ints:
    """What limits a step: the link, overheads where they take most of it, else the slower of compute and bandwidth."""
    memory_s = physics.step_bytes(shapes, load) / devices.bandwidth_bytes_s
    compute_s = 2.0 * shapes.active_params * load.concurrency / devices.peak_flops
    link = share["link"] + share["link latency"]
    overhead = 1.0 - link - sum(share[t] for t in (*physics.DECODE_STREAMED, *physics.DECODE_COMPUTED))
    bound = np.where(compute_s > memory_s, COMPUTE, BANDWIDTH)
    bound = np.where(overhead > OVERHEAD_SHARE, OVERHEAD, bound)
    return np.where(link > OVERHEAD_SHARE, LINK, bound).astype(np.int64)
