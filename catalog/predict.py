"""What candidates do under a workload: physics times calibration, with intervals, in one pass over the columns."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from catalog.calibration.model import numbers, ragged
from catalog.calibration.situations import CONTENT_SLOPES
from catalog.physics import terms as physics
from catalog.physics.kv import kv_bytes_per_value
from catalog.physics.memory import memory_bytes
from catalog.prediction import Estimate, Workload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog.physics.terms import Load
    from catalog.prediction import Floats, Ints
    from catalog.table import Candidates

OVERHEAD_SHARE = 0.5
"""Share of a step above which overheads, not bytes, are what bounds it."""
BANDWIDTH, COMPUTE, OVERHEAD, LINK = range(4)
"""Positions in prediction.BOUNDS."""


ZERO, ONE = np.zeros(()), np.ones(())


class Timed(NamedTuple):
    """Physical terms of a time with what scales them, and the median log seconds they add up to."""

    log_s: Floats
    terms: Mapping[str, Floats]
    scales: Mapping[str, Floats]

    def take(self, rows: Ints) -> Timed:
        """The same for some rows; what is one number for all stays so."""
        terms, scales = (
            {name: x[rows] if np.ndim(x) else x for name, x in columns.items()} for columns in (self.terms, self.scales)
        )
        return Timed(self.log_s[rows], terms, scales)


class Outcome:
    """Speeds, times and memory of n candidates under one workload, as columns of length n, in the candidates' order.

    A column is worked out when it is first read: a question that asks for decode speed alone pays for it alone, and
    intervals cost nothing until somebody reads them.
    """

    def __init__(self, candidates: Candidates, workload: Workload) -> None:
        self._candidates, self._situations, self._workload = candidates, candidates.situations, workload
        asked = (workload.isl, workload.osl, workload.context, workload.concurrency)
        self._isl, self._osl, self._context, self._streams = (np.asarray(x, dtype=float) for x in asked)
        self._kv_bytes_per_value = kv_bytes_per_value(workload.kv_dtype)
        self._pace: dict[int, Timed] = {}
        self.basis = candidates.basis

    def take(self, candidates: Candidates, rows: Ints) -> Outcome:
        """The same for ``candidates``, which are some of the rows, under a workload that is one for all of them.

        Paces of decoding that are known already are not worked out again.
        """
        few = Outcome(candidates, self._workload)
        few._pace = {streams: pace.take(rows) for streams, pace in self._pace.items()}
        return few

    @cached_property
    def decode_tok_s(self) -> Estimate:
        """Tokens per second of one stream; company makes none faster."""
        log_s = self._at_streams({n: self._each(n).log_s for n in self._steps})
        return Estimate(np.minimum(np.exp(-log_s), self.ceiling_tok_s), lambda: self._decode_sd, self.ceiling_tok_s)

    @cached_property
    def decode_total_tok_s(self) -> Estimate:
        """Tokens per second of all streams together, until the last one ends."""
        log_s = self._at_streams({n: self._together(n) for n in self._steps})
        streams, ceiling = self._streams, self.ceiling_tok_s
        value = streams * np.minimum(np.exp(-log_s), ceiling)
        return Estimate(value, lambda: self._decode_sd, streams * ceiling)

    @cached_property
    def single_stream_tok_s(self) -> Floats:
        """Decode speed of a stream alone."""
        alone = self._ceiling(self._load(self._halfway, 1))
        return np.minimum(np.exp(-self._each(1).log_s), alone)

    @cached_property
    def prefill_tok_s(self) -> Estimate:
        """Prompt tokens per second of one request."""
        ceiling = physics.prefill_ceiling_tok_s(self._situations.shapes, self._situations.devices)
        return Estimate(self._isl / self._prefill_s, lambda: self._prefill_sd, ceiling)

    @cached_property
    def ttft_ms(self) -> Estimate:
        """Time to the first token, on average over the streams that start together."""
        seconds = self._prefill_s * (self._streams + 1.0) / 2.0 + self._first_token_s
        return Estimate(seconds * 1e3, lambda: self._prefill_sd)

    @cached_property
    def decode_ms(self) -> Estimate:
        """Time of the output after its first token."""
        return Estimate(self._osl / self.decode_tok_s.value * 1e3, lambda: self._decode_sd)

    @cached_property
    def latency_ms(self) -> Estimate:
        """Time of a whole request."""
        first, rest = self.ttft_ms, self.decode_ms
        latency = first.value + rest.value
        return Estimate(
            latency, lambda: np.hypot(first.value * self._prefill_sd, rest.value * self._decode_sd) / latency
        )

    @cached_property
    def bytes_per_step(self) -> Floats:
        """Bytes a decode step reads, over all units."""
        return physics.step_bytes(self._situations.shapes, self._asked)

    @cached_property
    def ceiling_tok_s(self) -> Floats:
        """Tokens per second of one stream that no engine can exceed; all drafts accepted, where there are drafts."""
        return self._ceiling(self._asked)

    @property
    def efficiency(self) -> Floats:
        """Decode speed as a share of its ceiling."""
        return self.decode_tok_s.value / self.ceiling_tok_s

    @property
    def weights_bytes(self) -> Floats:
        """Weights per unit."""
        return self._memory[0]

    @property
    def kv_bytes(self) -> Floats:
        """Cache and states per unit, at context + osl tokens of every stream."""
        return self._memory[1]

    @property
    def overhead_bytes(self) -> Floats:
        """Scratch and run-time per unit."""
        return self._memory[2]

    @cached_property
    def total_bytes(self) -> Floats:
        """All the engine allocates per unit."""
        return self.weights_bytes + self.kv_bytes + self.overhead_bytes

    @cached_property
    def bound(self) -> Ints:
        """What limits a step: the link, overheads where they take most of it, else the slower of compute and bandwidth."""
        shapes, devices, share = self._situations.shapes, self._situations.devices, self._decode_share
        memory_s = self.bytes_per_step / devices.bandwidth_bytes_s
        compute_s = 2.0 * shapes.active_params * self._asked.concurrency / devices.peak_flops
        link = share["link"] + share["link latency"]
        added = physics.DECODE_SUM
        overhead = 1.0 - link - sum(share[t] for t in (*added.streamed, *added.computed, added.least or ""))
        bound = np.where(compute_s > memory_s, COMPUTE, BANDWIDTH)
        bound = np.where(overhead > OVERHEAD_SHARE, OVERHEAD, bound)
        return np.where(link > OVERHEAD_SHARE, LINK, bound).astype(np.int64)

    @cached_property
    def _memory(self) -> tuple[Floats, Floats, Floats]:
        end = self._context + self._osl
        return memory_bytes(self._candidates.footprints, end, self._streams, self._kv_bytes_per_value)

    @cached_property
    def _asked(self) -> Load:
        """The workload half-way through the output, all streams at work."""
        return self._load(self._halfway, self._streams)

    @property
    def _halfway(self) -> Floats:
        """Tokens in a stream's cache when half of its output is there."""
        return self._context + self._osl / 2.0

    def _load(self, context: Floats, streams: int | Floats) -> Load:
        return self._situations.load(self._isl, self._osl, context, streams, self._kv_bytes_per_value)

    def _ceiling(self, load: Load) -> Floats:
        most = physics.decode_ceiling_tok_s(self._situations.shapes, self._situations.devices, load)
        return most * (load.draft_tokens + 1.0)

    def _numbers(self, load: Load) -> dict[str, Floats]:
        """What scales the effects on decoding: the load's logarithms and, where it is known, the kind of text."""
        content = self._workload.content
        texts = {CONTENT_SLOPES[content]: self._situations.numbers["acceptance"]} if content else {}
        return numbers(self._situations, load) | texts

    @property
    def _steps(self) -> list[int]:
        """1, 2, 4... streams up to those asked, and the next one where they are no power of two."""
        return [1 << i for i in range((int(np.max(self._streams)) - 1).bit_length() + 1)]

    def _at_streams(self, log_token_s: Mapping[int, Floats]) -> Floats:
        """Log seconds per token at the asked streams, never falling with them: company makes no stream faster.

        ``log_token_s`` is what the calibration says at each of ``_steps``. Straight between two of them in the
        logarithm of streams.
        """
        slowest = np.maximum.accumulate(np.stack([log_token_s[n] for n in self._steps]), axis=0)
        place = np.log2(np.broadcast_to(self._streams, slowest.shape[1]))
        below, rows = np.floor(place).astype(np.int64), np.arange(len(place))
        above = np.minimum(below + 1, len(slowest) - 1)
        return np.asarray(slowest[below, rows] + (place - below) * (slowest[above, rows] - slowest[below, rows]))

    def _each(self, streams: int) -> Timed:
        """Seconds per token of one of so many streams, over its own output."""
        if streams not in self._pace:
            load = self._load(self._halfway, streams)
            scales = self._numbers(load)
            waits = np.exp(self._prompt(streams).log_s) if streams > 1 else np.zeros(len(self._candidates))
            terms = physics.decode_terms(self._situations.shapes, self._situations.devices, load, waits, ZERO)
            log_s = self._candidates.decode.log_time(terms, scales) - self._situations.log_accepted
            self._pace[streams] = Timed(log_s, terms, scales)
        return self._pace[streams]

    def _together(self, streams: int) -> Floats:
        """Log seconds per token of each stream if all are timed until the last one ends."""
        each = self._each(streams)
        if streams == 1:
            return each.log_s
        terms = {**each.terms, "interleave": 2.0 * each.terms["interleave"]}
        scales = {**each.scales, **ragged(self._load(self._halfway, streams), ONE)}
        return self._candidates.decode.log_time(terms, scales) - self._situations.log_accepted

    def _prompt(self, streams: int | Floats) -> Timed:
        """Seconds of one prompt's prefill while so many wait together; never below what compute allows."""
        shapes, devices = self._situations.shapes, self._situations.devices
        load = self._load(self._context, streams)
        terms, scales = physics.prefill_terms(shapes, devices, load, ZERO), numbers(self._situations, load)
        least = np.log(self._isl / physics.prefill_ceiling_tok_s(shapes, devices))
        return Timed(np.maximum(self._candidates.prefill.log_time(terms, scales), least), terms, scales)

    @cached_property
    def _asked_prompt(self) -> Timed:
        return self._prompt(self._streams)

    @cached_property
    def _prefill_s(self) -> Floats:
        return np.exp(self._asked_prompt.log_s)

    @cached_property
    def _first_token_s(self) -> Floats:
        """What the first token takes beyond the prefill: tokenising, scheduling, the first step, as measured TTFTs show."""
        prompt = self._asked_prompt
        first = {**prompt.terms, "first": np.asarray(10.0 * physics.STEP_SECONDS)}
        with_first = np.exp(self._candidates.prefill.log_time(first, numbers(self._situations, self._asked)))
        return np.maximum(with_first - self._prefill_s, 0.0)

    @cached_property
    def _prefill_sd(self) -> Floats:
        prompt, prefill = self._asked_prompt, self._candidates.prefill
        return prefill.log_sd(prefill.shares(prompt.terms, prompt.scales), numbers(self._situations, self._asked))

    @cached_property
    def _decode_share(self) -> dict[str, Floats]:
        """Each term's share in a step, at the largest power of two within the asked streams."""
        streams = np.broadcast_to(self._streams, len(self._candidates))
        step = np.floor(np.log2(streams)).astype(np.int64)
        found: dict[str, Floats] = {}
        for i in np.unique(step).tolist() or [0]:
            pace = self._each(1 << i)
            for term, share in self._candidates.decode.shares(pace.terms, pace.scales).items():
                found[term] = np.where(step == i, share, found.get(term, ZERO))
        return found

    @cached_property
    def _decode_sd(self) -> Floats:
        return self._candidates.decode.log_sd(self._decode_share, self._numbers(self._asked))
