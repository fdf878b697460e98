"""The smallest change of one thing that makes a rejected config feasible, verified by asking it.

What is tried first depends on why the config failed: what does not fit wants another unit, a lighter quant, a shorter
context; what is too slow wants a lighter quant, a smaller model of its family, fewer streams. A limit is loosened last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from modelpicker.wire.answers import Nearest

from catalog.errors import CatalogError
from service.recommendation.asked import Asked, load
from service.recommendation.judge import Judged, judge
from service.recommendation.render import config_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modelpicker.wire.questions import RecommendQuestion

    from catalog.catalog import Catalog
    from catalog.prediction import Ints

MORE_UNITS = (2, 4, 8)
SHORTER = (0.5, 0.25, 0.125)
SMALL_CACHE = 0.05
"""Share of the weights below which a shorter context frees too little to be worth asking."""
LIMIT_FIELDS = {
    "above_any_ceiling": ("min_tg", -1),
    "too_slow": ("min_tg", -1),
    "prefill_too_slow": ("min_pp", -1),
    "ttft_too_high": ("max_ttft_ms", 1),
    "latency_too_high": ("max_latency_ms", 1),
    "quality_too_low": ("min_quality", -1),
}
"""Code → the field that sets the limit, and the direction that loosens it."""


class Change(NamedTuple):
    """One verified change: of what, from and to, and where its outcome stands."""

    change: str
    before: float | str | None
    after: float | str | None
    judged: Judged
    row: int

    def render(self) -> Nearest:
        """The change as the wire names it."""
        return Nearest.model_validate(
            {
                "change": self.change,
                "from": self.before,
                "to": self.after,
                "config": config_of(self.judged.asked.candidates, self.row),
                "decode_tok_s": round(float(self.judged.outcome.decode_tok_s.value[self.row]), 2),
                "total_bytes": int(self.judged.outcome.total_bytes[self.row]),
            }
        )


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

    def nearest(self, row: int) -> Nearest | None:
        """The first change, in the order of the reasons, that makes the row feasible; None if there is none."""
        codes = [limit.code for limit in self._judged.reasons(row)]
        if "unsupported" in codes or "no_measurement" in codes:
            attempts: tuple[Callable[[int], Iterator[Change]], ...] = (self._quant, self._family)
        elif "does_not_fit" in codes:
            attempts = (self._units, self._quant, self._context, self._streams, self._family)
        elif "context_too_long" in codes:
            attempts = (self._context, self._family)
        else:
            attempts = (self._quant, self._family, self._streams, self._units, self._context, self._limit)
        change = next((change for attempt in attempts for change in attempt(row)), None)
        return change.render() if change else None

    @property
    def _everything(self) -> Judged:
        """All candidates of the machine under the same limits, whatever the filters by name."""
        if self._open is None:
            asked = self._judged.asked
            table = self._catalog.candidates(asked.hardware, asked.workload.units)
            self._open = judge(self._catalog, self._question, Asked(asked.hardware, asked.workload, table))
        return self._open

    def _quant(self, row: int) -> Iterator[Change]:
        """The heaviest feasible quant of the same model: on the same engine if it has one, without new speculation."""
        mine = self._judged.asked.candidates.keys[row]
        other = self._everything
        table = other.asked.candidates
        index = self._judged.asked.candidates.model_index[row]
        rows = np.flatnonzero(other.feasible & (table.model_index == index) & ~table.speculative)
        rows = rows[[table.keys[i].quant != mine.quant for i in rows]] if len(rows) else rows
        same = rows[[table.keys[i].engine == mine.engine for i in rows]] if len(rows) else rows
        best = _heaviest(other, same if len(same) else rows)
        if best is not None:
            yield Change("quant", mine.quant, table.keys[best].quant, other, best)

    def _family(self, row: int) -> Iterator[Change]:
        """The largest feasible smaller model of the family, in the same quant if it can be."""
        config = self._judged.asked.candidates.configs[row]
        other = self._everything
        table = other.asked.candidates
        family = [i for i, m in enumerate(self._catalog.facts.models.values()) if m.family == config.model.family]
        rows = np.flatnonzero(other.feasible & np.isin(table.model_index, family) & ~table.speculative)
        rows = rows[[table.keys[i].model != config.model.id for i in rows]] if len(rows) else rows
        same = rows[[table.keys[i].quant == config.quant.id for i in rows]] if len(rows) else rows
        best = _heaviest(other, same if len(same) else rows)
        if best is not None:
            yield Change("model", config.model.id, table.keys[best].model, other, best)

    def _units(self, row: int) -> Iterator[Change]:
        """Two, four or eight of the machine instead of what was asked."""
        before = self._question.units
        engine = self._judged.asked.candidates.configs[row].engine
        slow = not any(limit.code == "does_not_fit" for limit in self._judged.reasons(row))
        if engine.multi_unit is None or (slow and engine.multi_unit != "tensor"):
            return
        for units in MORE_UNITS:
            if units > before:
                yield from self._again(row, "units", before, units, {"units": units})

    def _context(self, row: int) -> Iterator[Change]:
        """A shorter context: the longest the model is built for, else a half, a quarter, an eighth."""
        before, limit = self._question.context_tokens, self._judged.asked.candidates.context_limit[row]
        if self._judged.outcome.kv_bytes[row] < SMALL_CACHE * self._judged.outcome.weights_bytes[row] and not (
            limit and before + self._question.osl > limit
        ):
            return
        tries = [int(limit) - self._question.osl] if limit and before + self._question.osl > limit else []
        for tokens in tries + [int(before * share) for share in SHORTER]:
            if tokens >= 1:
                isl = min(self._question.input_tokens, tokens)
                yield from self._again(row, "context", before, tokens, {"context": tokens, "isl": isl})

    def _streams(self, row: int) -> Iterator[Change]:
        """Fewer streams at once, halved until it holds."""
        before, streams = self._question.concurrency, self._question.concurrency // 2
        while streams >= 1:
            yield from self._again(row, "concurrency", before, streams, {"concurrency": streams})
            streams //= 2

    def _limit(self, row: int) -> Iterator[Change]:
        """The one broken limit, loosened to what this config reaches (rounded to the safe side)."""
        reasons = self._judged.reasons(row)
        fields = {LIMIT_FIELDS[limit.code] for limit in reasons if limit.code in LIMIT_FIELDS}
        if len(fields) != 1 or len(fields) != len({limit.code for limit in reasons}):
            return
        (field, direction), value = fields.pop(), reasons[0].value
        if reasons[0].code == "above_any_ceiling":
            value = self._judged.outcome.decode_tok_s.value
        if value is not None:
            reach = float(value[row])
            loosened = float(np.floor(reach * 10) / 10 if direction < 0 else np.ceil(reach))
            yield from self._again(row, field, getattr(self._question, field), loosened, {field: loosened})

    def _again(self, row: int, change: str, before: float, after: float, update: dict[str, float]) -> Iterator[Change]:
        """Ask the same config again with one field changed; yields it if it is feasible now."""
        asked = self._judged.asked
        question = self._question.model_copy(update=update)
        try:
            workload = load(self._catalog, question, asked.hardware)
            table = asked.candidates.take([row])
            if question.units != asked.workload.units:
                table = self._catalog.one(asked.candidates.keys[row], asked.hardware, question.units)
        except CatalogError:
            return
        judged = judge(self._catalog, question, Asked(asked.hardware, workload, table))
        if judged.feasible[0]:
            yield Change(change, before, after, judged, 0)


def _heaviest(judged: Judged, rows: Ints) -> int | None:
    """The row with the most weight bytes: the least that had to be given up. Originals before copies, then the faster."""
    if len(rows) == 0:
        return None
    outcome, configs = judged.outcome, judged.asked.candidates.configs
    copies = np.array([configs[i].model.derivative_of is not None for i in rows])
    keys = (rows, -outcome.decode_tok_s.value[rows], -outcome.weights_bytes[rows], copies)
    return int(rows[np.lexsort(keys)[0]])
