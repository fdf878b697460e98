"""The commands of ``python -m catalog``, run as a person runs them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from catalog.__main__ import main
from catalog.show import TOPICS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_shows_a_table(catalog_file: Path, topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A line of names, then rows."""
    assert main(["show", topic, "--catalog", str(catalog_file), "--limit", "3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) >= 4


def test_the_widest_conflict_is_visible(catalog_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sources disagree on gpt-oss-20b on one DGX Spark: 49.7 to 84.1 tok/s, all kept."""
    main(["show", "conflicts", "--catalog", str(catalog_file), "--limit", "1000"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    found = next(r for r in rows if r[:6] == ["decode", "gpt-oss-20b", "mxfp4", "dgx-spark", "1", "none"])
    assert float(found[9]) <= 49.7
    assert float(found[10]) >= 84.1


def test_a_missing_catalog_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the command that mends it."""
    assert main(["show", "--catalog", str(tmp_path / "none.duckdb")]) == 1
    assert "catalog build" in capsys.readouterr().err


def test_a_model_is_imported_from_its_config(
    data_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One file is written, and a second import of the same id is refused."""
    config = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "num_hidden_layers": 4,
        "hidden_size": 256,
        "intermediate_size": 512,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 1000,
        "max_position_embeddings": 4096,
        "torch_dtype": "bfloat16",
    }
    folder = tmp_path / "tiny-llama"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    command = ["import", "model", str(folder / "config.json"), "--data", str(data_copy), "--family", "llama-3"]
    assert main(command) == 0
    assert (data_copy / "models" / "tiny-llama.toml").exists()
    assert main(command) == 1
    assert "already" in capsys.readouterr().err
