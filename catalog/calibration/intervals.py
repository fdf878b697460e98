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
Under = Literal["one stream", "streams", "speculation", "units"]
Ground = Literal["GB10", "swept", "other"]
Regime = tuple[Figure, Under, Ground]
"""Which time, under what, and on what: the GB10, an engine and a device that were swept with one harness, or hardware that
many hands have measured once."""

WELL_KNOWN = "dgx-spark"
SWEPT = frozenset({("h100-sxm-80", "llama.cpp"), ("h200-sxm", "llama.cpp")})
"""Devices and engines of the own sweeps: dozens of models under the same loads, without another hand's noise. Judged by leaving
out models and one of the two sweeps; no other source tells what a server adds, so totals and first tokens are as anywhere."""
SCALE: Mapping[Regime, float] = {
    ("decode", "one stream", "GB10"): 0.42,
    ("decode", "streams", "GB10"): 0.37,
    ("decode", "speculation", "GB10"): 0.78,
    ("decode", "units", "GB10"): 1.4,
    ("decode", "one stream", "other"): 0.81,
    ("decode", "streams", "other"): 0.53,
    ("decode", "speculation", "other"): 0.78,
    ("decode", "units", "other"): 0.95,
    ("decode", "one stream", "swept"): 0.54,
    ("decode", "streams", "swept"): 0.41,
    ("total", "streams", "GB10"): 0.39,
    ("total", "speculation", "GB10"): 0.545,
    ("total", "units", "GB10"): 1.4,
    ("total", "streams", "other"): 0.52,
    ("total", "speculation", "other"): 0.545,
    ("total", "units", "other"): 0.95,
    ("prefill", "one stream", "GB10"): 0.62,
    ("prefill", "units", "GB10"): 1.1,
    ("prefill", "one stream", "other"): 1.68,
    ("prefill", "units", "other"): 0.72,
    ("prefill", "one stream", "swept"): 0.42,
    ("ttft", "one stream", "GB10"): 0.61,
    ("ttft", "units", "GB10"): 1.1,
    ("ttft", "one stream", "other"): 0.98,
    ("ttft", "units", "other"): 0.68,
}
"""Factor on the standard deviation of log seconds. Prefill and the first token have no regime of their own for streams or
speculation; a total of one stream is its decode."""


def regime(figure: Figure, hardware: str, engine: str, units: int, *, drafts: bool, streams: bool) -> Regime:
    """The regime of one figure of one situation."""
    under: Under = "streams" if streams else "one stream"
    if units > 1:
        under = "units"
    elif figure in {"prefill", "ttft"}:
        under = "one stream"
    elif drafts:
        under = "speculation"
    if figure == "total" and not streams:
        figure = "decode"
    swept = (hardware, engine) in SWEPT and (figure, under, "swept") in SCALE and not drafts
    return figure, under, "GB10" if hardware == WELL_KNOWN else "swept" if swept else "other"


def scales(quantity: Literal["prefill", "decode"], situations: Situations) -> NDArray[np.float64]:
    """The factors of n configs, (n, 2, 2): for a stream's own figure (prefill, decode) and the whole's (ttft, total), alone and in company."""
    labels, devices, drafts = situations.labels, situations.devices, situations.draft_tokens > 0
    rows = zip(labels["hardware"], labels["engine"], devices.units, drafts, strict=True)
    return np.array([_factors(quantity, *row) for row in rows], dtype=float).reshape(-1, 2, 2)


@lru_cache(maxsize=1024)
def _factors(
    quantity: Literal["prefill", "decode"], hardware: str, engine: str, units: float, drafts: bool
) -> tuple[tuple[float, ...], ...]:
    """The same of one kind of config."""
    whole: Figure = "ttft" if quantity == "prefill" else "total"
    return tuple(
        tuple(
            SCALE[regime(figure, hardware, engine, int(units), drafts=drafts, streams=streams)]
            for streams in (False, True)
        )
        for figure in (quantity, whole)
    )
