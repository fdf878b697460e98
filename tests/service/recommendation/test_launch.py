"""The launch command: what was evaluated, in flags the engine documents, safe to paste."""

from __future__ import annotations

import json
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from catalog.calibration.labels import draft
from service.recommendation.launch import PLACEHOLDER, launch

if TYPE_CHECKING:
    from collections.abc import Callable

    from catalog.catalog import Catalog
    from catalog.facts import Engine, Facts

LLAMA_SERVER_FLAGS = Path(__file__).with_name("llama_server_flags.txt")
FLAG = re.compile(r"(?<![\w'\"{-])(--?[a-zA-Z][\w-]*|[A-Z][A-Z0-9_]{4,}(?==))")
OTHER_PROGRAMS = {
    "rpc-server": {"-H", "-p"},
    "ray": {"--address", "--block", "--head", "--port"},
    "mpirun": {"-n", "-H"},
}
KNOWN = {
    "model", "quant", "name", "context", "total_context", "slots", "batch_tokens", "units", "draft_tokens", "kv_dtype", "memory_share",
    "free_share", "hosts", "rpc_hosts", "draft_model", "draft_file",
}  # fmt: skip


def launched(facts: Facts) -> list[Engine]:
    return [engine for engine in facts.engines.values() if engine.launch]


def templates(engine: Engine) -> list[str]:
    assert engine.launch
    return [engine.launch.command, *engine.launch.options.values()]


def test_every_flag_is_one_the_engine_documents(facts: Facts) -> None:
    """Against the list taken from its documentation, engine by engine."""
    unknown: dict[str, set[str]] = {}
    for engine in launched(facts):
        assert engine.launch
        for template in templates(engine):
            program = template.split()[0]
            found = {
                flag
                for flag in FLAG.findall(template.partition("#")[0])
                if flag != "-m" or not program.startswith("python")
            }
            unknown.setdefault(engine.id, set()).update(
                found - set(engine.launch.flags) - OTHER_PROGRAMS.get(program, set())
            )
    assert {engine: flags for engine, flags in unknown.items() if flags} == {}


def test_llama_servers_flags_are_in_its_source(facts: Facts) -> None:
    """Against all flags that its own argument parser defines, not only those that the data lists."""
    real = set(LLAMA_SERVER_FLAGS.read_text().split("\n")[1:])
    for engine in ("llama.cpp", "llama.cpp-prismml"):
        template = facts.engines[engine].launch
        assert template
        assert set(template.flags) <= real
        used = (text for name, text in template.options.items() if name != "other_units")
        for text in (template.command, *used):
            assert set(FLAG.findall(text)) <= real


def test_every_placeholder_is_filled(facts: Facts) -> None:
    """Braces of JSON stay; a name in braces is one that the service knows."""
    for engine in launched(facts):
        for template in templates(engine):
            assert set(PLACEHOLDER.findall(template)) <= KNOWN, (engine.id, template)


def test_speculation_is_in_the_command(catalog: Catalog, ask: Callable[..., dict[str, Any]]) -> None:
    """Every method that a candidate on the GB10 uses has its flags, on all but engines that document none."""
    table = catalog.candidates(catalog.hardware("dgx-spark"))
    pairs = {(key.engine, draft(key.speculation)[0]) for key in table.keys if key.speculation != "none"}
    missing = {
        (engine, method)
        for engine, method in pairs
        if (template := catalog.facts.engines[engine].launch) and not {method, f"env_{method}"} & set(template.options)
    }
    assert missing <= {("exllamav3", "dflash2")}
    answer = ask("/predict", model="qwen3.6-27b", quant="q4_k_m", engine="llama.cpp", speculation="mtp-5")
    assert "--spec-type draft-mtp --spec-draft-n-max 5" in answer["launch"]


def test_the_command_says_what_was_evaluated(ask: Callable[..., dict[str, Any]]) -> None:
    """Context with its output, streams, KV type, and the share of memory that the budget is."""
    load = {"context": 8000, "osl": 192, "concurrency": 4, "kv_dtype": "fp8", "memory_gb": 90}
    answer = ask("/predict", model="qwen3.6-27b", quant="fp8", engine="vllm", speculation="mtp-2", **load)
    words = shlex.split(answer["launch"])
    assert words[:2] == ["vllm", "serve"]
    option = dict(pairwise(words))
    assert option["--max-model-len"] == "8192"
    assert option["--max-num-seqs"] == "4"
    assert option["--max-num-batched-tokens"] == "8192"
    assert option["--kv-cache-dtype"] == "fp8"
    assert option["--gpu-memory-utilization"] == "0.70"
    assert json.loads(option["--speculative-config"]) == {"method": "mtp", "num_speculative_tokens": 2}
    answer = ask(
        "/predict", model="gpt-oss-120b", quant="mxfp4", engine="llama.cpp", context=8000, osl=192, concurrency=4
    )
    words = shlex.split(answer["launch"])
    option = dict(pairwise(words))
    assert (option["-c"], option["-np"], option["-ub"]) == ("32768", "4", "2048")


def test_the_checkpoint_is_of_the_quant(ask: Callable[..., dict[str, Any]]) -> None:
    """The published one where the data names it, the file of that quant for GGUF; else it is said that none is known."""
    nemotron = ask("/predict", model="nemotron-3-nano-30b-a3b", quant="nvfp4", engine="vllm")["launch"]
    assert shlex.split(nemotron)[2] == "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-NVFP4"
    evaluated = ask("/predict", model="qwen3.6-35b-a3b", quant="nvfp4", engine="vllm")["launch"]
    assert shlex.split(evaluated)[2] == "RedHatAI/Qwen3.6-35B-A3B-NVFP4"  # whose tensors are counted
    ready = ask("/predict", model="nemotron-3-nano-30b-a3b", quant="fp8", engine="vllm")["launch"]
    assert shlex.split(ready)[2] == "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-FP8"
    assert "--quantization fp8" not in ready
    assert "--quantization fp8" in ask("/predict", model="qwen3-8b", quant="fp8", engine="vllm")["launch"]
    gguf = ask("/predict", model="qwen3.6-27b", quant="ud-q4_k_xl", engine="llama.cpp")["launch"]
    assert "qwen3.6-27b-UD-Q4_K_XL.gguf" in gguf
    unknown = ask("/predict", model="qwen3-8b", quant="nvfp4", engine="vllm")["launch"]
    assert "the catalog names none" in unknown
    assert shlex.split(unknown, comments=True)[2] == "Qwen/Qwen3-8B"


def test_two_units_are_in_the_command(ask: Callable[..., dict[str, Any]]) -> None:
    """Tensor parallel for TensorRT-LLM; for llama.cpp the other unit's server as well."""
    answer = ask("/predict", model="qwen3-235b-a22b", quant="nvfp4", engine="trt-llm", units=2)
    assert "--tp_size 2" in answer["launch"]
    answer = ask("/predict", model="qwen3-235b-a22b", quant="q4_k_m", engine="llama.cpp", units=2)
    assert "--rpc" in answer["launch"]
    assert answer["launch"].startswith("# on the other units: rpc-server")


@pytest.mark.parametrize("name", ["x; rm -rf /", "$(reboot)", "a'b\"c", "`id`", "<script>"])
def test_a_hostile_name_stays_one_word(catalog: Catalog, name: str) -> None:
    """Whatever the model is called, the shell sees its name."""
    from catalog.configs import ConfigKey
    from catalog.prediction import Workload

    hardware = catalog.hardware("dgx-spark")
    config = catalog.config(ConfigKey("llama-3.1-8b-instruct", "fp8", "vllm", "none"), hardware)
    hostile = config._replace(model=config.model.model_copy(update={"hf_id": name}))
    command = launch(hostile, Workload(2048, 128, 2048, 1, "auto", 1, 1e11))
    assert command
    assert shlex.split(command)[2] == name
