"""The memory model against the buffer sizes llama.cpp itself reports, row by row.

The rows are files of known shape. Most are what llama-quantize makes. Some are not, and their measurements carry the
flag ``own-quant-mix``: their builder replaced Q4_K by Q4_0 (llama-quantize: Q5_0) in rows no super-block fits into, and
used plainer mixes for Llama's Q2_K, Q3_K_M and Q5_K_M and for Qwen3.5-122B's Q4_K_M. Such a row is compared with the file it is about.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from catalog.facts import Layout
from catalog.load import load_facts
from catalog.physics.memory import Footprint, footprint, memory_bytes
from catalog.physics.rows import FALLBACK_BITS
from catalog.physics.weights import weight_bytes

if TYPE_CHECKING:
    from catalog.facts import Facts, Model, Quant, TensorClass

DATA = Path(__file__).parents[3] / "models_data"
FACTS = load_facts(DATA)
LLAMA_CPP = FACTS.engines["llama.cpp"]

OWN_FALLBACK_BITS = {**FALLBACK_BITS, 4.5: 4.5}
"""Q4_0 in place of Q4_K; Q8_0 in place of Q6_K as everywhere."""
OWN_LLAMA_MIX = {"q2_k": (2.625, 3.4375), "q3_k_m": (3.4375, 4.5), "q5_k_m": (5.5, (5.5 + 6.5625) / 2)}
"""Main type, and mean type of the attention values and down-projections; embedding and head are Q6_K."""
VALUE_SHARE = 0.1
"""Of Llama-3.1-8B's attention weights: 1024 of 4096 + 1024 + 1024 + 4096 columns."""
UNUSED_PARAMS: dict[str, tuple[TensorClass, int]] = {
    "qwen3-next-80b-a3b-instruct": ("linear_attn", 36 * 2048 * 12288),
    "nemotron-3-nano-30b-a3b": ("shared_experts", 23 * 2 * 2688 * 2688),
}
"""Optional tensors that the runs created and the published models lack, and a class of their type: a fused input
projection beside its two halves; latent projections of a model whose experts have none."""


class Row(NamedTuple):
    """One row: the model and quant it is about, the workload, and the engine's bytes."""

    id: str
    model: Model
    quant: Quant
    context: float
    streams: float
    weights: float
    cache: float
    compute: float
    params: float
    own_mix: bool


def _rows(facts: Facts) -> list[Row]:
    own = {(m.model, m.quant) for m in facts.measurements if "own-quant-mix" in m.flags}
    with (DATA / "reference" / "memory_llamacpp.csv").open(encoding="utf-8", newline="") as stream:
        return [_row(facts, cells, own) for cells in csv.DictReader(stream)]


def _row(facts: Facts, cells: dict[str, str], own: set[tuple[str, str]]) -> Row:
    """A run that kept an output matrix beside the tied one holds one matrix more than the published file."""
    untied = cells["untied_output_added"] == "true"
    model, quant = facts.models[cells["model_id"]], facts.quants[cells["quant_id"]]
    return Row(
        cells["row_id"],
        model,
        quant,
        float(cells["n_ctx_per_seq"] or 0),
        float(cells["n_seq"] or 0),
        float(cells["model_bytes"]) - (float(cells["token_embd_bytes"]) if untied else 0.0),
        float(cells["kv_bytes"] or 0),
        float(cells["compute_bytes"] or 0),
        float(cells["params_tensors"]) - ((model.vocab_size or 0) * (model.hidden_size or 0) if untied else 0.0),
        (model.id, quant.id) in own,
    )


ROWS = _rows(FACTS)
RUNS = [row for row in ROWS if row.context]
"""Rows with a context: one row holds weights alone."""


def _quant_of_file(row: Row) -> Quant:
    """The quant as this row's file has it: our own mixes are no published checkpoints."""
    if not row.own_mix:
        return row.quant
    if row.quant.id not in OWN_LLAMA_MIX:
        return row.quant.model_copy(update={"layouts": ()})
    main, richer = OWN_LLAMA_MIX[row.quant.id]
    bits = {
        "embed": 6.5625,
        "lm_head": 6.5625,
        "attn": main + VALUE_SHARE * (richer - main),
        "dense_mlp": (2.0 * main + richer) / 3.0,
    }
    layout = Layout(model=row.model.id, checkpoint="the row's file", bits=bits, source="tensor_params_by_type")
    return row.quant.model_copy(update={"layouts": (layout,)})


def _weights(row: Row) -> float:
    quant = _quant_of_file(row)
    fallback = OWN_FALLBACK_BITS if row.own_mix else FALLBACK_BITS
    found = weight_bytes(row.model, quant, LLAMA_CPP.id, fallback)
    assert found is not None
    name, params = UNUSED_PARAMS.get(row.model.id, ("other", 0))
    bits = (quant.bits_by_engine.get(LLAMA_CPP.id) or quant.bits or {})[name]
    return found.stored_bytes + params * bits / 8.0


def _predicted(row: Row) -> tuple[float, float, float]:
    """Weights, cache and scratch buffers; the run-time is not among the engine's buffers."""
    held: Footprint = footprint(row.model, row.quant, LLAMA_CPP)
    _, cache, overhead = memory_bytes(held, row.context, row.streams, 2.0)
    return _weights(row), float(cache), float(overhead) - float(LLAMA_CPP.runtime_bytes or 0)


def _worst(errors: list[tuple[float, str]]) -> str:
    """The ten largest errors, one line each."""
    ranked = sorted(errors, key=lambda pair: -abs(pair[0]))[:10]
    return "\n".join(f"{error:+8.3%}  {name}" for error, name in ranked)


def _name(row: Row) -> str:
    mix = " (own mix)" if row.own_mix else ""
    return f"{row.id} {row.model.id} {row.quant.id}{mix} {row.context:g} x {row.streams:g}"


def test_stored_weights_are_the_engines_within_one_percent() -> None:
    """Architecture and recipe give the model buffer of every file."""
    errors = [(_weights(row) / row.weights - 1.0, _name(row)) for row in ROWS]
    assert len(errors) == 311
    assert max(abs(error) for error, _ in errors) < 0.01, _worst(errors)


def test_the_catalog_counts_the_parameters_the_engine_created() -> None:
    """Byte errors are errors of types, not of counts: parameters agree within a thousandth."""
    for row in ROWS:
        towers = (row.model.parameters or {}).get("vision_audio", 0)
        counted = sum((row.model.parameters or {}).values()) - towers + UNUSED_PARAMS.get(row.model.id, ("", 0))[1]
        assert counted == pytest.approx(row.params, rel=1e-3), _name(row)


def test_the_cache_is_the_engines_within_one_percent() -> None:
    """Padded windows, full layers and states of 4 bytes per value give the engine's own KV sizes."""
    errors = [(_predicted(row)[1] / row.cache - 1.0, _name(row)) for row in RUNS]
    assert len(errors) == 310
    assert max(abs(error) for error, _ in errors) < 0.01, _worst(errors)


def test_scratch_buffers_of_dense_models_follow_from_the_graph() -> None:
    """Logits, three hidden states and the masks are all there is, to a thousandth, in models nothing was fitted to."""
    plain = [r for r in RUNS if not r.model.moe and all(g.kind in {"full", "sliding"} for g in r.model.attention)]
    assert len(plain) > 100
    for row in plain:
        assert _predicted(row)[2] == pytest.approx(row.compute, rel=1e-3), _name(row)


def test_scratch_buffers_of_every_model_are_within_a_fifth() -> None:
    """Where the allocator's gaps depend on how blocks fit (mixtures, hybrids), the estimate stays near."""
    errors = [(_predicted(row)[2] / row.compute - 1.0, _name(row)) for row in RUNS]
    assert max(abs(error) for error, _ in errors) < 0.2, _worst(errors)


def test_the_total_is_within_three_percent_or_a_gigabyte() -> None:
    """What decides whether a config fits is near the engine's own sum in every row (pytest -s prints the worst ten)."""
    errors = []
    for row in RUNS:
        total, measured = sum(_predicted(row)), row.weights + row.cache + row.compute
        errors.append((total / measured - 1.0, _name(row)))
        assert abs(total - measured) < max(0.03 * measured, 1e9), _name(row)
    sys.stdout.write(f"\nWorst totals:\n{_worst(errors)}\n")
