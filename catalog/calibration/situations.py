"""A config under a workload, described twice: in numbers for the physics, in labels for what is learnt.

Measurements and candidates go through the same description, so what one teaches is exactly what the other is told.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np

from catalog.calibration.labels import draft, labels
from catalog.columns import Columns
from catalog.facts import Content
from catalog.physics.attention import pair_flops
from catalog.physics.kv import kv_shape
from catalog.physics.memory import UNSTATED_BUFFERS
from catalog.physics.peaks import operand_formats, peak_flops, weight_only
from catalog.physics.terms import SKEW, Devices, Load, Shapes, acceptance_elasticity, accepted_tokens
from catalog.physics.weights import knows_bits, weight_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from catalog.facts import Engine, Hardware, Model, Quant

LINEAR_KINDS = frozenset({"gated_delta", "kda", "linear", "mamba2", "short_conv"})
BLOCK_DRAFTERS = ("dflash", "dspark")
"""Drafters that propose a whole block in one pass."""
REFERENCE_ACCEPTANCE = 0.7
"""Acceptance of one draft token before anything is known; methods, models and workloads correct it by their effects."""
UNSTATED = "unstated"
"""The kind of a text that nobody named."""
CONTENT_SLOPES = {content: f"{content} accepted" for content in (*get_args(Content), UNSTATED)}
"""By kind of text, the number that says whether drafts are of it: their ``acceptance`` slope where they are, else 0."""
EXPERT_BYTES = 4e6
"""Bytes of a usual expert of one layer; smaller ones are read and multiplied less well."""
WIDTH = 4096.0
"""Usual width of a model: narrower matrices are multiplied less well."""
PEAK_FLOPS = 1e14
"""Usual 16-bit peak: a batch keeps more multipliers less busy."""
LEAST_PEAK_FLOPS = 1e11
"""Below any device's, for those of unknown bandwidth and peak."""
REACHABLE_SHARE = 0.95
"""Of the nominal bandwidth, where no read kernel was measured: the best of any memory come near it."""
LINK_BYTES_S = 25e9
"""ConnectX-7 at 200 Gb/s; used where a machine's link is not known."""


class Config(NamedTuple):
    """One of each, as records; ``units`` of the hardware."""

    model: Model
    quant: Quant
    engine: Engine
    hardware: Hardware
    units: int
    speculation: str

    @property
    def key(self) -> str:
        """The config's name: model/quant/engine/hardware/units. Speculation is described apart."""
        return "/".join((self.model.id, self.quant.id, self.engine.id, self.hardware.id, str(self.units)))


class Ask(NamedTuple):
    """A workload, as numbers; ``kv_dtype`` as the engine names it, None for its default."""

    isl: float
    osl: float
    context: float
    concurrency: int
    kv_dtype: str | None


@dataclass(frozen=True)
class Situations(Columns):
    """n configs: their shapes, devices, draft lengths and labels. Loads are made from them per question."""

    shapes: Shapes
    devices: Devices
    draft_tokens: NDArray[np.float64]
    block_draft: NDArray[np.float64]
    batch_tokens: NDArray[np.float64]
    labels: Mapping[str, NDArray[np.object_]]
    log_units: NDArray[np.float64]
    weight_only: NDArray[np.float64]
    """1 where weights are multiplied in 16 bits although the engine has narrower kernels for the quant; else 0."""

    def __len__(self) -> int:
        return len(self.shapes)

    @cached_property
    def numbers(self) -> Mapping[str, NDArray[np.float64]]:
        """What is particular to each config and scales an effect.

        Logarithms of units, of its peak, of that over the peak of 16-bit floats, of width and of expert sizes; whether
        weights are widened; and ``acceptance``, what log time gains per unit of the log odds that a draft is accepted:
        negative, and 0 without drafts. ``dense`` ones count as far as the dense weights are narrow.
        """
        shapes = self.shapes
        matrices = np.maximum(shapes.experts * shapes.moe_layers, 1.0)
        precision = np.log2(np.maximum(self.devices.peak_flops / self.devices.attention_peak_flops, 1.0))
        return {
            "log units": self.log_units,
            "weight-only": self.weight_only,
            "dense weight-only": self.weight_only * shapes.narrow_share,
            "log peak": np.log2(np.maximum(self.devices.attention_peak_flops, LEAST_PEAK_FLOPS) / PEAK_FLOPS),
            "log precision": precision,
            "dense precision": precision * shapes.narrow_share,
            "log width": np.log2(shapes.hidden_size / WIDTH),
            "acceptance": -acceptance_elasticity(self.draft_tokens, REFERENCE_ACCEPTANCE),
            "log expert": np.log2(np.maximum(shapes.expert_bytes / matrices, 1.0) / EXPERT_BYTES)
            * (shapes.experts > 0),
        }

    @cached_property
    def log_step_tokens(self) -> NDArray[np.float64]:
        """Logarithm (base 2) of the tokens that one stream has in a step: its drafts and one."""
        return np.log2(self.draft_tokens + 1.0)

    @cached_property
    def log_accepted(self) -> NDArray[np.float64]:
        """Their logarithm; 0 without drafts."""
        return np.log(self.accepted)

    @cached_property
    def accepted(self) -> NDArray[np.float64]:
        """Tokens a speculative step is expected to yield at the reference acceptance; 1 without drafts."""
        return accepted_tokens(self.draft_tokens, REFERENCE_ACCEPTANCE)

    def load(
        self, isl: Any, osl: Any, context: Any, concurrency: Any, kv_bytes_per_value: Any, skew: Any = SKEW
    ) -> Load:
        """The workload's columns; what is the same for all configs stays a scalar."""
        given = (isl, osl, context, concurrency, kv_bytes_per_value, skew)
        tokens_in, tokens_out, cached, streams, value_bytes, unevenly = (np.asarray(x, dtype=float) for x in given)
        return Load(
            tokens_in,
            tokens_out,
            cached,
            streams,
            value_bytes,
            self.draft_tokens,
            self.accepted,
            self.block_draft,
            self.batch_tokens,
            unevenly,
        )


def reachable_bytes_s(hardware: Hardware) -> float:
    """Bytes per second of the best read kernel that was measured on the hardware; where none was, what such kernels reach."""
    nominal = hardware.bandwidth_gb_s or 0.0
    return 1e9 * max(hardware.bandwidth_measured_gb_s or (nominal * REACHABLE_SHARE,))


def computable(model: Model, quant: Quant, engine_id: str) -> str | None:
    """Why physics cannot describe a config, or None if it can."""
    if model.parameters is None or not model.attention:
        return f"the architecture of {model.id} is not public in the sources used"
    if quant.bits is None and not quant.bits_by_engine and not quant.layouts:
        return f"the stored bits of {quant.id} are not known"
    return None if knows_bits(model, quant, engine_id) else f"{quant.id} has no known bits for {model.id}"


def shape_row(model: Model, quant: Quant, engine: Engine) -> tuple[float, ...]:
    """One row of Shapes, in field order. Raises ValueError where physics cannot describe the triple."""
    weights = weight_bytes(model, quant, engine.id)
    if weights is None:
        raise ValueError(computable(model, quant, engine.id))
    cache = kv_shape(model)
    attention = pair_flops(model, engine)
    moe = model.moe
    dense_first = (moe.first_k_dense or 0) if moe else 0
    layers = model.layers or sum(g.layers for g in model.attention)
    alone = sum(g.layers for g in model.attention if g.kind == "none")
    mixers, feed_forwards = layers - alone, alone or layers
    return (
        weights.stored_bytes,
        weights.dense_read_bytes,
        weights.routed_expert_bytes,
        moe.num_experts if moe else 0,
        moe.experts_per_token if moe else 0,
        weights.dense_matmul_params,
        weights.wide_matmul_params,
        weights.routed_expert_params,
        weights.head_bytes,
        weights.head_params,
        cache.kv_full_values,
        cache.kv_window_values,
        cache.kv_window_tokens,
        cache.kv_sparse_values,
        cache.kv_sparse_tokens,
        cache.state_bytes,
        attention.full,
        attention.window,
        attention.sparse,
        (mixers + feed_forwards) / 2.0,
        feed_forwards - dense_first if moe else 0,
        sum(g.layers for g in model.attention if g.kind in LINEAR_KINDS),
        model.hidden_size or 4096,
    )


def describe(configs: Sequence[Config]) -> Situations:
    """Numbers and labels of n configs. Every config must be computable."""
    rows: dict[tuple[str, str, str], tuple[float, ...]] = {}
    for c in configs:
        triple = (c.model.id, c.quant.id, c.engine.id)
        if triple not in rows:
            rows[triple] = shape_row(c.model, c.quant, c.engine)
    columns = len(fields(Shapes))
    table = np.array([rows[c.model.id, c.quant.id, c.engine.id] for c in configs], dtype=float).reshape(-1, columns)
    drafts = [draft(c.speculation) for c in configs]
    return Situations(
        Shapes(*np.ascontiguousarray(table.T)),
        _devices(configs),
        np.array([n for _, n in drafts], dtype=float),
        np.array([bool(m and m.startswith(BLOCK_DRAFTERS)) for m, _ in drafts], dtype=float),
        np.array([(c.engine.buffers or UNSTATED_BUFFERS).batch_tokens for c in configs], dtype=float),
        labels(configs, [m for m, _ in drafts]),
        np.log2(np.array([c.units for c in configs], dtype=float)),
        np.array([weight_only(c.model, c.quant, c.engine) for c in configs], dtype=float),
    )


def _devices(configs: Sequence[Config]) -> Devices:
    def column(values: Iterable[float]) -> NDArray[np.float64]:
        return np.array(list(values), dtype=float)

    return Devices(
        column((c.hardware.bandwidth_gb_s or 0.0) * 1e9 for c in configs),
        column(reachable_bytes_s(c.hardware) for c in configs),
        column(peak_flops(c.hardware, operand_formats(c.quant, c.engine)) for c in configs),
        column(peak_flops(c.hardware) for c in configs),
        column(c.units if c.engine.multi_unit == "tensor" else 1 for c in configs),
        column(c.units for c in configs),
        column(c.hardware.link.bandwidth_gb_s * 1e9 if c.hardware.link else LINK_BYTES_S for c in configs),
    )
