"""What people may name: models, quants, engines and machines of the service, found however they are typed."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from modelpicker import AsyncClient

NICKNAMES = {
    "spark": "dgx-spark",
    "sparks": "dgx-spark",
    "gb10": "dgx-spark",
    "strix": "strix-halo-395",
    "halo": "strix-halo-395",
}
"""What people call a machine in one word."""
MOST_MODELS = 6
"""Models that one mention may stand for."""


def parts(text: str) -> list[str]:
    """Letters and digits of a name, cut where people put dashes, dots, blanks: Qwen3.6-27B → qwen3, 6, 27b."""
    return re.findall(r"[a-z0-9]+", text.casefold())


@dataclass(frozen=True)
class Vocabulary:
    """Ids that the service knows, by kind, and the families of its models."""

    models: tuple[str, ...] = ()
    quants: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    hardware: tuple[str, ...] = ()
    aliases: dict[str, str] = field(default_factory=dict)
    """Other names of quants, engines and machines, as one run of letters and digits, with what they stand for."""

    def models_like(self, words: Sequence[str]) -> tuple[str, ...]:
        """Models whose id holds every word: those with the fewest other parts first. Empty where a word is in none."""
        wanted = [part for word in words for part in parts(word)]
        joined = "".join(wanted)
        found = [
            (len(parts(model)), model)
            for model in self.models
            if wanted and (all(part in parts(model) for part in wanted) or joined in "".join(parts(model)))
        ]
        return tuple(model for _, model in sorted(found)[:MOST_MODELS])

    def one(self, kind: str, word: str) -> str | None:
        """The id of a quant, engine or machine that a word names exactly, however it is spelt."""
        known: Iterable[str] = getattr(self, kind)
        if word in known:
            return word
        bare = "".join(parts(word))
        if not bare:
            return None
        found = self.aliases.get(f"{kind}:{bare}") or (NICKNAMES.get(bare) if kind == "hardware" else None)
        return found or next((name for name in known if "".join(parts(name)) == bare), None)

    def nearest(self, word: str) -> str | None:
        """The known word most like an unknown one."""
        known = [*self.models, *self.quants, *self.engines, *self.hardware, *NICKNAMES]
        return next(iter(difflib.get_close_matches(word.casefold(), known, n=1, cutoff=0.6)), None)


async def read_vocabulary(client: AsyncClient) -> Vocabulary:
    """Ask the service what it knows."""
    records: dict[str, list[dict[str, Any]]] = {}
    for kind in ("models", "quants", "engines", "hardware"):
        records[kind] = await client.list(kind)
    aliases: dict[str, str] = {}
    for kind in ("quants", "engines", "hardware"):
        for record in records[kind]:
            for name in (record.get("name") or "", *(record.get("aliases") or ())):
                aliases.setdefault(f"{kind}:{''.join(parts(name))}", record["id"])
    ids = {kind: tuple(record["id"] for record in found) for kind, found in records.items()}
    return Vocabulary(ids["models"], ids["quants"], ids["engines"], ids["hardware"], aliases)
