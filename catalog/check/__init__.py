"""The rules that keep ``models_data/`` believable. A finding names file, line and rule; an error fails the check.

A published number that cannot be right is no error once a flag on its row says what is off: numbers are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.check import plausible, provenance, references, repeats, values
from catalog.check.findings import Finding, Places
from catalog.load import FactError, load_facts

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from catalog.check.findings import Rule
    from catalog.facts import Facts

__all__ = ["RULES", "Finding", "check", "check_folder", "render"]

RULES: tuple[Rule, ...] = (
    references.orphan_rows,
    references.orphan_keys,
    references.ambiguous_aliases,
    values.measurement_ranges,
    values.hardware_ranges,
    values.quant_bits,
    values.model_shapes,
    values.score_ranges,
    provenance.row_addresses,
    provenance.record_sources,
    provenance.citable_sources,
    provenance.source_addresses,
    provenance.prices,
    repeats.duplicate_measurements,
    repeats.duplicate_rows,
    repeats.quoted_measurements,
    plausible.decode_above_ceiling,
    plausible.decode_above_measured_bandwidth,
    plausible.speculation_suspected,
    plausible.prefill_above_peak,
    plausible.weights_exceed_memory,
    plausible.library_default_context,
)


def check(facts: Facts, root: Path) -> list[Finding]:
    """What the rules find in facts loaded from ``root``, errors first, then by file and line."""
    places = Places(root)
    findings = {finding for rule in RULES for finding in rule(facts, places)}
    return sorted(findings, key=lambda finding: (finding.severity, finding))


def check_folder(root: Path) -> list[Finding]:
    """Loads ``root`` and checks it; what cannot be loaded is a finding too."""
    try:
        facts = load_facts(root)
    except FactError as error:
        return [Finding(bad.file, bad.line, bad.rule, "error", bad.message) for bad in (error, *error.more)]
    return check(facts, root)


def render(findings: Iterable[Finding]) -> str:
    """One line per finding, as ``file:line: severity: rule: message``, and a closing count."""
    found = list(findings)
    lines = [f"{f.file}:{f.line}: {f.severity}: {f.rule}: {f.message}" for f in found]
    errors = sum(finding.severity == "error" for finding in found)
    return "\n".join([*lines, f"{errors} errors, {len(found) - errors} warnings"])
