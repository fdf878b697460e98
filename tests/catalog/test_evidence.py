"""Which row teaches what, with what weight, and why no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catalog.calibration import evidence as module
from catalog.calibration.evidence import TIMING_HARNESS, TOUCHED, Evidence, config_of, evidence
from catalog.calibration.situations import describe
from catalog.configs import existing

if TYPE_CHECKING:
    from catalog.facts import Facts, Measurement


@pytest.fixture(scope="module")
def shipped(facts: Facts) -> Evidence:
    """What the shipped measurements teach."""
    return evidence(facts, facts.measurements)


def figures(row: Measurement, touched: str) -> bool:
    names = ("decode_tok_s", "decode_total_tok_s") if touched == "decode" else ("prefill_tok_s", "ttft_ms")
    return any(getattr(row, name) is not None for name in names)


def test_every_figure_is_accounted_for(facts: Facts, shipped: Evidence) -> None:
    """A row that states a quantity either teaches it or says why not."""
    stated = {(row.id, touched) for row in facts.measurements for touched in TOUCHED if figures(row, touched)}
    assert {(x.measurement, x.quantity) for x in shipped.teachings} == stated
    assert all(x.reason for x in shipped.teachings)


def test_what_weighs_nothing_teaches_nothing(shipped: Evidence) -> None:
    """And what weighs something is among the lessons of its quantity."""
    weighty = {(x.measurement, x.quantity) for x in shipped.teachings if x.weight > 0}
    taught = {(x.measurement.id, "decode" if x.quantity in {"decode", "total"} else "prefill") for x in shipped.lessons}
    assert taught == weighty


def test_a_flag_touches_its_own_quantity_alone(facts: Facts, shipped: Evidence) -> None:
    """A prefill above the compute peak leaves the decode of its row to teach, and the time to its first token."""
    weight = {(x.measurement, x.quantity): x.weight for x in shipped.teachings}
    flagged = [row for row in facts.measurements if "pp-exceeds-compute-peak" in row.flags]
    assert {weight[row.id, "prefill"] for row in flagged if row.ttft_ms is None} == {0.0}
    rate_alone = {name for name, flag in facts.flags.items() if flag.touches == ("prefill rate",)}
    decoding = [row for row in flagged if set(row.flags) <= rate_alone and figures(row, "decode")]
    assert decoding
    assert all(weight[row.id, "decode"] > 0 for row in decoding)
    rate = {row.id for row in facts.measurements if row.flags == ("pp-noisy-latency-subtraction",) and row.ttft_ms}
    assert rate
    assert {x.quantity for x in shipped.lessons if x.measurement.id in rate} & {"prefill", "ttft"} == {"ttft"}


def test_doubts_lower_the_weight(facts: Facts, shipped: Evidence) -> None:
    """A maintainer's clean row counts whole, a user's less, one that only assumes plain decoding a quarter of that."""
    weight = {x.measurement: x for x in shipped.teachings if x.quantity == "decode"}
    by_reason = {x.reason: x.weight for x in weight.values()}
    assert by_reason["clean"] == 1
    assert by_reason["reported by one user"] == pytest.approx(1 / 1.44)
    assumed = by_reason["no speculation is only assumed; reported by one user"]
    assert assumed == pytest.approx(by_reason["reported by one user"] / 4)
    unknown = [row for row in facts.measurements if row.speculation is None and figures(row, "decode")]
    assert unknown
    assert {weight[row.id].weight for row in unknown} == {0.0}


def test_a_quotation_is_no_second_witness(shipped: Evidence) -> None:
    """It names the row it repeats, and that row teaches or says why not."""
    reasons = {(x.measurement, x.quantity): x.reason for x in shipped.teachings}
    repeats = {key: reason.removeprefix("repeats ") for key, reason in reasons.items() if reason.startswith("repeats ")}
    assert repeats
    assert all((original, quantity) in reasons for (_, quantity), original in repeats.items())


def test_when_rows_are_many_every_config_has_its_say(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound leaves out a config's further rows, never a config, and says so."""
    whole = evidence(facts, facts.measurements)
    configs = {(x.config.key, x.config.speculation) for x in whole.lessons if x.quantity in {"decode", "total"}}
    monkeypatch.setattr(module, "MOST_ROWS", len(configs))
    bounded = evidence(facts, facts.measurements)
    kept = {(x.config.key, x.config.speculation) for x in bounded.lessons if x.quantity in {"decode", "total"}}
    assert kept == configs
    assert len(bounded.lessons) < len(whole.lessons)
    assert any("rows teach already" in x.reason for x in bounded.teachings)


def test_a_row_is_learnt_from_as_it_was_run(facts: Facts) -> None:
    """What a source says of checkpoint and kernels goes into the config; candidates of the same quant stay as they are."""
    rows = {row.id: row for row in facts.measurements}
    marlin = config_of(facts, rows["gb10-djangodevreng-0882"])
    assert marlin.quant.layouts[0].checkpoint == "RedHatAI/Qwen3.6-35B-A3B-NVFP4"
    assert marlin.quant.weight_only
    assert not facts.quants["nvfp4"].weight_only
    assert describe([marlin]).numbers["weight-only"][0] == 1.0
    assert 0.0 < describe([marlin]).numbers["dense weight-only"][0] < 0.5  # its gated-delta layers are 16 bits anyway
    plain = config_of(facts, rows["gb10-djangodevreng-0832"])
    assert plain.quant is facts.quants["bf16"]


def test_what_decodes_in_step_says_its_time_once(shipped: Evidence) -> None:
    """A total of streams in step is the time of one of them again; a server's total is another time."""
    decoding: dict[str, list[str]] = {}
    for lesson in shipped.lessons:
        row = lesson.measurement
        both = row.decode_tok_s and row.decode_total_tok_s and (row.concurrency or 1) > 1
        if both and lesson.quantity in {"decode", "total"}:
            decoding.setdefault(row.id, []).append(lesson.quantity)
    swept = {row for row in decoding if row.startswith("own-")}
    assert len(swept) > 400
    assert {tuple(decoding[row]) for row in swept} == {("decode",)}
    assert {tuple(decoding[row]) for row in decoding.keys() - swept} == {("decode", "total")}


def test_devices_of_one_compute_capability_share_a_chip(facts: Facts) -> None:
    """What runs on an H100 tells of an H200's kernels, not of a GB10's; who states no capability shares nothing."""
    rows = {row.id: row for row in facts.measurements}
    config = config_of(facts, rows["own-h100-0001"])
    names = ("h100-sxm-80", "h200-sxm", "dgx-spark", "strix-halo-395")
    chips = describe([config._replace(hardware=facts.hardware[name]) for name in names]).labels["chip"]
    assert list(chips) == ["9.0", "9.0", "12.1", None]


def test_random_weights_are_no_proof_of_a_file(facts: Facts) -> None:
    """What only the own sweeps ran is nobody's config; what others published, or the engine's tool makes, is."""
    swept = {(row.model, row.quant) for row in facts.measurements if row.tool == TIMING_HARNESS}
    others = {(row.model, row.quant) for row in facts.measurements if row.tool != TIMING_HARNESS}
    found = existing(facts)
    listed = {(model, quant) for model, quants in found.quants.items() for quant in quants}
    assert others <= listed
    assert ("qwen3-1.7b", "f16") in swept - listed
    assert {(model, quant) for model, quant, _ in found.measured} == others
