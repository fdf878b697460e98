"""What candidates do under a workload: physics times calibration, with intervals, in one pass over the columns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from catalog.calibration.model import log_accepted, numbers, ragged
from catalog.physics import terms as physics
from catalog.physics.kv import kv_bytes_per_value
from catalog.physics.memory import memory_bytes
from catalog.prediction import Estimate, Outcome, Workload

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    situations, streams = candidates.situations, workload.concurrency
    shapes, devices = situations.shapes, situations.devices
    context = _mean_context(workload)
    middle = _load(candidates, workload, context, streams)
    scales = numbers(situations, middle)
    rows = np.arange(len(candidates)) if intervals else np.zeros(0, dtype=np.int64)
    none = np.zeros(len(candidates))

    prefill = _prefill(candidates, workload, streams)
    prefill_s = prefill.seconds
    ceiling_prefill = physics.prefill_ceiling_tok_s(shapes, devices)
    prefill_sd = _spread(candidates.prefill.log_sd(prefill.share, scales, rows), none)
    ttft_s = prefill_s * (streams + 1.0) / 2.0 + _first_token_s(candidates, prefill, scales)

    lone = _pace(candidates, workload, 1)
    paced = {n: _pace(candidates, workload, n) for n in _steps(streams) if n > 1} | {1: lone}
    each, together = np.exp(-rising({n: pace.log_token_s for n, pace in paced.items()}, streams))
    ceiling = _ceiling(candidates, middle)
    decode = np.minimum(each, ceiling)
    throughput = streams * np.minimum(together, ceiling)
    single = np.minimum(np.exp(-lone.log_token_s[0]), _ceiling(candidates, _load(candidates, workload, context, 1)))
    share = paced[max(n for n in paced if n <= streams)].share
    decode_sd = _spread(candidates.decode.log_sd(share, scales, rows), none)

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
        single_stream_tok_s=single,
        weights_bytes=weights,
        kv_bytes=cache,
        overhead_bytes=overhead,
        bytes_per_step=physics.step_bytes(shapes, middle),
        ceiling_tok_s=ceiling,
        bound=_bound(share, shapes, devices, middle),
        basis=candidates.basis,
    )


class _Prefill(NamedTuple):
    """Seconds of one prompt's prefill while ``n`` wait together, its terms, and each term's share."""

    seconds: Floats
    terms: dict[str, Floats]
    share: dict[str, Floats]


class _Pace(NamedTuple):
    """Log seconds per token, shape (2, candidates): of each stream over its own tokens, and of all until the last ends."""

    log_token_s: Floats
    share: dict[str, Floats]


def _mean_context(workload: Workload) -> float:
    """Tokens in the cache half-way through the output."""
    return workload.context + workload.osl / 2.0


def _load(candidates: Candidates, workload: Workload, context: float, streams: int) -> Load:
    values = kv_bytes_per_value(workload.kv_dtype)
    return candidates.situations.load(workload.isl, workload.osl, context, float(streams), values)


def _prefill(candidates: Candidates, workload: Workload, streams: int) -> _Prefill:
    shapes, devices = candidates.situations.shapes, candidates.situations.devices
    load = _load(candidates, workload, workload.context, streams)
    terms = physics.prefill_terms(shapes, devices, load, np.zeros(len(candidates)))
    log_s, share = candidates.prefill.log_time(terms, numbers(candidates.situations, load))
    least = workload.isl / physics.prefill_ceiling_tok_s(shapes, devices)
    return _Prefill(np.maximum(np.exp(log_s), least), terms, share)


def _pace(candidates: Candidates, workload: Workload, streams: int) -> _Pace:
    shapes, devices, context = candidates.situations.shapes, candidates.situations.devices, _mean_context(workload)
    load = _load(candidates, workload, context, streams)
    scales = numbers(candidates.situations, load)
    waits = _prefill(candidates, workload, streams).seconds if streams > 1 else np.zeros(len(candidates))
    terms = physics.decode_terms(shapes, devices, load, waits, np.zeros(len(candidates)))
    log_each, share = candidates.decode.log_time(terms, scales)
    log_all = log_each
    if streams > 1:
        waiting, served = {**terms, "interleave": 2.0 * terms["interleave"]}, scales | ragged(load, np.ones(len(waits)))
        log_all, _ = candidates.decode.log_time(waiting, served)
    return _Pace(np.stack([log_each, log_all]) - log_accepted(load), share)


def _steps(streams: int) -> list[int]:
    """1, 2, 4... up to the streams, and the next one where they are no power of two."""
    return [1 << i for i in range((streams - 1).bit_length() + 1)]


def rising(log_token_s: Mapping[int, Floats], streams: int) -> Floats:
    """Log seconds per token at ``streams``, never falling with them: company makes no stream faster.

    Args:
        log_token_s: what the calibration says at 1, 2, 4... streams, up to the first not below ``streams``.
        streams: streams at once.

    Returns:
        The running maximum over those numbers of streams, straight between two of them in the logarithm of streams.
    """
    slowest = np.maximum.accumulate(np.stack([log_token_s[n] for n in sorted(log_token_s)]), axis=0)
    place = math.log2(streams)
    below, above = math.floor(place), math.ceil(place)
    return np.asarray(slowest[below] + (place - below) * (slowest[above] - slowest[below]))


def _spread(log_sd: Floats, none: Floats) -> Floats:
    return log_sd if len(log_sd) == len(none) else none


def _first_token_s(candidates: Candidates, prefill: _Prefill, scales: Mapping[str, Floats]) -> Floats:
    """What the first token takes beyond the prefill: tokenising, scheduling, the first step, as measured TTFTs show."""
    first = {**prefill.terms, "first": np.full(len(candidates), 10.0 * physics.STEP_SECONDS)}
    return np.maximum(np.exp(candidates.prefill.log_time(first, scales)[0]) - prefill.seconds, 0.0)


def _ceiling(candidates: Candidates, load: Load) -> Floats:
    """Tokens per second of one stream that no engine can exceed; all drafts accepted, where there are drafts."""
    situations = candidates.situations
    return physics.decode_ceiling_tok_s(situations.shapes, situations.devices, load) * (load.draft_tokens + 1.0)


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
