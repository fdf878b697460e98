"""The ``modelpicker`` command against the real service."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from modelpicker.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def run(url: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Status, output and errors of one command."""

    def command(*arguments: str) -> tuple[int, str, str]:
        status = main(["--url", url, *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return command


def test_what_gives_30_tokens(run: Callable[..., tuple[int, str, str]]) -> None:
    """A ranked table, the command that runs the best, and why not the 70B."""
    status, out, _ = run("recommend", "--min-tg", "30", "--task", "coding", "--limit", "3")
    assert status == 0
    assert out.splitlines()[0].startswith("#")
    assert "llama-3.1-70b-instruct/fp8" in out
    assert "no engine can help" in out


def test_json_for_pipes(run: Callable[..., tuple[int, str, str]]) -> None:
    """The answer of the service, whole."""
    _, out, _ = run("recommend", "--json", "--min-tg", "30", "--limit", "1", "--model", "gpt-oss-20b,gpt-oss-120b")
    assert json.loads(out)["recommendations"][0]["config"]["model"].startswith("gpt-oss")


def test_nothing_feasible_is_one_with_the_reason(run: Callable[..., tuple[int, str, str]]) -> None:
    """And which limit binds."""
    status, _, err = run("recommend", "--model", "llama-3.1-70b-instruct", "--quant", "fp8", "--min-tg", "30")
    assert status == 1
    assert "min_tg" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("recommend", "--min-tg", "fast"), "--min-tg"),
        (("recommend", "--model", "gpt-oss-12b"), "gpt-oss-120b"),
        (("predict", "--model", "gpt-oss-20b"), "--quant"),
        (("compare", "--config", "a", "--config", "b"), "model/quant/engine"),
        (("models", "gpt-oss-12b"), "did you mean"),
    ],
)
def test_bad_input_is_two_with_the_fix(
    run: Callable[..., tuple[int, str, str]], arguments: tuple[str, ...], said: str
) -> None:
    """On stderr, naming the option."""
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert said in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("predict", "--model", "gpt-oss-20b", "--quant", "mxfp4", "--engine", "llama.cpp"), "llama-server"),
        (("compare", "--config", "gpt-oss-20b/mxfp4/llama.cpp,gpt-oss-120b/mxfp4/llama.cpp"), "decodes fastest"),
        (("machines", "--model", "gpt-oss-120b", "--min-tg", "30"), "strix-halo-395"),
        (("measurements", "--model", "gpt-oss-20b", "--limit", "5"), "gpt-oss-20b/mxfp4"),
        (("models",), "gpt-oss-120b"),
        (("hardware", "dgx-spark"), "bandwidth_gb_s"),
    ],
)
def test_every_command_shows_a_table(
    run: Callable[..., tuple[int, str, str]], arguments: tuple[str, ...], said: str
) -> None:
    """Readable, and with what one asked for."""
    status, out, _ = run(*arguments)
    assert status == 0
    assert said in out


def test_local_needs_no_server(
    catalog_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same answer, from the catalog installed here."""
    monkeypatch.setenv("MODELPICKER_CATALOG", str(catalog_file))
    assert main(["--local", "recommend", "--min-tg", "30", "--limit", "1"]) == 0
    assert "llama-3.1-70b-instruct/fp8" in capsys.readouterr().out


def test_local_without_a_catalog_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command that makes one."""
    monkeypatch.setenv("MODELPICKER_CATALOG", str(tmp_path / "none.duckdb"))
    assert main(["--local", "models"]) == 1
    assert "catalog build" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command_and_option(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As words of the shell's own script."""
    assert main(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("recommend", "machines", "min-tg", "completion", "measurements"))


def test_bash_completes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The script in a real bash."""
    main(["completion", "bash"])
    path = tmp_path / "complete.bash"
    path.write_text(capsys.readouterr().out)
    words = "COMP_WORDS=(modelpicker recommend --min-t); COMP_CWORD=2; _modelpicker; echo ${COMPREPLY[@]}"
    done = subprocess.run(["bash", "-c", f"source {path}; {words}"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["--min-tg"]


def test_no_service_is_said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With its address."""
    monkeypatch.setattr("modelpicker.transport.FIRST_WAIT_S", 0.0)
    assert main(["--url", "http://127.0.0.1:9", "models"]) == 1
    assert "127.0.0.1:9" in capsys.readouterr().err
