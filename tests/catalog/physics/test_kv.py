"""What a stream keeps between tokens, by attention kind, computed by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.facts import AttentionGroup, Model
from catalog.load import load_facts
from catalog.physics.kv import KvShape, kv_allocated_bytes, kv_bytes_per_value, kv_shape, kv_streamed_bytes

FACTS = load_facts(Path(__file__).parents[3] / "models_data")
F16 = 2.0


def _model(*groups: AttentionGroup) -> Model:
    return Model(
        id="m", name="M", family="m", confidence="config", license="mit", sources=("test",), attention=groups, layers=4
    )


def _shape(kind: Any, layers: int = 1, **dimensions: Any) -> KvShape:
    return kv_shape(_model(AttentionGroup(kind=kind, layers=layers, **dimensions)))


def test_full_attention_caches_a_key_and_a_value_per_head() -> None:
    """Llama 3.1 8B: 32 layers x 2 x 8 heads x 128 values = 65,536 values, 128 KiB per token at 16 bits."""
    shape = kv_shape(FACTS.models["llama-3.1-8b-instruct"])
    assert shape.kv_full_values == 65_536
    assert kv_streamed_bytes(shape, 1000, F16) == 131_072_000
    assert shape.complete


def test_keys_and_values_may_differ_in_width() -> None:
    """MiMo-V2-Flash caches keys of 192 and values of 128 values."""
    assert _shape("full", layers=9, kv_heads=4, head_dim=192, v_head_dim=128).kv_full_values == 9 * 4 * 320


@pytest.mark.parametrize("kind", ["sliding", "chunked"])
def test_a_window_stops_growing_when_it_is_full(kind: str) -> None:
    """One layer of 2 x 4 x 64 = 512 values with a window of 1024: 1 KiB per token, 1 MiB at most."""
    shape = _shape(kind, kv_heads=4, head_dim=64, window=1024)
    context = np.array([100.0, 1024.0, 100_000.0])
    assert kv_streamed_bytes(shape, context, F16).tolist() == [102_400.0, 1_048_576.0, 1_048_576.0]


def test_a_window_is_allocated_with_a_batch_beside_it() -> None:
    """Window 1024 and a batch of 2048 reserve 3072 cells however long the context; a short context reserves itself."""
    shape = _shape("sliding", kv_heads=4, head_dim=64, window=1024)
    context = np.array([2304.0, 8448.0, 33_024.0])
    assert (kv_allocated_bytes(shape, context, 1, F16) / 1024).tolist() == [2304.0, 3072.0, 3072.0]


def test_window_and_batch_are_padded_together() -> None:
    """128 + 2048 = 2176 cells are padded to 2304, and 100 tokens of context to 256."""
    shape = _shape("sliding", kv_heads=4, head_dim=64, window=128)
    assert (kv_allocated_bytes(shape, np.array([100.0, 9000.0]), 1, F16) / 1024).tolist() == [256.0, 2304.0]


def test_another_engine_has_other_blocks_and_batches() -> None:
    """Blocks of 16 and a batch of 8192: 100 tokens reserve 112 cells, a window of 128 at most 8320."""
    shape = _shape("sliding", kv_heads=4, head_dim=64, window=128)
    cells = kv_allocated_bytes(shape, np.array([100.0, 9000.0]), 1, F16, block_tokens=16, batch_tokens=8192) / 1024
    assert cells.tolist() == [112.0, 8320.0]


def test_mla_caches_one_latent_for_all_heads() -> None:
    """DeepSeek-V3: 61 layers x (512 + 64) values = 70,272 bytes per token; values are a view of the keys."""
    shape = kv_shape(FACTS.models["deepseek-v3"])
    assert shape.kv_full_values * F16 == 70_272
    assert shape.kv_sparse_values == 0


def test_an_indexer_is_cached_whole_and_lets_a_step_skip_the_rest() -> None:
    """DeepSeek-V3.2: 576 + 128 values per layer are cached; past 2048 tokens only the 128 are read for every one."""
    shape = kv_shape(FACTS.models["deepseek-v3.2"])
    assert kv_allocated_bytes(shape, 10_240, 1, F16) == 61 * 704 * 10_240 * 2
    assert kv_streamed_bytes(shape, 1000, F16) == 61 * 704 * 1000 * 2
    assert kv_streamed_bytes(shape, 10_000, F16) == 61 * (128 * 10_000 + 576 * 2048) * 2


def test_compressed_layers_keep_one_row_per_ratio_tokens() -> None:
    """DeepSeek-V4-Flash: 43 windows of 128 rows; 21 layers keep 512 + 128 values per 4 tokens, 20 keep 512 per 128."""
    shape = kv_shape(FACTS.models["deepseek-v4-flash"])
    assert shape.kv_window_values == 43 * 512
    assert shape.kv_window_tokens == 128
    assert shape.kv_full_values == 21 * 160 + 20 * 4
    assert shape.kv_sparse_values == 21 * 128
    assert shape.kv_sparse_tokens == 4 * 512
    rows_read = 21 * (512 * 512 + 128 * 25_000) + 20 * 512 * 781.25 + 43 * 512 * 128
    assert kv_streamed_bytes(shape, 100_000, F16) == rows_read * 2


def test_a_ratio_that_is_not_known_leaves_the_shape_incomplete() -> None:
    """Windows are still counted, and the shape says that more is kept."""
    shape = _shape("compressed_sparse", head_dim=512, window=128, compress_ratios="list in config")
    assert not shape.complete
    assert (shape.kv_full_values, shape.kv_window_values) == (0, 512)


def test_gated_delta_keeps_a_fixed_state_in_float32() -> None:
    """Qwen3.6-27B: 48 layers of 48 x 128 x 128 state and 3 x (2 x 2048 + 6144) convolution values, 4 bytes each."""
    state = 48 * (48 * 128 * 128 + 3 * (2 * 2048 + 6144)) * 4
    shape = kv_shape(FACTS.models["qwen3.6-27b"])
    assert shape.state_bytes == state
    assert kv_allocated_bytes(shape, 256, 3, F16) == 3 * (state + 65_536 * 256)


def test_a_state_is_read_and_written_in_every_step() -> None:
    """Two passes over the state, whatever the context."""
    shape = _shape("kda", num_k_heads=2, num_v_heads=2, k_head_dim=4, v_head_dim=8, conv_kernel=4)
    state = (2 * 4 * 8 + 3 * (2 * 2 * 4 + 2 * 8)) * 4
    assert shape.state_bytes == state
    assert kv_streamed_bytes(shape, np.array([0.0, 9e6]), F16).tolist() == [2.0 * state, 2.0 * state]


def test_mamba2_keeps_state_and_convolution() -> None:
    """64 heads x 64 x 128 state values, and 3 taps over 4096 + 2 x 8 x 128 channels."""
    shape = _shape("mamba2", layers=23, num_heads=64, head_dim=64, state_size=128, n_groups=8, conv_kernel=4)
    assert shape.state_bytes == 23 * (64 * 64 * 128 + 3 * (4096 + 2048)) * 4


def test_a_short_convolution_keeps_its_taps() -> None:
    """LFM2: a kernel of 3 over 2048 channels keeps the last two inputs."""
    assert _shape("short_conv", layers=18, width=2048, conv_kernel=3).state_bytes == 18 * 2 * 2048 * 4


def test_layers_without_token_mixing_keep_nothing() -> None:
    """Expert-only and pruned layers are complete with nothing."""
    shape = _shape("none", layers=31)
    assert shape.complete
    assert kv_streamed_bytes(shape, 1e6, F16) == 0


def test_linear_attention_of_unknown_width_is_not_complete() -> None:
    """Ling 3.0's linear layers are published without dimensions."""
    assert not kv_shape(FACTS.models["ling-3.0-flash"]).complete


@pytest.mark.parametrize(("kv_dtype", "size"), [("auto", 2), ("f16", 2), ("fp8", 1), ("q8_0", 1.0625), ("tq3", 2)])
def test_a_cache_type_has_its_width(kv_dtype: str, size: float) -> None:
    """q8_0 stores 34 bytes per 32 values; a type nobody described counts as 16 bits."""
    assert kv_bytes_per_value(kv_dtype) == size


def test_tensor_parallelism_splits_heads_but_never_below_one() -> None:
    """Qwen3's 4 KV heads halve on 2 units and are repeated on 8; a latent is repeated on any number."""
    qwen, deepseek = FACTS.models["qwen3-30b-a3b"], FACTS.models["deepseek-v3"]
    whole = kv_shape(qwen).kv_full_values
    assert [kv_shape(qwen, parts).kv_full_values / whole for parts in (2, 4, 8)] == [0.5, 0.25, 0.25]
    assert kv_shape(deepseek, 8).kv_full_values == kv_shape(deepseek).kv_full_values


def test_every_model_of_the_catalog_agrees_with_its_stated_cache() -> None:
    """Stated cache sizes follow from the layers; indexer keys are counted here and not there."""
    for model in FACTS.models.values():
        if model.kv is None or any(g.index_head_dim for g in model.attention):
            continue
        shape = kv_shape(model)
        assert shape.complete == model.kv.complete, model.id
        assert shape.kv_full_values * F16 == pytest.approx(model.kv.bytes_per_token_full_bf16), model.id
        assert shape.kv_window_values * F16 == pytest.approx(model.kv.bytes_per_token_windowed_bf16), model.id
