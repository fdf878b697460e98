"""Answers as tables for a terminal: plain text, one line per thing, numbers with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from modelpicker.wire.answers import (
        CompareAnswer,
        Config,
        HardwareAnswer,
        Interval,
        MeasurementsPage,
        Prediction,
        RecommendAnswer,
    )

MARK = {"measured": "●", "calibrated": "◐", "roofline": "○"}
LEGEND = "● measured  ◐ neighbours measured  ○ physics alone; intervals are 80 %"
REJECTED = 5
GB = 1e9


def grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their widest cell."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def number(value: float | None) -> str:
    """Three digits, or a dash where it is not known."""
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def interval(figure: Interval) -> str:
    """The value and its interval."""
    return f"{number(figure.value)} ({number(figure.low)}–{number(figure.high)})"


def name(config: Config) -> str:
    """The config as ``compare`` reads it."""
    speculation = "" if config.speculation == "none" else f"/{config.speculation}"
    return f"{config.model}/{config.quant}/{config.engine}{speculation}"


def recommended(answer: RecommendAnswer) -> str:
    """The ranking, the launch command of the best, and the first rejections with their reasons."""
    rows = [
        (
            str(x.rank), MARK[x.basis], name(x.config), interval(x.decode_tok_s), number(x.ttft_ms.value),
            f"{x.memory.total_bytes / GB:.1f}", number(x.quality.index),
        )
        for x in answer.recommendations
    ]  # fmt: skip
    parts = []
    if rows:
        parts = [grid(("#", "", "config", "tok/s", "ttft ms", "GB", "quality"), rows), LEGEND]
        parts.append(answer.recommendations[0].launch or "")
    counts = answer.counts
    parts.append(f"{counts.considered:,} configs considered, {counts.feasible:,} meet the limits.")
    parts += [f"not {name(x.config)}: {x.reasons[0].message}" for x in answer.rejected[:REJECTED]]
    return "\n\n".join(part for part in parts if part)


def machines(answer: HardwareAnswer) -> str:
    """The machines with price and best config, and the first that do not do."""
    rows = [
        (str(x.rank), x.hardware, str(x.units), number(x.price_usd), name(x.best.config), interval(x.best.decode_tok_s))
        for x in answer.recommendations
    ]
    parts = [grid(("#", "hardware", "units", "USD", "best config", "tok/s"), rows)] if rows else []
    parts += [f"not {x.name}: {x.reasons[0].message}" for x in answer.rejected[:REJECTED]]
    return "\n\n".join(parts)


def compared(answer: CompareAnswer) -> str:
    """One column per config; ``*`` marks the best figure, ``**`` one that the intervals keep apart from all others."""
    header = ["", *(name(p.config) for p in answer.predictions)]
    rows = [
        [
            f"{d.figure} ({d.unit})",
            *(number(v) + ("**" if d.certain else "*") * (i == d.best) for i, v in enumerate(d.values)),
        ]
        for d in answer.differences
    ]
    return f"{grid(header, rows)}\n\n{answer.summary}"


def predicted(answer: Prediction) -> str:
    """The figures of one config, what it takes to run it, and what stands against it."""
    rows = [
        ("decode", interval(answer.decode_tok_s), "tok/s of one stream"),
        ("decode, all streams", interval(answer.decode_total_tok_s), "tok/s"),
        ("prefill", interval(answer.prefill_tok_s), "tok/s"),
        ("first token", interval(answer.ttft_ms), "ms"),
        ("whole request", interval(answer.latency_ms), "ms"),
        ("memory", f"{answer.memory.total_bytes / GB:.1f} of {answer.memory.budget_bytes / GB:.1f}", "GB per unit"),
        ("ceiling", number(answer.roofline.ceiling_tok_s), f"tok/s, {answer.roofline.bound}-bound"),
        ("quality", number(answer.quality.index), "of 100"),
    ]
    parts = [f"{MARK[answer.basis]} {name(answer.config)}", grid(("", "", ""), rows).strip("\n"), answer.why]
    parts += [f"not feasible: {reason.message}" for reason in answer.reasons]
    return "\n\n".join([*parts, answer.launch or ""]).rstrip()


def page(answer: MeasurementsPage) -> str:
    """One line per measurement."""
    header = ("id", "config", "hardware", "streams", "decode", "prefill", "evidence", "date", "url")
    rows = [
        (
            m.id, name(m.config), f"{m.config.hardware}:{m.config.units}", number(m.concurrency),
            number(m.decode_tok_s), number(m.prefill_tok_s), m.evidence, m.date or "–", m.url,
        )
        for m in answer.measurements
    ]  # fmt: skip
    return grid(header, rows)


def records(kind: str, answer: dict[str, Any]) -> str:
    """Ids and names of a listing, or the fields of one record."""
    if kind in answer and isinstance(answer[kind], list):
        return grid(("id", "name"), [(r.get("id") or "–", r.get("name") or "–") for r in answer[kind]])
    return grid(("field", "value"), [(k, str(v)) for k, v in answer.items() if v not in (None, [], {})])
