"""Parameters and caches counted from a config.json agree with the published models in the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from catalog.importers.attention import kv_of
from catalog.importers.files import import_model
from catalog.load import load_facts

if TYPE_CHECKING:
    from catalog.facts import Facts, Model

ROOT = Path(__file__).parents[3] / "models_data"
SHARED_512 = {"shared_expert_intermediate_size": 512}
NEMOTRON_SHARED = {"moe_shared_expert_intermediate_size": 3712}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama-2-7b": ("llama", {}),
    "llama-3.1-8b-instruct": ("llama", {}),
    "llama-3.1-70b-instruct": ("llama", {}),
    "llama-3.2-3b-instruct": ("llama", {}),
    "falcon3-7b-instruct": ("llama", {}),
    "smollm2-360m-instruct": ("llama", {}),
    "phi-4": ("phi3", {}),
    "smollm3-3b": ("smollm3", {}),
    "seed-oss-36b-instruct": ("seed_oss", {}),
    "granite-4.1-8b": ("granite", {}),
    "mistral-nemo-instruct-2407": ("mistral", {}),
    "mixtral-8x7b-v0.1": ("mixtral", {}),
    "qwen2.5-0.5b-instruct": ("qwen2", {}),
    "qwen2.5-72b-instruct": ("qwen2", {}),
    "qwen3-4b": ("qwen3", {}),
    "qwen3-32b": ("qwen3", {}),
    "qwen3-30b-a3b": ("qwen3_moe", {}),
    "qwen3-235b-a22b": ("qwen3_moe", {}),
    "gpt-oss-20b": ("gpt_oss", {}),
    "gpt-oss-120b": ("gpt_oss", {}),
    "gemma-2-9b-it": ("gemma2", {}),
    "gemma-3-4b-it": ("gemma3_text", {}),
    "gemma-3-27b-it": ("gemma3_text", {}),
    "exaone-4.0-32b": ("exaone4", {}),
    "olmo-3-32b-think": ("olmo3", {}),
    "deepseek-v3": ("deepseek_v3", {}),
    "deepseek-v3.2": ("deepseek_v32", {}),
    "kimi-k2.5": ("kimi_k2", {}),
    "glm-4.7-flash": ("glm4_moe_lite", {}),
    "glm-5.2": ("glm_moe_dsa", {}),
    "glm-4.5-air": ("glm4_moe", {}),
    "glm-4.6": ("glm4_moe", {}),
    "dots.llm1.inst": ("dots1", {}),
    "minimax-m2.5": ("minimax_m2", {}),
    "ernie-4.5-21b-a3b-pt": ("ernie4_5_moe", {"moe_layer_start_index": 1}),
    "qwen3-next-80b-a3b-instruct": ("qwen3_next", SHARED_512),
    "qwen3.5-27b": ("qwen3_5_text", {"mamba_ssm_dtype": "float32"}),
    "qwen3.5-35b-a3b": ("qwen3_5_moe_text", {**SHARED_512, "mamba_ssm_dtype": "float32"}),
    "llama-4-scout-17b-16e-instruct": (
        "llama4_text",
        {"interleave_moe_layer_step": 1, "intermediate_size_mlp": 16384, "intermediate_size": 8192},
    ),
    "llama-4-maverick-17b-128e-instruct": (
        "llama4_text",
        {"interleave_moe_layer_step": 2, "intermediate_size_mlp": 16384, "intermediate_size": 8192},
    ),
    "nemotron-nano-9b-v2": ("nemotron_h", {"hybrid_override_pattern": "M" * 27 + "*" * 4 + "-" * 25}),
    "nemotron-3-nano-30b-a3b": (
        "nemotron_h",
        {"hybrid_override_pattern": "M" * 23 + "*" * 6 + "E" * 23, **NEMOTRON_SHARED},
    ),
    "nemotron-3-super-120b-a12b": (
        "nemotron_h",
        {
            "hybrid_override_pattern": "M" * 40 + "*" * 8 + "E" * 40,
            "moe_latent_size": 1024,
            "moe_shared_expert_intermediate_size": 5376,
        },
    ),
    "granite-4.0-h-small": (
        "granitemoehybrid",
        {"layer_types": ["mamba"] * 36 + ["attention"] * 4, "shared_intermediate_size": 1536},
    ),
}


@pytest.fixture(scope="module")
def facts() -> Facts:
    """The shipped facts."""
    return load_facts(ROOT)


def config_of(model: Model) -> dict[str, Any]:
    """The dimensions of a listed model under the names its config.json uses."""
    config: dict[str, Any] = {
        "hidden_size": model.hidden_size,
        "num_hidden_layers": model.layers,
        "num_attention_heads": model.attention_heads,
        "num_key_value_heads": model.kv_heads,
        "head_dim": model.head_dim,
        "vocab_size": model.vocab_size,
        "intermediate_size": model.intermediate_size,
        "tie_word_embeddings": model.tied_embeddings,
        "max_position_embeddings": model.context_limit,
    }
    if model.moe:
        config["num_experts"] = model.moe.num_experts
        config["num_experts_per_tok"] = model.moe.experts_per_token
        config["moe_intermediate_size"] = model.moe.moe_intermediate_size
        config["n_shared_experts"] = model.moe.shared_experts
        config["first_k_dense_replace"] = model.moe.first_k_dense
    for group in model.attention:
        config.update(_GROUP_FIELDS.get(group.kind, lambda _: {})(group))
    return config


_GROUP_FIELDS: dict[str, Any] = {
    "sliding": lambda g: {"sliding_window": g.window},
    "chunked": lambda g: {"attention_chunk_size": g.window},
    "mla": lambda g: (
        g.model_dump(include={"kv_lora_rank", "q_lora_rank", "v_head_dim"})
        | {
            name: getattr(g, name)
            for name in ("qk_rope_head_dim", "qk_nope_head_dim", "index_head_dim", "index_n_heads")
        }
    ),
    "gated_delta": lambda g: {
        "linear_num_key_heads": g.num_k_heads,
        "linear_num_value_heads": g.num_v_heads,
        "linear_key_head_dim": g.k_head_dim,
        "linear_value_head_dim": g.v_head_dim,
    },
    "mamba2": lambda g: {
        "mamba_num_heads": g.num_heads,
        "mamba_head_dim": g.head_dim,
        "ssm_state_size": g.state_size,
        "n_groups": g.n_groups,
    },
}


@pytest.mark.parametrize("model_id", sorted(CASES))
def test_counts_agree_with_published_models(model_id: str, facts: Facts, tmp_path: Path) -> None:
    """Every text class is within one percent of the total, and what a step streams and caches agrees too."""
    listed = facts.models[model_id]
    kind, extra = CASES[model_id]
    path = tmp_path / "config.json"
    known = {name: value for name, value in (config_of(listed) | extra).items() if value is not None}
    path.write_text(json.dumps({"model_type": kind, **known}), encoding="utf-8")
    model = import_model(path, identity=model_id).model
    assert listed.parameters is not None
    assert model.parameters is not None
    expected = _merged(listed.parameters)
    total = sum(expected.values())
    for tensor, count in _merged(model.parameters).items():
        assert count == pytest.approx(expected.get(tensor, 0), abs=0.01 * total), tensor
    assert model.decode_read_params_per_token == pytest.approx(listed.decode_read_params_per_token, rel=0.02)
    assert model.kv == listed.kv


def _merged(parameters: dict[Any, int]) -> dict[str, int]:
    """Text parameters; a shared expert that every token takes may be listed as a dense one."""
    merged = {name: count for name, count in parameters.items() if name not in ("vision_audio", "ple")}
    merged["dense_mlp"] = merged.get("dense_mlp", 0) + merged.pop("shared_experts", 0)
    return merged


def test_cache_sizes_follow_from_the_attention_groups(facts: Facts) -> None:
    """For every listed model the cache derived from its layers is the cache in its file."""
    listed = [model for model in facts.models.values() if model.kv and model.attention]
    assert len(listed) > 150
    assert {model.id for model in listed if kv_of(model.attention) != model.kv} == set()


def test_a_vision_tower_is_counted(tmp_path: Path) -> None:
    """The encoder of Qwen3.5-27B has 0.46e9 parameters, kept apart from the text's."""
    text = {
        "model_type": "qwen3",
        "hidden_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "vocab_size": 100,
        "intermediate_size": 128,
    }
    vision = {
        "depth": 27,
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "out_hidden_size": 5120,
        "spatial_merge_size": 2,
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "some_vlm", "text_config": text, "vision_config": vision}), "utf-8")
    model = import_model(path, identity="vlm").model
    assert model.modality == ("text", "vision")
    assert (model.parameters or {})["vision_audio"] == pytest.approx(460_730_096, rel=0.02)
