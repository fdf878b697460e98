"""What no question changes of how fast configs are: worked out once for a table, and kept with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.calibration.model import company
from catalog.columns import Columns
from catalog.physics import terms as physics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from catalog.calibration.prepared import Prepared
    from catalog.calibration.situations import Situations
    from catalog.physics.terms import Parts, PromptUnits
    from catalog.prediction import Floats

KEPT_STREAMS = 16
"""Numbers of streams that a table keeps its paces for: all powers of two that can be asked for, and a few between."""


@dataclass(frozen=True)
class StepPace(Columns):
    """Of n configs decoding so many streams each: a step without caches and prefills, by term and added up, in seconds."""

    terms: Mapping[str, Floats]
    parts: Parts
    factor: Floats
    """What multiplies the sum: effects on the whole, over the tokens that a step yields."""


@dataclass(frozen=True)
class CeilingPace(Columns):
    """Of n configs decoding so many streams each: what sets the ceiling (see physics)."""

    weights_read_bytes: Floats
    pooled_bytes_s: Floats
    pooled_compute_s: Floats


@dataclass(frozen=True)
class CachePace(Columns):
    """Of n configs: reading a byte of cache, by term and added up, in seconds."""

    terms: Mapping[str, Floats]

    @cached_property
    def parts(self) -> Parts:
        """Added up."""
        return physics.DECODE_SUM.fold(self.terms)


@dataclass(frozen=True)
class PromptPace(Columns):
    """Of n configs, whose prompts so many wait for together: what they are made of, in seconds."""

    units: PromptUnits
    factor: Floats
    """What multiplies the sum: effects on the whole."""


class Paces:
    """Paces of n configs, by streams: each is worked out when it is first asked for, and the last ones are kept."""

    def __init__(
        self,
        step: Callable[[int], StepPace],
        ceiling: Callable[[int], CeilingPace],
        prompt: Callable[[int], PromptPace],
        cache_read: Callable[[], CachePace],
    ) -> None:
        kept = lru_cache(maxsize=KEPT_STREAMS)
        self.step, self.ceiling, self.prompt, self.cache_read = (
            kept(step),
            kept(ceiling),
            kept(prompt),
            cache(cache_read),
        )

    def take(self, rows: Any) -> Paces:
        """The same for some of the configs, taken from the whole."""
        return Paces(
            lambda streams: self.step(streams).take(rows),
            lambda streams: self.ceiling(streams).take(rows),
            lambda streams: self.prompt(streams).take(rows),
            lambda: self.cache_read().take(rows),
        )


def paces_of(situations: Situations, prefill: Prepared, decode: Prepared) -> Paces:
    """Of the configs described."""
    shapes, devices = situations.shapes, situations.devices
    units = cache(lambda: physics.prompt_units(shapes, devices).scaled(prefill.factor))

    def step(streams: int) -> StepPace:
        load = situations.load(1, 1, 1, streams, 0.0)
        scales = company(situations, load)
        terms = decode.scaled(physics.step_terms(shapes, devices, load), scales)
        factor = np.exp(decode.log_total + decode.added(scales)) / situations.accepted
        return StepPace(terms, physics.DECODE_SUM.fold(terms), factor)

    def ceiling(streams: int) -> CeilingPace:
        load = situations.load(1, 1, 1, streams, 0.0)
        return CeilingPace(
            physics.weights_read_bytes(shapes, load),
            physics.pooled_bytes_s(devices, load),
            physics.pooled_compute_s(shapes, devices, load),
        )

    def prompt(streams: int) -> PromptPace:
        scales = company(situations, situations.load(1, 1, 1, streams, 0.0))
        return PromptPace(units(), np.exp(prefill.log_total + prefill.added(scales)))

    return Paces(step, ceiling, prompt, lambda: CachePace(decode.scaled(physics.cache_units(devices), {})))
