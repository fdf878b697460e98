"""One sentence that says why a config does what it does."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from catalog.prediction import BASES, BOUNDS

if TYPE_CHECKING:
    from modelpicker.wire.questions import Task

    from catalog.predict import Outcome
    from service.recommendation.asked import Asked
    from service.recommendation.quality import QualityColumns

GB = 1e9
BOUND_WORDS = {
    "bandwidth": "memory bandwidth sets the pace",
    "compute": "compute sets the pace",
    "overhead": "launch and scheduling overheads, not bytes, set the pace",
    "link": "the link between units sets the pace",
}


def why(asked: Asked, outcome: Outcome, quality: QualityColumns, task: Task, row: int, found: int) -> str:
    """What a step reads, what that allows, what is reached of it, and on what evidence."""
    columns = (outcome.bytes_per_step, outcome.ceiling_tok_s, outcome.decode_tok_s.value, quality.index)
    step_bytes, ceiling, value, index = (float(column[row]) for column in columns)
    bound = BOUND_WORDS[BOUNDS[int(outcome.bound[row])]]
    drafted = " with every draft accepted" if asked.candidates.speculative[row] else ""
    content = asked.workload.content
    written = f" of {content}" if drafted and content else ""
    speed = (
        f"A step reads {step_bytes / GB:.1f} GB, so {asked.hardware.name} can do at most {ceiling:.0f} tok/s{drafted}; "
        f"{value:.1f} are expected{written} ({bound})"
    )
    basis = BASES[int(outcome.basis[row])]
    evidence = {
        "measured": f"from {found} measurement{'s' if found != 1 else ''} of this config and its neighbours",
        "calibrated": "from measurements of its neighbours, none of this config itself",
        "roofline": "from the roofline alone: nothing near it was measured",
    }[basis]
    known = "not known" if math.isnan(index) else f"{index:.0f} of 100"
    existing = "" if asked.candidates.exists[row] else "; nobody is known to have published this config"
    return f"{speed}, {evidence}; quality for {task} is {known}{existing}."
