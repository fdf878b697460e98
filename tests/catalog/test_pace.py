"""The quick way to a config's speed, parts worked out once and added up, is the calibration's own formula."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import numpy as np
import pytest

from catalog.calibration.model import numbers, ragged
from catalog.pace import KEPT_STREAMS
from catalog.physics import prompts
from catalog.physics import terms as physics
from catalog.prediction import Workload

if TYPE_CHECKING:
    from catalog.catalog import Catalog

NO, YES = np.zeros(()), np.ones(())


@pytest.mark.parametrize("streams", [1, 4])
def test_parts_add_up_to_the_formula(catalog: Catalog, streams: int) -> None:
    """Prefill, each stream's decode and the total of all, for every config of two units, drafts and all."""
    table = catalog.candidates(catalog.hardware("dgx-spark"), 2)
    workload = Workload(3000, 200, 9000, streams, "auto", 2, 101e9)
    outcome, situations = catalog.predict(table, workload), table.situations
    shapes, devices = situations.shapes, situations.devices

    asked = situations.load(3000, 200, 9000, streams, 2.0)
    terms = prompts.prefill_terms(shapes, devices, asked, NO)
    prefill_s = np.exp(table.prefill.log_time(terms, numbers(situations, asked)))
    prefill_s = np.maximum(prefill_s, 3000 / prompts.prefill_ceiling_tok_s(shapes, devices))
    assert outcome.prefill_tok_s.value == pytest.approx(3000 / prefill_s)

    halfway = situations.load(3000, 200, 9100, streams, 2.0)
    scales, waits = numbers(situations, halfway), prefill_s if streams > 1 else np.zeros(len(table))
    ceiling = physics.decode_ceiling_tok_s(shapes, devices, halfway)
    ceiling = ceiling * (halfway.draft_tokens + 1.0)
    found = (outcome.decode_tok_s.value, outcome.decode_total_tok_s.value / streams)
    for whole, value in zip((NO, YES), found, strict=True):
        ends = ragged(halfway, whole) if streams > 1 else {}
        terms = physics.decode_terms(shapes, devices, halfway, waits, whole)
        alike = np.exp(situations.log_accepted - table.decode.log_time(terms, {**scales, **ends}))
        slower = value < np.minimum(alike, ceiling) * (1 - 1e-9)
        assert value[~slower] == pytest.approx(np.minimum(alike, ceiling)[~slower])
        assert not slower.any() if streams == 1 else slower.mean() < 0.2  # where fewer streams are said to be slower


def test_rows_keep_what_is_known_of_the_table(catalog: Catalog) -> None:
    """Some rows of a table do what they do in it, whether the table was asked before or not."""
    table = catalog.candidates(catalog.hardware("dgx-spark"))
    workload = Workload(2048, 128, 2048, 6, "auto", 1, 101e9)
    every = catalog.predict(table, workload).decode_tok_s.value
    rows = np.array([5, 0, 77])
    assert catalog.predict(table.take(rows), workload).decode_tok_s.value == pytest.approx(every[rows])


def test_an_outcome_is_freed_at_once(catalog: Catalog) -> None:
    """Nothing it made refers back to it: columns of a whole table do not wait for the garbage collector."""
    table = catalog.candidates(catalog.hardware("dgx-spark"))
    outcome = catalog.predict(table, Workload(2048, 128, 2048, 4, "auto", 1, 101e9))
    assert outcome.latency_ms.high.all()
    assert outcome.decode_total_tok_s.low.all()
    left = weakref.ref(outcome)
    gc.disable()
    try:
        del outcome
        assert left() is None
    finally:
        gc.enable()


def test_few_numbers_of_streams_are_kept(catalog: Catalog) -> None:
    """Whoever asks for every number of streams fills no memory."""
    table = catalog.candidates(catalog.hardware("dgx-spark"))
    for streams in range(1, 60):
        assert catalog.predict(table, Workload(2048, 128, 2048, streams, "auto", 1, 101e9)).decode_tok_s.value.all()
    kept = (table.paces.step, table.paces.ceiling, table.paces.prompt_factor)
    assert all(pace.cache_info().currsize <= KEPT_STREAMS for pace in kept)
