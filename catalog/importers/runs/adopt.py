"""Runs as measurements: names to ids, labels for what a tool does not say, flags for what physics forbids."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import tomli_w
from pydantic import ValidationError

from catalog.check.bounds import decode_limit_tok_s, impossible_prefills, weights_beyond_memory
from catalog.facts import Measurement
from catalog.importers.bounded import ImportFileError
from catalog.names import find_id, quant_id
from catalog.quotes import FIGURES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog.facts import Evidence, Facts
    from catalog.importers.runs.run import Run, Runs

SLUG = re.compile(r"[a-z0-9][a-z0-9._-]*")
QUANT_IN_NAME = re.compile(
    r"[-._:]((?:ud[-_])?(?:i?q\d\w*|tq\d\w*|mxfp4\w*|nvfp4|bf16|f16|fp8|awq|gptq)(?:[-_]\w+)*)$", re.IGNORECASE
)
LLAMA_TYPES = re.compile(r"\b(I?Q\d_[0-9A-Z]+|F16|BF16|MXFP4)(?:\s*-\s*(Small|Medium|Large))?", re.IGNORECASE)
"""``model_type`` as llama.cpp prints it: qwen3 8B Q4_K - Medium."""
IDENTITY = ("model", "quant", "engine", "hardware")


@dataclass(frozen=True)
class Labels:
    """What a person says of a file, over what its tool says."""

    source: str
    evidence: Evidence = "own"
    url: str | None = None
    model: str | None = None
    quant: str | None = None
    engine: str | None = None
    engine_version: str | None = None
    hardware: str | None = None
    units: int | None = None
    speculation: str | None = None
    kv_dtype: str | None = None
    date: str | None = None


@dataclass(frozen=True)
class Adopted:
    """Measurements ready to be written, and one line for each run that could not become one, or that is doubtful."""

    measurements: tuple[Measurement, ...]
    unmapped: tuple[str, ...]
    remarks: tuple[str, ...]


def adopt(facts: Facts, read: Runs, labels: Labels) -> Adopted:
    """Map, label and flag. Raises ImportFileError for a label that is no id, a source that is no slug, or a bad field."""
    labels = _known(facts, labels)
    url = labels.url or f"models_data/measurements/{labels.source}.csv"
    number = max((_number(m.id) for m in facts.measurements if m.source == labels.source), default=0)
    known = {_content(m) for m in facts.measurements if m.source == labels.source}
    found: list[Measurement] = []
    mapped: dict[tuple[str | None, ...], dict[str, str | None]] = {}
    unmapped, remarks = [], list(read.remarks)
    for i, run in enumerate(read.runs):
        if not any(getattr(run, figure) for figure in FIGURES):
            remarks.append(f"run {i + 1}: holds no figure: left out")
            continue
        printed = (run.model, run.quant, run.engine, run.hardware)
        if printed not in mapped:
            mapped[printed] = _ids(facts, run, labels)
        ids = mapped[printed]
        missing = [name for name in IDENTITY if ids[name] is None]
        if missing:
            said = "; ".join(f"{name} {_printed(run, name)!r}: state --{name}" for name in missing)
            unmapped.append(f"run {i + 1}: {said}")
            continue
        identity = f"{labels.source}-{number + len(found) + 1:04d}"
        try:
            row = flagged(facts, _measurement(run, ids, labels, read.tool, url, identity))
        except ValidationError as error:
            wrong = error.errors()[0]
            field = ".".join(map(str, wrong["loc"]))
            raise ImportFileError(f"run {i + 1}", f"{field}: {wrong['msg'].removeprefix('Value error, ')}") from error
        if _content(row) in known:
            remarks.append(f"run {i + 1}: is in {labels.source} already: left out")
            continue
        known.add(_content(row))
        if row.speculation is None:
            remarks.append(f"run {i + 1}: teaches nothing until --speculation says none or a method")
        remarks += [f"run {i + 1}: flagged {flag}: {facts.flags[flag].meaning}" for flag in row.flags]
        found.append(row)
    return Adopted(tuple(found), tuple(unmapped), tuple(dict.fromkeys(remarks)))


def _known(facts: Facts, labels: Labels) -> Labels:
    """The labels with ids for the names that were stated, as Q4_K_M for q4_k_m. Raises ImportFileError for one unknown."""
    if not SLUG.fullmatch(labels.source):
        raise ImportFileError("--source", f"{labels.source!r} is no name: use a-z, 0-9, dot, dash and underscore")
    if labels.evidence != "own" and not labels.url:
        raise ImportFileError("--url", "a number of others needs the address where they published it")
    records: dict[str, Mapping[str, Any]] = {
        "model": facts.models,
        "engine": facts.engines,
        "hardware": facts.hardware,
        "quant": facts.quants,
    }
    found: dict[str, str | None] = {}
    for name, known in records.items():
        given = getattr(labels, name)
        engine = found.get("engine") if name == "quant" else None
        found[name] = given and (find_id(known, given) or (quant_id(facts, given, engine) if engine else None))
        if given and not found[name]:
            listing = "hardware" if name == "hardware" else f"{name}s"
            raise ImportFileError(f"--{name}", f"no {name} is called {given!r}: GET /{listing} lists all")
    return replace(
        labels, model=found["model"], quant=found["quant"], engine=found["engine"], hardware=found["hardware"]
    )


def _ids(facts: Facts, run: Run, labels: Labels) -> dict[str, str | None]:
    engine = labels.engine or (find_id(facts.engines, run.engine) if run.engine else None)
    name = PurePath(run.model).name.removesuffix(".gguf") if run.model else ""
    in_name = QUANT_IN_NAME.search(name)
    model = labels.model or _first(
        find_id(facts.models, x) for x in (run.model, name, name[: in_name.start()] if in_name else None) if x
    )
    quant = labels.quant
    if quant is None and engine is not None:
        quant = _first(
            quant_id(facts, x, engine)
            for x in (in_name[1] if in_name else None, _llama_type(run.quant), run.quant)
            if x
        )
    hardware = labels.hardware or (find_id(facts.hardware, run.hardware) if run.hardware else None)
    return {"model": model, "quant": quant, "engine": engine, "hardware": hardware}


def _first(found: Any) -> str | None:
    return next((x for x in found if x), None)


def _llama_type(printed: str | None) -> str | None:
    match = LLAMA_TYPES.search(printed or "")
    return f"{match[1]}_{match[2][0]}" if match and match[2] else match[1] if match else None


def _printed(run: Run, name: str) -> str | None:
    printed: str | None = getattr(run, name)
    return printed


def _measurement(
    run: Run, ids: dict[str, str | None], labels: Labels, tool: str, url: str, identity: str
) -> Measurement:
    speculation = "none" if run.plain else labels.speculation
    basis = "tool" if run.plain else "stated" if labels.speculation else "unknown"
    return Measurement.model_validate(
        {
            **ids,
            "id": identity,
            "source": labels.source,
            "engine_version": labels.engine_version or run.engine_version,
            "units": labels.units or run.units or 1,
            "speculation": speculation,
            "spec_basis": basis,
            "content": None if speculation in {None, "none"} else run.content,
            "concurrency": run.concurrency,
            "isl": run.isl,
            "osl": run.osl,
            "context_depth": run.context_depth,
            "decode_kv_tokens": run.decode_kv_tokens,
            "kv_dtype": labels.kv_dtype or run.kv_dtype,
            "prefill_tok_s": run.prefill_tok_s,
            "decode_tok_s": run.decode_tok_s,
            "decode_total_tok_s": run.decode_total_tok_s,
            "ttft_ms": run.ttft_ms,
            "evidence": labels.evidence,
            "tool": tool,
            "date": labels.date or run.date,
            "url": url,
            "raw_model": PurePath(run.model).name if run.model else None,
            "raw_quant": run.quant,
            "hw_variant": run.hardware,
            "note": run.note,
        }
    )


def flagged(facts: Facts, row: Measurement) -> Measurement:
    """The row with a flag for each figure that bandwidth, the dense peak or memory forbids, or that counts something else."""
    flags = []
    fastest = decode_limit_tok_s(row, facts)
    if row.speculation in (None, "none") and fastest is not None and (row.decode_tok_s or 0.0) > fastest:
        flags.append("tg-exceeds-weight-stream-limit" if row.speculation else "spec-suspected")
    flags += [claim.flag for claim in impossible_prefills(row, facts)]
    if weights_beyond_memory(row, facts):
        flags.append("weights-exceed-memory")
    if row.tool == "llmfit":
        flags.append("tg-is-tokens-over-total-time")
    return row.model_copy(update={"flags": tuple(flags)})


def _content(row: Measurement) -> tuple[Any, ...]:
    """What two rows of one run have in common, whenever they were imported."""
    return tuple(value for name, value in row if name not in {"id", "url", "content", "flags", "note"})


def _number(identity: str) -> int:
    digits = identity.rpartition("-")[2]
    return int(digits) if digits.isdigit() else 0


def write_measurements(adopted: Adopted, labels: Labels, root: Path) -> list[Path]:
    """Append the rows to ``measurements/<source>.csv`` and describe a new source; the files that were written."""
    if not adopted.measurements:
        return []
    path, written = root / "measurements" / f"{labels.source}.csv", []
    columns = [name for name in Measurement.model_fields if name != "mem_used_gb"]
    old: list[dict[str, str]] = []
    if path.exists():
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            columns = [*(reader.fieldnames or []), *(c for c in columns if c not in (reader.fieldnames or []))]
            old = list(reader)
    beside = path.with_name(f".{path.name}.new")
    with beside.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(old)
        writer.writerows({name: _cell(value) for name, value in row if name in columns} for row in adopted.measurements)
    beside.replace(path)
    written.append(path)
    sources = root / "sources.toml"
    text = sources.read_text(encoding="utf-8")
    if not re.search(rf"^\[\"?{re.escape(labels.source)}\"?\]$", text, re.MULTILINE):
        first = adopted.measurements[0]
        record = {"name": labels.source, "url": first.url, "evidence": labels.evidence}
        record |= {"date": first.date} if first.date else {}
        sources.write_text(text.rstrip("\n") + "\n\n" + tomli_w.dumps({labels.source: record}), encoding="utf-8")
        written.append(sources)
    return written


def _cell(value: Any) -> str:
    if value is None or value is False:
        return ""
    return ";".join(value) if isinstance(value, tuple) else f"{value:.10g}" if isinstance(value, float) else str(value)
