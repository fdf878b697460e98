"""The smallest change of one thing that makes a rejected config feasible, verified by asking it.

What is tried first depends on why the config failed: what does not fit wants another unit, a lighter quant, a shorter
context; what is too slow wants a lighter quant, a smaller model of its family, fewer streams. A limit is loosened last.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from service.recommendation.asked import Asked
from service.recommendation.change import Change, Variation
from service.recommendation.judge import Judged, judge
from service.recommendation.limits import FIELDS
from service.recommendation.render import config_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from modelpicker.wire.questions import RecommendQuestion

    from catalog.catalog import Catalog
    from catalog.predict import Outcome
    from catalog.prediction import Bools, Ints, Workload
    from catalog.table import Candidates

    Attempt = Callable[[int], "Iterator[Change | Variation]"]

GB = 1e9
MORE_UNITS = (2, 4, 8, 16)
SHORTER = (0.5, 0.25, 0.125)
ROUNDING = 1e-9
"""How far two ways of adding up the same may differ, as a share."""
SMALL_CACHE = 0.05
"""Share of the weights below which a shorter context frees too little to be worth asking."""


class Neighbourhood:
    """Finds nearest changes for rejected rows of one answer; what several rows need is judged once."""

    def __init__(
        self, catalog: Catalog, question: RecommendQuestion, judged: Judged, everything: Judged | None = None
    ) -> None:
        """``everything`` is where other quants and models are sought; default: all candidates of the machine."""
        self._catalog = catalog
        self._question = question
        self._judged = judged
        self._open = everything

    def nearest(self, rows: Sequence[int]) -> list[Change | None]:
        """For each row the first change, in the order of its reasons, that makes it feasible; None if there is none."""
        plans = [list(self._plan(row)) for row in rows]
        asked = self._ask([option for plan in plans for option in plan if isinstance(option, Variation)])
        return [
            next(filter(None, (asked.get(x) if isinstance(x, Variation) else x for x in plan)), None) for plan in plans
        ]

    def _plan(self, row: int) -> Iterator[Change | Variation]:
        """What to try for a row, in order, up to the first change that is known to do."""
        for attempt in self._attempts(row):
            for option in attempt(row):
                yield option
                if isinstance(option, Change):
                    return

    def _attempts(self, row: int) -> tuple[Attempt, ...]:
        codes = [limit.code for limit in self._judged.reasons(row)]
        if "unsupported" in codes:
            return (self._engine, self._quant, self._family)
        if "no_measurement" in codes:
            return (self._quant, self._engine, self._family, self._evidence)
        if "does_not_fit" in codes:
            return (self._units, self._quant, self._context, self._streams, self._limit, self._family)
        if "context_too_long" in codes:
            return (self._context, self._family)
        return (self._quant, self._family, self._streams, self._units, self._context, self._limit)

    @property
    def _everything(self) -> Judged:
        """All candidates of the machine under the same limits, whatever the filters by name."""
        if self._open is None:
            asked = self._judged.asked
            table = self._catalog.candidates(asked.hardware, asked.workload.units)
            unfiltered = table is asked.candidates
            self._open = (
                self._judged if unfiltered else judge(self._catalog, self._question, replace(asked, candidates=table))
            )
        return self._open

    @cached_property
    def _never_fast(self) -> Bools:
        """Rows that no shorter context makes fast enough."""
        return self._too_slow(self._judged.outcome)

    @cached_property
    def _alone_too_slow(self) -> Bools:
        """Rows that no smaller number of streams makes fast enough."""
        return self._judged.outcome.single_stream_tok_s * (1.0 + ROUNDING) < self._question.min_tg

    def _quant(self, row: int) -> Iterator[Change]:
        """The heaviest feasible quant of the same model, all else equal."""
        yield from self._other(row, "quant")

    def _engine(self, row: int) -> Iterator[Change]:
        """Another engine, all else equal."""
        yield from self._other(row, "engine")

    def _family(self, row: int) -> Iterator[Change]:
        """The largest feasible model of the family, all else equal."""
        yield from self._other(row, "model")

    def _other(self, row: int, field: Literal["model", "quant", "engine"]) -> Iterator[Change]:
        """The heaviest feasible config that differs in one field alone; another model is one of the same family."""
        config, other = self._judged.asked.candidates.configs[row], self._everything
        table, name = other.asked.candidates, getattr(config, field).id
        alike = table.alike(field, config)
        feasible = alike[other.feasible[alike]].tolist()
        rows = [i for i in feasible if getattr(table.keys[i], field) != name]
        if rows:
            best = _heaviest(other, rows)
            yield self._found(field, name, getattr(table.keys[best], field), other, best)

    def _evidence(self, row: int) -> Iterator[Change]:
        """Evidence of any kind, where only that is missing."""
        if {limit.code for limit in self._judged.reasons(row)} == {"no_measurement"}:
            yield self._found("evidence", self._question.evidence, "any", self._judged, row)

    def _units(self, row: int) -> Iterator[Variation]:
        """Two, four, eight or sixteen of the machine, where the weights find room on them and the most may be fast enough."""
        before, outcome = self._judged.asked.workload.units, self._judged.outcome
        engine = self._judged.asked.candidates.configs[row].engine
        slow = not any(limit.code == "does_not_fit" for limit in self._judged.reasons(row))
        hopeless = outcome.ceiling_tok_s[row] * MORE_UNITS[-1] / before < self._question.min_tg
        if engine.multi_unit is None or (slow and engine.multi_unit != "tensor") or hopeless:
            return
        for units in MORE_UNITS:
            more = units / before
            if more > 1 and outcome.weights_bytes[row] <= more * self._judged.asked.workload.budget_bytes:
                yield Variation(row, "units", before, units)

    def _context(self, row: int) -> Iterator[Variation]:
        """A shorter context: the longest the model is built for, else a half, a quarter, an eighth."""
        before, limit = self._question.context_tokens, int(self._judged.asked.candidates.context_limit[row])
        too_long = bool(limit) and before + self._question.osl > limit
        outcome = self._judged.outcome
        small = outcome.kv_bytes[row] < SMALL_CACHE * outcome.weights_bytes[row]
        if (small and not too_long) or self._never_fast[row]:
            return
        tries = [limit - self._question.osl] if too_long else []
        for tokens in tries + [int(before * share) for share in SHORTER]:
            if tokens >= 1:
                yield Variation(row, "context", before, tokens)

    def _streams(self, row: int) -> Iterator[Variation]:
        """Fewer streams at once, halved until it holds."""
        before, streams = self._question.concurrency, self._question.concurrency // 2
        if streams and self._alone_too_slow[row]:
            return
        while streams >= 1:
            yield Variation(row, "concurrency", before, streams)
            streams //= 2

    def _limit(self, row: int) -> Iterator[Change]:
        """The one broken limit, loosened to what this config reaches (rounded to the safe side)."""
        reasons = self._judged.reasons(row)
        fields = {FIELDS[limit.code][:2] for limit in reasons if FIELDS[limit.code][1]}
        if len(fields) != 1 or len(fields) != len({limit.code for limit in reasons}):
            return
        (field, direction), value = fields.pop(), reasons[0].value
        if reasons[0].code == "above_any_ceiling":
            value = next(limit.value for limit in self._judged.limits if limit.code == "too_slow")
        if value is None:
            return
        reach, before = float(value[row]), getattr(self._question, field)
        if field == "memory_gb":
            reach, before = reach / GB, self._judged.asked.workload.budget_bytes / GB
        loosened = float(np.floor(reach * 10) / 10 if direction < 0 else np.ceil(reach * 10) / 10)
        holds = reach >= loosened if direction < 0 else reach <= loosened
        real = field != "memory_gb" or loosened <= (self._judged.asked.hardware.memory_gb or 0)
        if loosened > 0 and holds and real:
            yield self._found(field, before, loosened, self._judged, row)

    def _found(
        self,
        change: str,
        before: float | str | None,
        after: float | str | None,
        judged: Judged,
        row: int,
        units: int | None = None,
    ) -> Change:
        """A change whose outcome is a row that was judged already, on the units asked or others."""
        outcome = judged.outcome
        config = config_of(judged.asked.candidates, row, units)
        return Change(
            change, before, after, config, float(outcome.decode_tok_s.value[row]), float(outcome.total_bytes[row])
        )

    def _ask(self, variations: Sequence[Variation]) -> dict[Variation, Change]:
        """Judge all variations; those that are feasible, as changes."""
        keys, listed = self._judged.asked.candidates.keys, self._catalog.facts.models
        more_units = [x for x in variations if x.change == "units" and keys[x.row].model in listed]
        return self._on_more(more_units) | self._under_less([x for x in variations if x.change != "units"])

    def _on_more(self, asked: Sequence[Variation]) -> dict[Variation, Change]:
        """Those on more units that are feasible."""
        workload, keys = self._judged.asked.workload, self._judged.asked.candidates.keys
        if not asked:
            return {}
        table = self._catalog.named(self._judged.asked.hardware).take([(keys[x.row], x.after) for x in asked])
        hopeless = self._too_slow(self._catalog.predict(table, workload)).all()
        return {} if hopeless else self._feasible(asked, table, workload)

    def _under_less(self, asked: Sequence[Variation]) -> dict[Variation, Change]:
        """Those under a shorter context or fewer streams that are feasible, judged in one pass."""
        question, judged = self._question, self._judged
        if not asked:
            return {}
        contexts = np.array([x.of("context", question.context_tokens) for x in asked])
        streams = np.array([x.of("concurrency", question.concurrency) for x in asked])
        prompts = np.minimum(question.input_tokens, contexts)
        workload = replace(judged.asked.workload, isl=prompts, context=contexts, concurrency=_one_if_same(streams))
        return self._feasible(asked, judged.asked.candidates.selected(tuple(x.row for x in asked)), workload)

    def _feasible(self, asked: Sequence[Variation], table: Candidates, workload: Workload) -> dict[Variation, Change]:
        """The feasible ones of variations that are the rows of a table."""
        judged = self._judged
        quality = judged.quality.take([x.row for x in asked])
        again = judge(self._catalog, self._question, Asked(judged.asked.hardware, workload, table), quality)
        found = {}
        for i in np.flatnonzero(again.feasible).tolist():
            change, before, after = asked[i].change, asked[i].before, asked[i].after
            found[asked[i]] = self._found(change, before, after, again, i, asked[i].of("units", workload.units))
        return found

    def _too_slow(self, outcome: Outcome) -> Bools:
        """Rows that are not fast enough at any context, as the median goes: no confidence asks for less."""
        return outcome.at_best_tok_s * (1.0 + ROUNDING) < self._question.min_tg


def _one_if_same(values: Ints) -> Ints | int:
    """A column of one number as that number, which is worked out faster."""
    return int(values[0]) if (values == values[0]).all() else values


def _heaviest(judged: Judged, rows: list[int]) -> int:
    """The row with the most weight bytes: the least that had to be given up. Originals before copies, then the faster."""
    weights, decode, configs = (
        judged.outcome.weights_bytes,
        judged.outcome.decode_tok_s.value,
        judged.asked.candidates.configs,
    )

    def given_up(row: int) -> tuple[bool, float, float, int]:
        return configs[row].model.derivative_of is not None, -weights[row], -decode[row], row

    return min(rows, key=given_up)
