"""How wide intervals must be to keep their word: one factor per regime, from models and sources left out whole.

The posterior's own spread assumes that what it does not know is Gaussian and of one kind. ``python -m catalog evaluate``
asks how often the truth fell inside, on models and on sources that the fit had not seen, and prints the factor that
would have made it four times in five. Those factors stand here; a test keeps them near what the evaluation finds. A regime with too few rows
borrows the factor of its nearest neighbour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from catalog.calibration.situations import Situations

Regime = tuple[Literal["prefill", "decode"], Literal["one stream", "streams", "speculation", "units"], bool]
"""Which time, under what, and whether on the GB10 (else on hardware that many hands have measured once)."""

WELL_KNOWN = "dgx-spark"
SCALE: Mapping[Regime, float] = {
    ("decode", "one stream", True): 0.49,
    ("decode", "streams", True): 0.5,
    ("decode", "speculation", True): 0.97,
    ("decode", "units", True): 1.4,
    ("decode", "one stream", False): 0.82,
    ("decode", "streams", False): 0.7,
    ("decode", "speculation", False): 0.97,
    ("decode", "units", False): 1.0,
    ("prefill", "one stream", True): 0.87,
    ("prefill", "units", True): 1.1,
    ("prefill", "one stream", False): 1.14,
    ("prefill", "units", False): 1.26,
}
"""Factor on the standard deviation of log seconds. Prefill has no regime of its own for streams or speculation."""


def regime(quantity: Literal["prefill", "decode"], hardware: str, units: int, *, drafts: bool, streams: bool) -> Regime:
    """The regime of one situation."""
    known = hardware == WELL_KNOWN
    if units > 1:
        return quantity, "units", known
    if quantity == "decode" and drafts:
        return quantity, "speculation", known
    return quantity, "streams" if quantity == "decode" and streams else "one stream", known


def scales(quantity: Literal["prefill", "decode"], situations: Situations) -> NDArray[np.float64]:
    """The factors of n configs, (2, n): for one stream, and for several."""
    rows = zip(situations.labels["hardware"], situations.devices.units, situations.draft_tokens, strict=True)
    pairs = [
        [SCALE[regime(quantity, hardware, units, drafts=drafts > 0, streams=streams)] for streams in (False, True)]
        for hardware, units, drafts in rows
    ]
    return np.array(pairs, dtype=float).reshape(-1, 2).T
