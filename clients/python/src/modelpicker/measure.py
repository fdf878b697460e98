"""Measure a server that speaks the OpenAI API, with llama-benchy, and keep what it printed with the labels it needs.

llama-benchy (PyPI) follows the community's pp/tg/depth protocol: streaming, fresh prompts, warm-up, several runs. What
it lacks stands here: whether prompts come from a prefix cache, and refusing to record what cannot be labelled.
"""

from __future__ import annotations

import importlib.util
import json
import secrets
import subprocess
import sys
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import httpx

from modelpicker.labels import MeasureError
from modelpicker.tables import grid, number

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from modelpicker.labels import Labels

CHECK_WORDS = 400
"""Words of the prompt that is sent to see whether a prefix cache answers: longer than any block of one."""


def cached_share(url: str, served: str, key: str | None) -> float | None:
    """Share of a prompt never sent before that the server took from its prefix cache; None where it does not say.

    Raises MeasureError where the server cannot answer it, or does not count tokens.
    """
    words = " ".join(secrets.token_hex(3) for _ in range(CHECK_WORDS))
    body = {"model": served, "max_tokens": 1, "messages": [{"role": "user", "content": words}]}
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.post(
            f"{_base(url)}/chat/completions", json=body, headers=headers, timeout=120.0
        ).raise_for_status()
        usage = answer.json()["usage"]
        prompt = int(usage["prompt_tokens"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise MeasureError(f"the server does not answer a prompt with a count of its tokens: {error}") from error
    details = usage.get("prompt_tokens_details") or {}
    cached = details.get("cached_tokens")
    return None if cached is None else int(cached) / max(prompt, 1)


def _base(url: str) -> str:
    return f"{url.rstrip('/').removesuffix('/v1')}/v1"


@dataclass(frozen=True)
class Plan:
    """What is to be timed: tokens in and out, streams, context that stands in the cache before, repetitions."""

    isl: Sequence[int] = (2048,)
    osl: Sequence[int] = (128,)
    concurrency: Sequence[int] = (1,)
    context: Sequence[int] = (0,)
    runs: int = 3
    tokenizer: str | None = None
    book_url: str | None = None


def benchy(url: str, served: str, plan: Plan, output: Path, key: str | None = None) -> list[str]:
    """The command that measures; its progress goes to the terminal, its report to ``output``."""
    if importlib.util.find_spec("llama_benchy") is None:
        raise MeasureError("llama-benchy is not installed: pip install 'modelpicker[measure]'")
    lists = {"--pp": plan.isl, "--tg": plan.osl, "--concurrency": plan.concurrency, "--depth": plan.context}
    command = [sys.executable, "-m", "llama_benchy", "--base-url", _base(url), "--model", served, "--no-cache"]
    command += [word for option, values in lists.items() for word in (option, *map(str, values))]
    command += ["--runs", str(plan.runs), "--format", "json", "--save-result", str(output), "--skip-coherence"]
    named = {"--tokenizer": plan.tokenizer, "--book-url": plan.book_url, "--api-key": key}
    return command + [word for option, value in named.items() if value for word in (option, value)]


def measure(url: str, labels: Labels, plan: Plan, output: Path, key: str | None = None) -> None:
    """Measure and write the report. Raises MeasureError before anything runs, or where it failed."""
    if missing := labels.missing():
        said = ", ".join(f"--{name}" for name in missing)
        raise MeasureError(f"the server does not say what is measured: state {said}")
    share = cached_share(url, labels.served or "", key)
    if share:
        raise MeasureError(f"{share:.0%} of a fresh prompt came from the prefix cache: switch prefix caching off")
    output.unlink(missing_ok=True)
    done = subprocess.run(benchy(url, labels.served or "", plan, output, key), check=False)  # noqa: S603
    if done.returncode or not output.exists():
        raise MeasureError(f"llama-benchy ended with status {done.returncode} and no report: its words are above")


def table(report: dict[str, Any]) -> str:
    """A report's runs with their spread."""

    def told(metric: dict[str, Any] | None) -> str:
        return f"{number(metric['mean'])} ± {number(metric['std'])}" if metric else "–"

    rows = [
        (
            str(run["context_size"]), str(run["prompt_size"]), str(run["response_size"]), str(run["concurrency"]),
            told(run.get("e2e_ttft")), told(run.get("pp_throughput")), told(run.get("tg_req_throughput")), told(run.get("tg_throughput")),
        )
        for run in report["benchmarks"]
    ]  # fmt: skip
    return grid(("context", "isl", "osl", "streams", "ttft ms", "prefill tok/s", "decode tok/s", "all streams"), rows)


def importing(labels: Labels, output: Path) -> str:
    """The command that brings a report into a catalog."""
    named = {f.name: getattr(labels, f.name) for f in fields(labels) if f.name != "served"}
    options = " ".join(f"--{name.replace('_', '-')} {json.dumps(value)}" for name, value in named.items() if value)
    return f"python -m catalog import measurements {output} --source my-box {options}"
