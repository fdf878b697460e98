"""What candidates do under a workload: physics times calibration, with intervals, in one pass over the columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from catalog.calibration.model import company, lengths, ragged
from catalog.calibration.situations import CONTENT_SLOPES, UNSTATED
from catalog.columns import Columns, rows_of
from catalog.pace import ceiling_pace, prompt_factor
from catalog.physics import prompts
from catalog.physics import terms as physics
from catalog.physics.kv import kv_bytes_per_value
from catalog.physics.memory import memory_bytes
from catalog.physics.sums import DECODE_SUM, PREFILL_SUM
from catalog.prediction import Estimate, Workload

if TYPE_CHECKING:
    from catalog.columns import Kinds
    from catalog.pace import CeilingPace, PromptPace
    from catalog.physics.sums import Parts
    from catalog.physics.terms import Load
    from catalog.prediction import Floats, Ints
    from catalog.table import Candidates

OVERHEAD_SHARE = 0.5
"""Share of a step above which overheads, not bytes, are what bounds it."""
BANDWIDTH, COMPUTE, OVERHEAD, LINK = range(4)
"""Positions in prediction.BOUNDS."""

MEMORY = ("weights_bytes", "kv_bytes", "overhead_bytes", "total_bytes")
KEPT = frozenset({"bytes_per_step", "ceiling_tok_s", "_tok_s", "_cache_bytes", *MEMORY})
"""What an outcome keeps of each candidate, and hands to an outcome of some of them."""
ZERO, ONE = np.zeros(()), np.ones(())


@dataclass(frozen=True)
class Step(Columns):
    """Seconds of a decode step: without and of the prefills in between, what multiplies both, and the least it takes."""

    alone_s: Floats
    interleaved_s: Floats
    factor: Floats
    least_s: Floats

    def token_s(self, prefills: float = 1.0, more: Floats = ONE) -> Floats:
        """Seconds per token of a stream with so many times the prefills; never less than the best read takes."""
        return np.maximum((self.alone_s + prefills * self.interleaved_s) * self.factor * more, self.least_s)


@dataclass(frozen=True)
class Prompt(Columns):
    """Seconds of one prompt's prefill as they add up, what multiplies them, and the least that compute allows."""

    alone_s: Floats
    factor: Floats
    least_s: Floats

    def seconds(self, more_s: Floats = ZERO) -> Floats:
        """With so many seconds more; never below what compute allows."""
        return np.maximum((self.alone_s + more_s) * self.factor, self.least_s)


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
        self._steps: dict[int, Step] = {}
        self._prompts: dict[int, Prompt] = {}
        self.basis = candidates.basis

    def take(self, candidates: Candidates, rows: Ints) -> Outcome:
        """The same for ``candidates``, which are some of the rows, under a workload that is one for all of them.

        What is known already is not worked out again.
        """
        few = Outcome(candidates, self._workload)
        few._steps = {streams: step.take(rows) for streams, step in self._steps.items()}
        few._prompts = {streams: prompt.take(rows) for streams, prompt in self._prompts.items()}
        for name in KEPT & self.__dict__.keys():  # where cached_property keeps what it made
            few.__dict__[name] = rows_of(self.__dict__[name], rows)
        return few

    @property
    def decode_tok_s(self) -> Estimate:
        """Tokens per second of one stream; company makes none faster."""
        return Estimate(self._tok_s, lambda: self._decode_sd, self.ceiling_tok_s)

    @property
    def decode_total_tok_s(self) -> Estimate:
        """Tokens per second of all streams together, until the last one ends."""
        return Estimate(self._total_tok_s, lambda: self._total_sd, self._streams * self.ceiling_tok_s)

    @cached_property
    def single_stream_tok_s(self) -> Floats:
        """Decode speed of a stream alone."""
        if self._alone:
            return self._tok_s
        pace = self._candidates.paces.ceiling(1)
        ceiling = self._ceiling(pace, pace.weights_read_bytes + self._cache_bytes)
        return np.minimum(1.0 / self._step(1).token_s(), ceiling)

    @property
    def prefill_tok_s(self) -> Estimate:
        """Prompt tokens per second of one request."""
        return Estimate(self._isl / self._prefill_s, lambda: self._prefill_sd, self._prefill_ceiling_tok_s)

    @property
    def ttft_ms(self) -> Estimate:
        """Time to the first token, on average over the streams that start together."""
        return Estimate(self._ttft_s * 1e3, lambda: self._ttft_sd)

    @property
    def decode_ms(self) -> Estimate:
        """Time of the output after its first token."""
        return Estimate(self._output_s * 1e3, lambda: self._decode_sd)

    @property
    def latency_ms(self) -> Estimate:
        """Time of a whole request."""
        return Estimate((self._ttft_s + self._output_s) * 1e3, lambda: self._latency_sd)

    @cached_property
    def bytes_per_step(self) -> Floats:
        """Bytes a decode step reads, over all units."""
        return self._ceiling_pace.weights_read_bytes + self._streams * self._cache_bytes

    @cached_property
    def ceiling_tok_s(self) -> Floats:
        """Tokens per second of one stream that no engine can exceed; all drafts accepted, where there are drafts."""
        return self._ceiling(self._ceiling_pace, self.bytes_per_step)

    @cached_property
    def at_best_tok_s(self) -> Floats:
        """What the decode of no shorter context or prompt exceeds: nothing in the cache, no prefill in between."""
        within = 1 << (int(np.min(self._streams)).bit_length() - 1)  # company makes no stream faster
        lengths_factor = np.minimum(self._length_factor, np.exp(self._candidates.decode.added(self._texts)))
        return 1.0 / (self._candidates.paces.step(within).emptied_s * lengths_factor)

    @property
    def efficiency(self) -> Floats:
        """Decode speed as a share of its ceiling."""
        return self._tok_s / self.ceiling_tok_s

    @cached_property
    def weights_bytes(self) -> Floats:
        """Weights per unit."""
        return self._memory[0]

    @cached_property
    def kv_bytes(self) -> Floats:
        """Cache and states per unit, at context + osl tokens of every stream."""
        return self._memory[1]

    @cached_property
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
        added = DECODE_SUM
        overhead = 1.0 - link - sum(share[t] for t in (*added.streamed, *added.computed, added.least or ""))
        bound = np.where(compute_s > memory_s, COMPUTE, BANDWIDTH)
        bound = np.where(overhead > OVERHEAD_SHARE, OVERHEAD, bound)
        return np.where(link > OVERHEAD_SHARE, LINK, bound).astype(np.int64)

    @cached_property
    def _memory(self) -> tuple[Floats, Floats, Floats]:
        end, footprints = self._context + self._osl, self._candidates.footprints
        if np.ndim(end) or np.ndim(self._streams):
            return memory_bytes(footprints, end, self._streams, self._kv_bytes_per_value)
        held = self._candidates.allocations
        _, cache, overhead = memory_bytes(held.of, end, self._streams, self._kv_bytes_per_value)
        return footprints.weights_bytes, cache[held.kind], overhead[held.kind]

    @cached_property
    def _asked(self) -> Load:
        """The workload half-way through the output, all streams at work."""
        return self._load(self._halfway, self._streams)

    @property
    def _alone(self) -> bool:
        """Whether one stream is asked, of all candidates."""
        return not np.ndim(self._streams) and int(self._streams) == 1

    @property
    def _halfway(self) -> Floats:
        """Tokens in a stream's cache when half of its output is there."""
        return self._context + self._osl / 2.0

    def _load(self, context: Floats, streams: int | Floats) -> Load:
        return self._situations.load(self._isl, self._osl, context, streams, self._kv_bytes_per_value)

    @cached_property
    def _ceiling_pace(self) -> CeilingPace:
        """What sets the ceiling at the asked streams."""
        if np.ndim(self._streams):
            return ceiling_pace(self._situations, self._asked)
        return self._candidates.paces.ceiling(int(self._streams))

    def _ceiling(self, pace: CeilingPace, read_bytes: Floats) -> Floats:
        """The ceiling if a step reads so many bytes."""
        alone = physics.ceiling_tok_s(read_bytes, pace.pooled_bytes_s, pace.pooled_compute_s)
        return alone * (self._situations.draft_tokens + 1.0)

    @cached_property
    def _cache_bytes(self) -> Floats:
        """Bytes of one stream's cache that a step reads."""
        load = self._load(self._halfway, 1)
        if np.ndim(self._halfway):
            return physics.cache_bytes(self._situations.shapes, load)
        read = self._candidates.caches
        return physics.cache_bytes(read.of, load)[read.kind]

    @property
    def _powers(self) -> list[int]:
        """1, 2, 4... streams up to those asked, and the next one where they are no power of two."""
        return [1 << i for i in range((int(np.max(self._streams)) - 1).bit_length() + 1)]

    def _at_streams(self, token_s: list[Floats]) -> Floats:
        """Seconds per token at the asked streams, never falling with them: company makes no stream faster.

        ``token_s`` is what the calibration says at each of ``_powers``. Between two of them the logarithm of seconds is
        straight in the logarithm of streams.
        """
        slowest = list(accumulate(token_s, np.maximum))
        place = np.log2(self._streams)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, len(slowest) - 1)
        if np.ndim(place):
            table, rows = np.stack(slowest), np.arange(len(place))
            lower, upper = table[below, rows], table[above, rows]
        else:
            lower, upper = slowest[below], slowest[above]
        between = np.any(place > below)
        return np.asarray(lower * np.exp((place - below) * np.log(upper / lower)) if between else lower)

    @cached_property
    def _tok_s(self) -> Floats:
        """Tokens per second of one stream beside those asked."""
        return np.minimum(1.0 / self._at_streams([self._step(n).token_s() for n in self._powers]), self.ceiling_tok_s)

    @cached_property
    def _total_tok_s(self) -> Floats:
        if self._alone:
            return self._tok_s
        token_s = self._at_streams([self._together_s(n) for n in self._powers])
        return np.asarray(self._streams * np.minimum(1.0 / token_s, self.ceiling_tok_s))

    @property
    def _output_s(self) -> Floats:
        """Seconds of the output after its first token."""
        return self._osl / self._tok_s

    def _step(self, streams: int) -> Step:
        """A step of so many streams."""
        if streams not in self._steps:
            pace = self._candidates.paces.step(streams)
            parts, others = self._step_parts(streams), ZERO
            if streams > 1:
                waits = physics.interleaved_s(self._load(self._halfway, streams), self._prompt(streams).seconds(), ZERO)
                others = self._candidates.decode.scaled({"interleave": waits}, self._texts)["interleave"]
            alone_s, least_s = DECODE_SUM.total(parts), parts.least / self._situations.accepted
            self._steps[streams] = Step(alone_s, others, pace.factor * self._length_factor, least_s)
        return self._steps[streams]

    def _step_parts(self, streams: int) -> Parts:
        """A step with the caches it reads, before prefills."""
        paces = self._candidates.paces
        return paces.step(streams).parts.plus(paces.cache_read().parts, streams * self._cache_bytes)

    def _together_s(self, streams: int) -> Floats:
        """Seconds per token of each stream if all are timed until the last one ends: it waits for all prefills."""
        step = self._step(streams)
        if streams == 1:
            return step.token_s()
        ends = ragged(self._load(self._halfway, streams), ONE)
        return step.token_s(2.0, np.exp(self._candidates.decode.added(ends)))

    @cached_property
    def _length_factor(self) -> Floats:
        """What lengths and the kind of text multiply a step with."""
        return np.asarray(np.exp(self._candidates.decode.added(lengths(self._asked) | self._texts)))

    @property
    def _texts(self) -> dict[str, Floats]:
        """What scales the acceptance of drafts of this kind of text."""
        return {CONTENT_SLOPES[self._workload.content or UNSTATED]: self._situations.numbers["acceptance"]}

    def _prompt(self, streams: int) -> Prompt:
        """One prompt's prefill while so many wait together."""
        if streams not in self._prompts:
            self._prompts[streams] = self._prompt_beside(streams)
        return self._prompts[streams]

    def _prompt_beside(self, streams: int | Floats) -> Prompt:
        load = self._load(self._context, streams)
        factor = (
            self._candidates.paces.prompt_factor(streams)
            if isinstance(streams, int)
            else prompt_factor(self._candidates.prefill, company(self._situations, load))
        )
        effects = np.exp(self._candidates.prefill.added(lengths(load)))
        alone_s = PREFILL_SUM.seconds(self._prompt_terms(streams))[self._prompts_made_of.kind]
        return Prompt(alone_s, factor * effects, self._least_prompt_s)

    @cached_property
    def _prompt_asked(self) -> Prompt:
        """One prompt's prefill while those asked wait together."""
        return self._prompt_beside(self._streams) if np.ndim(self._streams) else self._prompt(int(self._streams))

    @cached_property
    def _prompts_made_of(self) -> Kinds[PromptPace]:
        """What prompts are made of, by kind; where each config has a load of its own, it is a kind of its own."""
        made_of = self._candidates.paces.prompts()
        return made_of.each() if any(map(np.ndim, (self._isl, self._context, self._streams))) else made_of

    def _prompt_terms(self, streams: int | Floats) -> dict[str, Floats]:
        """Terms of one request's share in a prefill while so many wait together, of each kind."""
        units, situations = self._prompts_made_of.of.units, self._prompts_made_of.of.situations
        load = situations.load(self._isl, self._osl, self._context, streams, self._kv_bytes_per_value)
        return prompts.request_terms(units, situations.shapes, load)

    @cached_property
    def _least_prompt_s(self) -> Floats:
        return self._isl / self._prefill_ceiling_tok_s

    @cached_property
    def _prefill_ceiling_tok_s(self) -> Floats:
        return prompts.prefill_ceiling_tok_s(self._situations.shapes, self._situations.devices)

    @cached_property
    def _prefill_s(self) -> Floats:
        return self._prompt_asked.seconds()

    @cached_property
    def _ttft_s(self) -> Floats:
        """Seconds to the first token: the prefills waited for, and what it takes beyond them, as measured TTFTs show.

        That is tokenising, scheduling, the first step.
        """
        first = prompts.FIRST_SECONDS * self._candidates.prefill.factor["first"]
        beyond = self._prompt_asked.seconds(first) - self._prefill_s
        waited = prompts.prefills_waited_for(self._load(self._context, self._streams))
        return np.asarray(self._prefill_s * waited + beyond)

    @cached_property
    def _prefill_sd(self) -> Floats:
        return self._candidates.prefill.log_sd(self._prefill_spread, self._streams)

    @cached_property
    def _ttft_sd(self) -> Floats:
        return self._candidates.prefill.log_sd(self._prefill_spread, self._streams, 1)

    @cached_property
    def _decode_sd(self) -> Floats:
        return self._candidates.decode.log_sd(self._decode_spread, self._streams)

    @cached_property
    def _total_sd(self) -> Floats:
        return self._candidates.decode.log_sd(self._decode_spread, self._streams, 1)

    @property
    def _latency_sd(self) -> Floats:
        first, rest = self._ttft_s, self._output_s
        return np.hypot(first * self._ttft_sd, rest * self._decode_sd) / (first + rest)

    @cached_property
    def _prefill_spread(self) -> Floats:
        shares = PREFILL_SUM.shares(self._prompt_terms(self._streams))
        each = {term: share[self._prompts_made_of.kind] for term, share in shares.items()}
        return self._candidates.prefill.spread(
            {**each, "first": ZERO}, self._scales(self._load(self._context, self._streams))
        )

    @cached_property
    def _decode_spread(self) -> Floats:
        return self._candidates.decode.spread(self._decode_share, self._scales(self._asked) | self._texts)

    def _scales(self, load: Load) -> dict[str, Floats]:
        """The numbers that a load of the asked streams sets."""
        together = (
            company(self._situations, load)
            if np.ndim(self._streams)
            else self._candidates.paces.company(int(self._streams))
        )
        return {**lengths(load), **together}

    @cached_property
    def _decode_share(self) -> dict[str, Floats]:
        """Each term's share in a step, at the largest power of two within the asked streams."""
        powers = np.floor(np.log2(self._streams)).astype(np.int64)
        if not np.ndim(powers):
            return self._shares(1 << int(powers))
        found: dict[str, Floats] = {}
        for i in np.unique(powers).tolist() or [0]:
            for term, share in self._shares(1 << i).items():
                found[term] = np.where(powers == i, share, found.get(term, ZERO))
        return found

    def _shares(self, streams: int) -> dict[str, Floats]:
        """Each term's share in a step of so many streams."""
        step, paces, read = self._step(streams), self._candidates.paces, streams * self._cache_bytes
        cache = {term: read * seconds for term, seconds in paces.cache_read().terms.items()}
        terms = {**paces.step(streams).terms, **cache, "interleave": step.interleaved_s}
        parts = self._step_parts(streams)
        return DECODE_SUM.shares_in(replace(parts, added=parts.added + step.interleaved_s), terms)
