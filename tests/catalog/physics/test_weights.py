"""Bytes of weights: whose bits count, what is streamed, and what real files weigh."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from catalog.load import load_facts
from catalog.physics.weights import as_run, tensor_bits, weight_bytes

DATA = Path(__file__).parents[3] / "models_data"
FACTS = load_facts(DATA)
MODELS, QUANTS = FACTS.models, FACTS.quants
EXACT_QUANTS = {"q8_0", "bf16", "q1_0"}
ALL_MAMBA_NARROW = "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-NVFP4"
"""Its reference figures take all mamba layers for 4.5 bits, where they are 7.5 on average."""
SINCE = "2026-02"
UNITS = {"MiB": 2.0**20, "GiB": 2.0**30}


def test_a_known_checkpoint_wins_over_the_recipe() -> None:
    """NVIDIA's Qwen3.6-27B-NVFP4 keeps attention at 8 bits and quantises the head."""
    bits = tensor_bits(MODELS["qwen3.6-27b"], QUANTS["nvfp4"], "vllm")
    assert bits is not None
    assert (bits["attn"], bits["lm_head"], bits["dense_mlp"]) == (8.0, 4.5, 4.5)


def test_a_derived_model_uses_the_checkpoint_of_its_base() -> None:
    """A fine-tune's export leaves out the same layers."""
    derived = next(m for m in MODELS.values() if m.derivative_of == "qwen3.6-27b")
    assert tensor_bits(derived, QUANTS["nvfp4"], "vllm") == tensor_bits(MODELS["qwen3.6-27b"], QUANTS["nvfp4"], "vllm")


def test_the_same_format_differs_by_engine() -> None:
    """Outside the experts, gpt-oss takes 8.5 bits in a GGUF file and 16 in safetensors."""
    found = [tensor_bits(MODELS["gpt-oss-20b"], QUANTS["mxfp4"], engine) for engine in ("llama.cpp", "vllm")]
    assert [bits["attn"] for bits in found if bits] == [8.5, 16.0]


def test_bits_nobody_published_are_not_known() -> None:
    """No figure is made up for a format without a description."""
    assert tensor_bits(MODELS["qwen3-8b"], QUANTS["bnb-nf4"], "vllm") is None
    assert weight_bytes(MODELS["qwen3-8b"], QUANTS["bnb-nf4"], "vllm") is None


def test_a_model_without_an_architecture_has_no_bytes() -> None:
    """Parameters by class are needed."""
    model = MODELS["qwen3-8b"].model_copy(update={"parameters": None})
    assert weight_bytes(model, QUANTS["bf16"], "vllm") is None


def test_an_untied_embedding_is_stored_but_not_streamed() -> None:
    """Llama 3.1 8B in BF16: everything but 128256 x 4096 embedding values is read in a step."""
    found = weight_bytes(MODELS["llama-3.1-8b-instruct"], QUANTS["bf16"], "vllm")
    assert found is not None
    assert found.stored_bytes - found.dense_read_bytes == 128_256 * 4096 * 2
    assert found.head_bytes == 128_256 * 4096 * 2


def test_a_tied_embedding_is_stored_once_and_streamed_as_the_head() -> None:
    """Qwen3-4B's shared matrix is Q6_K in a Q4_K_M file, as heads are."""
    found = weight_bytes(MODELS["qwen3-4b"], QUANTS["q4_k_m"], "llama.cpp")
    assert found is not None
    assert found.stored_bytes == found.dense_read_bytes
    assert found.head_bytes == 151_936 * 2560 * 6.5625 / 8


def test_routed_experts_are_kept_apart() -> None:
    """Streamed bytes of a mixture depend on the experts chosen: they are not among the dense ones."""
    found = weight_bytes(MODELS["gpt-oss-20b"], QUANTS["mxfp4"], "llama.cpp")
    assert found is not None
    assert found.routed_expert_bytes == 19_116_933_120 * 4.25 / 8
    assert found.routed_expert_params == 19_116_933_120
    assert found.dense_matmul_params == 637_272_576 + 2_212_608 + 579_133_440


def test_per_layer_tables_are_stored_and_never_streamed() -> None:
    """Gemma 4 E2B looks its 2.35e9 table entries up."""
    found = weight_bytes(MODELS["gemma-4-e2b-it"], QUANTS["bf16"], "vllm")
    assert found is not None
    assert found.stored_bytes - found.dense_read_bytes > 2_348_810_240 * 2 - 1


@pytest.mark.parametrize("quant", ["bf16", "q8_0", "q4_k_m"])
def test_a_gguf_keeps_towers_in_a_file_of_their_own(quant: str) -> None:
    """llama.cpp loads no vision tower with the text model; engines that read safetensors do."""
    model = MODELS["gemma-4-26b-a4b-it"]
    text = model.model_copy(update={"parameters": {**(model.parameters or {}), "vision_audio": 0}})
    assert weight_bytes(model, QUANTS[quant], "llama.cpp") == weight_bytes(text, QUANTS[quant], "llama.cpp")
    whole, bare = (weight_bytes(m, QUANTS["bf16"], "vllm") for m in (model, text))
    assert whole is not None
    assert bare is not None
    assert whole.stored_bytes - bare.stored_bytes == 572_792_112 * 2


def test_known_checkpoints_weigh_what_their_layout_says() -> None:
    """Stored and streamed bytes of every layout agree with the figures it was published with, within half a percent."""
    with (DATA / "reference" / "checkpoint_bytes.csv").open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["weights_bytes_total_text"]]
    assert len(rows) == 20
    for row in rows:
        model, engine = MODELS[row["model"]], "llama.cpp" if "GGUF" in row["checkpoint"] else "vllm"
        found = weight_bytes(model, as_run(QUANTS[row["quant"]], row["checkpoint"]), engine)
        assert found is not None
        towers = (model.parameters or {}).get("vision_audio", 0) * (0.0 if engine == "llama.cpp" else 2.0)
        chosen = model.moe.experts_per_token / model.moe.num_experts if model.moe else 0.0
        wider = (model.parameters or {})["linear_attn"] * 3.0 / 8.0 if row["checkpoint"] == ALL_MAMBA_NARROW else 0.0
        streamed = found.dense_read_bytes + found.routed_expert_bytes * chosen - wider
        stored = found.stored_bytes - towers - wider
        assert stored == pytest.approx(float(row["weights_bytes_total_text"]), rel=0.005), row
        assert streamed == pytest.approx(float(row["decode_bytes_per_token_weights"]), rel=0.005), row


def test_a_row_is_weighed_as_the_checkpoint_it_names() -> None:
    """RedHat's file keeps gated-delta layers and head in 16 bits, NVIDIA's has them in 8 and 4.5; one nobody knows is taken for the first."""
    model, nvfp4 = MODELS["qwen3.6-35b-a3b"], QUANTS["nvfp4"]
    names = ("RedHatAI/Qwen3.6-35B-A3B-NVFP4", "nvidia/Qwen3.6-35B-A3B-NVFP4", "somebody/Qwen3.6-35B-A3B-NVFP4", None)
    redhat, nvidia, unknown, unnamed = (weight_bytes(model, as_run(nvfp4, name), "vllm") for name in names)
    assert redhat is not None
    assert nvidia is not None
    assert redhat.dense_read_bytes == pytest.approx(3.308e9, rel=0.005)  # as an estimator elsewhere counts its recipe
    assert nvidia.dense_read_bytes < 0.6 * redhat.dense_read_bytes
    assert unknown == unnamed == redhat


def test_what_is_stored_in_16_bits_is_multiplied_so() -> None:
    """NVIDIA's NVFP4 of Gemma 4 26B has experts in 4.5 bits alone; a BF16 model has nothing else than 16."""
    gemma = MODELS["gemma-4-26b-a4b-it"]
    for quant in ("nvfp4", "bf16"):
        found = weight_bytes(gemma, QUANTS[quant], "vllm")
        assert found is not None
        assert found.wide_matmul_params == found.dense_matmul_params - found.head_params
    q4 = weight_bytes(gemma, QUANTS["q4_0"], "llama.cpp")
    assert q4 is not None
    assert q4.wide_matmul_params == (gemma.parameters or {})["router"]


def test_printed_file_sizes_are_reproduced() -> None:
    """Q8_0, BF16 and Q1_0 files weigh what their sources print, within 0.3 percent and the rounding of the print."""
    checked = 0
    for artifact in FACTS.artifacts:
        if artifact.quant not in EXACT_QUANTS or not artifact.file_bytes or not artifact.printed or not artifact.engine:
            continue
        number, unit = artifact.printed.split()
        rounding = 0.5 * 10.0 ** -len(number.partition(".")[2]) * UNITS[unit]
        found = weight_bytes(MODELS[artifact.model], QUANTS[artifact.quant], artifact.engine)
        assert found is not None
        assert abs(found.stored_bytes - artifact.file_bytes) < 0.003 * artifact.file_bytes + rounding, artifact.model
        checked += 1
    assert checked >= 12


def test_dynamic_files_weigh_what_their_sources_print() -> None:
    """Unsloth's dynamic files of models since February 2026, within two percent."""
    checked = 0
    for artifact in FACTS.artifacts:
        model, quant = MODELS[artifact.model], QUANTS[artifact.quant]
        if quant.family == "gguf-ud" and artifact.file_bytes and (model.release_date or "") >= SINCE:
            found = weight_bytes(model, quant, "llama.cpp")
            assert found is not None
            assert found.stored_bytes == pytest.approx(artifact.file_bytes, rel=0.02), (model.id, quant.id)
            checked += 1
    assert checked >= 9


def test_dynamic_files_of_mixtures_keep_all_but_the_routed_experts_at_eight_bits() -> None:
    """Those of models since February 2026; an earlier mixture and a dense model follow the recipe."""
    quant = QUANTS["ud-q4_k_xl"]
    later, earlier, dense = (
        tensor_bits(MODELS[name], quant, "llama.cpp") or {}
        for name in ("qwen3.6-35b-a3b", "qwen3-30b-a3b", "qwen3.6-27b")
    )
    assert {later[name] for name in ("attn", "linear_attn", "shared_experts", "lm_head")} == {8.5}
    assert later["routed_experts"] == earlier["routed_experts"] == dense["dense_mlp"] == 5.0
    assert earlier["attn"] == dense["attn"] == 5.0


def test_a_quant_says_which_mixtures_it_treats_as_such() -> None:
    """The date decides: a mixture released the day before is written like any other model."""
    model, quant = MODELS["qwen3.6-35b-a3b"], QUANTS["ud-q4_k_xl"]
    before = model.model_copy(update={"release_date": "2026-01-31"})
    unknown = model.model_copy(update={"release_date": None})
    for other in (before, unknown):
        assert (tensor_bits(other, quant, "llama.cpp") or {})["attn"] == 5.0
