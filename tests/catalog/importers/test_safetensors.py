"""Safetensors checkpoints: exact shapes from their headers, and a clear error for broken ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from catalog.importers.bounded import ImportFileError
from catalog.importers.files import import_model

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = {
    "model_type": "qwen3_moe",
    "hidden_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 100,
    "intermediate_size": 128,
    "num_experts": 2,
    "num_experts_per_tok": 1,
    "moe_intermediate_size": 32,
}
SHAPES = {
    "model.embed_tokens.weight": [100, 64],
    "lm_head.weight": [100, 64],
    "model.norm.weight": [64],
    "model.layers.0.input_layernorm.weight": [64],
    "model.layers.0.self_attn.q_proj.weight": [64, 64],
    "model.layers.0.self_attn.k_proj.weight": [32, 64],
    "model.layers.0.self_attn.v_proj.weight": [32, 64],
    "model.layers.0.self_attn.o_proj.weight": [64, 64],
    "model.layers.0.mlp.gate.weight": [2, 64],
    "model.layers.0.mlp.experts.0.up_proj.weight": [32, 64],
    "model.layers.0.mlp.experts.1.up_proj.weight": [32, 64],
    "model.layers.1.mlp.gate.weight": [2, 64],
    "visual.blocks.0.attn.qkv.weight": [10, 10],
}


def size(shape: list[int]) -> int:
    """Bytes of a shape in BF16."""
    total = 2
    for dim in shape:
        total *= dim
    return total


def shard(path: Path, shapes: dict[str, list[int]], **changes: Any) -> Path:
    """The header of a safetensors file; its weights are never read, so there are none."""
    header, start = {}, 0
    for name, shape in shapes.items():
        end = start + size(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [start, end], **changes}
        start = end
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    return path


def checkpoint(folder: Path) -> Path:
    """A config.json, an index and two shards."""
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    halves = list(SHAPES.items())
    shard(folder / "model-00001-of-00002.safetensors", dict(halves[:6]))
    shard(folder / "model-00002-of-00002.safetensors", dict(halves[6:]))
    names = {
        name: f"model-0000{1 if number < 6 else 2}-of-00002.safetensors" for number, (name, _) in enumerate(halves)
    }
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 12345}, "weight_map": names}), encoding="utf-8")
    return index


def test_shards_give_exact_parameters(tmp_path: Path) -> None:
    """Shapes win over what the config implies; drafting layers are left out, encoders kept apart."""
    imported = import_model(checkpoint(tmp_path), identity="small")
    assert imported.model.parameters == {
        "embed": 6400,
        "lm_head": 6400,
        "other": 128,
        "attn": 2 * 64 * 64 + 2 * 32 * 64,
        "router": 128,
        "routed_experts": 2 * 32 * 64,
        "vision_audio": 100,
    }
    assert imported.layout is not None
    assert set(imported.layout.bits.values()) == {16.0}
    assert "config.json implies" in imported.remarks[0]


def test_packed_weights_keep_the_counted_parameters(tmp_path: Path) -> None:
    """Two 4-bit weights in a byte: bytes are exact, parameters come from the config."""
    (tmp_path / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    shapes = {**SHAPES, "model.layers.0.mlp.experts.0.up_proj.weight": [3 * 32, 64]}
    path = shard(tmp_path / "model.safetensors", shapes)
    text = path.read_bytes()[8:].replace(b'"BF16", "shape": [96, 64]', b'"U8", "shape": [96, 128]')
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    imported = import_model(path, identity="small")
    assert (imported.model.parameters or {})["routed_experts"] == 2 * 3 * 32 * 64
    assert imported.layout is not None
    assert imported.layout.bits["routed_experts"] == pytest.approx((96 * 128 + 2 * 32 * 64) * 8 / (2 * 3 * 32 * 64))


def test_an_index_alone_still_gives_the_model(tmp_path: Path) -> None:
    """Without its shards the index adds nothing but a remark, and the config is enough."""
    index = checkpoint(tmp_path)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    imported = import_model(index, identity="small")
    assert imported.layout is None
    assert "12345 bytes" in imported.remarks[0]
    assert imported.model.params_total


@pytest.mark.parametrize(
    "name",
    ["../secret.safetensors", "/etc/passwd", "model.safetensors.index.json", "a\\b.safetensors", 7],
)
def test_an_index_names_only_files_beside_it(name: object, tmp_path: Path) -> None:
    """A path that leaves the folder, or leads back to the index, is refused."""
    index = checkpoint(tmp_path)
    index.write_text(json.dumps({"weight_map": {"a": name}}), encoding="utf-8")
    with pytest.raises(ImportFileError, match="no file beside the index"):
        import_model(index)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "broken or truncated"),
        ((2**62).to_bytes(8, "little") + b"{}", "broken or truncated"),
        ((1000).to_bytes(8, "little") + b"{}", "broken or truncated"),
        ((2).to_bytes(8, "little") + b"[]", "no JSON object"),
        ((1).to_bytes(8, "little") + b"{", "is not JSON"),
    ],
)
def test_broken_headers_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    """A header longer than its file is not believed."""
    checkpoint(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ImportFileError, match=message):
        import_model(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": [10**9, 10**9]}, "bytes for shape"),
        ({"shape": [-1, 64]}, "needs dtype, shape"),
        ({"shape": "big"}, "shape"),
        ({"data_offsets": [0]}, "two data_offsets"),
        ({"data_offsets": [10, 0]}, "bytes for shape"),
        ({"dtype": 16}, "dtype"),
        ({"data_offsets": [0, 2**70]}, "needs dtype, shape"),
    ],
)
def test_impossible_tensors_are_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    """Shape, type and bytes of a tensor must agree."""
    checkpoint(tmp_path)
    path = shard(tmp_path / "model.safetensors", {"model.embed_tokens.weight": [100, 64]}, **changes)
    with pytest.raises(ImportFileError, match=message):
        import_model(path)


def test_a_checkpoint_needs_its_config(tmp_path: Path) -> None:
    """Tensors alone do not say how many heads attend."""
    path = shard(tmp_path / "model.safetensors", SHAPES)
    with pytest.raises(ImportFileError, match=r"config\.json: cannot be opened"):
        import_model(path)
