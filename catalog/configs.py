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

from catalog.calibration.evidence import TIMING_HARNESS
from catalog.calibration.labels import draft
from catalog.calibration.situations import Config, computable

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
    """What the facts prove to exist: quants by model, quants anyone can make by engine, speculation by (model, engine).

    ``measured``: (model, quant, engine) triples that somebody ran.
    """

    quants: dict[str, frozenset[str]]
    self_made: dict[str, frozenset[str]]
    speculation: dict[tuple[str, str], tuple[str, ...]]
    measured: frozenset[tuple[str, str, str]]


def existing(facts: Facts) -> Existing:
    """Read the proofs of existence out of the facts: random weights that were timed are no proof."""
    quants: dict[str, set[str]] = defaultdict(set)
    methods: dict[tuple[str, str], set[str]] = defaultdict(set)
    run = [row for row in facts.measurements if row.tool != TIMING_HARNESS]
    for row in run:
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
        frozenset((row.model, row.quant, row.engine) for row in run),
    )


def cannot_run(engine: Engine, hardware: Hardware, units: int = 1) -> str | None:
    """Why an engine cannot run on the hardware at all, in a sentence; None if it can."""
    if engine.launch is None:
        return f"{engine.name} has no documented launch command"
    if hardware.vendor not in engine.hardware_vendors:
        return f"{engine.name} does not run on {hardware.vendor} hardware"
    if units > 1 and engine.multi_unit is None:
        return f"{engine.name} has no documented way to use several units"
    return _too_old(engine, "any", hardware)


def cannot_load(engine: Engine, quant: Quant, hardware: Hardware) -> str | None:
    """Why an engine cannot load a format on the hardware, in a sentence; None if it can."""
    known = engine.id in quant.engines if quant.engines else quant.family in engine.quant_families
    if not known:
        return f"{engine.name} does not load {quant.id}"
    vendors = ("apple",) if quant.family == "mlx" else quant.hardware_vendors
    fewer = engine.vendor_families.get(hardware.vendor)
    if (vendors and hardware.vendor not in vendors) or (fewer is not None and quant.family not in fewer):
        return f"{engine.name} does not load {quant.id} on {hardware.vendor} hardware"
    return _too_old(engine, quant.family, hardware)


def _too_old(engine: Engine, family: str, hardware: Hardware) -> str | None:
    """Why NVIDIA hardware of this generation is not enough; None where it is, or its generation is not known."""
    least, has = engine.compute_capability.get(family), hardware.compute_capability
    if least is None or has is None or float(has) >= least:
        return None
    what = engine.name if family == "any" else f"{engine.name} with {family} weights"
    return f"{what} needs compute capability {least:.1f}, {hardware.name} has {has}"


def candidates(
    facts: Facts, hardware: Hardware, units: int, *, found: Existing | None = None, of: str | None = None
) -> Iterator[Config]:
    """Every config that exists on ``units`` of the hardware, in the order of their ids; ``of`` one model alone."""
    found = found or existing(facts)
    engines = [e for e in facts.engines.values() if cannot_run(e, hardware, units) is None]
    for model in facts.models.values():
        if model.role == "catalog" and of in {None, model.id}:
            for engine in engines:
                yield from _of_model(facts, found, model, engine, hardware, units)


def _of_model(
    facts: Facts, found: Existing, model: Model, engine: Engine, hardware: Hardware, units: int
) -> Iterator[Config]:
    for quant_id in sorted(_published(found, model.id, engine.id)):
        quant = facts.quants[quant_id]
        offered = quant.family not in engine.experimental_families or (model.id, quant_id, engine.id) in found.measured
        able = offered and cannot_load(engine, quant, hardware) is None
        if able and computable(model, quant, engine.id) is None:
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
        cannot_run(config.engine, config.hardware, config.units) is None
        and cannot_load(config.engine, config.quant, config.hardware) is None
        and config.quant.id in _published(found, config.model.id, config.engine.id)
        and config.speculation in methods(found, config.model, config.engine)
    )
