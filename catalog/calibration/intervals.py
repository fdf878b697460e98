"""How wide intervals must be to keep their word: one factor per regime, from models and sources left out whole.

The posterior's own spread assumes that what it does not know is Gaussian and of one kind. ``python -m catalog evaluate``
asks how often the truth fell inside, on models and on sources that the fit had not seen, and prints the factor that
would have made it four times in five. Those factors stand here; a test keeps them near what the evaluation finds. A regime with too few rows
borrows the factor of its nearest neighbour.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from catalog.calibration.situations import Situations

Figure = Literal["decode", "total", "prefill", "ttft"]
Regime = tuple[Figure, Literal["one stream", "streams", "speculation", "units"], bool]
"""Which time, under what, and whether on the GB10 (else on hardware that many hands have measured once)."""

WELL_KNOWN = "dgx-spark"
SCALE: Mapping[Regime, float] = {
    ("decode", "one stream", True): 0.38,
    ("decode", "streams", True): 0.39,
    ("decode", "speculation", True): 0.94,
    ("decode", "units", True): 1.4,
    ("decode", "one stream", False): 0.77,
    ("decode", "streams", False): 0.53,
    ("decode", "speculation", False): 0.94,
    ("decode", "units", False): 0.95,
    ("total", "streams", True): 0.41,
    ("total", "speculation", True): 1.28,
    ("total", "units", True): 1.4,
    ("total", "streams", False): 0.52,
    ("total", "speculation", False): 1.28,
    ("total", "units", False): 0.95,
    ("prefill", "one stream", True): 0.64,
    ("prefill", "units", True): 1.1,
    ("prefill", "one stream", False): 1.56,
    ("prefill", "units", False): 0.85,
    ("ttft", "one stream", True): 0.59,
    ("ttft", "units", True): 1.1,
    ("ttft", "one stream", False): 1.0,
    ("ttft", "units", False): 0.78,
}
"""Factor on the standard deviation of log seconds. Prefill and the first token have no regime of their own for streams or
speculation; a total of one stream is its decode."""


def regime(figure: Figure, hardware: str, units: int, *, drafts: bool, streams: bool) -> Regime:
    """The regime of one figure of one situation."""
    known = hardware == WELL_KNOWN
    if units > 1:
        return figure, "units", known
    if figure in {"prefill", "ttft"}:
        return figure, "one stream", known
    if drafts:
        return figure, "speculation", known
    return (figure, "streams", known) if streams else ("decode", "one stream", known)


def scales(quantity: Literal["prefill", "decode"], situations: Situations) -> NDArray[np.float64]:
    """The factors of n configs, (n, 2, 2): for a stream's own figure (prefill, decode) and the whole's (ttft, total), alone and in company."""
    rows = zip(situations.labels["hardware"], situations.devices.units, situations.draft_tokens > 0, strict=True)
    return np.array([_factors(quantity, *row) for row in rows], dtype=float).reshape(-1, 2, 2)


@lru_cache(maxsize=1024)
def _factors(
    quantity: Literal["prefill", "decode"], hardware: str, units: float, drafts: bool
) -> tuple[tuple[float, ...], ...]:
    """The same of one kind of config."""
    whole: Figure = "ttft" if quantity == "prefill" else "total"
    return tuple(
        tuple(SCALE[regime(figure, hardware, int(units), drafts=drafts, streams=streams)] for streams in (False, True))
        for figure in (quantity, whole)
    )
