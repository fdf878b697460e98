"""``python -m catalog``: build the catalog, check its facts, evaluate its predictions, import, export, show."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from catalog.errors import BrokenCatalogError
from catalog.load import FactError
from catalog.show import TOPICS, show

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "models_data"
CATALOG = ROOT / "build" / "catalog.duckdb"
EVALUATION = ROOT / "build" / "evaluation"
KNOWN_TOOLS = "llama-bench, llama-batched-bench, llama-benchy, vllm bench serve, sglang.bench_serving, AIPerf or llmfit"
LABELS = {
    "url": "where they were published; needed unless they are your own",
    "model": "id of the model, where the tool does not say or says it otherwise",
    "quant": "id of the quant",
    "engine": "id of the engine",
    "engine_version": "version of the engine",
    "hardware": "id of the hardware",
    "units": "how many of the hardware worked together",
    "speculation": "none, or the method with its draft tokens, as mtp-3",
    "kv_dtype": "type of the KV cache",
    "date": "YYYY-MM-DD of the run, where the tool does not say",
}
"""What a person says of a file, over what its tool says; see catalog.importers.runs.Labels."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m catalog", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="models_data → one DuckDB file")
    check = commands.add_parser("check", help="refuse bad facts, with file, line and rule")
    evaluate = commands.add_parser("evaluate", help="error and coverage on what the fit has not seen")
    importing = commands.add_parser("import", help="a model or measurements from files on this machine → models_data")
    kinds = importing.add_subparsers(dest="kind", required=True)
    model = kinds.add_parser("model", help="an architecture")
    model.add_argument("file", type=Path, help="config.json, .gguf, .safetensors or .safetensors.index.json")
    model.add_argument("--id", help="id of the model; default: made of the file's or its folder's name")
    model.add_argument("--family", help="family of the model; default: its id")
    model.add_argument("--replace", action="store_true", help="overwrite a model of that id")
    measurements = kinds.add_parser("measurements", help="what a benchmark tool printed")
    measurements.add_argument("file", type=Path, help=f"of {KNOWN_TOOLS}")
    measurements.add_argument("--source", required=True, help="whose numbers these are: the name of their file")
    measurements.add_argument(
        "--evidence", choices=["own", "community", "maintainer", "official"], default="own", help="default: own"
    )
    for name, words in LABELS.items():
        measurements.add_argument(f"--{name.replace('_', '-')}", type=int if name == "units" else str, help=words)
    for command in (build, check, evaluate, model, measurements):
        command.add_argument("--data", type=Path, default=DATA, help="the folder of facts")
    build.add_argument("--output", type=Path, default=CATALOG, help="the file to write")
    build.add_argument("--ledger", help="measurements that came in over the wire: a file or a postgresql:// URL")
    evaluate.add_argument("--output", type=Path, default=EVALUATION, help="the folder for tables and plots")
    evaluate.add_argument("--update", type=Path, help="a document whose evaluation table is to be brought up to date")
    exporting = commands.add_parser("export", help="the built catalog for other engines: Parquet files or a DuckLake")
    exporting.add_argument("output", type=Path, help="a folder for Parquet files; with --ducklake the lake's own file")
    exporting.add_argument("--ducklake", action="store_true", help="write into a DuckLake (needs DuckDB's extension)")
    exporting.add_argument("--catalog", type=Path, default=CATALOG, help="the file to read")
    showing = commands.add_parser("show", help="what the built catalog holds, as tables")
    showing.add_argument("topic", nargs="?", default="hardware", choices=TOPICS, help="default: hardware")
    showing.add_argument("--catalog", type=Path, default=CATALOG, help="the file to read")
    showing.add_argument("--limit", type=int, default=40, help="rows shown")
    options = parser.parse_args(arguments)
    imports = {"model": _import_model, "measurements": _import_measurements}
    run = {"build": _build, "check": _check, "evaluate": _evaluate, "export": _export, "show": _show}
    try:
        return (imports[options.kind] if options.command == "import" else run[options.command])(options)
    except FactError as error:
        print(error, *error.more, sep="\n", file=sys.stderr)
        return 1


def _build(options: argparse.Namespace) -> int:
    from catalog.store import build  # noqa: PLC0415  (only this command needs SciPy)

    version = build(options.data, options.output, options.ledger)
    print(f"catalog {version} → {options.output}")
    return 0


def _check(options: argparse.Namespace) -> int:
    from catalog.check import check, render  # noqa: PLC0415
    from catalog.load import load_facts  # noqa: PLC0415

    findings = check(load_facts(options.data), options.data)
    print(render(findings))
    return 1 if any(f.severity == "error" for f in findings) else 0


def _evaluate(options: argparse.Namespace) -> int:
    from catalog.calibration.evidence import evidence  # noqa: PLC0415
    from catalog.evaluation.report import evaluate, render, update, write  # noqa: PLC0415
    from catalog.load import load_facts  # noqa: PLC0415

    facts = load_facts(options.data)
    report = evaluate(facts, evidence(facts, facts.measurements).lessons)
    print(render(report))
    for path in write(report, options.output):
        print(f"wrote {path}", file=sys.stderr)
    if options.update:
        update(report, options.update)
    return 0


def _import_model(options: argparse.Namespace) -> int:
    from catalog.importers.bounded import ImportFileError  # noqa: PLC0415
    from catalog.importers.files import import_model, write_model  # noqa: PLC0415

    try:
        imported = import_model(options.file, identity=options.id, family=options.family)
        written = write_model(imported, options.data, replace=options.replace)
    except (ImportFileError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(*imported.remarks, *(f"wrote {path}" for path in written), sep="\n")
    if imported.quant is None or (imported.layout and len(written) == 1):
        name = f"{imported.quant!r} is not listed" if imported.quant else "the file does not say which quant it is in"
        print(
            f"the exact bits of this file are kept nowhere: {name}; predictions use the recipe of the quant asked for"
        )
    return 0


def _import_measurements(options: argparse.Namespace) -> int:
    from catalog.importers.bounded import ImportFileError  # noqa: PLC0415
    from catalog.importers.runs import Labels, adopt, read_runs, write_measurements  # noqa: PLC0415
    from catalog.load import load_facts  # noqa: PLC0415

    labels = Labels(options.source, options.evidence, **{name: getattr(options, name) for name in LABELS})
    try:
        read = read_runs(options.file)
        adopted = adopt(load_facts(options.data), read, labels)
        written = write_measurements(adopted, labels, options.data)
    except (ImportFileError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{read.tool}: {len(read.runs)} runs, {len(adopted.measurements)} measurements", *adopted.remarks, sep="\n")
    print(*(f"wrote {path}" for path in written), sep="\n")
    if adopted.unmapped:
        print("not mapped, so not kept:", *adopted.unmapped, sep="\n", file=sys.stderr)
    return 1 if adopted.unmapped or not read.runs else 0


def _export(options: argparse.Namespace) -> int:
    from catalog.export import ExportError, export_ducklake, export_parquet  # noqa: PLC0415

    try:
        written = (export_ducklake if options.ducklake else export_parquet)(options.catalog, options.output)
    except (BrokenCatalogError, ExportError) as error:
        print(error, file=sys.stderr)
        return 1
    print(*(f"{table}: {rows:,} rows" for table, rows in written.items()), f"→ {options.output}", sep="\n")
    return 0


def _show(options: argparse.Namespace) -> int:
    try:
        print(show(options.catalog, options.topic, options.limit))
    except BrokenCatalogError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
