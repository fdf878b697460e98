"""Hardware detection: what each tool prints, what is missing, and which of the catalog's machines it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from modelpicker import bandwidth, detect
from modelpicker.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from catalog.facts import Facts

GIB = 2**30


@pytest.fixture
def listed(facts: Facts) -> list[dict[str, Any]]:
    """The catalog's machines as the service lists them."""
    return [h.model_dump(mode="json") for h in facts.hardware.values()]


def test_gb10_states_no_memory_of_its_own(listed: list[dict[str, Any]]) -> None:
    """One memory for processor and graphics: the system's."""
    (device,) = detect.nvidia("NVIDIA GB10, [N/A], 12.1, 580.95.05\n", 128 * 10**9)
    assert (device.unified, device.memory_bytes, device.compute_capability) == (True, 128 * 10**9, "12.1")
    assert detect.entry(device, listed) == "dgx-spark"


def test_two_equal_cards_are_two_of_one(listed: list[dict[str, Any]]) -> None:
    """With the memory of each."""
    line = "NVIDIA GeForce RTX 4090, 24564, 8.9, 570.0\n"
    (device,) = detect.nvidia(line * 2, None)
    assert (device.count, device.memory_bytes, device.unified) == (2, 24564 * 2**20, False)
    assert detect.entry(device, listed) == "rtx-4090"


def test_other_vendors(listed: list[dict[str, Any]]) -> None:
    """rocm-smi, sysctl, and Linux's own list where no tool is installed."""
    told = {"card0": {"Card Series": "Radeon RX 7900 XTX", "VRAM Total Memory (B)": str(24 * GIB)}}
    (card,) = detect.amd(json.dumps(told), None)
    assert (card.vendor, card.memory_bytes, detect.entry(card, listed)) == ("amd", 24 * GIB, "rx-7900-xtx")
    (chip,) = detect.apple("Apple M3 Ultra\n274877906944\n")
    assert (chip.unified, chip.memory_bytes, detect.entry(chip, listed)) == (True, 256 * GIB, "apple-m3-ultra")


def test_a_real_card_is_found(listed: list[dict[str, Any]]) -> None:
    """An H100's line as its nvidia-smi printed it."""
    (card,) = detect.nvidia("NVIDIA H100 80GB HBM3, 81559, 9.0, 580.159.04\n", 135148564480)
    assert (card.memory_bytes, card.unified, detect.entry(card, listed)) == (81559 * 2**20, False, "h100-sxm-80")


def test_linux_lists_what_no_tool_names(tmp_path: Path) -> None:
    """By vendor and device number."""
    card = tmp_path / "sys/class/drm/card0/device"
    card.mkdir(parents=True)
    (card / "vendor").write_text("0x1002\n")
    (card / "device").write_text("0x1586\n")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal:       131072000 kB\n")
    (device,) = detect.listed_by_kernel(tmp_path, detect.system_memory(tmp_path))
    assert (device.vendor, device.name, device.memory_bytes) == ("amd", "amd device 0x1586", 131072000 * 1024)


@pytest.mark.parametrize("told", ["", "garbage", "{", "[]", '{"card0": {}}', "\n\n", "a,b"])
def test_a_tool_may_say_anything(told: str) -> None:
    """Nothing of it is an error."""
    detect.nvidia(told, None)
    detect.amd(told, None)
    detect.apple(told)


def tool(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_slow_and_failing_tools_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each probe has a time limit; the rest goes on."""
    tool(tmp_path / "bin", "nvidia-smi", "exec sleep 30")
    tool(tmp_path / "bin", "rocm-smi", "exit 3")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/bin")
    monkeypatch.setattr(detect, "PROBE_SECONDS", 0.2)
    box = detect.detect(tmp_path)
    assert [line.partition(" ")[0] for line in box.silent] == ["nvidia-smi", "rocm-smi"]
    assert "within 0.2 s" in box.silent[0]
    assert box.devices


def test_the_command_names_the_machine(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 0 and the id; an unknown machine is 1 with a file to fill in."""
    tool(tmp_path / "bin", "nvidia-smi", "echo 'NVIDIA GB10, [N/A], 12.1, 580.95.05'")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/bin")
    assert main(["--url", url, "hardware", "detect"]) == 0
    assert "NVIDIA GB10" in (out := capsys.readouterr().out)
    assert "dgx-spark" in out
    tool(tmp_path / "bin", "nvidia-smi", "echo 'NVIDIA RTX 9999 Imaginary, 65536, 13.0, 600.0'")
    assert main(["--url", url, "hardware", "detect"]) == 1
    assert 'name = "NVIDIA RTX 9999 Imaginary"' in capsys.readouterr().out


def test_copying_takes_the_time_it_is_given() -> None:
    """And counts what was read and written."""
    assert bandwidth.processor_copy_gb_s(seconds=0.2, threads=2) > 0.5


def test_a_measured_device_is_set_against_its_nominal_bandwidth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a driver, the processor's copies are measured, and the reason is said."""
    box = detect.Box(detect.nvidia("NVIDIA GB10, [N/A], 12.1, 580.95.05", 128 * GIB))
    listed = [{"id": "dgx-spark", "name": "DGX Spark", "aliases": ["NVIDIA GB10"], "bandwidth_gb_s": 273.0}]
    monkeypatch.setattr(detect, "device_read_gb_s", lambda: 232.0)
    assert detect.bandwidth(box, listed) == "NVIDIA GB10 reads 232 GB/s, 85% of its nominal 273"
    assert detect.bandwidth(box, []) == "NVIDIA GB10 reads 232 GB/s"

    def none() -> float:
        raise bandwidth.NoDeviceError("no CUDA driver is installed")

    monkeypatch.setattr(detect, "device_read_gb_s", none)
    monkeypatch.setattr(detect, "processor_copy_gb_s", lambda: 20.0)
    assert detect.bandwidth(box, listed) == (
        "all processor cores copy 20 GB/s, read and written (no CUDA driver is installed)"
    )


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import time; time.sleep(30)", "within 1 s"),
        ("import os; os.abort()", "ended the test with status"),
        ('print(\'{"reason": "cuInit failed with CUDA error 100"}\')', "cuInit failed"),
    ],
)
def test_a_driver_that_hangs_or_dies_is_said(program: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs in a process of its own, with a time limit."""
    started = subprocess.run
    monkeypatch.setattr(bandwidth, "LIMIT_SECONDS", 1.0)
    monkeypatch.setattr(subprocess, "run", lambda _, **options: started([sys.executable, "-c", program], **options))
    with pytest.raises(bandwidth.NoDeviceError, match=reason):
        bandwidth.device_read_gb_s()
