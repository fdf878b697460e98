"""Acknowledged means on the disk: kills in the middle of writes lose nothing and keep nothing twice."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.facts import Measurement
from catalog.ledger import FileLedger

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS, WRITERS = 50, 4


def row(number: int) -> Measurement:
    fields: dict[str, Any] = {
        "id": f"sent-{number}",
        "source": "sent-test",
        "model": "gpt-oss-20b",
        "quant": "mxfp4",
        "engine": "vllm",
    }
    fields |= {
        "hardware": "dgx-spark",
        "spec_basis": "stated",
        "evidence": "own",
        "url": "models_data/measurements/sent",
    }
    return Measurement.model_validate(fields | {"decode_tok_s": 50.0 + number % 7, "note": "x" * (number % 3000)})


def write(path: Path, acknowledged: Path, first: int) -> None:
    """Append batches for ever; after each, note that it was acknowledged, as a client would."""
    ledger, number = FileLedger(path), first
    with acknowledged.open("a") as notes:
        while True:
            rows = [row(number + i) for i in range(1 + number % 5)]
            ledger.append(f"key-{number}", rows, {"accepted": len(rows)})
            notes.write(f"{json.dumps([r.id for r in rows])}\n")
            notes.flush()
            os.fsync(notes.fileno())
            number += len(rows)


def test_fifty_rounds_of_kills(tmp_path: Path) -> None:
    """After each, every acknowledged row is there once, and the file opens and takes the next batch."""
    path, chance = tmp_path / "ledger.jsonl", random.Random(0)
    context = multiprocessing.get_context("fork")
    for turn in range(ROUNDS):
        notes = [tmp_path / f"notes-{turn}-{i}" for i in range(WRITERS)]
        writers = [
            context.Process(target=write, args=(path, notes[i], (turn * WRITERS + i) * 1_000_000))
            for i in range(WRITERS)
        ]
        for writer in writers:
            writer.start()
        time.sleep(chance.uniform(0.02, 0.12))
        for writer in writers:
            assert writer.pid is not None
            os.kill(writer.pid, signal.SIGKILL)
        for writer in writers:
            writer.join()
        kept = FileLedger(path).rows() if path.exists() else {}
        acknowledged = [
            name
            for note in notes
            if note.exists()
            for line in note.read_text().splitlines()
            if line.endswith("]")
            for name in json.loads(line)
        ]
        assert set(acknowledged) <= set(kept)
        lines = (
            [json.loads(line.partition(b" ")[2]) for line in path.read_bytes().split(b"\n")[:-1]]
            if path.exists()
            else []
        )
        names = [r["id"] for line in lines for r in line["rows"]]
        assert len(names) == len(set(names))
    assert len(FileLedger(path).rows()) > ROUNDS


@given(cut=st.floats(0, 1))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_torn_end_is_cut_off(cut: float, tmp_path: Path) -> None:
    """Wherever a write stopped: whole lines stay, the next batch follows them."""
    path = tmp_path / "ledger.jsonl"
    path.unlink(missing_ok=True)
    for number in range(3):
        FileLedger(path).append(f"key-{number}", [row(number)], {"accepted": 1})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(cut * len(whole))])
    left = path.read_bytes().count(b"\n")
    ledger = FileLedger(path)
    assert len(ledger.rows()) == left
    ledger.append("key-next", [row(99)], {"accepted": 1})
    assert len(FileLedger(path).rows()) == left + 1
