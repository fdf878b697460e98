"""Predicted against measured, and how often intervals held, as PNG files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from scipy.special import erf

from catalog.evaluation.scores import SMALLEST_GROUP, groups
from catalog.prediction import Z80

mpl.use("Agg")
from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from catalog.evaluation.folds import Judgement, LeftOut

PANELS = (
    "GB10, one stream, decode",
    "GB10, several streams, total",
    "GB10, speculation, decode",
    "GB10, prefill",
    "GB10, ttft",
    "other hardware, decode",
)


def plot(judgements: Mapping[LeftOut, Sequence[Judgement]], folder: Path) -> list[Path]:
    """One picture per way of leaving out: a panel per group, 20 % shaded, and one of coverage by promised share."""
    return [_scatter(found, folder / f"{by.replace(' ', '-')}.png", by) for by, found in judgements.items()] + [
        _coverage(judgements, folder / "coverage.png")
    ]


def _scatter(found: Sequence[Judgement], path: Path, by: str) -> Path:
    figure, axes = plt.subplots(2, 3, figsize=(12, 8), layout="constrained")
    for group, axis in zip(PANELS, axes.flat, strict=True):
        mine = [x for x in found if group in set(groups(x.lesson))]
        measured = np.exp([-x.lesson.log_seconds for x in mine])
        predicted = measured * np.exp([x.log_error for x in mine])
        axis.set(title=f"{group} ({len(mine)} rows)", xscale="log", yscale="log")
        axis.set(xlabel="measured, 1/s", ylabel="predicted, 1/s")
        if len(mine) >= SMALLEST_GROUP:
            ends = np.array([min(measured.min(), predicted.min()), max(measured.max(), predicted.max())])
            axis.fill_between(ends, ends * 0.8, ends * 1.2, color="0.9")
            axis.plot(ends, ends, color="0.5", linewidth=0.8)
            axis.scatter(measured, predicted, s=6, alpha=0.5)
    figure.suptitle(f"Left out by {by}: rates per request, step or token; 20 % shaded")
    return _save(figure, path)


def _coverage(judgements: Mapping[LeftOut, Sequence[Judgement]], path: Path) -> Path:
    figure, axis = plt.subplots(figsize=(6, 5), layout="constrained")
    promised = np.linspace(0.05, 0.95, 19)
    for by, found in judgements.items():
        clean = [x for x in found if any(groups(x.lesson))]
        z = np.array([abs(x.log_error) / x.log_sd for x in clean])
        half = np.interp(promised, *_normal())
        axis.plot(promised, [(z <= h).mean() for h in half], label=f"left out by {by}")
    axis.plot([0, 1], [0, 1], color="0.5", linewidth=0.8)
    axis.axvline(0.8, color="0.8", linewidth=0.8)
    axis.set(xlabel="share promised", ylabel="share inside", title=f"Intervals ({Z80:.2f} sd promise 80 %)")
    axis.legend()
    return _save(figure, path)


def _normal() -> tuple[np.ndarray, np.ndarray]:
    """Share of a normal within ±h standard deviations, and h."""
    half = np.linspace(0.0, 4.0, 401)
    return np.asarray(erf(half / np.sqrt(2.0))), half


def _save(figure: plt.Figure, path: Path) -> Path:
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
    return path
