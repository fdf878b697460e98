"""The part of a step that only the number of streams decides: the same for every question, so it is worked out once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.calibration.model import company
from catalog.physics import terms as physics

if TYPE_CHECKING:
    from typing import Any

    from catalog.calibration.prepared import Prepared
    from catalog.calibration.situations import Situations
    from catalog.physics.terms import Parts
    from catalog.prediction import Floats


@dataclass(frozen=True)
class Pace:
    """Of n configs decoding so many streams each: a step without caches and prefills, and what is added to its log seconds."""

    parts: Parts
    log_added: Floats

    def take(self, rows: Any) -> Pace:
        """The same for some of the configs."""
        return Pace(self.parts.take(rows), self.log_added[rows])


class Paces:
    """The paces of one table of configs by number of streams, each worked out when it is first asked for."""

    def __init__(self, situations: Situations, decode: Prepared, kept: dict[int, Pace] | None = None) -> None:
        self._situations, self._decode = situations, decode
        self._kept = kept or {}

    def at(self, streams: int) -> Pace:
        """Steps of so many streams."""
        if streams not in self._kept:
            self._kept[streams] = self._pace(streams)
        return self._kept[streams]

    def of(self, situations: Situations, decode: Prepared, rows: Any) -> Paces:
        """The paces of a table that has some of the rows; what is known of them stays so."""
        return Paces(situations, decode, {streams: pace.take(rows) for streams, pace in list(self._kept.items())})

    def _pace(self, streams: int) -> Pace:
        situations, decode = self._situations, self._decode
        load = situations.load(1, 1, 1, streams, 0.0)
        scales = company(situations, load)
        terms = decode.scaled(physics.step_terms(situations.shapes, situations.devices, load), scales)
        return Pace(physics.DECODE_SUM.fold(terms), decode.log_total + decode.added(scales) - situations.log_accepted)
