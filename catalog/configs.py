"""Every config that exists: no quant nobody published, no draft head nobody trained, no engine without a launch command.

A quant of a model exists when a measurement, a listed artifact or a known checkpoint layout says so, or when anyone can
make it with the engine's own tool. Speculation needs the model's own MTP layers, a published draft head or a
measurement. A config asked for by name is described too, and says that it may not exist.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from catalog.calibration.situations import Config, computable, draft

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.facts import Engine, Facts, Hardware, Model, Quant

OFFERED_SELF_MADE = re.compile(r"q8_0|q[2-6]_k(_m)?|bf16|fp8|mlx-[468]bit")
"""Of the formats anyone can make, those offered without proof: the k-quants, Q8_0, on-line FP8, MLX, native weights.

The legacy and small-block types can be made too, but nobody should prefer them; a measurement brings them in.
"""
DEFAULT_MTP = "mtp-3"
"""What is offered for a model with its own MTP layers where no measurement names a length."""


class ConfigKey(NamedTuple):
    """Which model, quant, engine and speculation; hardware and units are the question's."""

    model: str
    quant: str
    engine: str
    speculation: str


@dataclass(frozen=True)
class Existing:
    """What the facts prove to exist: quants by model, quants anyone can make by engine, speculation by (model, engine)."""

    quants: dict[str, frozenset[str]]
    self_made: dict[str, frozenset[str]]
    speculation: dict[tuple[str, str], tuple[str, ...]]


def existing(facts: Facts) -> Existing:
    """Read the proofs of existence out of the facts."""
    quants: dict[str, set[str]] = defaultdict(set)
    methods: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in facts.measurements:
        quants[row.model].add(row.quant)
        if row.speculation and draft(row.speculation)[0] and row.speculation[-1].isdigit():
            methods[row.model, row.engine].add(row.speculation)
    for artifact in facts.artifacts:
        quants[artifact.model].add(artifact.quant)
    for quant in facts.quants.values():
        for layout in quant.layouts:
            quants[layout.model].add(quant.id)
    offered = [q for q in facts.quants.values() if q.self_made and OFFERED_SELF_MADE.fullmatch(q.id)]
    return Existing(
        {model: frozenset(found) for model, found in quants.items()},
        {engine: frozenset(q.id for q in offered if engine in q.self_made_engines) for engine in facts.engines},
        {pair: tuple(sorted(found)) for pair, found in methods.items()},
    )


def runs_on(engine: Engine, hardware: Hardware) -> bool:
    """Whether the engine has a documented launch and runs on the vendor's hardware at all."""
    return engine.launch is not None and hardware.vendor in engine.hardware_vendors


def loads(engine: Engine, quant: Quant, hardware: Hardware) -> bool:
    """Whether the engine can load the format there: MLX formats need Apple's MLX, whatever the engine."""
    if quant.family == "mlx" and hardware.vendor != "apple":
        return False
    return engine.id in quant.engines if quant.engines else quant.family in engine.quant_families


def candidates(
    facts: Facts, hardware: Hardware, units: int, *, found: Existing | None = None, of: str | None = None
) -> Iterator[Config]:
    """Every config that exists on ``units`` of the hardware, in the order of their ids; ``of`` one model alone."""
    found = found or existing(facts)
    engines = [e for e in facts.engines.values() if runs_on(e, hardware) and (units == 1 or e.multi_unit)]
    for model in facts.models.values():
        if model.role == "catalog" and of in {None, model.id}:
            for engine in engines:
                yield from _of_model(facts, found, model, engine, hardware, units)


def _of_model(
    facts: Facts, found: Existing, model: Model, engine: Engine, hardware: Hardware, units: int
) -> Iterator[Config]:
    for quant_id in sorted(_published(found, model.id, engine.id)):
        quant = facts.quants[quant_id]
        if loads(engine, quant, hardware) and computable(model, quant, engine.id) is None:
            for speculation in methods(found, model, engine):
                yield Config(model, quant, engine, hardware, units, speculation)


def _published(found: Existing, model_id: str, engine_id: str) -> frozenset[str]:
    return found.quants.get(model_id, frozenset()) | found.self_made.get(engine_id, frozenset())


def methods(found: Existing, model: Model, engine: Engine) -> tuple[str, ...]:
    """What speculation a model can use on an engine: none, those measured, and its own MTP layers where supported."""
    measured = found.speculation.get((model.id, engine.id), ())
    own = model.mtp_layers and "mtp" in engine.speculation and not any(m.startswith("mtp") for m in measured)
    return ("none", *measured, *((DEFAULT_MTP,) if own else ()))


def exists(config: Config, found: Existing) -> bool:
    """Whether a config is among the candidates of its hardware."""
    return (
        runs_on(config.engine, config.hardware)
        and loads(config.engine, config.quant, config.hardware)
        and config.quant.id in _published(found, config.model.id, config.engine.id)
        and config.speculation in methods(found, config.model, config.engine)
    )
