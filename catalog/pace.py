"""What no question changes of how fast configs are: worked out once for a table, and kept with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.calibration.model import company
from catalog.columns import Columns, Kinds, kinds, rows_of
from catalog.physics import prompts
from catalog.physics import terms as physics
from catalog.physics.sums import DECODE_SUM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from catalog.calibration.prepared import Prepared
    from catalog.calibration.situations import Situations
    from catalog.physics.prompts import PromptUnits
    from catalog.physics.sums import Parts
    from catalog.physics.terms import Load
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

    @cached_property
    def emptied_s(self) -> Floats:
        """Seconds per token with nothing in any cache and no prefill in between, before what lengths add."""
        return DECODE_SUM.total(self.parts) * self.factor


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
        return DECODE_SUM.fold(self.terms)


@dataclass(frozen=True)
class PromptPace(Columns):
    """What prompts of n configs are made of."""

    units: PromptUnits
    situations: Situations


class Paces:
    """Paces of n configs: each is worked out when it is first asked for, and kept; by streams, those asked for last."""

    def __init__(
        self,
        step: Callable[[int], StepPace],
        ceiling: Callable[[int], CeilingPace],
        prompt_factor: Callable[[int], Floats],
        company: Callable[[int], dict[str, Floats]],
        prompts: Callable[[], Kinds[PromptPace]],
        cache_read: Callable[[], CachePace],
    ) -> None:
        by_streams = lru_cache(maxsize=KEPT_STREAMS)
        self.step, self.ceiling, self.prompt_factor = by_streams(step), by_streams(ceiling), by_streams(prompt_factor)
        self.company = by_streams(company)
        self.prompts, self.cache_read = cache(prompts), cache(cache_read)

    def take(self, rows: NDArray[np.int64]) -> Paces:
        """The same for some of the configs, taken from the whole."""
        return self._of(rows, lambda table: table.take(rows))

    def few(self, rows: NDArray[np.int64]) -> Paces:
        """The same for a few of many (see Columns)."""
        return self._of(rows, lambda table: table.few(rows))

    def _of(self, rows: NDArray[np.int64], some: Callable[[Any], Any]) -> Paces:
        return Paces(
            lambda streams: some(self.step(streams)),
            lambda streams: some(self.ceiling(streams)),
            lambda streams: rows_of(self.prompt_factor(streams), rows),
            lambda streams: {name: rows_of(np.asarray(x), rows) for name, x in self.company(streams).items()},
            lambda: self.prompts().take(rows),
            lambda: some(self.cache_read()),
        )


def paces_of(situations: Situations, prefill: Prepared, decode: Prepared) -> Paces:
    """Of the configs described."""
    shapes, devices = situations.shapes, situations.devices

    def load(streams: int) -> Load:
        return situations.load(1, 1, 1, streams, 0.0)

    @lru_cache(maxsize=KEPT_STREAMS)
    def together(streams: int) -> dict[str, Floats]:
        return company(situations, load(streams))

    def step(streams: int) -> StepPace:
        scales = together(streams)
        terms = decode.scaled(physics.step_terms(shapes, devices, load(streams)), scales)
        factor = np.exp(decode.log_total + decode.added(scales)) / situations.accepted
        return StepPace(terms, DECODE_SUM.fold(terms), factor)

    return Paces(
        step,
        lambda streams: ceiling_pace(situations, load(streams)),
        lambda streams: prompt_factor(prefill, together(streams)),
        together,
        lambda: prompt_pace(situations, prompts.prompt_units(shapes, devices).scaled(prefill.factor)),
        lambda: CachePace(decode.scaled(physics.cache_units(devices), {})),
    )


def prompt_pace(situations: Situations, units: PromptUnits) -> Kinds[PromptPace]:
    """Of configs whose prompts are made of these units. Drafts, for one, make no difference: there are few kinds."""
    shapes = situations.shapes
    of_shapes = (shapes.kv_window_tokens, shapes.kv_sparse_tokens, shapes.log_unrouted_share)
    told = (*units.values().values(), *of_shapes, situations.batch_tokens)
    return kinds(PromptPace(units, situations), told)


def ceiling_pace(situations: Situations, load: Load) -> CeilingPace:
    """Of configs under a load: only its streams matter."""
    shapes, devices = situations.shapes, situations.devices
    return CeilingPace(
        physics.weights_read_bytes(shapes, load),
        physics.pooled_bytes_s(devices, load),
        physics.pooled_compute_s(shapes, devices, load),
    )


def prompt_factor(prefill: Prepared, scales: Mapping[str, Floats]) -> Floats:
    """What multiplies the seconds of a prompt in company, before its lengths are looked at: effects on the whole."""
    return np.asarray(np.exp(prefill.log_total + prefill.added(scales)))
