"""Benchmark files become measurements: recognised by content, mapped or listed, flagged where physics says no."""

from __future__ import annotations

import contextlib
import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.__main__ import main
from catalog.check import check_folder
from catalog.importers.bounded import ImportFileError
from catalog.importers.runs import Labels, adopt, read_runs
from catalog.load import load_facts

if TYPE_CHECKING:
    from catalog.facts import Facts

RUNS = Path(__file__).parent / "runs"
FILES = sorted(path for path in RUNS.iterdir() if path.suffix != ".md" or path.stem != "README")


def importing(data: Path, source: str, speculation: str) -> list[str]:
    """The command that imports llama-benchy's file, fully labelled."""
    command = ["import", "measurements", str(RUNS / "llama-benchy.json"), "--data", str(data), "--source", source]
    command += ["--model", "gpt-oss-20b", "--quant", "mxfp4", "--engine", "llama.cpp", "--hardware", "dgx-spark"]
    return [*command, "--speculation", speculation]


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv", "md"])
def test_llama_bench_in_every_form(kind: str) -> None:
    """A prompt and an output test at two depths: what stands in the cache is the depth, speculation is impossible."""
    read = read_runs(RUNS / f"llama-bench.{kind}")
    assert read.tool == "llama-bench"
    assert [(r.isl, r.osl, r.context_depth, r.decode_kv_tokens) for r in read.runs] == [
        (256, None, 0, None), (0, 32, 0, 0), (256, None, 512, None), (0, 32, 512, 512),
    ]  # fmt: skip
    assert all(r.plain and r.concurrency == 1 for r in read.runs)
    assert all((r.prefill_tok_s is None) != (r.decode_tok_s is None) for r in read.runs)


def test_a_rate_over_prompt_and_output_is_neither() -> None:
    """It is left out, and said so."""
    read = read_runs(RUNS / "llama-bench-pg.json")
    assert [r.isl for r in read.runs] == [128]
    assert "pp64+tg16" in read.remarks[0]


@pytest.mark.parametrize("kind", ["jsonl", "md"])
def test_batched_bench_counts_all_streams(kind: str) -> None:
    """Its decode rate is of all streams; a stream has its share. Every prompt is in before the first output token."""
    one, four = read_runs(RUNS / f"llama-batched-bench.{kind}").runs
    assert (one.concurrency, four.concurrency) == (1, 4)
    assert four.decode_total_tok_s == pytest.approx(4 * (four.decode_tok_s or 0), rel=1e-4)
    assert (four.isl, four.osl, four.decode_kv_tokens) == (128, 16, 128)


def test_benchy_without_a_prefix_cache_times_context_and_prompt_as_one() -> None:
    """Its rate times its first token comes to both: here at 512 before 256, on a server whose cache was off."""
    runs = read_runs(RUNS / "llama-benchy-vllm.json").runs
    assert {(r.concurrency, r.context_depth, r.isl, r.decode_kv_tokens) for r in runs} == {
        (1, 0, 256, 256), (2, 0, 256, 256), (1, 0, 768, 768), (2, 0, 768, 768),
    }  # fmt: skip
    assert all(r.ttft_ms and r.prefill_tok_s and r.decode_tok_s for r in runs)
    deep = next(r for r in runs if (r.concurrency, r.isl) == (1, 768))
    assert (deep.prefill_tok_s or 0.0) * (deep.ttft_ms or 0.0) / 1e3 == pytest.approx(768, rel=0.1)


def test_benchy_has_drafts_write_prose(data_copy: Path) -> None:
    """Its prompts are passages of a novel; without drafts the kind of text changes nothing and is not said."""
    for source, speculation in (("drafting", "eagle3"), ("plain", "none")):
        assert main(importing(data_copy, source, speculation)) == 0
    rows = load_facts(data_copy).measurements
    assert {r.content for r in rows if r.source == "drafting"} == {"prose"}
    assert {r.content for r in rows if r.source == "plain"} == {None}


def test_benchy_with_a_prefix_cache_keeps_depth_apart_from_the_prompt(tmp_path: Path) -> None:
    """What stands in the cache at the first output token is depth and prompt together; the phase that fills it only prefills."""
    report = json.loads((RUNS / "llama-benchy.json").read_text(encoding="utf-8"))
    report["prefix_caching_enabled"] = True
    first = report["benchmarks"][2]
    report["benchmarks"].insert(2, first | {"is_context_prefill_phase": True})
    path = tmp_path / "cached.json"
    path.write_text(json.dumps(report), encoding="utf-8")
    runs = read_runs(path).runs
    assert [(r.context_depth, r.isl, r.decode_kv_tokens, r.decode_tok_s is None) for r in runs[2:4]] == [
        (0, 512, 512, True), (512, 256, 768, False),
    ]  # fmt: skip


def test_servers_are_timed_by_output_token() -> None:
    """Median time per output token is one stream's pace; a run at a request rate has no number of streams."""
    vllm = read_runs(RUNS / "vllm-bench-serve.json").runs[0]
    assert (vllm.model, vllm.engine, vllm.concurrency) == ("Llama-3.1-8B-Instruct", "vllm", 4)
    assert (vllm.isl, vllm.osl, vllm.date) == (256, 32, "2026-11-25")
    assert vllm.decode_tok_s == pytest.approx(1000 / 2.024119, rel=1e-4)
    assert vllm.decode_total_tok_s == pytest.approx(1232.2955)
    assert vllm.ttft_ms == pytest.approx(40.0752)
    sglang = read_runs(RUNS / "sglang-bench-serving.jsonl")
    assert [(r.engine, r.concurrency, r.isl, r.osl) for r in sglang.runs] == [("vllm", 2, 256, 32)]
    assert "request rate" in sglang.remarks[0]


def test_aiperf_in_the_layout_of_each_release(tmp_path: Path) -> None:
    """Streams and model stand in a phase and a list today, elsewhere before; a warm-up phase is not the run."""
    aiperf = read_runs(RUNS / "aiperf.json").runs[0]
    assert (aiperf.model, aiperf.concurrency, aiperf.isl) == ("Llama-3.1-8B-Instruct-Q8_0.gguf", 2, 256)
    assert aiperf.decode_tok_s
    report = json.loads((RUNS / "aiperf.json").read_text())
    older: tuple[dict[str, Any], ...] = (
        {"endpoint": {"model_names": ["gpt-oss-120b"]}, "loadgen": {"concurrency": 3}},
        {"model_names": ["gpt-oss-120b"], "perf_analyzer": {"stimulus": {"concurrency": 3}}},
    )
    for config in older:
        (tmp_path / "older.json").write_text(json.dumps(report | {"input_config": config}))
        run = read_runs(tmp_path / "older.json").runs[0]
        assert (run.model, run.concurrency, run.decode_tok_s) == ("gpt-oss-120b", 3, aiperf.decode_tok_s)


def test_names_map_through_the_data(facts: Facts) -> None:
    """Model and quant from a file's name, engine from the tool, hardware and units from the report."""
    found = adopt(facts, read_runs(RUNS / "llama-bench.json"), Labels("mine", hardware="dgx-spark"))
    assert {(m.model, m.quant, m.engine) for m in found.measurements} == {
        ("llama-3.1-8b-instruct", "q8_0", "llama.cpp")
    }
    assert not found.unmapped
    mapped = adopt(facts, read_runs(RUNS / "llmfit.json"), Labels("mine", speculation="none", quant="mxfp4"))
    assert [(m.model, m.engine, m.hardware) for m in mapped.measurements] == [("gpt-oss-20b", "ollama", "dgx-spark")]
    assert mapped.measurements[0].flags == ("tg-is-tokens-over-total-time",)


def test_what_cannot_be_mapped_is_listed(facts: Facts) -> None:
    """With the name the tool printed and the option that says it; nothing is dropped in silence."""
    found = adopt(facts, read_runs(RUNS / "vllm-bench-serve.json"), Labels("mine"))
    assert not found.measurements
    assert found.unmapped == ("run 1: quant None: state --quant; hardware None: state --hardware",)


def test_a_run_without_a_figure_is_left_out(facts: Facts) -> None:
    """It failed; the tool lists it all the same."""
    read = read_runs(RUNS / "llama-bench.json")
    empty = replace(read, runs=(replace(read.runs[0], prefill_tok_s=None), *read.runs[1:]))
    found = adopt(facts, empty, Labels("mine", hardware="dgx-spark"))
    assert len(found.measurements) == 3
    assert found.remarks[0] == "run 1: holds no figure: left out"


def test_what_physics_forbids_is_kept_and_flagged(facts: Facts) -> None:
    """A random-weight file named like an 8B is far too fast for one."""
    found = adopt(facts, read_runs(RUNS / "llama-bench.json"), Labels("mine", hardware="dgx-spark"))
    assert {m.flags for m in found.measurements} == {("pp-exceeds-compute-peak",), ("tg-exceeds-weight-stream-limit",)}
    assert any("tg-exceeds-weight-stream-limit" in remark for remark in found.remarks)


def test_weights_that_do_not_fit_are_flagged(facts: Facts) -> None:
    """Part of it ran elsewhere, or it was another file: either way it says nothing of this machine."""
    labels = Labels("mine", model="llama-3.3-70b-instruct", quant="q8_0", hardware="rtx-3060")
    found = adopt(facts, read_runs(RUNS / "llama-bench.json"), labels)
    assert all("weights-exceed-memory" in m.flags for m in found.measurements)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (Labels("My Source"), "--source"),
        (Labels("mine", model="gpt-oss-12b"), "--model"),
        (Labels("theirs", evidence="community"), "--url"),
    ],
)
def test_a_bad_label_is_refused(facts: Facts, labels: Labels, said: str) -> None:
    """By the option that says it."""
    with pytest.raises(ImportFileError, match=said):
        adopt(facts, read_runs(RUNS / "llama-bench.json"), labels)


def test_the_command_writes_one_file_that_the_check_accepts(
    data_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows and a source, once: the same file again adds nothing."""
    command = importing(data_copy, "my-box", "none")
    assert main(command) == 0
    path = data_copy / "measurements" / "my-box.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["id"] for row in rows] == [f"my-box-{i:04d}" for i in range(1, 5)]
    assert load_facts(data_copy).sources["my-box"].evidence == "own"
    assert not [f for f in check_folder(data_copy) if f.severity == "error"]
    assert main(command) == 0
    assert "is in my-box already" in capsys.readouterr().out
    assert len(path.read_text(encoding="utf-8").splitlines()) == 5


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"hello", b"\xff\xfe", b"| a |\n|---|\n", b"a,b\n1,2\n"])
def test_files_of_no_known_tool(content: bytes, tmp_path: Path) -> None:
    """Are refused with the tools that are known."""
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    with pytest.raises(ImportFileError):
        read_runs(path)


@pytest.mark.parametrize(("field", "value"), [("avg_ts", "fast"), ("avg_ts", None), ("n_gen", -3), ("n_prompt", 1.5)])
def test_a_field_that_cannot_be_is_named(field: str, value: Any, tmp_path: Path) -> None:
    """With the run it stands in."""
    rows = json.loads((RUNS / "llama-bench.json").read_text(encoding="utf-8"))
    rows[1][field] = value
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(ImportFileError, match=f"run 2: {field}"):
        read_runs(path)


def test_a_date_that_is_none_is_named(tmp_path: Path, facts: Facts) -> None:
    """With the run and the field."""
    rows = json.loads((RUNS / "llama-bench.json").read_text(encoding="utf-8"))
    rows[1]["test_time"] = "202\0-11-25T10:00:00Z"
    (tmp_path / "bench.json").write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(ImportFileError, match=r"run 2: date: .* is not a date"):
        adopt(facts, read_runs(tmp_path / "bench.json"), Labels("mine", hardware="dgx-spark"))


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
@given(place=st.floats(0, 1), damage=st.binary(max_size=8))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_are_read_or_refused(
    file: Path, place: float, damage: bytes, tmp_path: Path, facts: Facts
) -> None:
    """Never anything else."""
    whole = file.read_bytes()
    cut = int(place * len(whole))
    path = tmp_path / file.name
    path.write_bytes(whole[:cut] + damage + whole[cut + len(damage) :])
    with contextlib.suppress(ImportFileError):
        adopt(facts, read_runs(path), Labels("mine", hardware="dgx-spark", quant="q8_0", model="gpt-oss-20b"))
