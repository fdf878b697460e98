"""What this box has: its accelerators and memory, asked of the tools it ships with, each within a few seconds.

A tool that is missing, slow or silent is named, not an error. Nothing here needs more than the standard library.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelpicker.bandwidth import NoDeviceError, device_read_gb_s, processor_copy_gb_s

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PROBE_SECONDS = 5.0
GIB = 2**30
PCI_VENDORS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}
UNIFIED = ("gb10", "thor", "orin", "strix", "8060s", "apple")
"""Parts of names whose processor and graphics share one memory."""
NVIDIA_SMI = ("nvidia-smi", "--query-gpu=name,memory.total,compute_cap,driver_version", "--format=csv,noheader,nounits")
ROCM_SMI = ("rocm-smi", "--showproductname", "--showmeminfo", "vram", "--json")
SYSCTL = ("sysctl", "-n", "machdep.cpu.brand_string", "hw.memsize")


@dataclass(frozen=True)
class Device:
    """One kind of accelerator (or the processor, where there is none) and how many of it."""

    name: str
    vendor: str
    count: int
    memory_bytes: int | None
    unified: bool
    compute_capability: str | None = None
    driver: str | None = None


@dataclass(frozen=True)
class Box:
    """What was found, and one line for each tool that had nothing to say."""

    devices: tuple[Device, ...]
    silent: tuple[str, ...] = ()
    memory_bytes: int | None = None


@dataclass
class _Probes:
    """Runs the tools and remembers which were silent."""

    silent: list[str] = field(default_factory=list)

    def run(self, command: Sequence[str]) -> str | None:
        """A tool's output; None, with a remark, where it is missing, fails or takes too long."""
        if shutil.which(command[0]) is None:
            self.silent.append(f"{command[0]} is not installed")
            return None
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=True)  # noqa: S603
        except subprocess.TimeoutExpired:
            self.silent.append(f"{command[0]} did not answer within {PROBE_SECONDS:g} s")
        except (subprocess.CalledProcessError, OSError) as error:
            self.silent.append(f"{command[0]} failed: {str(error)[:120]}")
        else:
            return done.stdout
        return None


def detect(root: Path = Path("/")) -> Box:
    """The box's devices, the best informed tool first; ``root`` is where /proc and /sys are read."""
    probes, memory = _Probes(), system_memory(root)
    if platform.system() == "Darwin":
        devices = apple(probes.run(SYSCTL))
    else:
        devices = nvidia(probes.run(NVIDIA_SMI), memory) + amd(probes.run(ROCM_SMI), memory)
        if not devices:
            devices = listed_by_kernel(root, memory)
    return Box(devices or (processor(root, memory),), tuple(probes.silent), memory)


def nvidia(told: str | None, memory: int | None) -> tuple[Device, ...]:
    """nvidia-smi's lines; a unified device states no memory of its own and has the system's."""
    found: list[Device] = []
    for line in (told or "").splitlines():
        name, size, capability, driver = (part.strip() for part in f"{line},,,".split(",")[:4])
        if not name:
            continue
        own = int(float(size) * 2**20) if re.fullmatch(r"[\d.]+", size) else None
        unified = own is None or _unified(name)
        shared = memory if own is None else own
        found.append(Device(name, "nvidia", 1, shared, unified, capability or None, driver or None))
    return _counted(found)


def amd(told: str | None, memory: int | None) -> tuple[Device, ...]:
    """rocm-smi's cards."""
    try:
        cards = json.loads(told or "{}")
    except ValueError:
        return ()
    found = []
    for card in cards.values() if isinstance(cards, dict) else ():
        name = next(
            (str(card[key]) for key in ("Card Series", "Card series", "Card Model", "Card model") if card.get(key)), ""
        )
        size = next((int(card[key]) for key in card if "VRAM Total Memory" in key and str(card[key]).isdigit()), None)
        if name:
            found.append(Device(name, "amd", 1, memory if _unified(name) else size, _unified(name)))
    return _counted(found)


def apple(told: str | None) -> tuple[Device, ...]:
    """Sysctl's two lines: the chip's name and its memory."""
    lines = (told or "").split("\n")
    if len(lines) < 2 or not lines[1].strip().isdigit():
        return ()
    return (Device(lines[0].strip(), "apple", 1, int(lines[1]), unified=True),)


def listed_by_kernel(root: Path, memory: int | None) -> tuple[Device, ...]:
    """Display devices that Linux lists, by vendor: what is left where no vendor's tool is installed."""
    found = []
    for path in sorted((root / "sys/class/drm").glob("card[0-9]*/device/vendor")):
        vendor = PCI_VENDORS.get(_read(path).strip())
        if vendor:
            size = _read(path.with_name("mem_info_vram_total")).strip()
            name = (
                _read(path.with_name("product_name")).strip()
                or f"{vendor} device {_read(path.with_name('device')).strip()}"
            )
            found.append(Device(name, vendor, 1, int(size) if size.isdigit() else memory, _unified(name)))
    return _counted(found)


def processor(root: Path, memory: int | None) -> Device:
    """The processor, for a box without an accelerator."""
    text = _read(root / "proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return Device(
        found[1].strip() if found else platform.processor() or platform.machine(), "cpu", 1, memory, unified=True
    )


def system_memory(root: Path) -> int | None:
    """Bytes of memory that Linux counts."""
    found = re.search(r"^MemTotal:\s+(\d+) kB", _read(root / "proc/meminfo"), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _unified(name: str) -> bool:
    return any(part in name.casefold() for part in UNIFIED)


def _counted(devices: Iterable[Device]) -> tuple[Device, ...]:
    """Equal devices once, with their number."""
    kinds: dict[Device, int] = {}
    for device in devices:
        kinds[device] = kinds.get(device, 0) + 1
    return tuple(replace(device, count=count) for device, count in kinds.items())


def entry(device: Device, catalog: Iterable[dict[str, Any]]) -> str | None:
    """Id of the catalog's machine that a device is: by its name or an alias, vendor words aside; None if none fits alone."""
    mine = _plain(device.name)
    named = [
        record
        for record in catalog
        if mine in {_plain(name) for name in (record["id"], record["name"], *record.get("aliases", ()))}
    ]
    if len(named) > 1 and device.memory_bytes:
        named = [
            r
            for r in named
            if r.get("memory_gb") and abs(r["memory_gb"] * GIB - device.memory_bytes) < 0.15 * device.memory_bytes
        ]
    return str(named[0]["id"]) if len(named) == 1 else None


def _plain(name: str) -> str:
    words = re.sub(r"\b(nvidia|amd|intel|apple|geforce|radeon|graphics)\b|\((r|tm)\)", " ", name.casefold())
    return " ".join(re.sub(r"[^a-z0-9]+", " ", words).split())


def proposal(device: Device) -> str:
    """A new file for models_data/hardware/, with what is known and what is still to be found out."""
    slug = _plain(device.name).replace(" ", "-") or "unnamed"
    lines = [
        f"# models_data/hardware/{slug}.toml: fill in what is empty, with its source",
        f"name = {json.dumps(device.name)}",
        f'vendor = "{device.vendor}"',
        f"memory_gb = {device.memory_bytes / GIB:.1f}" if device.memory_bytes else "# memory_gb = ?",
        f"unified = {'true' if device.unified else 'false'}",
        "# bandwidth_gb_s = ?  (memory bandwidth of the data sheet, GB/s)",
        f'compute_capability = "{device.compute_capability}"'
        if device.compute_capability
        else "# compute_capability = ?",
        f"aliases = [{json.dumps(device.name)}]",
        'sources = ["?"]',
        "",
        "[peak_dense_tflops]",
        "# bf16 = ?  (dense, never with sparsity)",
    ]
    return "\n".join(lines)


def report(box: Box, catalog: Sequence[dict[str, Any]]) -> tuple[str, bool]:
    """What was found in words, and whether the catalog knows all of it."""
    lines, known = [], True
    for device in box.devices:
        size = (
            f", {device.memory_bytes / 1e9:.0f} GB{' shared with the processor' if device.unified else ''}"
            if device.memory_bytes
            else ""
        )
        found = entry(device, catalog)
        lines.append(f"{device.count} x {device.name}{size}: {found or 'not in the catalog'}")
        if found is None:
            known = False
            lines += ["", proposal(device)]
    return "\n".join([*lines, *(f"({line})" for line in box.silent)]), known


def bandwidth(box: Box, catalog: Sequence[dict[str, Any]]) -> str:
    """Seconds of reading: of the first accelerator where CUDA drives it, else of the processor's copies, and out of what."""
    try:
        rate, what = device_read_gb_s(), f"{box.devices[0].name} reads"
    except NoDeviceError as error:
        return f"all processor cores copy {processor_copy_gb_s():.0f} GB/s, read and written ({error})"
    found = entry(box.devices[0], catalog)
    nominal = next((r.get("bandwidth_gb_s") for r in catalog if r["id"] == found), None)
    return f"{what} {rate:.0f} GB/s" + (f", {rate / nominal:.0%} of its nominal {nominal:.0f}" if nominal else "")
