"""What attention multiplies per pair of tokens, by kind: counted by hand from the published dimensions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from catalog.calibration.situations import Config, describe
from catalog.load import load_facts
from catalog.physics.attention import pair_flops
from catalog.physics.prompts import pairs_within, prompt_terms, prompt_units

FACTS = load_facts(Path(__file__).parents[3] / "models_data")
VLLM = FACTS.engines["vllm"]


def test_full_attention_scores_and_weighs_on_every_head() -> None:
    """Llama-3.1-8B: 32 layers of 32 heads of 128, two products of two operations."""
    found = pair_flops(FACTS.models["llama-3.1-8b-instruct"], VLLM)
    assert (found.full, found.window, found.sparse) == (32 * 32 * 4 * 128, 0, 0)


def test_windows_are_counted_apart() -> None:
    """Gemma-4-26B-A4B: 25 sliding layers of 16 heads of 256, 5 full ones of 16 heads of 512."""
    found = pair_flops(FACTS.models["gemma-4-26b-a4b-it"], VLLM)
    assert (found.full, found.window, found.sparse) == (5 * 16 * 4 * 512, 25 * 16 * 4 * 256, 0)


def test_a_latent_is_expanded_or_attended_to() -> None:
    """GLM-4.7-Flash: 47 layers of 20 heads; keys of 192 + 64 and values of 256, or a latent of 512 twice and 64."""
    model = FACTS.models["glm-4.7-flash"]
    assert pair_flops(model, VLLM).full == 47 * 20 * 2 * (192 + 64 + 256)
    assert pair_flops(model, FACTS.engines["ollama"]).full == 47 * 20 * 2 * (2 * 512 + 64)


def test_sparse_attention_meets_the_latent_itself() -> None:
    """DeepSeek-V3.2: 61 layers of 128 heads of latents, 2,048 tokens chosen by 64 heads of 128."""
    found = pair_flops(FACTS.models["deepseek-v3.2"], VLLM)
    assert found.sparse == 61 * 128 * 2 * (2 * 512 + 64)
    assert found.full == found.sparse + 61 * 2 * 64 * 128


def test_an_indexer_scores_all_and_lets_few_through() -> None:
    """DeepSeek-V4-Flash: a row per 4 tokens in 21 layers, chosen by 64 heads of 128; one per 128 in 20; windows in all 43."""
    found = pair_flops(FACTS.models["deepseek-v4-flash"], VLLM)
    head = 64 * 4 * 512
    assert found.sparse == pytest.approx(21 * head / 4)
    assert found.full == pytest.approx(21 * (head / 4 + 2 * 64 * 128 / 4) + 20 * head / 128)
    assert found.window == pytest.approx(43 * head)


def test_a_deep_prompt_of_sparse_attention_stays_cheap() -> None:
    """On one GB10 the 2,048 tokens after 6,144 took 2.29 s and those after 63,488 took 2.46 s: not eight times as long."""
    config = Config(
        FACTS.models["deepseek-v4-flash"], FACTS.quants["ds4-q2"], FACTS.engines["ds4"], FACTS.hardware["dgx-spark"], 1, "none"
    )  # fmt: skip
    situations = describe([config])
    shapes = situations.shapes
    units = prompt_units(shapes, situations.devices)
    shallow, deep = (
        float(prompt_terms(units, shapes, situations.load(2048, 1, context, 1, 2.0))["attention"][0])
        for context in (8192, 65536)
    )
    assert 0 < deep - shallow < 0.2
    assert np.isclose(deep / shallow, 3.1, rtol=0.1)


@pytest.mark.parametrize(
    ("before", "isl", "window"), [(0, 2048, 1024), (0, 512, 1024), (5000, 1000, 1024), (512, 3584, 2048)]
)
def test_tokens_of_a_prompt_see_what_is_within_their_window(before: int, isl: int, window: int) -> None:
    """Against counting them one by one."""
    places = np.arange(before, before + isl) + 0.5
    found = pairs_within(np.array(float(window)), np.array(float(before)), np.array(float(isl)))
    assert float(found) == pytest.approx(np.minimum(places, window).sum(), rel=1e-4)


def test_no_prompt_has_no_pairs() -> None:
    """A decode measured on a cache that was filled before."""
    nothing = np.zeros(1)
    assert pairs_within(np.full(1, 1024.0), np.full(1, 4096.0), nothing).tolist() == [0.0]
