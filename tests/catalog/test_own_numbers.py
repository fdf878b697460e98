"""The loop closed: before, import, after. One's own number is answered from, and its neighbours move with it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from modelpicker.wire.questions import PredictQuestion

from catalog.calibration.evidence import evidence
from catalog.calibration.model import fit_speed
from catalog.catalog import Catalog
from catalog.importers.runs import Labels, adopt, read_runs
from service.recommendation.predict import predict

if TYPE_CHECKING:
    from pathlib import Path

    from modelpicker.wire.answers import Prediction

MODEL, QUANT, ENGINE = "qwen3-14b", "q4_k_m", "llama.cpp"


def bench(rate: float) -> list[dict[str, Any]]:
    """What llama-bench prints of an output test at two depths."""
    common = {
        "build_commit": "0c1e570",
        "build_number": 9000,
        "model_filename": "Qwen3-14B-Q4_K_M.gguf",
        "type_k": "f16",
    }
    common |= {"model_type": "qwen3 14B Q4_K - Medium", "gpu_info": "NVIDIA GB10", "test_time": "2026-11-25T10:00:00Z"}
    return [
        common | {"n_prompt": 0, "n_gen": 128, "n_depth": depth, "avg_ts": speed, "stddev_ts": 0.02}
        for depth, speed in ((0, rate), (4096, rate * 0.97))
    ]


def asked(catalog: Catalog, **changes: Any) -> Prediction:
    return predict(catalog, PredictQuestion(**{"model": MODEL, "quant": QUANT, "engine": ENGINE} | changes))


@pytest.mark.parametrize("share", [0.85, 1.1])
def test_an_imported_number_is_answered_from(catalog: Catalog, tmp_path: Path, share: float) -> None:
    """Basis and source change, the prediction moves most of the way with a narrower interval, neighbours move a part."""
    before, elsewhere = asked(catalog), {"context": 16384, "isl": 2048}
    assert before.basis == "calibrated"
    rate = before.decode_tok_s.value * share
    assert rate < before.roofline.ceiling_tok_s
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(bench(rate)), encoding="utf-8")
    adopted = adopt(catalog.facts, read_runs(path), Labels("mine"))
    assert not adopted.unmapped
    facts = catalog.facts.model_copy(update={"measurements": (*catalog.facts.measurements, *adopted.measurements)})
    speed = fit_speed(evidence(facts, facts.measurements).lessons, catalog.speed)
    learnt = Catalog("after", facts, speed, replace(catalog.quality, facts=facts))

    after = asked(learnt)
    assert after.basis == "measured"
    assert {(s.evidence, s.url) for s in after.sources} == {("own", "models_data/measurements/mine.csv")}
    assert after.decode_tok_s.value == pytest.approx(rate, rel=0.08)
    assert after.decode_tok_s.low < rate < after.decode_tok_s.high

    def width(p: Prediction) -> float:
        return p.decode_tok_s.high / p.decode_tok_s.low

    def moved(**changes: Any) -> float:
        return asked(learnt, **changes).decode_tok_s.value / asked(catalog, **changes).decode_tok_s.value

    assert width(after) < 1.0 + 0.6 * (width(before) - 1.0)
    up = 1 if share > 1 else -1
    assert up * (moved(**elsewhere) - 1) > up * (share - 1) * 0.5
    sister = moved(quant="q5_k_m")
    assert 0 < up * (sister - 1) < up * (moved() - 1)
    assert moved(model="gpt-oss-120b", quant="mxfp4", engine="vllm") == pytest.approx(1, abs=0.02)
