"""What servers say of themselves: llama-server's and vLLM's answers as those printed them, the others by their sources."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from modelpicker.labels import Labels, MeasureError, ask_server, quant_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GGUF = "Llama-3.1-8B-Instruct-Q8_0.gguf"
LLAMA_SERVER: dict[str, Any] = {
    "/v1/models": {"data": [{"id": GGUF, "owned_by": "llamacpp", "meta": {"ftype": "Q8_0"}}]},
    "/props": {"build_info": "b9000-0c1e570", "model_path": GGUF, "model_ftype": "Q8_0", "total_slots": 2},
    "/slots": [{"id": i, "n_ctx": 4096, "speculative": False, "is_processing": False} for i in range(2)],
}
VLLM: dict[str, Any] = {
    "/v1/models": {"data": [{"id": "mine", "owned_by": "vllm", "root": "/models/Qwen3-8B-FP8", "max_model_len": 4096}]},
    "/version": {"version": "0.32.0"},
    "/metrics": 'vllm:cache_config_info{block_size="128",cache_dtype="auto",enable_prefix_caching="False"} 1.0\n',
}
VLLM_COUNTS = 'vllm:spec_decode_num_drafts_total{engine="0",model_name="mine"} 0.0\n'
SGLANG: dict[str, Any] = {
    "/v1/models": {"data": [{"id": "mine", "owned_by": "sglang"}]},
    "/server_info": {
        "model_path": "/models/Qwen3-8B", "quantization": "fp8", "version": "0.5.23",
        "speculative_algorithm": "EAGLE3", "speculative_num_draft_tokens": 4,
    },
}  # fmt: skip
OLLAMA: dict[str, Any] = {
    "/v1/models": {"data": [{"id": "qwen3:8b", "owned_by": "library"}]},
    "/api/version": {"version": "0.21.0"},
    "/api/tags": {"models": [{"name": "qwen3:8b", "details": {"quantization_level": "Q4_K_M"}}]},
}
LM_STUDIO: dict[str, Any] = {
    "/v1/models": {"data": [{"id": "qwen3-8b", "owned_by": "organization_owner"}]},
    "/api/v0/models": {"data": [{"id": "other", "quantization": "Q8_0"}, {"id": "qwen3-8b", "quantization": "4bit"}]},
}


@pytest.fixture
def serve() -> Iterator[Callable[[dict[str, Any]], str]]:
    """A server that answers each path as it was told to, on a free port, stopped afterwards."""
    running: list[ThreadingHTTPServer] = []

    def started(answers: dict[str, Any]) -> str:
        class Told(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = answers.get(self.path)
                if answer is None:
                    self.send_error(404)
                    return
                body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Silence."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Told)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        return f"http://127.0.0.1:{server.server_port}/v1"

    yield started
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("answers", "labels"),
    [
        (LLAMA_SERVER, Labels(GGUF, None, "q8_0", "llama.cpp", "b9000-0c1e570", None, "none")),
        (
            LLAMA_SERVER | {"/slots": [{"speculative": True}]},
            Labels(GGUF, None, "q8_0", "llama.cpp", "b9000-0c1e570", None, None),
        ),
        (
            LLAMA_SERVER | {"/props": {"build_info": "b1", "model_path": "/m/a.gguf", "model_ftype": "Q4_K - Medium"}}
            | {"/v1/models": {"data": [{"id": "mine", "owned_by": "llamacpp"}]}},
            Labels("mine", None, "q4_k_m", "llama.cpp", "b1", None, "none"),
        ),
        (VLLM, Labels("mine", None, "fp8", "vllm", "0.32.0", None, "none")),
        (
            VLLM | {"/metrics": VLLM["/metrics"].replace("auto", "fp8_e4m3") + VLLM_COUNTS},
            Labels("mine", None, "fp8", "vllm", "0.32.0", None, None, "fp8"),
        ),
        (VLLM | {"/metrics": ""}, Labels("mine", None, "fp8", "vllm", "0.32.0", None, None)),
        (SGLANG, Labels("mine", None, "fp8", "sglang", "0.5.23", None, "eagle3-4")),
        (OLLAMA, Labels("qwen3:8b", None, "q4_k_m", "ollama", "0.21.0", None, "none")),
        (LM_STUDIO, Labels("qwen3-8b", None, None, "lmstudio")),
        ({"/v1/models": {"data": [{"id": "Qwen3-8B"}]}}, Labels("Qwen3-8B")),
    ],
)  # fmt: skip
def test_a_server_tells_what_it_is(answers: dict[str, Any], labels: Labels, serve: Callable[..., str]) -> None:
    """Engine, version, quant and speculation where it says them; a draft without a name stays unknown."""
    assert ask_server(serve(answers)) == labels


@pytest.mark.parametrize("listed", [{}, {"data": []}, "no json"])
def test_a_server_without_models_is_refused(listed: Any, serve: Callable[..., str]) -> None:
    """With what is wrong."""
    with pytest.raises(MeasureError, match="model"):
        ask_server(serve({"/v1/models": listed}))


@pytest.mark.parametrize(
    ("name", "quant"),
    [
        ("unsloth/Qwen3-Coder-UD-Q4_K_XL.gguf", "ud-q4_k_xl"), ("/q8_0/Qwen3-8B-IQ4_XS.gguf", "iq4_xs"),
        ("nvidia/Qwen3-32B-NVFP4", "nvfp4"), ("Qwen2.5-7B-Instruct-AWQ", "awq"), ("Q5_K - Small", "q5_k_s"),
        ("BF16", "bf16"), ("Llama-3.1-8B-Instruct", None), ("gpt-oss-20b-MXFP4_MOE", None), (None, None), (3, None),
    ],
)  # fmt: skip
def test_the_quant_in_a_name(name: object, quant: str | None) -> None:
    """The last whole word that is one."""
    assert quant_in(name) == quant


def test_stated_labels_win_and_missing_ones_are_asked() -> None:
    """In their order, each once, and an empty answer leaves a label missing."""
    labels = Labels(engine="vllm").over(Labels(served="m", engine="sglang", quant="fp8"))
    assert (labels.engine, labels.quant, labels.missing()) == ("vllm", "fp8", ["hardware", "speculation"])
    answers = iter([" dgx-spark ", ""])
    asked = labels.asked(lambda _: next(answers))
    assert (asked.hardware, asked.missing()) == ("dgx-spark", ["speculation"])
