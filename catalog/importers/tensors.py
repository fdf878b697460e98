"""Which class a tensor belongs to, by its name in a GGUF file or a safetensors checkpoint."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catalog.facts import TensorClass

Rules = tuple[tuple[re.Pattern[str], "TensorClass"], ...]


def _rules(*pairs: tuple[str, TensorClass]) -> Rules:
    return tuple((re.compile(pattern), tensor) for pattern, tensor in pairs)


GGUF_RULES = _rules(
    (r"^(v|mm|a)\.|^resampler", "vision_audio"),
    (r"^per_layer_token_embd|^per_layer_model_proj", "ple"),
    (r"^token_embd\.", "embed"),
    (r"^output\.(weight|bias)", "lm_head"),
    (r"norm|rope_freqs|layer_output_scale", "other"),
    (r"ffn_(gate_up|gate|up|down)_exps", "routed_experts"),
    (r"_shexp", "shared_experts"),
    (r"ffn_gate_inp|exp_probs_b|ffn_latent", "router"),
    (r"ffn_", "dense_mlp"),
    (r"ssm_|shortconv", "linear_attn"),
    (r"attn_|indexer", "attn"),
)
HF_RULES = _rules(
    (r"(^|\.)(visual|vision\w*|audio\w*|multi_modal_projector|mm_projector|img_projector)\.", "vision_audio"),
    (r"embed_tokens_per_layer|per_layer", "ple"),
    (r"embed_tokens|\bwte\b|tok_embeddings|word_embeddings|(^|\.)embeddings\.", "embed"),
    (r"lm_head|(^|\.)output\.weight", "lm_head"),
    (r"norm", "other"),
    (r"shared_expert|shared_mlp", "shared_experts"),
    (r"\bexperts\.|block_sparse_moe\.(input|output)_linear", "routed_experts"),
    (r"\.(gate|router)\.|e_score_correction_bias|latent_proj", "router"),
    (r"linear_attn|\.mamba\.|\.conv\.|mixer\.(in_proj|out_proj|conv1d|A_log|D|dt_bias)", "linear_attn"),
    (r"self_attn|\.attention\.|\.attn\.|mixer\.[qkvo]_proj", "attn"),
    (r"mlp|feed_forward|mixer\.(up|down)_proj", "dense_mlp"),
)


def gguf_class(name: str, *, recurrent: bool) -> TensorClass:
    """The class of a GGUF tensor; in a ``recurrent`` block (one with ssm tensors) attention tensors are the mixer's."""
    tensor = _first(GGUF_RULES, name)
    return "linear_attn" if recurrent and tensor == "attn" else tensor


def hf_class(name: str) -> TensorClass:
    """The class of a safetensors tensor."""
    return _first(HF_RULES, name)


def layer_index(name: str) -> int | None:
    """The layer a tensor is in, or None."""
    match = re.search(r"(?:^blk|layers)\.(\d{1,6})\.", name)
    return int(match[1]) if match else None


def _first(rules: Rules, name: str) -> TensorClass:
    return next((tensor for pattern, tensor in rules if pattern.search(name)), "other")
