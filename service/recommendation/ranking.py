"""The order of what is feasible.

``balanced`` is one formula, monotone in each of its parts::

    score = 100 · (0.40 · index/100 + 0.25 · s/(s + 30) + 0.05 · (1 - memory/budget) + 0.30 · evidence)

index is the low end of the quality interval, what one can rely on (unknown: that of the worst model known). s is the decode
speed of one stream (30 tok/s, the page's *win*, counts half), and evidence is 1 for a measured config, 1/2 where its engine was measured on the machine, 1/4 where its kernels
were measured on another, 0 for a bare roofline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from modelpicker.wire.questions import SortKey

    from catalog.predict import Outcome
    from catalog.prediction import Bools, Floats, Ints
    from catalog.table import Candidates
    from service.recommendation.asked import Asked
    from service.recommendation.quality import QualityColumns

QUALITY_WEIGHT = 0.40
SPEED_WEIGHT = 0.25
MEMORY_WEIGHT = 0.05
EVIDENCE_WEIGHT = 0.30
HALF_SPEED_TOK_S = 30.0
MATERIAL_SPEED, MATERIAL_QUALITY, MATERIAL_MEMORY = 0.2, 2.0, 0.2
"""What one variant of a model must gain over another to be worth a line of its own: share of its decode speed, points of
quality, share of its memory. Closer than that, a prediction cannot tell them apart."""
PART = 128
"""Rows that are sorted at once."""
NEAR_COPIES = 1
"""How many near-copies of one base (its distills, uncensored copies, re-exports) may stand beside it."""


def balanced(asked: Asked, outcome: Outcome, quality: QualityColumns) -> Floats:
    """The score 0-100 of the module docstring. Shape (n,)."""
    index = quality.sure / 100.0
    decode = outcome.decode_tok_s.value
    speed = decode / (decode + HALF_SPEED_TOK_S)
    room = np.clip(1.0 - outcome.total_bytes / max(asked.workload.budget_bytes, 1.0), 0.0, 1.0)
    parts = QUALITY_WEIGHT * index + SPEED_WEIGHT * speed + MEMORY_WEIGHT * room
    parts = parts + EVIDENCE_WEIGHT * asked.candidates.evidence
    return np.asarray(100.0 * parts)


def score(sort: SortKey, asked: Asked, outcome: Outcome, quality: QualityColumns) -> Floats:
    """What a sort key orders by; higher is better."""
    if sort == "speed":
        return outcome.decode_tok_s.value
    if sort == "quality":
        return quality.merit
    if sort == "latency":
        return -outcome.latency_ms.value
    if sort == "memory":
        return -outcome.total_bytes
    return balanced(asked, outcome, quality)


def order(scores: Floats, outcome: Outcome, rows: Ints) -> Ints:
    """Rows (ascending) from best to worst; equal scores by decode speed, then by place in the catalog."""
    keys = (-np.round(outcome.decode_tok_s.value[rows], 9), -np.round(scores[rows], 9))
    return np.asarray(rows[np.lexsort(keys)])


def best_first(scores: Floats, outcome: Outcome, rows: Ints) -> Iterator[int]:
    """The same order, sorted a part at a time: a list shows few of many."""
    left = rows
    while len(left):
        shown = np.round(scores[left], 9)
        part = shown >= np.partition(shown, -PART)[-PART] if len(left) > PART else np.ones(len(left), dtype=bool)
        yield from order(scores, outcome, left[part]).tolist()
        left = left[~part]


def on_front(outcome: Outcome, quality: QualityColumns, rows: Ints, chosen: Ints) -> Bools:
    """Which of the chosen rows none of ``rows`` (ascending) beats in decode, quality and memory at once; of equals, the first."""
    goods = (outcome.decode_tok_s.value, quality.merit, -outcome.total_bytes)
    for good in goods:  # nothing below the least of the chosen beats any of them
        rows = rows[good[rows] >= good[chosen].min(initial=np.inf)]
    theirs, mine = (np.stack([good[x] for good in goods])[:, None] for x in (rows, chosen))
    no_worse = (theirs >= mine.transpose(0, 2, 1)).all(axis=0)
    better = (theirs > mine.transpose(0, 2, 1)).any(axis=0) | (rows < chosen[:, None])
    return np.asarray(~(no_worse & better).any(axis=1))


def choose(
    candidates: Candidates,
    outcome: Outcome,
    quality: QualityColumns,
    ordered: Iterable[int],
    per_model: int,
    limit: int,
) -> list[int]:
    """The first ``limit`` rows with at most ``per_model`` of a model.

    A variant that nobody measured is listed only if it gains something material over each listed one of its model. Of a
    base and its near-copies at most NEAR_COPIES + 1 models are listed.
    """
    decode, merit, memory = outcome.decode_tok_s.value, quality.merit, outcome.total_bytes
    chosen: list[int] = []
    listed: dict[str, list[int]] = {}
    members: dict[str, set[str]] = {}

    def gains(row: int, other: int) -> bool:
        return bool(
            decode[row] > decode[other] * (1.0 + MATERIAL_SPEED)
            or merit[row] > merit[other] + MATERIAL_QUALITY
            or memory[row] < memory[other] * (1.0 - MATERIAL_MEMORY)
        )

    for row in ordered:
        mine = listed.setdefault(candidates.keys[row].model, [])
        if len(mine) >= per_model:
            continue
        model = candidates.configs[row].model
        family = members.setdefault(model.derivative_of or model.id, set())
        if model.id not in family and len(family) > NEAR_COPIES:
            continue
        if candidates.measured[row] or all(gains(row, other) for other in mine):
            family.add(model.id)
            mine.append(row)
            chosen.append(row)
            if len(chosen) == limit:
                break
    return chosen
