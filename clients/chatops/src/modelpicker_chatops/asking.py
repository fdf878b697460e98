"""Text → question: tolerant of how people type, and plain about what it did not understand. Nothing typed is ever run."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from modelpicker_chatops.vocabulary import Vocabulary

Kind = Literal["pick", "why", "compare", "need", "help"]

FIELDS = {
    "min_tg": "min_tg", "tg": "min_tg", "tps": "min_tg", "speed": "min_tg", "min_pp": "min_pp", "pp": "min_pp",
    "ctx": "context", "context": "context", "isl": "isl", "osl": "osl", "out": "osl", "concurrency": "concurrency",
    "users": "concurrency", "streams": "concurrency", "c": "concurrency", "memory": "memory_gb", "memory_gb": "memory_gb",
    "mem": "memory_gb", "ram": "memory_gb", "gb": "memory_gb", "min_quality": "min_quality", "quality": "min_quality",
    "task": "task", "hardware": "hardware", "hw": "hardware", "on": "hardware", "units": "units", "model": "model",
    "quant": "quant", "engine": "engine", "family": "family", "license": "license", "modality": "modality",
    "ttft": "max_ttft_ms", "max_ttft_ms": "max_ttft_ms", "latency": "max_latency_ms", "max_latency_ms": "max_latency_ms",
    "speculation": "speculation", "spec": "speculation", "evidence": "evidence", "confidence": "confidence", "sort": "sort",
    "kv": "kv_dtype", "kv_dtype": "kv_dtype", "limit": "limit", "per_model": "per_model",
}  # fmt: skip
"""What people write before an equals sign → the field of the wire."""
TASKS = {
    "coding": "coding", "code": "coding", "reasoning": "reasoning", "math": "math", "maths": "math", "agentic": "agentic",
    "agent": "agentic", "agents": "agentic", "vision": "vision", "images": "vision", "general": "general", "chat": "general",
}  # fmt: skip
SORTS = {"fastest": "speed", "smallest": "memory", "best": "quality", "smartest": "quality"}
NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "eight": 8, "ten": 10, "sixteen": 16}
FILLERS = frozenset(
    {
        "a", "about", "above", "against", "an", "and", "are", "at", "be", "below", "box", "can", "compare", "config",
        "configs", "context", "ctx", "dgx", "do", "does", "fast", "faster", "fit", "fits", "for", "gb", "give",
        "gives", "how", "i", "in", "is", "it", "least", "machine", "me", "memory", "model", "models", "more", "my",
        "need", "not", "nvidia", "of", "on", "one", "or", "our", "over", "people", "per", "pick", "please",
        "quality", "run", "s", "second", "should", "single", "speed", "stream", "streams", "than", "that", "the",
        "to", "tok", "token", "tokens", "under", "unit", "units", "use", "user", "users", "using", "versus", "vs",
        "want", "we", "what", "which", "why", "with", "would",
    }
)  # fmt: skip
"""Words that carry nothing of their own."""
KILO = 1024
PHRASES: tuple[tuple[str, str], ...] = (
    (r"(\d+(?:\.\d+)?)\s*(?:tok(?:en)?s?\s*(?:/|per|a)\s*s(?:ec(?:ond)?)?|t/s|tps|tok/s)", "min_tg"),
    (r"(\d+(?:\.\d+)?)\s*gi?b\b", "memory_gb"),
    (r"(\d+(?:\.\d+)?k?)\s*(?:tokens?\s+(?:of\s+)?)?(?:context|ctx)\b", "context"),
    (r"(?:context|ctx)\s+(?:of\s+)?(\d+(?:\.\d+)?k?)\b", "context"),
    (r"(\d+|[a-z]+)\s+(?:concurrent\s+)?(?:users?|streams?|people|sessions?)\b", "concurrency"),
    (r"(?:quality|index)\s*(?:of|>=?|above|over|at least)?\s*(\d+(?:\.\d+)?)", "min_quality"),
    (r"(?:first token|ttft)\s*(?:in|under|below|<=?)?\s*(\d+(?:\.\d+)?)\s*ms", "max_ttft_ms"),
)
"""How people say a number with its unit, and what it sets."""
MACHINES = re.compile(
    r"\bon\s+(?:a\s+|an\s+|my\s+)?(\d+|[a-z]+)?\s*x?\s*((?:dgx |rtx |apple |geforce )?[\w.-]+(?: (?:max|ultra|pro|ti|super|spark|sparks|halo))?)"
)


@dataclass
class Question:
    """What was understood: a kind, the fields of the wire, models that were named, and the words left over."""

    kind: Kind
    fields: dict[str, str] = field(default_factory=dict)
    models: list[tuple[str, ...]] = field(default_factory=list)
    """One entry a mention: the models that it may stand for."""
    unknown: list[tuple[str, str | None]] = field(default_factory=list)
    """Words that were not understood, with the nearest known one."""


def understand(text: str, known: Vocabulary) -> Question:
    """The question in a message. ``/pick`` and mentions before it are the transport's to cut off; both are forgiven here."""
    rest = re.sub(r"^\s*(?:<@\w+>|@?modelpicker\b:?|/)?\s*(?:pick\b)?", "", text.strip(), flags=re.IGNORECASE).strip(
        " ?!."
    )
    lowered = rest.casefold()
    if not lowered or lowered in {"help", "?", "hi", "hello"}:
        return Question("help")
    question = Question(_kind(lowered))
    rest = _pairs(rest, question, known)
    rest = _phrases(rest.casefold(), question)
    rest = _machine(rest, question, known)
    _names(rest, question, known)
    return question


def _kind(text: str) -> Kind:
    if re.match(r"why\b|why not|what about", text):
        return "why"
    if re.match(r"compare\b", text) or re.search(r"\s(?:vs\.?|versus)\s", text):
        return "compare"
    return (
        "need"
        if re.search(r"\bneeds?\b.*$|\brequire", text) and re.search(r"\bwhat (?:would|does|do)\b", text)
        else "pick"
    )


def _pairs(text: str, question: Question, known: Vocabulary) -> str:
    """Take key=value out of the text."""

    def take(found: re.Match[str]) -> str:
        name, value = found[1].casefold().replace("-", "_"), found[2]
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, n=1, cutoff=0.6)
            question.unknown.append((name, near[0] if near else None))
            return " "
        wire = FIELDS[name]
        if wire == "model":
            question.models.append(known.models_like([value]) or (value,))
        else:
            kind = {"quant": "quants", "engine": "engines", "hardware": "hardware"}.get(wire)
            question.fields[wire] = (known.one(kind, value) if kind else None) or _number(value)
        return " "

    return re.sub(r"([A-Za-z_][\w-]*)\s*(?:=|:|>=)\s*([^\s,;]+)", take, text)


def _phrases(text: str, question: Question) -> str:
    for pattern, name in PHRASES:

        def take(found: re.Match[str], name: str = name) -> str:
            value = _number(found[1])
            if not re.match(r"\d", value):
                return found[0]
            question.fields.setdefault(name, value)
            return " "

        text = re.sub(pattern, take, text)
    return text


def _machine(text: str, question: Question, known: Vocabulary) -> str:
    """A machine and how many of it: on 2 sparks, on an rtx 4090."""

    def take(found: re.Match[str]) -> str:
        count = _number(found[1] or "1")
        words = found[2].split()
        for tried in (found[2], words[-1], *([f"rtx-{words[-1]}"] if words else [])):
            machine = known.one("hardware", tried) or known.one("hardware", f"{found[1] or ''} {tried}".strip())
            if machine:
                question.fields.setdefault("hardware", machine)
                if count.isdigit() and int(count) > 1 and known.one("hardware", f"{found[1]} {tried}") is None:
                    question.fields.setdefault("units", count)
                return " "
        return found[0]

    return MACHINES.sub(take, text)


def _names(text: str, question: Question, known: Vocabulary) -> None:
    """Tasks, sorts, quants, engines, models: what is left, word by word; neighbours that make one name are read together."""
    words = [word.strip(".,;:?!()\"'`") for word in re.split(r"[\s,]+|\bvs\b\.?|\bversus\b", text)]
    pending: list[str] = []
    for word in [*words, ""]:
        joined = known.models_like([*pending, word]) if word and word not in FILLERS else ()
        if joined:
            pending.append(word)
            continue
        if pending:
            question.models.append(known.models_like(pending))
            pending = []
        if word and word not in FILLERS and not _simple(word, question, known):
            if known.models_like([word]):
                pending = [word]
            else:
                question.unknown.append((word, known.nearest(word)))


def _simple(word: str, question: Question, known: Vocabulary) -> bool:
    for table, name in ((TASKS, "task"), (SORTS, "sort")):
        if word in table:
            question.fields.setdefault(name, table[word])
            return True
    for kind, name in (("quants", "quant"), ("engines", "engine"), ("hardware", "hardware")):
        if found := known.one(kind, word):
            question.fields.setdefault(name, found)
            return True
    return False


def _number(text: str) -> str:
    """64k → 65536, four → 4; whatever else stays as typed, for the service to judge."""
    lowered = text.casefold()
    if lowered in NUMBERS:
        return str(NUMBERS[lowered])
    found = re.fullmatch(r"(\d+(?:\.\d+)?)k", lowered)
    return str(int(float(found[1]) * KILO)) if found else text
