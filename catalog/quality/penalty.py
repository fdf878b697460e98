"""What a quant costs, in percent of the score without it, from measured losses, never from a constant per bit.

Two kinds of loss are published. Divergences (mean or median KL divergence, the logarithm of a perplexity's ratio to its
baseline) are fitted together by one ridge: the quant, the kind of measure, the text it was taken on, the model's size
(small models lose more), its family (k-quants lose less than their bits say), and bits: a quant nobody measured takes its
level from family and bits, with the spread they leave unexplained. Recoveries (the share of the baseline's benchmark scores) are in points already. What one nat costs is learnt
from the quants that have both, beside a stated prior; a quant known by recoveries alone takes its level from them.
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
UNSTATED_BITS = 4.5
"""Bits of a quant whose name says nothing more than four bits."""
RESOLUTION = {"kld": 3e-4, "median kld": 3e-4, "perplexity": 3e-3}
"""Nats below which a measure tells noise from loss no more."""
RECOVERY_NOISE = 1.5
"""Points by which one benchmark's recovery scatters."""
POINTS_PER_NAT, POINTS_PER_NAT_LOG_SD = 30.0, 0.5
"""Prior of what one nat of divergence costs in points: a tenth of a nat costs three."""
NOISE_SD = 0.5
QUANT_SD = 0.7
FAMILY_SD = 0.5
KIN = {"gguf-ud": "gguf"}
"""Families whose quants are another family's, mixed by importance."""
TEXT_SD = 0.3
KIND_SD = 3.0
SIZE_MEAN, SIZE_SD = -0.3, 0.15
BITS_MEAN, BITS_SD = -1.2, 0.4
"""Log divergence per bit: each bit less costs about three times as much."""
LEAST_POINTS, MOST_POINTS = 0.05, 60.0
HALF, LIKELY_HIGHEST = 50.0, 115.0
"""Percent of its baseline outside of which a score compares different things."""


class Loss(NamedTuple):
    """One measured divergence, in nats, as a logarithm."""

    quant: str
    model: str
    kind: str
    text: str
    log_loss: float
    sd: float


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
            kind, value = nats
            floor = RESOLUTION[kind]
            text = re.split(r"[,;]", row.setting or "")[0].strip() or row.url
            sd = math.hypot(NOISE_SD, floor / max(value, floor))
            found.append(Loss(row.quant, row.model, kind, f"{row.model}|{text}", math.log(max(value, floor)), sd))
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
        if "external reference" in (row.setting or ""):
            continue
        if "recovery" in metric and HALF < row.value < LIKELY_HIGHEST:
            found.append((row.quant, row.model, 100.0 - row.value))
        elif base and HALF < 100.0 * row.value / base < LIKELY_HIGHEST:
            found.append((row.quant, row.model, 100.0 * (1.0 - row.value / base)))
    return found


def _number(text: str | None) -> float | None:
    """The first number that is not part of a name such as BF16."""
    found = re.search(r"(?<![\w.])\d+(?:\.\d+)?", text or "")
    return float(found.group()) if found else None


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
    own = {quant: _own_level(found) for quant, found in points.items()}
    log_per_nat = _log_points_per_nat([(own[q], (log_nats[at[q]], sd[at[q]])) for q in own if known[at[q]]])
    mean = log_nats + log_per_nat
    for quant, (level, own_sd) in own.items():
        i = at[quant]
        weight = sd[i] ** 2 / (sd[i] ** 2 + own_sd**2)
        mean[i] += weight * (level - mean[i])
        sd[i] *= math.sqrt(1.0 - weight)
        known[i] = True
    return Penalties(quants, mean, sd, known, slope)


def _own_level(found: list[tuple[float, float]]) -> tuple[float, float]:
    """Log points at REFERENCE_PARAMS, with its standard deviation, from (points lost, factor of the model's size)."""
    mean = max(float(np.mean([lost / size for lost, size in found])), LEAST_POINTS)
    return math.log(mean), math.hypot(RECOVERY_NOISE / math.sqrt(len(found)) / mean, 0.3)


def _log_points_per_nat(both: list[tuple[tuple[float, float], tuple[float, float]]]) -> float:
    """Log points per nat: the prior and, by their precision, the quants with both (log points, sd) and (log nats, sd)."""
    estimates = [(math.log(POINTS_PER_NAT), POINTS_PER_NAT_LOG_SD)]
    estimates += [(points - nats, math.hypot(p_sd, n_sd)) for (points, p_sd), (nats, n_sd) in both]
    precision = np.array([sd**-2.0 for _, sd in estimates])
    return float(np.dot([value for value, _ in estimates], precision) / precision.sum())


def _log_nats(facts: Facts, rows: list[Loss]) -> tuple[Floats, Floats, float]:
    """Log divergence of every quant at REFERENCE_PARAMS with its standard deviation, and the slope on log size."""
    quants, kinds = tuple(facts.quants), ("kld", "median kld", "perplexity")
    family_of = {name: KIN.get(q.family, q.family) for name, q in facts.quants.items()}
    families = sorted(set(family_of.values()))
    texts = sorted({x.text for x in rows})
    columns = _Columns(len(quants), len(families), len(kinds), len(texts))
    base = np.zeros((len(quants), columns.size))
    for i, (name, quant) in enumerate(facts.quants.items()):
        base[i, i] = base[i, columns.family + families.index(family_of[name])] = 1.0
        base[i, columns.bits] = (bits_of(quant) or UNSTATED_BITS) - 8.0
    design = base[[quants.index(x.quant) for x in rows]]
    for i, x in enumerate(rows):
        design[i, columns.kind + kinds.index(x.kind)] = 1.0
        design[i, columns.text + texts.index(x.text)] = 1.0
        design[i, columns.slope] = _log_size(facts.models.get(x.model))
    prior_mean, prior_sd = columns.prior()
    weight = np.array([x.sd**-2.0 for x in rows])
    y = np.array([x.log_loss for x in rows]) - design @ prior_mean
    covariance = np.linalg.inv(design.T @ (design * weight[:, None]) + np.diag(prior_sd**-2.0))
    mean = prior_mean + covariance @ (design.T @ (weight * y))
    base[:, columns.kind] = 1.0
    variance = np.einsum("ni,ij,nj->n", base, covariance, base, optimize=True)
    return np.asarray(base @ mean), np.asarray(np.sqrt(variance)), float(mean[columns.slope])


class _Columns:
    """Where each group of effects stands in the design."""

    def __init__(self, quants: int, families: int, kinds: int, texts: int) -> None:
        self.family = quants
        self.kind = self.family + families
        self.text = self.kind + kinds
        self.slope = self.text + texts
        self.bits = self.slope + 1
        self.size = self.bits + 1

    def prior(self) -> tuple[Floats, Floats]:
        """Prior means and standard deviations of all effects."""
        mean, sd = np.zeros(self.size), np.full(self.size, QUANT_SD)
        sd[self.family : self.kind] = FAMILY_SD
        sd[self.kind : self.text], sd[self.text : self.slope] = KIND_SD, TEXT_SD
        mean[self.slope], sd[self.slope] = SIZE_MEAN, SIZE_SD
        mean[self.bits], sd[self.bits] = BITS_MEAN, BITS_SD
        return mean, sd


def _log_size(model: Model | None) -> float:
    params = model.params_total if model and model.params_total else REFERENCE_PARAMS
    return math.log(params / REFERENCE_PARAMS)
