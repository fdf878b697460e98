"""``python -m catalog show``: what a built catalog holds, as tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb

from catalog.errors import BrokenCatalogError

if TYPE_CHECKING:
    from pathlib import Path

TOPICS = {
    "hardware": "SELECT hardware, sum(measurements) AS measurements, count(DISTINCT engine) AS engines, "
    "count(DISTINCT quant) AS quants FROM coverage GROUP BY hardware ORDER BY measurements DESC, hardware",
    "engines": "SELECT engine, sum(measurements) AS measurements, count(DISTINCT hardware) AS hardware, "
    "count(DISTINCT quant) AS quants FROM coverage GROUP BY engine ORDER BY measurements DESC, engine",
    "quants": "SELECT quant, sum(measurements) AS measurements, count(DISTINCT hardware) AS hardware, "
    "count(DISTINCT engine) AS engines FROM coverage GROUP BY quant ORDER BY measurements DESC, quant",
    "coverage": "SELECT * FROM coverage",
    "measured": "SELECT * FROM measured_configs "
    "ORDER BY measurements DESC, model, quant, engine, hardware, units, speculation",
    "conflicts": "SELECT * FROM conflicts ORDER BY ratio DESC, quantity, model, quant, hardware, units, speculation, isl",
    "conflicting": "SELECT quantity, model, quant, hardware, isl, decode_kv_tokens, tok_s, engine, source, weight, "
    "percent_of_say, reason, id FROM conflicting_rows",
    "teachings": "SELECT quantity, reason, count(*) AS measurements, round(avg(weight), 2) AS weight FROM teachings "
    "GROUP BY quantity, reason ORDER BY quantity, measurements DESC, reason",
    "calibration": "SELECT quantity, effect, level, round(exp(mean), 3) AS times_as_long, "
    "round(exp(mean - 1.2816 * sd), 3) AS low, round(exp(mean + 1.2816 * sd), 3) AS high, rows AS measurements "
    "FROM calibration_effects WHERE sd IS NOT NULL ORDER BY quantity, effect, rows DESC, level",
    "penalties": "SELECT quant, round(exp(log_points), 2) AS percent_lost, round(exp(log_points - 1.2816 * sd), 2) AS low, "
    "round(exp(log_points + 1.2816 * sd), 2) AS high, measured FROM quant_penalty ORDER BY percent_lost, quant",
}
"""What can be shown, and the query that shows it. Factors stand with their 80 % interval."""


def show(path: Path, topic: str, limit: int) -> str:
    """The first ``limit`` rows of a topic. Raises BrokenCatalogError where there is no readable catalog."""
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            found = connection.execute(TOPICS[topic])
            names = [name for name, *_ in found.description or ()]
            rows = found.fetchall()
    except duckdb.Error as error:
        raise BrokenCatalogError(
            f"{path} is not a readable catalog ({error}): run `python -m catalog build`"
        ) from error
    shown = [names, *([_cell(value) for value in row] for row in rows[:limit])]
    widths = [max(len(row[i]) for row in shown) for i in range(len(names))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown]
    if len(rows) > limit:
        lines.append(f"… {len(rows) - limit} more: --limit {len(rows)} shows all")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
