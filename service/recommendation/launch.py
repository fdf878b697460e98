"""The command that runs a config as it was evaluated, quoted so that pasting is safe."""

from __future__ import annotations

import math
import re
import shlex
from typing import TYPE_CHECKING

from catalog.calibration.situations import draft

if TYPE_CHECKING:
    from catalog.calibration.situations import Config
    from catalog.facts import Hardware
    from catalog.prediction import Workload

MOST_MEMORY = 0.95
"""Share of the memory that an engine is never told to exceed."""
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
PLACEHOLDER = re.compile(r"\{(\w+)\}")


def launch(config: Config, workload: Workload) -> str | None:
    """Fill the engine's documented command with what was evaluated; None where it documents none."""
    template = config.engine.launch
    if template is None:
        return None
    method, tokens = draft(config.speculation)
    context = workload.context + workload.osl
    values = {
        "model": checkpoint(config) or config.model.hf_id or config.model.id,
        "quant": config.quant.id.upper() if config.quant.family.startswith("gguf") else config.quant.id,
        "name": config.model.id,
        "context": str(context),
        "total_context": str(context * workload.concurrency),
        "slots": str(workload.concurrency),
        "units": str(workload.units),
        "draft_tokens": str(tokens),
        "kv_dtype": workload.kv_dtype,
        "memory_share": f"{memory_share(config.hardware, workload):.2f}",
    }
    wanted = [
        f"kv_{workload.kv_dtype}",
        f"quant_{config.quant.id}",
        method,
        "multi_unit" if workload.units > 1 else None,
    ]
    options = [template.options[name] for name in wanted if name and name in template.options]
    environment = [template.options[f"env_{name}"] for name in wanted if name and f"env_{name}" in template.options]
    command = " ".join([*environment, template.command, *options])
    if method and method not in template.options and f"env_{method}" not in template.options:
        command += f"  # speculation {config.speculation} has to be added: its flags are not in the catalog"
    if "{model}" in template.command and checkpoint(config) is None:
        command += f"  # give it a {config.quant.id} checkpoint of the model: the catalog names none"
    if workload.units > 1 and "other_units" in template.options:
        command = f"# on the other units: {template.options['other_units']}\n{command}"
    return PLACEHOLDER.sub(lambda found: _quoted(values, found), command)


def checkpoint(config: Config) -> str | None:
    """The published repository of the model in this quant: its own, or one that the data names; None where none is known."""
    model, quant = config.model, config.quant
    if quant.family == "native" or quant.self_made or quant.id in model.native_quants:
        return model.hf_id
    format_name = quant.id.partition("-")[0]
    named = (alias for alias in model.aliases if REPOSITORY.fullmatch(alias) and format_name in alias.lower())
    return next(named, None)


def memory_share(hardware: Hardware, workload: Workload) -> float:
    """The share of a unit's memory that the evaluated budget is, rounded down; never so much that nothing is left."""
    total = hardware.memory_usable_bytes or (hardware.memory_gb or 0.0) * 1e9
    share = workload.budget_bytes / total if total else MOST_MEMORY
    return max(math.floor(100.0 * min(share, MOST_MEMORY)) / 100.0, 0.01)


def _quoted(values: dict[str, str], found: re.Match[str]) -> str:
    """A value as one shell word; a placeholder that is not ours stays for the reader to fill."""
    name = found.group(1)
    return shlex.quote(values[name]) if name in values else f"<{name}>"
