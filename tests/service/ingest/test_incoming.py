"""Measurements come in: keys, reports, repetition, and what the next calibration makes of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from litestar.testing import TestClient

from catalog.ledger import FileLedger, with_ledger
from service.__main__ import main
from service.app import create_app
from service.keys import Keys, make
from service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.facts import Facts

ROW = {
    "model": "qwen3-14b", "quant": "q8_0", "engine": "llama.cpp", "hardware": "dgx-spark", "speculation": "none",
    "concurrency": 1, "isl": 512, "osl": 128, "context_depth": 0, "decode_kv_tokens": 512, "decode_tok_s": 14.2,
    "tool": "llama-bench", "date": "2026-11-25",
}  # fmt: skip


@pytest.fixture
def open_service(catalog_file: Path, tmp_path: Path) -> Iterator[tuple[TestClient[Any], str, Path]]:
    """A service with a ledger, a key that may write, and the ledger's place."""
    key, line = make("box")
    keys, ledger = tmp_path / "keys", tmp_path / "ledger.jsonl"
    keys.write_text(f"{line}\n")
    settings = Settings(catalog=catalog_file, reload_seconds=0, ledger=ledger, keys=keys, recalibrate_seconds=0)
    with TestClient(create_app(settings)) as client:
        yield client, key, ledger


def send(client: TestClient[Any], key: str | None, rows: Any, idempotency: str | None = "batch-0001") -> Any:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    headers |= {"Idempotency-Key": idempotency} if idempotency else {}
    return client.post("/measurements", json={"measurements": rows}, headers=headers)


def test_rows_are_judged_one_by_one(open_service: tuple[TestClient[Any], str, Path]) -> None:
    """A bad row is reported in its place with field and reason; the good ones are kept, impossible ones flagged."""
    client, key, path = open_service
    rows = [
        ROW,
        ROW | {"model": "qwen3-41b"},
        ROW | {"decode_tok_s": 1400.0},
        ROW | {"decode_tok_s": -1},
        ROW | {"colour": "red"},
        ROW | {"speculation": "mpt-3"},
        {name: value for name, value in ROW.items() if name != "decode_tok_s"},
        ROW,
        "row",
    ]
    answer = send(client, key, rows)
    assert answer.status_code == 201
    report = answer.json()
    said = [row["status"] for row in report["rows"]]
    assert said == [
        "accepted",
        "rejected",
        "accepted",
        "rejected",
        "rejected",
        "rejected",
        "rejected",
        "duplicate",
        "rejected",
    ]
    assert report["rows"][2]["flags"] == ["tg-exceeds-weight-stream-limit"]
    named = [row["errors"][0]["name"] for row in report["rows"] if row["status"] == "rejected"]
    assert named == ["model", "decode_tok_s", "colour", "speculation", "measurements", "row"]
    assert (report["accepted"], report["rejected"]) == (2, 6)
    assert set(FileLedger(path).rows()) == {report["rows"][0]["id"], report["rows"][2]["id"]}


def test_a_batch_sent_twice_is_kept_once(open_service: tuple[TestClient[Any], str, Path]) -> None:
    """The same key answers the same report; with another body it is a conflict; the same row in a new batch is a duplicate."""
    client, key, path = open_service
    first = send(client, key, [ROW])
    assert send(client, key, [ROW]).json() == first.json()
    assert send(client, key, [ROW | {"decode_tok_s": 14.3}]).status_code == 409
    assert send(client, key, [ROW], "batch-0002").json()["rows"][0]["status"] == "duplicate"
    assert len(FileLedger(path).rows()) == 1


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"key": None}, 401), ({"key": "mp_wrong"}, 401), ({"idempotency": None}, 400), ({"idempotency": "short"}, 400),
        ({"rows": []}, 400), ({"rows": [ROW] * 1001}, 400), ({"rows": {"a": 1}}, 400),
    ],
)  # fmt: skip
def test_what_is_refused_whole(
    open_service: tuple[TestClient[Any], str, Path], change: dict[str, Any], status: int
) -> None:
    """Without a key, without an idempotency key, with too few or too many rows: nothing is kept."""
    client, key, path = open_service
    given = {"key": key, "rows": [ROW], "idempotency": "batch-0001"} | change
    answer = send(client, given["key"], given["rows"], given["idempotency"])
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert not path.exists()


def test_no_ledger_takes_nothing(client: TestClient[Any]) -> None:
    """And says which setting is missing."""
    answer = send(client, "any", [ROW])
    assert answer.status_code == 403
    assert "MODELPICKER_LEDGER" in answer.json()["detail"]


def test_keys_are_hashed_scoped_and_rotate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file holds no key; a line taken out closes it at once; a key without the scope may not write."""
    assert main(["--new-key", "box"]) == 0
    shown, line = (text.partition(": ")[2] for text in capsys.readouterr().out.splitlines())
    path = tmp_path / "keys"
    path.write_text(f"{line}\n")
    keys = Keys(path)
    assert shown not in line
    found = keys.find(f"Bearer {shown}")
    assert found is not None
    assert found.name == "box"
    assert keys.find(f"Basic {shown}") is None
    path.write_text(line.replace("measurements:write", "read") + "\n")
    limited = keys.find(f"bearer {shown}")
    assert limited is not None
    assert not limited.scopes & {"measurements:write"}
    path.write_text("")
    assert keys.find(f"Bearer {shown}") is None
    assert main(["--new-key", "No Name"]) == 2


def test_a_full_disk_and_a_read_only_one_lose_nothing(
    open_service: tuple[TestClient[Any], str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """507 and 503 that say so; what was acknowledged before stays, and the next batch goes in."""
    client, key, path = open_service
    send(client, key, [ROW])
    whole = path.read_bytes()
    write = os.pwrite

    def broken(error: int) -> Any:
        def half(file: int, data: bytes, at: int) -> int:
            if at >= len(whole):
                write(file, bytes(data[: len(data) // 2]), at)
                raise OSError(error, os.strerror(error))
            return write(file, data, at)

        return half

    for error, status in ((28, 507), (30, 503)):
        monkeypatch.setattr(os, "pwrite", broken(error))
        answer = send(client, key, [ROW | {"decode_tok_s": 14.4}], f"batch-{error}00")
        assert answer.status_code == status
        assert answer.headers["retry-after"]
        assert path.read_bytes() == whole
    monkeypatch.setattr(os, "pwrite", write)
    assert send(client, key, [ROW | {"decode_tok_s": 14.4}], "batch-2800").status_code == 201
    assert len(FileLedger(path).rows()) == 2


def test_kept_rows_become_facts(open_service: tuple[TestClient[Any], str, Path], facts: Facts) -> None:
    """As own evidence of their sender, for the next build."""
    client, key, path = open_service
    send(client, key, [ROW])
    grown = with_ledger(facts, path)
    (row,) = grown.measurements[len(facts.measurements) :]
    assert (row.source, row.evidence, row.decode_tok_s) == ("sent-box", "own", 14.2)
    assert "sent-box" in grown.sources
