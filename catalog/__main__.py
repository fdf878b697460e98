"""``python -m catalog``: build the catalog, check its facts."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "models_data"
CATALOG = ROOT / "build" / "catalog.duckdb"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m catalog", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="models_data → one DuckDB file")
    check = commands.add_parser("check", help="refuse bad facts, with file, line and rule")
    for command in (build, check):
        command.add_argument("--data", type=Path, default=DATA, help="the folder of facts")
    build.add_argument("--output", type=Path, default=CATALOG, help="the file to write")
    options = parser.parse_args(arguments)
    return {"build": _build, "check": _check}[options.command](options)


def _build(options: argparse.Namespace) -> int:
    from catalog.store import build  # noqa: PLC0415  (only this command needs SciPy)

    version = build(options.data, options.output)
    print(f"catalog {version} → {options.output}")
    return 0


def _check(options: argparse.Namespace) -> int:
    from catalog.check import check, render  # noqa: PLC0415
    from catalog.load import FactError, load_facts  # noqa: PLC0415

    try:
        findings = check(load_facts(options.data), options.data)
    except FactError as error:
        print(error, *error.more, sep="\n", file=sys.stderr)
        return 1
    print(render(findings))
    return 1 if any(f.severity == "error" for f in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
