"""`modelpicker measure` against a stand-in server, through the real llama-benchy."""

from __future__ import annotations

import json
import shlex
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from modelpicker.cli import main

from catalog.importers.runs import Labels as ImportLabels
from catalog.importers.runs import adopt, read_runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catalog.facts import Facts

SERVED = "gpt-oss-20b-mxfp4.gguf"
TOKEN_SECONDS = 0.004


class Standin(BaseHTTPRequestHandler):
    """Speaks the OpenAI API as llama-server does: one token per streamed chunk, counts in the usage."""

    cached = 0
    props: dict[str, Any] = {"build_info": "b9000-0c1e570", "model_path": f"/models/{SERVED}"}  # noqa: RUF012

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self.send({"data": [{"id": SERVED, "owned_by": "llamacpp"}]})
        elif self.path == "/props":
            self.send(self.props)
        elif self.path == "/book.txt":
            self.send_text("the quick brown fox jumps over the lazy dog " * 4000)
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        prompt = sum(len(str(m["content"])) for m in asked["messages"])
        count = int(asked.get("max_tokens") or asked.get("max_completion_tokens") or 4)
        usage: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": count, "total_tokens": prompt + count}
        usage |= {"prompt_tokens_details": {"cached_tokens": self.cached}}
        if not asked.get("stream"):
            message = {"role": "assistant", "content": "a" * count}
            self.send({"choices": [{"index": 0, "message": message, "finish_reason": "length"}], "usage": usage})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        time.sleep(0.02)
        for i in range(count):
            end = "length" if i == count - 1 else None
            self.event({"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": end}]})
            time.sleep(TOKEN_SECONDS)
        self.event({"choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def event(self, chunk: dict[str, Any]) -> None:
        self.wfile.write(
            f"data: {json.dumps({'model': SERVED, 'object': 'chat.completion.chunk', **chunk})}\n\n".encode()
        )
        self.wfile.flush()

    def send(self, value: Any) -> None:
        self.send_text(json.dumps(value), "application/json")

    def send_text(self, text: str, kind: str = "text/plain") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Silence."""


@pytest.fixture
def server() -> Iterator[str]:
    """The stand-in on a free port, stopped afterwards."""
    standin = ThreadingHTTPServer(("127.0.0.1", 0), type("Mine", (Standin,), {}))
    threading.Thread(target=standin.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{standin.server_port}"
    standin.shutdown()
    standin.server_close()


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer that counts characters, so that nothing has to be fetched."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("tokenizer")
    alphabet = {letter: i for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    letters = Tokenizer(models.BPE(vocab=alphabet, merges=[]))
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    return folder


def test_measured_kept_and_brought_in(
    server: str, tokenizer: Path, tmp_path: Path, facts: Facts, capfd: pytest.CaptureFixture[str]
) -> None:
    """From a server to rows of the catalog: engine, version and model told by it, the rest by options."""
    output = tmp_path / "mine.json"
    command = [
        "measure",
        "--url",
        f"{server}/v1",
        "--quant",
        "mxfp4",
        "--model",
        "gpt-oss-20b",
        "--hardware",
        "dgx-spark",
    ]
    command += ["--speculation", "none", "--isl", "64", "--osl", "16", "--concurrency", "1,2", "--runs", "2"]
    command += [
        "--context",
        "0",
        "--tokenizer",
        str(tokenizer),
        "--book-url",
        f"{server}/book.txt",
        "--output",
        str(output),
    ]
    assert main(command) == 0
    shown = capfd.readouterr().out
    assert "decode tok/s" in shown
    words = shlex.split(shown.strip().splitlines()[-1])
    given = dict(zip(words[6::2], words[7::2], strict=True))
    assert given["--engine"] == "llama.cpp"
    assert given["--engine-version"] == "b9000-0c1e570"
    labels = ImportLabels(
        "mine", model="gpt-oss-20b", quant="mxfp4", engine="llama.cpp", hardware="dgx-spark", speculation="none"
    )
    rows = adopt(facts, read_runs(output), labels).measurements
    assert [row.concurrency for row in rows] == [1, 2]
    assert 0.3 / TOKEN_SECONDS < (rows[0].decode_tok_s or 0) < 1.1 / TOKEN_SECONDS


def test_what_cannot_be_labelled_is_not_measured(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The options that are missing, before anything runs."""
    assert main(["measure", "--url", server]) == 2
    assert "state --hardware, --speculation" in capsys.readouterr().err


def test_a_prefix_cache_is_found_out(
    server: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that says it took tokens of a fresh prompt from its cache is not measured."""
    monkeypatch.setattr(Standin, "cached", 100)
    labels = ["--quant", "mxfp4", "--hardware", "dgx-spark", "--speculation", "none"]
    assert main(["measure", "--url", server, *labels]) == 2
    assert "prefix cach" in capsys.readouterr().err


def test_no_server_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """With the address."""
    assert main(["measure", "--url", "http://127.0.0.1:1/v1"]) == 2
    assert "http://127.0.0.1:1/v1/models" in capsys.readouterr().err


def test_a_person_is_asked_for_what_is_missing(
    server: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a terminal; no answer leaves a label missing, and is refused as it is for a script."""
    asked: list[str] = []

    def silent(prompt: str) -> str:
        asked.append(prompt)
        return ""

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", silent)
    assert main(["measure", "--url", server, "--quant", "mxfp4"]) == 2
    assert [prompt.split()[0] for prompt in asked] == ["hardware", "speculation"]
    assert "state --hardware, --speculation" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["8x", "1,,2", "-1", ""])
def test_a_list_of_tokens_is_checked(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By the option's name."""
    with pytest.raises(SystemExit) as stopped:
        main(["measure", "--url", "http://127.0.0.1:1", f"--context={text}"])
    assert stopped.value.code == 2
    assert "--context" in capsys.readouterr().err


def test_contribute_writes_the_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Through the catalog installed here; a missing label is said by its option."""
    assert main(["measurements", "contribute", "nothing.json"]) == 2
    assert "--source" in capsys.readouterr().err
    missing = tmp_path / "nothing.json"
    assert main(["measurements", "contribute", str(missing), "--source", "mine"]) == 1
    assert "cannot be opened" in capsys.readouterr().err
