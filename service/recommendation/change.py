"""What could be changed of a rejected config or its workload: found to make it feasible, or still to be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from modelpicker.wire.answers import Nearest

if TYPE_CHECKING:
    from service.recommendation.render import SharedConfig


class Change(NamedTuple):
    """One change that was found to make a row feasible: of what, from and to, and what the changed config does."""

    change: str
    before: float | str | None
    after: float | str | None
    config: SharedConfig
    decode_tok_s: float
    total_bytes: float

    def nearest(self) -> Nearest:
        """The change as the wire names it."""
        return Nearest.model_validate(self.fields())

    def fields(self) -> dict[str, Any]:
        """The same as the wire's fields."""
        return {
            "change": self.change,
            "from": self.before,
            "to": self.after,
            "config": self.config,
            "decode_tok_s": round(self.decode_tok_s, 2),
            "total_bytes": int(self.total_bytes),
        }


class Variation(NamedTuple):
    """A row with one thing of its workload changed: not asked yet."""

    row: int
    change: str
    before: int
    after: int

    def of(self, field: str, otherwise: int) -> int:
        """The workload's value of a field, here."""
        return self.after if field == self.change else otherwise
