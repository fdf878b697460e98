"""Experts that a batch touches, what reading them costs a prompt, and who waits for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from catalog.calibration.situations import describe
from catalog.physics import prompts
from catalog.physics import terms as physics

if TYPE_CHECKING:
    from catalog.calibration.situations import Situations
    from catalog.catalog import Catalog

TOKENS = np.array([1.0, 2.0, 8.0, 64.0, 2048.0])


def of(catalog: Catalog, *engines: str, model: str = "gpt-oss-120b", quant: str = "mxfp4") -> Situations:
    """A model of 128 experts, 4 of them for each token, on engines."""
    machine = catalog.hardware("dgx-spark")
    table = catalog.candidates(machine)
    found = {
        config.engine.id: config for config in table.configs if (config.model.id, config.quant.id) == (model, quant)
    }
    return describe([found[engine] for engine in engines])


@pytest.mark.parametrize("skew", [0.0, 0.5, 3.0, 10.0])
def test_one_token_touches_its_own(catalog: Catalog, skew: float) -> None:
    """However uneven the choice: k of E for one token, more for more, never more than all."""
    shapes = of(catalog, "llama.cpp").shapes
    found = np.array([physics.expert_share(shapes, n, np.array(skew))[0] for n in TOKENS])
    assert found[0] == pytest.approx(4 / 128)
    assert (np.diff(found) > 0).all()
    assert found[-1] <= 1.0


def test_without_skew_tokens_choose_alone(catalog: Catalog) -> None:
    """1 - (1 - k/E)^n; dense models have none to choose."""
    shapes = of(catalog, "llama.cpp").shapes
    for n in TOKENS:
        assert physics.expert_share(shapes, n, np.zeros(()))[0] == pytest.approx(1 - (1 - 4 / 128) ** n, rel=1e-4)
    dense = of(catalog, "llama.cpp", model="llama-3.1-8b-instruct", quant="q4_k_m").shapes
    assert physics.expert_share(dense, TOKENS[-1], np.array(3.0))[0] == 0.0


@pytest.mark.parametrize("skew", [1.0, 3.0])
def test_popularity_is_a_gamma_distribution(catalog: Catalog, skew: float) -> None:
    """Against experts whose rates are drawn from it, the mean such that one token touches k of E."""
    shapes = of(catalog, "llama.cpp").shapes
    scale = np.expm1(-skew * np.log1p(-4 / 128))
    rates = np.random.default_rng(7).gamma(1.0 / skew, scale, 2_000_000)
    for n in TOKENS[:4]:
        drawn = 1.0 - np.exp(-n * rates).mean()
        assert physics.expert_share(shapes, n, np.array(skew))[0] == pytest.approx(drawn, rel=0.02)


def test_a_larger_batch_reads_the_weights_less_often(catalog: Catalog) -> None:
    """Of a prompt vLLM pushes 8,192 tokens through at once, llama.cpp as it is told here 2,048."""
    situations = of(catalog, "vllm", "llama.cpp")
    load = situations.load(8192, 128, 8192, 1, 2.0)
    units = prompts.prompt_units(situations.shapes, situations.devices)
    vllm, llama = prompts.pass_terms(units, situations.shapes, load)["read"]
    assert load.batch_tokens.tolist() == [8192.0, 2048.0]
    assert 2.5 * vllm < llama < 4.0 * vllm


@pytest.mark.parametrize(
    ("isl", "streams", "prefills"), [(8192, 1, 1.0), (8192, 10, 5.5), (512, 10, 10.0), (2048, 10, 7.0)]
)
def test_prompts_of_one_batch_are_done_together(catalog: Catalog, isl: int, streams: int, prefills: float) -> None:
    """One after the other the mean wait is (B + 1) / 2 prefills; where all share a batch, everybody waits for all of them."""
    load = of(catalog, "vllm").load(isl, 128, isl, streams, 2.0)
    assert prompts.prefills_waited_for(load) == pytest.approx(prefills)
