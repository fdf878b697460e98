"""What candidates do under a workload: physics times calibration, with intervals, in one pass over the columns."""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from catalog.calibration.model import lengths, numbers, ragged
from catalog.calibration.situations import CONTENT_SLOPES
from catalog.physics import terms as physics
from catalog.physics.kv import kv_bytes_per_value
from catalog.physics.memory import memory_bytes
from catalog.prediction import Estimate, Workload

if TYPE_CHECKING:
    from catalog.physics.terms import Load, Parts
    from catalog.prediction import Floats, Ints
    from catalog.table import Candidates

OVERHEAD_SHARE = 0.5
"""Share of a step above which overheads, not bytes, are what bounds it."""
BANDWIDTH, COMPUTE, OVERHEAD, LINK = range(4)
"""Positions in prediction.BOUNDS."""


COLUMNS = frozenset(
    {"bytes_per_step", "ceiling_tok_s", "total_bytes", "_cache", "_prompt_alone", "_prefill_ceiling_tok_s"}
)
"""What an outcome keeps of each candidate, and hands to an outcome of some of them."""
ZERO, ONE = np.zeros(()), np.ones(())


class Timed(NamedTuple):
    """Seconds of a decode step: without and of the prefills in between, and what is added to the logarithm of both."""

    step_s: Floats
    interleaved_s: Floats
    log_added: Floats
    log_least: Floats

    def take(self, rows: Ints) -> Timed:
        """The same for some rows."""
        return Timed(*(x[rows] if np.ndim(x) else x for x in self))

    def log_s(self, prefills: float = 1.0, log_more: Floats = ZERO) -> Floats:
        """Log seconds per token with so many times the prefills; never less than the best read takes."""
        log_s = np.log(self.step_s + prefills * self.interleaved_s) + self.log_added + log_more
        return np.maximum(log_s, self.log_least)


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
        self._timed: dict[int, Timed] = {}
        self._waited: dict[int, Floats] = {}
        self.basis = candidates.basis

    def take(self, candidates: Candidates, rows: Ints) -> Outcome:
        """The same for ``candidates``, which are some of the rows, under a workload that is one for all of them.

        What is known already is not worked out again.
        """
        few = Outcome(candidates, self._workload)
        few._timed = {streams: timed.take(rows) for streams, timed in self._timed.items()}
        few._waited = {streams: seconds[rows] for streams, seconds in self._waited.items()}
        for name in COLUMNS & self.__dict__.keys():  # where cached_property keeps what it made
            column = self.__dict__[name]
            few.__dict__[name] = column[rows] if isinstance(column, np.ndarray) else column.take(rows)
        return few

    @cached_property
    def decode_tok_s(self) -> Estimate:
        """Tokens per second of one stream; company makes none faster."""
        log_s = self._at_streams([self._each(n).log_s() for n in self._steps])
        return Estimate(np.minimum(np.exp(-log_s), self.ceiling_tok_s), lambda: self._decode_sd, self.ceiling_tok_s)

    @cached_property
    def decode_total_tok_s(self) -> Estimate:
        """Tokens per second of all streams together, until the last one ends."""
        log_s = self._at_streams([self._together(n) for n in self._steps])
        streams, ceiling = self._streams, self.ceiling_tok_s
        value = streams * np.minimum(np.exp(-log_s), ceiling)
        return Estimate(value, lambda: self._total_sd, streams * ceiling)

    @cached_property
    def single_stream_tok_s(self) -> Floats:
        """Decode speed of a stream alone."""
        load = self._load(self._halfway, 1)
        alone = self._ceiling(load, physics.step_bytes(self._situations.shapes, load))
        return np.minimum(np.exp(-self._each(1).log_s()), alone)

    @cached_property
    def prefill_tok_s(self) -> Estimate:
        """Prompt tokens per second of one request."""
        return Estimate(self._isl / self._prefill_s, lambda: self._prefill_sd, self._prefill_ceiling_tok_s)

    @cached_property
    def ttft_ms(self) -> Estimate:
        """Time to the first token, on average over the streams that start together."""
        seconds = self._prefill_s * (self._streams + 1.0) / 2.0 + self._first_token_s
        return Estimate(seconds * 1e3, lambda: self._ttft_sd)

    @cached_property
    def decode_ms(self) -> Estimate:
        """Time of the output after its first token."""
        return Estimate(self._osl / self.decode_tok_s.value * 1e3, lambda: self._decode_sd)

    @cached_property
    def latency_ms(self) -> Estimate:
        """Time of a whole request."""
        first, rest = self.ttft_ms, self.decode_ms
        latency = first.value + rest.value
        return Estimate(latency, lambda: np.hypot(first.value * self._ttft_sd, rest.value * self._decode_sd) / latency)

    @cached_property
    def bytes_per_step(self) -> Floats:
        """Bytes a decode step reads, over all units."""
        return physics.step_bytes(self._situations.shapes, self._asked)

    @cached_property
    def ceiling_tok_s(self) -> Floats:
        """Tokens per second of one stream that no engine can exceed; all drafts accepted, where there are drafts."""
        return self._ceiling(self._asked, self.bytes_per_step)

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

    def _ceiling(self, load: Load, bytes_per_step: Floats) -> Floats:
        shapes, devices = self._situations.shapes, self._situations.devices
        return physics.decode_ceiling_tok_s(shapes, devices, load, bytes_per_step) * (load.draft_tokens + 1.0)

    @property
    def _steps(self) -> list[int]:
        """1, 2, 4... streams up to those asked, and the next one where they are no power of two."""
        return [1 << i for i in range((int(np.max(self._streams)) - 1).bit_length() + 1)]

    def _at_streams(self, log_token_s: list[Floats]) -> Floats:
        """Log seconds per token at the asked streams, never falling with them: company makes no stream faster.

        ``log_token_s`` is what the calibration says at each of ``_steps``. Straight between two of them in the
        logarithm of streams.
        """
        slowest = list(accumulate(log_token_s, np.maximum))
        place = np.log2(self._streams)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, len(slowest) - 1)
        if np.ndim(place):
            table, rows = np.stack(slowest), np.arange(len(place))
            lower, upper = table[below, rows], table[above, rows]
        else:
            lower, upper = slowest[below], slowest[above]
        return np.asarray(lower + (place - below) * (upper - lower) if np.any(place > below) else lower)

    def _each(self, streams: int) -> Timed:
        """A step of so many streams."""
        if streams not in self._timed:
            pace, situations = self._candidates.pace(streams), self._situations
            parts = pace.parts.plus(self._cache, streams)
            others = ZERO
            if streams > 1:
                load = self._load(self._halfway, streams)
                waits = physics.interleaved_s(load, self._waited_s(streams), ZERO)
                others = waits * self._candidates.decode.factor["interleave"]
            least = np.log(parts.least) - situations.log_accepted
            log_added = pace.log_added + self._log_added
            self._timed[streams] = Timed(physics.DECODE_SUM.total(parts), others, log_added, least)
        return self._timed[streams]

    def _together(self, streams: int) -> Floats:
        """Log seconds per token of each stream if all are timed until the last one ends: it waits for all prefills."""
        each = self._each(streams)
        if streams == 1:
            return each.log_s()
        ends = ragged(self._load(self._halfway, streams), ONE)
        return each.log_s(2.0, self._candidates.decode.added(ends))

    @cached_property
    def _cache(self) -> Parts:
        """Reading one stream's cache."""
        load = self._load(self._halfway, 1)
        terms = physics.cache_terms(self._situations.shapes, self._situations.devices, load)
        return physics.DECODE_SUM.fold(self._candidates.decode.scaled(terms, {}))

    @cached_property
    def _log_added(self) -> Floats:
        """What lengths and the kind of text add to a step's log seconds."""
        return self._candidates.decode.added(lengths(self._asked) | self._texts)

    @property
    def _texts(self) -> dict[str, Floats]:
        """What scales the acceptance of drafts, where the kind of text is known."""
        content = self._workload.content
        return {CONTENT_SLOPES[content]: self._situations.numbers["acceptance"]} if content else {}

    def _prompt(self, streams: int | Floats) -> Parts:
        """One prompt's prefill while so many wait together."""
        shapes, devices = self._situations.shapes, self._situations.devices
        batches = physics.batch_terms(shapes, devices, self._load(self._context, streams))
        return self._prompt_alone.plus(physics.PREFILL_SUM.fold(self._candidates.prefill.scaled(batches, {})))

    @cached_property
    def _prompt_alone(self) -> Parts:
        """What of a prefill does not depend on who waits beside it."""
        shapes, devices = self._situations.shapes, self._situations.devices
        terms = physics.prompt_terms(shapes, devices, self._load(self._context, 1))
        return physics.PREFILL_SUM.fold(self._candidates.prefill.scaled(terms, {}))

    def _waited_s(self, streams: int) -> Floats:
        """Seconds of one prompt's prefill while so many wait together: what each of them waits for the others."""
        if streams not in self._waited:
            self._waited[streams] = np.exp(self._prompt_log_s(streams))
        return self._waited[streams]

    def _prompt_log_s(self, streams: int | Floats, first: Floats = ZERO) -> Floats:
        """Log seconds of one prompt's prefill while so many wait together; never below what compute allows."""
        prefill, load = self._candidates.prefill, self._load(self._context, streams)
        seconds = physics.PREFILL_SUM.total(self._prompt(streams)) + first
        log_s = np.log(seconds) + prefill.log_total + prefill.added(numbers(self._situations, load))
        return np.maximum(log_s, self._least_prompt_log_s)

    @cached_property
    def _least_prompt_log_s(self) -> Floats:
        return np.log(self._isl / self._prefill_ceiling_tok_s)

    @cached_property
    def _prefill_ceiling_tok_s(self) -> Floats:
        return physics.prefill_ceiling_tok_s(self._situations.shapes, self._situations.devices)

    @cached_property
    def _prefill_s(self) -> Floats:
        return np.exp(self._prompt_log_s(self._streams))

    @cached_property
    def _first_token_s(self) -> Floats:
        """What the first token takes beyond the prefill: tokenising, scheduling, the first step, as measured TTFTs show."""
        first = physics.FIRST_SECONDS * self._candidates.prefill.factor["first"]
        return np.asarray(np.exp(self._prompt_log_s(self._streams, first)) - self._prefill_s)

    @property
    def _prefill_sd(self) -> Floats:
        return self._candidates.prefill.log_sd(self._prefill_spread, self._streams)

    @property
    def _ttft_sd(self) -> Floats:
        return self._candidates.prefill.log_sd(self._prefill_spread, self._streams, 1)

    @property
    def _decode_sd(self) -> Floats:
        return self._candidates.decode.log_sd(self._decode_spread, self._streams)

    @property
    def _total_sd(self) -> Floats:
        return self._candidates.decode.log_sd(self._decode_spread, self._streams, 1)

    @cached_property
    def _prefill_spread(self) -> Floats:
        shapes, devices, prefill = self._situations.shapes, self._situations.devices, self._candidates.prefill
        load = self._load(self._context, self._streams)
        terms, scales = physics.prefill_terms(shapes, devices, load, ZERO), numbers(self._situations, load)
        return prefill.spread(prefill.shares(terms, scales), scales)

    @cached_property
    def _decode_spread(self) -> Floats:
        scales = numbers(self._situations, self._asked) | self._texts
        return self._candidates.decode.spread(self._decode_share, scales)

    @cached_property
    def _decode_share(self) -> dict[str, Floats]:
        """Each term's share in a step, at the largest power of two within the asked streams."""
        streams = np.broadcast_to(self._streams, len(self._candidates))
        step = np.floor(np.log2(streams)).astype(np.int64)
        found: dict[str, Floats] = {}
        for i in np.unique(step).tolist() or [0]:
            for term, share in self._shares(1 << i).items():
                found[term] = np.where(step == i, share, found.get(term, ZERO))
        return found

    def _shares(self, streams: int) -> dict[str, Floats]:
        """Each term's share in a step of so many streams."""
        load, shapes, devices = self._load(self._halfway, streams), self._situations.shapes, self._situations.devices
        waits = self._waited_s(streams) if streams > 1 else ZERO
        terms = physics.decode_terms(shapes, devices, load, waits, ZERO)
        return self._candidates.decode.shares(terms, numbers(self._situations, load) | self._texts)
