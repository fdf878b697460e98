"""What a quant costs, in points of the index, from measured losses, never from a constant per bit.

Two kinds of loss are published. Divergences (mean or median KL divergence, the logarithm of a perplexity's ratio to its
baseline) are fitted together by one ridge: the quant, the kind of measure, the text it was taken on, the model's size
(small models lose more), and bits, from which a quant nobody measured takes its level with the spread that bits leave
unexplained. Recoveries (the share of the baseline's benchmark scores) are in points already: their sum over the sum of
the divergences of the same quants is what one nat costs, and a quant known by recoveries alone takes its level from them.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.facts import Facts, Model, Quant, QuantLoss

Floats = NDArray[np.float64]

REFERENCE_PARAMS = 8e9
SMALLEST_LOSS = 1e-4
RECOVERY_NOISE = 1.5
"""Points by which one benchmark's recovery scatters."""
NOISE_SD = 0.5
QUANT_SD = 0.7
TEXT_SD = 0.3
KIND_SD = 3.0
SIZE_MEAN, SIZE_SD = -0.3, 0.15
BITS_MEAN, BITS_SD = -1.2, 0.4
"""Log divergence per bit: each bit less costs about three times as much."""
MOST_POINTS = 60.0


class Loss(NamedTuple):
    """One measured divergence, in nats, as a logarithm."""

    quant: str
    model: str
    kind: str
    text: str
    log_loss: float


@dataclass(frozen=True)
class Penalties:
    """Log points at REFERENCE_PARAMS by quant with their standard deviations, and the slope on log size."""

    quants: tuple[str, ...]
    mean: Floats
    sd: Floats
    measured: NDArray[np.bool_]
    size_slope: float

    def points(self, quant: NDArray[np.int64], params: Floats, z: float) -> Floats:
        """Points lost by quants (positions) of models with ``params`` parameters, z standard deviations up."""
        log_size = np.log(np.maximum(params, 1e8) / REFERENCE_PARAMS)
        log_points = self.mean[quant] + self.size_slope * log_size + z * self.sd[quant]
        return np.asarray(np.minimum(np.exp(log_points), MOST_POINTS))


def divergences(rows: Sequence[QuantLoss]) -> list[Loss]:
    """The losses that are divergences of the weights' quant (not of a KV-cache format)."""
    found = []
    for row in rows:
        nats = None if row.kv_dtype else _nats(row)
        if nats:
            text = re.split(r"[,;]", row.setting or "")[0].strip() or row.url
            found.append(
                Loss(row.quant, row.model, nats[0], f"{row.model}|{text}", math.log(max(nats[1], SMALLEST_LOSS)))
            )
    return found


def _nats(row: QuantLoss) -> tuple[str, float] | None:
    metric, value, base = row.metric.lower(), row.value, _number(row.baseline)
    if "kld" in metric:
        return "median kld" if "median" in metric else "kld", value
    if not metric.startswith(("ppl", "wikitext ppl")):
        return None
    if "%" in metric:
        ratio = 1.0 + value / 100.0
    elif "ratio" in metric:
        ratio = value
    elif base:
        ratio = 1.0 + value / base if "delta" in metric else value / base
    else:
        return None
    return "perplexity", math.log(max(ratio, 1.0))


def recoveries(rows: Sequence[QuantLoss]) -> list[tuple[str, str, float]]:
    """(quant, model, points lost) of every recovery and of every percent score with its baseline."""
    found = []
    for row in rows:
        metric, base = row.metric.lower(), _number(row.baseline)
        if row.kv_dtype or "kld" in metric or "ppl" in metric or "token" in metric:
            continue
        if "recovery" in metric and 50.0 < row.value < 110.0:
            found.append((row.quant, row.model, 100.0 - row.value))
        elif base and 10.0 < base <= 100.0 and 0.5 * base < row.value <= 100.0:
            found.append((row.quant, row.model, 100.0 * (1.0 - row.value / base)))
    return found


def _number(text: str | None) -> float | None:
    found = re.findall(r"-?\d+(?:\.\d+)?", text or "")
    return float(found[-1]) if found else None


def bits_of(quant: Quant) -> float | None:
    """Bits per weight of what makes up most of a model."""
    if quant.bits:
        return quant.bits.get("routed_experts") or quant.bits.get("dense_mlp")
    return quant.bits_per_weight


def fit_penalties(facts: Facts) -> Penalties:
    """Fit the penalties of all quants."""
    quants = tuple(facts.quants)
    rows = [x for x in divergences(facts.quant_losses) if x.quant in facts.quants]
    log_nats, sd, slope = _log_nats(facts, rows)
    points: dict[str, list[tuple[float, float]]] = {}
    for quant, model, lost in recoveries(facts.quant_losses):
        if quant in facts.quants:
            points.setdefault(quant, []).append((lost, math.exp(slope * _log_size(facts.models.get(model)))))
    known = np.isin(quants, [x.quant for x in rows])
    at = {quant: i for i, quant in enumerate(quants)}
    both = [(lost, size * math.exp(log_nats[at[q]])) for q, found in points.items() for lost, size in found]
    per_nat = max(sum(lost for lost, _ in both), 1.0) / sum(nats for _, nats in both)
    mean = log_nats + math.log(per_nat)
    for quant, found in points.items():
        i = at[quant]
        own = max(float(np.mean([lost / size for lost, size in found])), 0.1)
        own_sd = math.hypot(RECOVERY_NOISE / math.sqrt(len(found)) / own, 0.3)
        weight = sd[i] ** 2 / (sd[i] ** 2 + own_sd**2)
        mean[i] += weight * (math.log(own) - mean[i])
        sd[i] = math.sqrt((1.0 - weight) * sd[i] ** 2)
        known[i] = True
    return Penalties(quants, mean, sd, known, slope)


def _log_nats(facts: Facts, rows: list[Loss]) -> tuple[Floats, Floats, float]:
    """Log divergence of every quant at REFERENCE_PARAMS with its standard deviation, and the slope on log size."""
    quants, kinds = tuple(facts.quants), ("kld", "median kld", "perplexity")
    texts = sorted({x.text for x in rows})
    columns = _Columns(len(quants), len(kinds), len(texts))
    design = np.zeros((len(rows), columns.size))
    for i, x in enumerate(rows):
        design[i, quants.index(x.quant)] = 1.0
        design[i, columns.kind + kinds.index(x.kind)] = 1.0
        design[i, columns.text + texts.index(x.text)] = 1.0
        design[i, columns.slope] = _log_size(facts.models.get(x.model))
        design[i, columns.bits] = (bits_of(facts.quants[x.quant]) or 8.0) - 8.0
    prior_mean, prior_sd = columns.prior()
    y = np.array([x.log_loss for x in rows]) - design @ prior_mean
    covariance = np.linalg.inv(design.T @ design / NOISE_SD**2 + np.diag(prior_sd**-2.0))
    mean = prior_mean + covariance @ (design.T @ y) / NOISE_SD**2
    ask = np.zeros((len(quants), columns.size))
    ask[np.arange(len(quants)), np.arange(len(quants))] = 1.0
    ask[:, columns.kind] = 1.0
    ask[:, columns.bits] = [(bits_of(q) or 8.0) - 8.0 for q in facts.quants.values()]
    variance = np.einsum("ni,ij,nj->n", ask, covariance, ask, optimize=True)
    return np.asarray(ask @ mean), np.asarray(np.sqrt(variance)), float(mean[columns.slope])


class _Columns:
    """Where each group of effects stands in the design."""

    def __init__(self, quants: int, kinds: int, texts: int) -> None:
        self.kind = quants
        self.text = quants + kinds
        self.slope = self.text + texts
        self.bits = self.slope + 1
        self.size = self.bits + 1

    def prior(self) -> tuple[Floats, Floats]:
        """Prior means and standard deviations of all effects."""
        mean, sd = np.zeros(self.size), np.full(self.size, QUANT_SD)
        sd[self.kind : self.text], sd[self.text : self.slope] = KIND_SD, TEXT_SD
        mean[self.slope], sd[self.slope] = SIZE_MEAN, SIZE_SD
        mean[self.bits], sd[self.bits] = BITS_MEAN, BITS_SD
        return mean, sd


def _log_size(model: Model | None) -> float:
    params = model.params_total if model and model.params_total else REFERENCE_PARAMS
    return math.log(params / REFERENCE_PARAMS)
