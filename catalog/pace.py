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


def pace_of(situations: Situations, decode: Prepared, streams: int) -> Pace:
    """Of the configs described, the pace of so many streams."""
    load = situations.load(1, 1, 1, streams, 0.0)
    scales = company(situations, load)
    terms = decode.scaled(physics.step_terms(situations.shapes, situations.devices, load), scales)
    return Pace(physics.DECODE_SUM.fold(terms), decode.log_total + decode.added(scales) - situations.log_accepted)
