"""Which factor an interval is widened by."""

from __future__ import annotations

from catalog.calibration.intervals import SCALE, SWEPT, regime


def test_a_sweep_vouches_for_its_engine_alone() -> None:
    """llama.cpp on a device that was swept has a regime of its own, other engines there and other devices do not."""
    assert regime("decode", "h100-sxm-80", "llama.cpp", 1, drafts=False, streams=True)[2] == "swept"
    assert regime("decode", "h100-sxm-80", "vllm", 1, drafts=False, streams=True)[2] == "other"
    assert regime("decode", "h100-sxm-80", "ollama", 1, drafts=False, streams=True)[2] == "other"
    assert regime("total", "h100-sxm-80", "llama.cpp", 1, drafts=False, streams=True)[2] == "other"
    assert regime("total", "h100-sxm-80", "llama.cpp", 1, drafts=False, streams=False)[2] == "swept"
    assert regime("decode", "rtx-4090", "llama.cpp", 1, drafts=False, streams=True)[2] == "other"
    assert regime("decode", "dgx-spark", "llama.cpp", 1, drafts=False, streams=True)[2] == "GB10"


def test_every_situation_has_a_factor() -> None:
    """Whatever is asked of whatever hardware is in the table."""
    grounds = [("dgx-spark", "vllm"), ("rtx-4090", "vllm"), *SWEPT]
    asked = {
        regime(figure, *where, units, drafts=drafts, streams=streams)
        for figure in ("decode", "total", "prefill", "ttft")
        for where in grounds
        for units in (1, 2)
        for drafts in (False, True)
        for streams in (False, True)
    }
    assert asked == set(SCALE)
