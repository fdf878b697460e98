"""Raw names to ids: what sources call a model, quant, engine or machine, through the aliases in the data."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from catalog.facts import Facts


class Named(Protocol):
    """A record with an id and the other names it goes by."""

    @property
    def id(self) -> str:
        """The id."""

    @property
    def aliases(self) -> tuple[str, ...]:
        """Names sources use."""


N = TypeVar("N", bound=Named)


def claims(records: Iterable[Named]) -> dict[str, tuple[str, ...]]:
    """Every name, case folded, with the ids that claim it."""
    claimed: dict[str, list[str]] = defaultdict(list)
    for record in records:
        for name in {record.id.casefold(), *(alias.casefold() for alias in record.aliases)}:
            claimed[name].append(record.id)
    return {name: tuple(ids) for name, ids in claimed.items()}


def quant_id(facts: Facts, name: str, engine_id: str) -> str | None:
    """The quant that a raw name stands for on an engine: of several that claim it, the only one that the engine loads.

    NVFP4 is a GGUF on llama.cpp, an MLX format on mlx, a safetensors checkpoint elsewhere. KV-cache formats are none.
    """
    engine = facts.engines[engine_id]
    claimed = claims(facts.quants.values()).get(name.strip().casefold(), ())
    quants = [facts.quants[quant] for quant in claimed if facts.quants[quant].family != "kv"]
    able = [q.id for q in quants if (engine_id in q.engines if q.engines else q.family in engine.quant_families)]
    found = able or [quant.id for quant in quants]
    return found[0] if len(found) == 1 else None


def find_id(records: Mapping[str, N], name: str) -> str | None:
    """The id a raw name stands for: an exact id, else the only one that claims it; None when none or several do."""
    if name in records:
        return name
    ids = claims(records.values()).get(name.strip().casefold(), ())
    return ids[0] if len(ids) == 1 else None
