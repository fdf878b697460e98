"""What an engine allocates on each unit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from catalog.facts import Buffers
from catalog.load import load_facts
from catalog.physics.memory import columns, footprint, layer_share, memory_bytes, scratch_bytes, widest_layer_values
from catalog.physics.weights import weight_bytes

FACTS = load_facts(Path(__file__).parents[3] / "models_data")
MODELS, QUANTS, ENGINES = FACTS.models, FACTS.quants, FACTS.engines
LLAMA = MODELS["llama-3.1-8b-instruct"]
F16 = 2.0


def test_llama_cpp_keeps_logits_three_hidden_states_and_a_mask() -> None:
    """Llama 3.1 8B with -ub 2048 at 8448 tokens: 1002 + 96 + 33 MiB, as the engine prints but for 0.06 MiB."""
    held = footprint(LLAMA, QUANTS["q8_0"], ENGINES["llama.cpp"])
    _, _, overhead = memory_bytes(held, 8448, 1, F16)
    assert overhead - (ENGINES["llama.cpp"].runtime_bytes or 0) == (1002 + 96 + 33) * 2**20


def test_streams_share_the_scratch_and_multiply_the_cache() -> None:
    """Eight streams take eight caches and one set of buffers."""
    held = footprint(LLAMA, QUANTS["q8_0"], ENGINES["llama.cpp"])
    one, eight = (memory_bytes(held, 2304, streams, F16) for streams in (1, 8))
    assert eight[1] == 8 * one[1]
    assert (eight[0], eight[2]) == (one[0], one[2])


def test_a_windowed_model_has_a_second_mask() -> None:
    """Gemma 3 at 33,024 tokens: one mask over all cells and one over 1024 + 2048 of them."""
    held = footprint(MODELS["gemma-3-12b-it"], QUANTS["q8_0"], ENGINES["llama.cpp"])
    assert memory_bytes(held, 33_024, 1, F16)[2] - held.fixed_overhead_bytes == 2048 * 2 * (33_024 + 3072)


def test_a_smaller_batch_takes_smaller_buffers() -> None:
    """A batch is 512 tokens in ollama, and 2048 with the command given for llama.cpp."""
    large, small = (footprint(LLAMA, QUANTS["q8_0"], ENGINES[name]) for name in ("llama.cpp", "ollama"))
    runtime = ENGINES["llama.cpp"].runtime_bytes or 0
    assert small.fixed_overhead_bytes - runtime == (large.fixed_overhead_bytes - runtime) / 4


def test_engines_without_batch_logits_need_one_layer_at_a_time() -> None:
    """In vLLM, 8192 tokens of Llama 3.1 8B: three hidden states and three times 14,336 values, 2 bytes each."""
    buffers = ENGINES["vllm"].buffers
    assert buffers is not None
    assert scratch_bytes(LLAMA, buffers) == 8192 * 2 * 3 * (4096 + 14_336)


def test_the_widest_moment_may_be_experts_or_attention() -> None:
    """Qwen3-30B-A3B: 8 x (3 x 768 + 2048); DeepSeek-V3's queries live in the latent: 2 x 128 x 576."""
    assert widest_layer_values(MODELS["qwen3-30b-a3b"]) == 8 * (3 * 768 + 2048)
    assert widest_layer_values(MODELS["deepseek-v3"]) == 2 * 128 * 576


def test_tensor_parallelism_splits_weights_and_heads() -> None:
    """Llama 3.3 70B on two units: half the weights, half the cache, all the buffers."""
    model = MODELS["llama-3.3-70b-instruct"]
    one, two = (memory_bytes(footprint(model, QUANTS["fp8"], ENGINES["vllm"], units), 4096, 2, F16) for units in (1, 2))
    assert [b / a for a, b in zip(one, two, strict=True)] == [0.5, 0.5, 1.0]


def test_few_heads_and_latents_are_repeated() -> None:
    """On eight units, 4 KV heads are only split by 4, and the latent of MLA not at all."""
    for name, share in (("qwen3-30b-a3b", 0.25), ("deepseek-v3", 1.0)):
        caches = [
            memory_bytes(footprint(MODELS[name], QUANTS["fp8"], ENGINES["vllm"], units), 4096, 1, F16)[1]
            for units in (1, 8)
        ]
        assert caches[1] / caches[0] == share, name


def test_a_pipeline_splits_by_whole_layers_and_one_unit_holds_the_head() -> None:
    """32 layers on three units: 11 on the fullest, with the head."""
    held = footprint(LLAMA, QUANTS["bf16"], ENGINES["llama.cpp"], 3)
    whole = footprint(LLAMA, QUANTS["bf16"], ENGINES["llama.cpp"])
    head = 128_256 * 4096 * 2
    assert layer_share(LLAMA, 3) == 11 / 32
    assert held.weights_bytes == pytest.approx((whole.weights_bytes - head) * 11 / 32 + head)
    assert memory_bytes(held, 4096, 1, F16)[1] == memory_bytes(whole, 4096, 1, F16)[1] * 11 / 32


def test_speculation_adds_what_drafts() -> None:
    """GLM-4.5-Air's MTP layer is a 46th part of the body, experts included; a draft head is a dense layer; n-grams free."""
    model, quant, engine = MODELS["glm-4.5-air"], QUANTS["fp8"], ENGINES["vllm"]
    plain, mtp, eagle, ngram = (
        footprint(model, quant, engine, 1, name).weights_bytes for name in ("none", "mtp-3", "eagle3", "ngram-4")
    )
    found = weight_bytes(model, quant, engine.id)
    assert found is not None
    dense = (found.dense_read_bytes - found.head_bytes) / 46
    assert mtp - plain == pytest.approx(dense + found.routed_expert_bytes / 46)
    assert eagle - plain == pytest.approx(dense)
    assert ngram == plain


def test_one_formula_serves_many_configs() -> None:
    """Columns of footprints give what each gives alone."""
    triples = [
        (LLAMA, QUANTS["q4_k_m"], ENGINES["llama.cpp"]),
        (MODELS["gemma-3-12b-it"], QUANTS["bf16"], ENGINES["vllm"]),
        (MODELS["qwen3.6-27b"], QUANTS["mlx-4bit"], ENGINES["mlx"]),
    ]
    held = [footprint(*triple) for triple in triples]
    together = memory_bytes(columns(held), 20_000, 4, 1.0)
    alone = [memory_bytes(one, 20_000, 4, 1.0) for one in held]
    assert np.array(alone).T.tolist() == np.array(together).tolist()


def test_unknown_bits_are_an_error_that_names_them() -> None:
    """Memory of a format nobody described cannot be told."""
    with pytest.raises(ValueError, match=r"bnb-nf4.*llama-3\.1-8b-instruct"):
        footprint(LLAMA, QUANTS["bnb-nf4"], ENGINES["vllm"])


def test_every_engine_says_how_it_sizes_its_buffers() -> None:
    """The fallback for an unstated engine is for engines nobody listed yet."""
    unstated = [e.id for e in ENGINES.values() if e.buffers is None or e.runtime_bytes is None or not e.runtime_note]
    assert unstated == []


def test_an_engine_that_says_nothing_is_assumed_to_need_much() -> None:
    """Unknown buffers are those of the largest default known, not zero."""
    silent = ENGINES["vllm"].model_copy(update={"buffers": None, "runtime_bytes": None})
    found = footprint(LLAMA, QUANTS["bf16"], silent)
    assert found == footprint(LLAMA, QUANTS["bf16"], ENGINES["vllm"])


def test_buffers_grow_with_their_batch() -> None:
    """Twice the tokens, twice the scratch."""
    one, two = (
        scratch_bytes(LLAMA, Buffers(batch_tokens=n, activation_bytes=2, block_tokens=16, source="test"))
        for n in (1024, 2048)
    )
    assert two == 2 * one
