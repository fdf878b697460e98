"""The evaluation as a person reads it: Markdown on the terminal, CSV tables and PNG plots in a folder."""

from __future__ import annotations

import csv
import math
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Any

from catalog.calibration.intervals import SCALE
from catalog.calibration.model import fit_speed
from catalog.evaluation.baselines import bandwidth_alone, constant_per_engine_and_quant
from catalog.evaluation.folds import left_out
from catalog.evaluation.quality import Ranking, rankings
from catalog.evaluation.scores import Score, interval_factors, scores
from catalog.evaluation.worst import Miss, worst

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from catalog.calibration.evidence import Lesson
    from catalog.calibration.intervals import Regime
    from catalog.evaluation.folds import Judgement, LeftOut
    from catalog.facts import Facts

WORST = 20
OPENING, CLOSING = "<!-- evaluation -->", "<!-- end -->"


@dataclass(frozen=True)
class Report:
    """Everything an evaluation found."""

    judgements: Mapping[LeftOut, Sequence[Judgement]]
    scores: Sequence[Score]
    baselines: Mapping[str, Sequence[Score]]
    factors: Mapping[Regime, float]
    worst: Sequence[Miss]
    rankings: Sequence[Ranking]


def evaluate(facts: Facts, lessons: Sequence[Lesson]) -> Report:
    """Leave out models, sources, machines and engine versions; judge the baselines on the same rows."""
    judgements = left_out(lessons, fit_speed(lessons))
    return Report(
        judgements,
        [score for by, found in judgements.items() for score in scores(found, by)],
        {
            "ceiling": scores(bandwidth_alone(lessons), "–"),
            "constant per engine and quant": [
                score for by in ("model", "source") for score in scores(constant_per_engine_and_quant(lessons, by), by)
            ],
        },
        interval_factors(judgements),
        worst(judgements["model"], WORST),
        rankings(facts),
    )


def score_table(found: Iterable[Score]) -> str:
    """A Markdown table of scores."""
    lines = [
        "| group | left out | rows | mean error | median error | within ±20 % | median bias | coverage of 80 % | high ÷ low |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {x.group} | {x.left_out} | {x.rows} | {x.mean_error:.1%} | {x.median_error:.1%} | {x.within_20:.0%} "
        f"| {x.bias:+.1%} | {_known(x.coverage, '.0%')} | {_known(x.median_width, '.2f')} |"
        for x in found
    ]
    return "\n".join(lines)


def update(report: Report, readme: Path) -> None:
    """Put the table of errors into a document, between its <!-- evaluation --> and <!-- end --> lines.

    Raises ValueError where a document has not one of each; it is left as it was.
    """
    text = readme.read_text(encoding="utf-8")
    if text.count(OPENING) != 1 or text.count(CLOSING) != 1:
        raise ValueError(f"{readme} needs one line {OPENING} and one line {CLOSING} after it")
    before, after = text.partition(OPENING)[0], text.partition(CLOSING)[2]
    readme.write_text(f"{before}{OPENING}\n{told(report)}\n{CLOSING}{after}", encoding="utf-8")


def told(report: Report) -> str:
    """The part of the errors that README tells: left out by model and by source."""
    return score_table(x for x in report.scores if x.left_out in {"model", "source"})


def render(report: Report) -> str:
    """The whole report in Markdown."""
    parts = ["## Error and coverage", score_table(report.scores)]
    for name, found in report.baselines.items():
        parts += [f"## Baseline: {name}", score_table(found)]
    parts += ["## Interval factors: in use, and found", factor_table(report.factors)]
    parts += [f"## The worst {len(report.worst)} configs, left out by model", worst_table(report.worst)]
    parts += ["## Quality: rank correlation of held-out scores", ranking_table(report.rankings)]
    return "\n\n".join(parts)


def factor_table(factors: Mapping[Regime, float]) -> str:
    """A Markdown table of the factors on the posterior's spread."""
    lines = ["| time | under | where | in use | found |", "|---|---|---|--:|--:|"]
    lines += [
        f"| {quantity} | {under} | {ground} | {SCALE[quantity, under, ground]:.2f} | {_known(found, '.2f')} |"
        for (quantity, under, ground), found in factors.items()
    ]
    return "\n".join(lines)


def worst_table(found: Iterable[Miss]) -> str:
    """A Markdown table of misses."""
    lines = ["| measurement | config | quantity | predicted ÷ measured | why |", "|---|---|---|--:|---|"]
    for miss in found:
        lesson = miss.judgement.lesson
        config = f"{lesson.config.key} {lesson.config.speculation}"
        ratio = f"{math.exp(miss.judgement.log_error):.2f}"
        lines.append(f"| {lesson.measurement.id} | {config} | {lesson.quantity} | {ratio} | {miss.why} |")
    return "\n".join(lines)


def ranking_table(found: Sequence[Ranking]) -> str:
    """A Markdown table of rank correlations, the mean weighted by models last."""
    lines = ["| task | benchmark | models | Spearman |", "|---|---|--:|--:|"]
    lines += [f"| {x.task} | {x.benchmark} | {x.models} | {x.spearman:.2f} |" for x in found]
    models = sum(x.models for x in found)
    mean = sum(x.spearman * x.models for x in found) / models
    return "\n".join([*lines, f"| all | weighted by models | {models} | {mean:.2f} |"])


def write(report: Report, folder: Path) -> list[Path]:
    """Write the tables as CSV, and the plots where matplotlib is installed; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    header = [f.name for f in fields(Score)]
    baselines = [(name, *astuple(x)) for name, found in report.baselines.items() for x in found]
    rows = [
        (by, x.lesson.measurement.id, x.lesson.config.key, x.lesson.config.speculation, x.lesson.quantity,
         x.lesson.ask.concurrency, x.lesson.log_seconds, x.log_error, x.log_sd)
        for by, found in report.judgements.items() for x in found
    ]  # fmt: skip
    columns = [
        "left_out",
        "measurement",
        "config",
        "speculation",
        "quantity",
        "concurrency",
        "log_seconds",
        "log_error",
        "log_sd",
    ]
    files = [
        _csv(folder / "scores.csv", header, map(astuple, report.scores)),
        _csv(folder / "baselines.csv", ["baseline", *header], baselines),
        _csv(folder / "predictions.csv", columns, rows),
        _csv(folder / "quality.csv", [f.name for f in fields(Ranking)], map(astuple, report.rankings)),
    ]
    try:
        from catalog.evaluation.plots import plot  # noqa: PLC0415
    except ModuleNotFoundError:
        return files
    return files + plot(report.judgements, folder)


def _csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([[f"{x:.5g}" if isinstance(x, float) else x for x in row] for row in rows])
    return path


def _known(value: float, form: str) -> str:
    return "–" if math.isnan(value) else format(value, form)
