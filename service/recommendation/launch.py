"""The command that runs a config as it was evaluated, quoted so that pasting is safe."""

from __future__ import annotations

import math
import re
import shlex
from typing import TYPE_CHECKING

from catalog.calibration.labels import draft
from catalog.physics.memory import UNSTATED_BUFFERS
from catalog.physics.weights import layout_of, weight_bytes
from catalog.recent import kept_of_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from catalog.calibration.situations import Config
    from catalog.facts import Hardware, KvDtype, Launch
    from catalog.prediction import Workload

MOST_MEMORY = 0.95
"""Share of the memory that an engine is never told to exceed."""
RPC_PORT = 50052
"""Where llama.cpp's rpc-server listens, as its template says."""
DRAFT_HEADS = ("{draft_model}", "{draft_file}")
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
KEPT_COMMANDS = 2000
"""Commands kept with what their config decides filled in."""
PLACEHOLDER = re.compile(r"\{(\w+)\}")


def launch(config: Config, workload: Workload) -> str | None:
    """Fill the engine's documented command with what was evaluated; None where it documents none."""
    pieces = _pieces(config, workload.kv_dtype, workload.units)
    if pieces is None:
        return None
    return "".join(shlex.quote(OF_WORKLOAD[x](config, workload)) if i % 2 else x for i, x in enumerate(pieces))


@kept_of_facts(KEPT_COMMANDS)
def _pieces(config: Config, kv_dtype: KvDtype, units: int) -> tuple[str, ...] | None:
    """The command in pieces: text with what the config decides filled in, and, every other one, names in ``OF_WORKLOAD``."""
    template = config.engine.launch
    if template is None:
        return None
    options = _options(config, kv_dtype, units, template.options)
    environment = [template.options[f"env_{name}"] for name in options if f"env_{name}" in template.options]
    appended = [template.options[name] for name in options if name in template.options]
    command = " ".join([*environment, template.command, *appended, *_remarks(config, template, appended)])
    if "multi_unit" in options and "other_units" in template.options:
        command = f"# on the other units: {template.options['other_units']}\n{command}"
    pieces = [""]
    for i, piece in enumerate(PLACEHOLDER.split(command)):
        if i % 2 and piece in OF_WORKLOAD:
            pieces += [piece, ""]
        else:
            pieces[-1] += _filled(piece, config) if i % 2 else piece
    return tuple(pieces)


def _options(config: Config, kv_dtype: KvDtype, units: int, known: Mapping[str, str]) -> list[str]:
    """Names of the options that what was evaluated asks for: cache type, on-line quant, draft method, several units.

    Units of unified memory are machines of their own; others are cards in one machine.
    """
    method, _ = draft(config.speculation)
    if method == "mtp" and not config.model.mtp_layers and "mtp_head" in known:
        method = "mtp_head"
    several = None if units == 1 else "multi_unit" if config.hardware.unified else "multi_gpu"
    on_loading = None if evaluated_checkpoint(config) else f"quant_{config.quant.id}"
    wanted = (f"kv_{kv_dtype}", on_loading, method, several)
    return [name for name in wanted if name]


def _remarks(config: Config, template: Launch, options: list[str]) -> list[str]:
    """What the reader must add, as comments: flags or files that the catalog cannot name."""
    method, _ = draft(config.speculation)
    found = []
    if method and not {method, f"env_{method}"} & set(template.options):
        found.append(f"speculation {config.speculation} has to be added: its flags are not in the catalog")
    if "{model}" in template.command and checkpoint(config) is None:
        found.append(f"give it a {config.quant.id} checkpoint of the model: the catalog names none")
    if any(head in option for option in options for head in DRAFT_HEADS) and not draft_checkpoint(config):
        found.append(f"give it a {method} draft head of the model: the catalog names none")
    return [f" # {'; '.join(found)}"] if found else []


def _quant_word(config: Config) -> str:
    """The quant as its files spell it."""
    return config.quant.id.upper() if config.quant.family.startswith("gguf") else config.quant.id


def checkpoint(config: Config) -> str | None:
    """The repository to load for this quant: the one whose tensors were evaluated; else the model's own where it is stored so or quantised on loading; else one the data names."""
    model, quant, launch = config.model, config.quant, config.engine.launch
    if evaluated := evaluated_checkpoint(config):
        return evaluated
    on_loading = launch is not None and f"quant_{quant.id}" in launch.options
    if quant.family == "native" or on_loading or quant.id in model.native_quants:
        return model.hf_id
    format_name, _, rest = quant.id.partition("-")
    words = (
        {"gguf"} if quant.family.startswith("gguf") else {format_name, rest} if quant.family == "mlx" else {format_name}
    )
    repositories = (alias for alias in model.aliases if REPOSITORY.fullmatch(alias))
    return next((name for name in repositories if words <= set(re.split(r"[^a-z0-9]+", name.lower()))), None)


def evaluated_checkpoint(config: Config) -> str | None:
    """The repository whose known tensors were evaluated, of the model itself; None where they are a recipe's."""
    layout = layout_of(config.model, config.quant, config.engine.id)
    if layout is None or layout.model != config.model.id:
        return None
    return layout.checkpoint if REPOSITORY.fullmatch(layout.checkpoint) else None


def draft_checkpoint(config: Config) -> str | None:
    """The repository of the draft head that the config's speculation needs, where the data names one."""
    method, _ = draft(config.speculation)
    return config.model.draft_checkpoints.get(method or "")


def kv_dtypes(config: Config) -> frozenset[str]:
    """Cache types that the engine documents a flag for, besides its default."""
    options = config.engine.launch.options if config.engine.launch else {}
    named = {name.removeprefix("env_").removeprefix("kv_") for name in options if "kv_" in name}
    return frozenset({"auto", "f16"} | named)


def memory_share(hardware: Hardware, workload: Workload, taken: float = 0.0) -> float:
    """The share of a unit's memory that the evaluated budget is, rounded down; never so much that nothing is left.

    ``taken``: bytes of both that are spoken for, where an engine wants its share of the rest.
    """
    total = (hardware.memory_usable_bytes or (hardware.memory_gb or 0.0) * 1e9) - taken
    share = (workload.budget_bytes - taken) / total if total > 0 else MOST_MEMORY
    return max(math.floor(100.0 * min(share, MOST_MEMORY)) / 100.0, 0.01)


def _weights(config: Config) -> float:
    """Bytes of weights on each unit; 0 where physics cannot tell."""
    weights = weight_bytes(config.model, config.quant, config.engine.id)
    return weights.stored_bytes / config.units if weights else 0.0


def _filled(name: str, config: Config) -> str:
    """A value as one shell word; a placeholder that is not ours stays for the reader to fill."""
    value = OF_CONFIG[name](config) if name in OF_CONFIG else None
    return f"<{name}>" if value is None else shlex.quote(value)


OF_CONFIG: dict[str, Callable[[Config], str | None]] = {
    "model": lambda config: checkpoint(config) or config.model.hf_id or config.model.id,
    "quant": _quant_word,
    "name": lambda config: config.model.id,
    "batch_tokens": lambda config: str((config.engine.buffers or UNSTATED_BUFFERS).batch_tokens),
    "draft_tokens": lambda config: str(draft(config.speculation)[1]),
    "draft_model": draft_checkpoint,
    "draft_file": lambda config: (head := draft_checkpoint(config)) and f"{head.rpartition('/')[2]}.gguf",
}
"""What each placeholder of a command stands for; None where the catalog cannot name it."""
OF_WORKLOAD: dict[str, Callable[[Config, Workload], str]] = {
    "context": lambda _, workload: str(workload.context + workload.osl),
    "total_context": lambda _, workload: str((workload.context + workload.osl) * workload.concurrency),
    "slots": lambda _, workload: str(workload.concurrency),
    "units": lambda _, workload: str(workload.units),
    "hosts": lambda _, workload: ",".join(f"HOST{i + 1}" for i in range(workload.units)),
    "rpc_hosts": lambda _, workload: ",".join(f"HOST{i + 1}:{RPC_PORT}" for i in range(1, workload.units)),
    "kv_dtype": lambda _, workload: workload.kv_dtype,
    "memory_share": lambda config, workload: f"{memory_share(config.hardware, workload):.2f}",
    "free_share": lambda config, workload: f"{memory_share(config.hardware, workload, _weights(config)):.2f}",
}
"""The same of those that the question decides."""
