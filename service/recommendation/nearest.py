"""The smallest change of one thing that makes a rejected config feasible, verified by asking it.

What is tried first depends on why the config failed: what does not fit wants another unit, a lighter quant, a shorter
context; what is too slow wants a lighter quant, a smaller model of its family, fewer streams. A limit is loosened last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from modelpicker.wire.answers import Nearest

from catalog.errors import CatalogError
from service.recommendation.asked import Asked, load
from service.recommendation.judge import Judged, judge
from service.recommendation.limits import FIELDS
from service.recommendation.render import config_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from modelpicker.wire.questions import RecommendQuestion

    from catalog.catalog import Catalog
    from catalog.prediction import Ints

GB = 1e9
MORE_UNITS = (2, 4, 8, 16)
SHORTER = (0.5, 0.25, 0.125)
SMALL_CACHE = 0.05
"""Share of the weights below which a shorter context frees too little to be worth asking."""


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
        if "unsupported" in codes:
            attempts: tuple[Callable[[int], Iterator[Change]], ...] = (self._engine, self._quant, self._family)
        elif "no_measurement" in codes:
            attempts = (self._quant, self._engine, self._family, self._evidence)
        elif "does_not_fit" in codes:
            attempts = (self._units, self._quant, self._context, self._streams, self._limit, self._family)
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
        mine, other = self._judged.asked.candidates, self._everything
        table, key = other.asked.candidates, mine.keys[row]
        equal = np.array(other.feasible)
        for name in ("model", "quant", "engine"):
            same = getattr(table, f"{name}_index") == getattr(mine, f"{name}_index")[row]
            equal &= ~same if name == field else same
        family = mine.configs[row].model.family
        rows = [
            i
            for i in np.flatnonzero(equal).tolist()
            if table.keys[i].speculation == key.speculation and table.configs[i].model.family == family
        ]
        best = _heaviest(other, np.array(rows, dtype=np.int64))
        if best is not None:
            yield Change(field, getattr(key, field), getattr(table.keys[best], field), other, best)

    def _evidence(self, row: int) -> Iterator[Change]:
        """Evidence of any kind, where only that is missing."""
        yield from self._again(row, "evidence", self._question.evidence, "any", {"evidence": "any"})

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
        fields = {FIELDS[limit.code][:2] for limit in reasons if FIELDS[limit.code][1]}
        if len(fields) != 1 or len(fields) != len({limit.code for limit in reasons}):
            return
        (field, direction), value = fields.pop(), reasons[0].value
        if reasons[0].code == "above_any_ceiling":
            value = next(limit.value for limit in self._judged.limits if limit.code == "too_slow")
        if value is not None:
            reach, before = float(value[row]), getattr(self._question, field)
            if field == "memory_gb":
                reach, before = reach / GB, self._judged.asked.workload.budget_bytes / GB
            loosened = float(np.floor(reach * 10) / 10 if direction < 0 else np.ceil(reach * 10) / 10)
            if loosened > 0 and not (field == "memory_gb" and loosened > (self._judged.asked.hardware.memory_gb or 0)):
                yield from self._again(row, field, before, loosened, {field: loosened})

    def _again(
        self, row: int, change: str, before: float | str, after: float | str, update: Mapping[str, float | str]
    ) -> Iterator[Change]:
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
