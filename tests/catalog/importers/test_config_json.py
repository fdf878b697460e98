"""config.json files as models: names, defaults, and a clear error for what cannot be."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from catalog.importers.bounded import ImportFileError
from catalog.importers.files import import_model

if TYPE_CHECKING:
    from pathlib import Path

CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
    "intermediate_size": 128,
    "max_position_embeddings": 8192,
    "torch_dtype": "bfloat16",
}


def config(folder: Path, **changes: Any) -> Path:
    """A small config.json with some fields changed."""
    folder.mkdir(exist_ok=True)
    path = folder / "config.json"
    path.write_text(json.dumps({**CONFIG, **changes}), encoding="utf-8")
    return path


def test_the_folder_gives_the_name(tmp_path: Path) -> None:
    """Every config.json is called that; the folder around it knows the model."""
    imported = import_model(config(tmp_path / "My Model 8B"))
    assert (imported.model.id, imported.model.name, imported.model.family) == (
        "my-model-8b",
        "My Model 8B",
        "my-model-8b",
    )
    assert imported.quant == "bf16"
    assert imported.model.context_limit == 8192


def test_dimensions_become_parameters(tmp_path: Path) -> None:
    """Two layers of 64 by hand: queries and outputs 64x64, keys and values 64x32, three matrices of 64x128."""
    model = import_model(config(tmp_path / "m")).model
    assert model.parameters == {
        "embed": 6400,
        "lm_head": 6400,
        "attn": 2 * (2 * 64 * 64 + 2 * 64 * 32),
        "dense_mlp": 2 * 3 * 64 * 128,
        "other": 5 * 64,
    }
    assert model.decode_read_params_per_token == sum(model.parameters.values()) - 6400


def test_a_nested_text_config_is_found(tmp_path: Path) -> None:
    """Multimodal configs keep the language model one level down."""
    path = config(tmp_path / "m", text_config=CONFIG, vision_config={}, model_type="mistral3")
    model = import_model(path).model
    assert model.layers == 2
    assert model.modality == ("text", "vision")


def test_layer_types_are_followed(tmp_path: Path) -> None:
    """Where the file lists its layers, no pattern is assumed."""
    kinds = ["full_attention", "sliding_attention"]
    model = import_model(config(tmp_path / "m", layer_types=kinds, sliding_window=512)).model
    assert [(group.kind, group.window) for group in model.attention] == [("full", None), ("sliding", 512)]


@pytest.mark.parametrize(
    ("quantization", "quant"),
    [
        ({"quant_method": "fp8"}, "fp8"),
        ({"quant_method": "mxfp4"}, "mxfp4"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4"),
        ({"quant_method": "something new"}, None),
    ],
)
def test_the_quant_is_read(quantization: dict[str, str], quant: str | None, tmp_path: Path) -> None:
    """A quantised checkpoint names its method; an unknown one stays unknown."""
    assert import_model(config(tmp_path / "m", quantization_config=quantization)).quant == quant


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "warp_drive"}, r"'warp_drive' is not known; known are .*llama"),
        ({"model_type": None}, "no model_type"),
        ({"hidden_size": None}, "hidden_size: missing"),
        ({"hidden_size": "4096"}, "'4096' is not a whole number"),
        ({"hidden_size": True}, "True is not a whole number"),
        ({"hidden_size": -1}, "outside 0"),
        ({"hidden_size": 10**30}, "a huge number is outside"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers"),
        ({"num_attention_heads": 0}, "num_attention_heads"),
        ({"num_key_value_heads": 8}, "num_key_value_heads"),
        ({"vocab_size": 10**8, "hidden_size": 10**6}, "more than 1e14 parameters"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings"),
        ({"layer_types": ["full_attention"] * 3}, "3 kinds for 2 layers"),
        ({"layer_types": ["full_attention", "telepathy"]}, "unknown kind 'telepathy'"),
        ({"layer_types": ["full_attention"] * 10**5}, "100000 items"),
        ({"layer_types": "full"}, "is not a list"),
        ({"layer_types": ["full_attention", ["nested"]]}, "unknown kind"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "sliding_window: missing"),
        ({"num_experts": 8, "moe_intermediate_size": 64}, "num_experts_per_tok: missing"),
        ({"num_experts": 8, "moe_intermediate_size": 64, "num_experts_per_tok": 9}, "num_experts_per_tok"),
        ({"model_type": "deepseek_v3"}, "kv_lora_rank: missing"),
        ({"model_type": "nemotron_h", "hybrid_override_pattern": "M?"}, "hybrid_override_pattern"),
        ({"model_type": ["llama"]}, "model_type"),
    ],
)
def test_impossible_configs_name_the_field(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    """The error says which field and what is wrong with it."""
    with pytest.raises(ImportFileError, match=message):
        import_model(config(tmp_path / "m", **changes))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[1, 2]", "no JSON object"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"hidden_size": ' + b"9" * 5000 + b"}", "is not JSON"),
    ],
)
def test_what_is_no_config_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    """Broken, deeply nested or enormous JSON ends in one clear error."""
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ImportFileError, match=message):
        import_model(path)


def test_an_oversized_file_is_not_read(tmp_path: Path) -> None:
    """A sparse file of a gigabyte is refused by its size alone."""
    path = tmp_path / "config.json"
    with path.open("wb") as stream:
        stream.truncate(2**30)
    with pytest.raises(ImportFileError, match="larger than"):
        import_model(path)


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    """Reading a pipe would wait forever."""
    path = tmp_path / "config.json"
    os.mkfifo(path)
    with pytest.raises(ImportFileError, match="is not a file"):
        import_model(path)


def test_other_files_are_named(tmp_path: Path) -> None:
    """The error lists what can be imported."""
    with pytest.raises(ImportFileError, match=r"give a config\.json"):
        import_model(tmp_path / "weights.bin")
