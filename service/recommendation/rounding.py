"""Four significant digits: more would claim what no measurement can."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from catalog.prediction import Floats

DIGITS = 4
POWERS_OF_TEN = np.array([10.0**i for i in range(23)])
"""As far as they are doubles."""
LEAST = 1e-15
"""Smallest number, and inverse of the largest, that those powers are enough for."""
HALF = 0.5 - 1e-6
"""Distance from a whole number above which rounding could go either way."""


def rounded(value: float) -> float:
    """A number to DIGITS significant digits."""
    return float(f"{value:.{DIGITS}g}")


def all_rounded(values: Floats) -> Floats:
    """The same of many numbers, to the last bit: those too near to a half to be sure, and unusual ones, are spelt out."""
    usual = (values > LEAST) & (values < 1.0 / LEAST)
    given = np.where(usual, values, 1.0)
    decimals = DIGITS - 1 - np.floor(np.log10(given)).astype(np.int64)
    up, down = POWERS_OF_TEN[np.maximum(decimals, 0)], POWERS_OF_TEN[np.maximum(-decimals, 0)]
    scaled = given * up / down
    whole = np.rint(scaled)
    found = whole * down / up
    near = (np.abs(scaled - whole) > HALF) | (whole <= 10.0 ** (DIGITS - 1)) | (whole >= 10.0**DIGITS)
    unsure = near | ~usual
    if unsure.any():
        found[unsure] = [rounded(x) for x in values[unsure].tolist()]
    return np.asarray(found)
