"""Damaged files end in ImportFileError, never in another exception."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from gguf import GGUFWriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.importers.bounded import ImportFileError
from catalog.importers.files import import_model

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = settings(
    derandomize=True, max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
CONFIG: dict[str, Any] = {
    "model_type": "qwen3_moe",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
    "intermediate_size": 128,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "layer_types": ["full_attention", "sliding_attention"],
    "sliding_window": 16,
    "torch_dtype": "bfloat16",
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def header(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small, sound GGUF file."""
    path = tmp_path_factory.mktemp("gguf") / "sound.gguf"
    writer = GGUFWriter(path, "gemma3")
    writer.add_block_count(2)
    writer.add_embedding_length(32)
    writer.add_head_count(2)
    writer.add_head_count_kv([1, 1])
    writer.add_sliding_window(16)
    writer.add_token_list(["a", "b"])
    for name in ("token_embd.weight", "blk.0.attn_q.weight", "blk.1.attn_q.weight"):
        writer.add_tensor(name, np.zeros((32, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()[:700]


@SETTINGS
@given(place=st.integers(0, 600), damage=st.binary(min_size=1, max_size=9))
def test_damaged_gguf_headers(place: int, damage: bytes, header: bytes, tmp_path: Path) -> None:
    """Bytes overwritten anywhere either still make sense or are refused."""
    path = tmp_path / "damaged.gguf"
    path.write_bytes(header[:place] + damage + header[place + len(damage) :])
    with contextlib.suppress(ImportFileError):
        import_model(path)


@SETTINGS
@given(name=st.sampled_from(sorted(CONFIG)), value=JSON)
def test_damaged_configs(name: str, value: Any, tmp_path: Path) -> None:
    """Any JSON in place of any field either still makes sense or is refused."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**CONFIG, name: value}), encoding="utf-8")
    with contextlib.suppress(ImportFileError):
        import_model(path, identity="fuzzed")


def test_the_undamaged_files_are_sound(header: bytes, tmp_path: Path) -> None:
    """What the damage is done to can be imported, so the tests above are not empty."""
    path = tmp_path / "sound.gguf"
    path.write_bytes(header)
    assert import_model(path).model.layers == 2
    config = tmp_path / "config.json"
    config.write_text(json.dumps(CONFIG), encoding="utf-8")
    assert import_model(config, identity="sound").model.layers == 2
