"""How fast memory is read: a short test of the first CUDA device, or of the processor where there is none.

Decode streams weights and cache, so reading is what counts: the CUDA test runs a kernel that loads and adds every word
and stores nothing. It needs the driver alone (libcuda), in a process of its own, so that a driver which hangs or dies
takes nothing along.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import threading
import time

COPY_BYTES = 256 * 2**20
MOST_THREADS = 16
SECONDS = 2.0
LIMIT_SECONDS = 30.0
READ_BYTES = 2**30
BLOCKS, THREADS = 4096, 256
DRIVERS = ("libcuda.so.1", "libcuda.so", "nvcuda.dll")
READING = """
.version 6.4
.target sm_50
.address_size 64
.visible .entry reading(.param .u64 data, .param .u64 vectors, .param .u64 sink)
{
    .reg .pred %p<3>; .reg .f32 %f<9>; .reg .u32 %r<6>; .reg .u64 %d<9>;
    ld.param.u64 %d1, [data];
    ld.param.u64 %d2, [vectors];
    ld.param.u64 %d3, [sink];
    mov.u32 %r1, %ctaid.x;
    mov.u32 %r2, %ntid.x;
    mov.u32 %r3, %tid.x;
    mov.u32 %r4, %nctaid.x;
    mad.lo.u32 %r5, %r1, %r2, %r3;
    cvt.u64.u32 %d4, %r5;
    mul.lo.u32 %r5, %r4, %r2;
    cvt.u64.u32 %d5, %r5;
    mov.f32 %f0, 0f00000000;
NEXT:
    setp.ge.u64 %p1, %d4, %d2;
    @%p1 bra DONE;
    shl.b64 %d6, %d4, 4;
    add.u64 %d6, %d1, %d6;
    ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%d6];
    add.f32 %f5, %f1, %f2;
    add.f32 %f6, %f3, %f4;
    add.f32 %f5, %f5, %f6;
    add.f32 %f0, %f0, %f5;
    add.u64 %d4, %d4, %d5;
    bra NEXT;
DONE:
    setp.eq.f32 %p2, %f0, 0f3F800000;
    @%p2 st.global.f32 [%d3], %f0;
    ret;
}
"""
"""Every thread adds 16-byte vectors, one grid apart; zeros never sum to one, so nothing is stored."""


class NoDeviceError(RuntimeError):
    """Why no CUDA device was measured."""


def device_read_gb_s(device: int = 0) -> float:
    """GB/s that a kernel reads from a CUDA device's memory, within half a minute. Raises NoDeviceError with the reason."""
    command = [sys.executable, "-m", "modelpicker.bandwidth", str(device)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)  # noqa: S603
        told = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise NoDeviceError(f"the CUDA driver did not answer within {LIMIT_SECONDS:g} s") from error
    except ValueError as error:
        raise NoDeviceError(f"the CUDA driver ended the test with status {done.returncode}") from error
    if "read_gb_s" not in told:
        raise NoDeviceError(str(told["reason"]))
    return float(told["read_gb_s"])


def processor_copy_gb_s(seconds: float = SECONDS, threads: int | None = None) -> float:
    """GB/s that all processor cores together read and write while copying."""
    count = min(threads or os.cpu_count() or 1, MOST_THREADS)
    size = COPY_BYTES // count
    copied = [0] * count

    def copy(i: int) -> None:
        source, target = ctypes.create_string_buffer(size), ctypes.create_string_buffer(size)
        ctypes.memset(source, 1, size)
        ctypes.memset(target, 2, size)
        begun.wait()
        stop = time.monotonic() + seconds
        while time.monotonic() < stop:
            ctypes.memmove(target, source, size)
            copied[i] += size

    begun = threading.Barrier(count + 1)
    workers = [threading.Thread(target=copy, args=(i,)) for i in range(count)]
    for worker in workers:
        worker.start()
    begun.wait()
    started = time.monotonic()
    for worker in workers:
        worker.join()
    return 2.0 * sum(copied) / (time.monotonic() - started) / 1e9


def _read_gb_s(device: int, seconds: float = SECONDS) -> float:
    """The test itself, through the driver's C interface: a quarter of the free memory, at most 1 GiB, read again and again."""
    cuda = _driver()
    cuda("cuInit", ctypes.c_uint(0))
    handle, context = ctypes.c_int(), ctypes.c_void_p()
    cuda("cuDeviceGet", ctypes.byref(handle), ctypes.c_int(device))
    cuda("cuDevicePrimaryCtxRetain", ctypes.byref(context), handle)
    cuda("cuCtxSetCurrent", context)
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    cuda("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
    size = min(READ_BYTES, free.value // 4) // 16 * 16
    data, sink, module, kernel = ctypes.c_uint64(), ctypes.c_uint64(), ctypes.c_void_p(), ctypes.c_void_p()
    cuda("cuMemAlloc_v2", ctypes.byref(data), ctypes.c_size_t(size))
    cuda("cuMemAlloc_v2", ctypes.byref(sink), ctypes.c_size_t(16))
    cuda("cuMemsetD32_v2", data, ctypes.c_uint(0), ctypes.c_size_t(size // 4))
    cuda("cuModuleLoadData", ctypes.byref(module), ctypes.c_char_p(READING.encode()))
    cuda("cuModuleGetFunction", ctypes.byref(kernel), module, ctypes.c_char_p(b"reading"))
    values = (data, ctypes.c_uint64(size // 16), sink)
    parameters = (ctypes.c_void_p * 3)(*(ctypes.cast(ctypes.byref(v), ctypes.c_void_p) for v in values))

    def read() -> None:
        grid = [ctypes.c_uint(n) for n in (BLOCKS, 1, 1, THREADS, 1, 1, 0)]
        cuda("cuLaunchKernel", kernel, *grid, None, parameters, None)

    def batch(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            read()
        cuda("cuCtxSynchronize")
        return time.perf_counter() - started

    batch(3)
    times = max(int(seconds / 4 / max(batch(3) / 3, 1e-6)), 1)
    return max(size * times / batch(times) for _ in range(4)) / 1e9


class _driver:  # noqa: N801  (called like the functions it stands for)
    """The CUDA driver's functions by name; each call is checked."""

    def __init__(self) -> None:
        for name in DRIVERS:
            try:
                self._library = ctypes.CDLL(name)
            except OSError:
                continue
            return
        raise NoDeviceError("no CUDA driver is installed")

    def __call__(self, name: str, *arguments: object) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise NoDeviceError(f"{name} failed with CUDA error {status}")


def main() -> None:
    """Print what was measured, or why nothing was, as JSON."""
    try:
        {"read_gb_s": _read_gb_s(int(sys.argv[1]) if len(sys.argv) > 1 else 0)}
    except NoDeviceError as error:
        {"reason": str(error)}


if __name__ == "__main__":
    main()
