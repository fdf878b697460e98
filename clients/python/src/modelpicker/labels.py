"""What a measurement is of: labels that a person states, that a server tells, or that are asked for."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

PROBE_SECONDS = 10.0
NEEDED = {
    "quant": "quant (an id of GET /quants, as q4_k_m or fp8)",
    "engine": "engine (an id of GET /engines, as llama.cpp or vllm)",
    "hardware": "hardware (an id of GET /hardware, as dgx-spark; `modelpicker hardware detect` names it)",
    "speculation": "speculation (none, or a method and its draft tokens, as mtp-3 or eagle3-2)",
}
"""Labels without which nothing is recorded, and how each is asked for. The model's own name stands in the report:
importing maps it, or asks for an id."""
QUANT_IN_NAME = re.compile(
    r"(?<![a-z0-9])((?:ud-)?i?q[1-8]_(?:k(?:_(?:s|m|l|xl))?|[01]|xx?s|s|m|nl)|mxfp4|nvfp4|bf16|f16|fp8|awq|gptq)(?![a-z0-9_])",
    re.IGNORECASE,
)
"""A quant's id where it stands in a file's or a repository's name, or in what a server prints of it."""
MIX_SIZE = re.compile(r" - ([SML])\w+")
VLLM_DRAFTS = "vllm:spec_decode_num_draft"
"""Metrics that vLLM has only where it drafts (vllm/v1/spec_decode/metrics.py)."""


class MeasureError(ValueError):
    """What stands between a server and a measurement, in a sentence."""


@dataclass(frozen=True)
class Labels:
    """What a measurement is of. ``served`` is the model as the server calls it."""

    served: str | None = None
    model: str | None = None
    quant: str | None = None
    engine: str | None = None
    engine_version: str | None = None
    hardware: str | None = None
    speculation: str | None = None
    kv_dtype: str | None = None

    def over(self, found: Labels) -> Labels:
        """These labels, and what was found where they are silent."""
        stated = {name: value for name, value in asdict(self).items() if value is not None}
        return replace(found, **stated)

    def missing(self) -> list[str]:
        """Labels without which nothing is recorded."""
        return [name for name in NEEDED if getattr(self, name) is None]

    def asked(self, ask: Callable[[str], str]) -> Labels:
        """These labels, and an answer for each that is missing; an empty answer leaves it so."""
        answers = {name: ask(f"{NEEDED[name]}: ").strip() for name in self.missing()}
        return replace(self, **{name: answer for name, answer in answers.items() if answer})


def ask_server(url: str) -> Labels:
    """What a server says of itself. Raises MeasureError where none answers."""
    root = url.rstrip("/").removesuffix("/v1")
    with httpx.Client(base_url=root, timeout=PROBE_SECONDS) as client:
        try:
            models = client.get("/v1/models").raise_for_status().json()["data"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise MeasureError(f"{root}/v1/models does not list models: {error}") from error
        if not models:
            raise MeasureError(f"{root} serves no model")
        served, owner = str(models[0].get("id")), str(models[0].get("owned_by") or "")
        found = Labels(served=served, quant=quant_in(served))
        props = _get(client, "/props")
        info = _get(client, "/server_info") or _get(client, "/get_server_info")
        if "llamacpp" in owner or "build_info" in props:
            return _llama_server(client, found, props)
        if "sglang" in owner or "model_path" in info:
            return _sglang(found, info)
        if "vllm" in owner:
            return _vllm(client, replace(found, quant=found.quant or quant_in(models[0].get("root"))))
        if "tensorrt" in owner:
            return replace(found, engine="trt-llm", engine_version=_get(client, "/version").get("version"))
        if (ollama := _get(client, "/api/version")).get("version"):
            tags = _get(client, "/api/tags").get("models")
            quant = next((m["details"].get("quantization_level") for m in tags or () if m.get("name") == served), None)
            return replace(
                found, engine="ollama", engine_version=ollama["version"], quant=quant_in(quant) or found.quant,
                speculation="none",
            )  # fmt: skip
        listed = _get(client, "/api/v0/models").get("data")
        if isinstance(listed, list) and listed:
            mine = next((m for m in listed if m.get("id") == served), listed[0])
            return replace(found, engine="lmstudio", quant=quant_in(mine.get("quantization")) or found.quant)
    return found


def _llama_server(client: httpx.Client, found: Labels, props: dict[str, Any]) -> Labels:
    """llama-server: the build and the file in /props, whether its slots draft in /slots."""
    slots = _json(client, "/slots")
    plain = isinstance(slots, list) and bool(slots) and not any(slot.get("speculative", True) for slot in slots)
    return replace(
        found,
        engine="llama.cpp",
        engine_version=props.get("build_info"),
        quant=quant_in(props.get("model_path")) or found.quant or quant_in(props.get("model_ftype")),
        speculation="none" if plain else None,
    )


def _sglang(found: Labels, info: dict[str, Any]) -> Labels:
    """SGLang: its launch options in /server_info, in older releases in /get_server_info."""
    drafts = info.get("speculative_algorithm")
    speculation = f"{str(drafts).lower()}-{info.get('speculative_num_draft_tokens')}" if drafts else "none"
    quant = quant_in(info.get("quantization")) or found.quant or quant_in(info.get("model_path"))
    return replace(
        found, engine="sglang", engine_version=info.get("version"), quant=quant,
        speculation=speculation if info else None,
    )  # fmt: skip


def _vllm(client: httpx.Client, found: Labels) -> Labels:
    """vLLM: its version, and in its metrics the cache's type and whether it counts drafts; the method it does not name."""
    try:
        metrics = client.get("/metrics").text
    except httpx.HTTPError:
        metrics = ""
    kv = re.search(r'cache_dtype="(\w+)"', metrics)
    return replace(
        found,
        engine="vllm",
        engine_version=_get(client, "/version").get("version"),
        speculation="none" if "vllm:" in metrics and VLLM_DRAFTS not in metrics else None,
        kv_dtype=kv[1].split("_")[0] if kv and kv[1] != "auto" else None,
    )


def quant_in(text: object) -> str | None:
    """The quant's id in a name: the last, since the file's own name stands last in a path. Q4_K - Medium is q4_k_m."""
    found = QUANT_IN_NAME.findall(MIX_SIZE.sub(r"_\1", text)) if isinstance(text, str) else []
    return found[-1].lower() if found else None


def _json(client: httpx.Client, path: str) -> Any:
    """What the server has there, or None."""
    try:
        answer = client.get(path)
        return answer.json() if answer.is_success else None
    except (httpx.HTTPError, ValueError):
        return None


def _get(client: httpx.Client, path: str) -> dict[str, Any]:
    """A JSON object, or an empty one where the server has none there."""
    value = _json(client, path)
    return value if isinstance(value, dict) else {}
