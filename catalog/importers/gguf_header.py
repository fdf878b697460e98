"""The header of a GGUF file: metadata and tensor shapes, without the tensors.

``gguf.GGUFReader`` maps the whole file and keeps every vocabulary entry; this reader walks the header once with
bounded memory, skips long arrays, and refuses counts that the file cannot hold. Types and sizes are gguf's own.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from gguf.constants import GGML_QUANT_SIZES, GGUF_MAGIC, GGMLQuantizationType, GGUFValueType

from catalog.importers.bounded import MAX_PARAMETERS, ImportFileError, regular_file

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = (2, 3)
MAX_KEYS = 100_000
MAX_TENSORS = 200_000
MAX_STRING = 16 * 2**20
MAX_ARRAY = 10_000_000
MAX_KEPT = 64 * 2**20
"""Bytes of strings that a header may have in all, vocabularies apart."""
MAX_OFFSET = 2**48
KEPT_ARRAY = 4096
"""Longer arrays are vocabularies: walked over, not kept."""
MAX_DIMS = 4
SCALARS = {
    GGUFValueType.UINT8: "<B",
    GGUFValueType.INT8: "<b",
    GGUFValueType.UINT16: "<H",
    GGUFValueType.INT16: "<h",
    GGUFValueType.UINT32: "<I",
    GGUFValueType.INT32: "<i",
    GGUFValueType.FLOAT32: "<f",
    GGUFValueType.BOOL: "<?",
    GGUFValueType.UINT64: "<Q",
    GGUFValueType.INT64: "<q",
    GGUFValueType.FLOAT64: "<d",
}
SMALLEST_KEY = 8 + 1 + 4 + 1
SMALLEST_TENSOR = 8 + 1 + 4 + 8 + 4 + 8


@dataclass(frozen=True)
class TensorInfo:
    """One tensor's name, number of parameters and bytes in the file."""

    name: str
    parameters: int
    bytes: int


@dataclass
class GgufHeader:
    """What a header says. ``metadata`` leaves out arrays longer than KEPT_ARRAY."""

    file: str
    metadata: dict[str, Any] = field(default_factory=dict)
    tensors: list[TensorInfo] = field(default_factory=list)


def read_gguf_header(path: Path) -> GgufHeader:
    """The header of a GGUF file, version 2 or 3, little-endian. Raises ImportFileError for anything else."""
    size = regular_file(path)
    with path.open("rb") as stream:
        source = _Source(stream, size, path.name)
        if source.scalar("<I", "magic") != GGUF_MAGIC:
            raise ImportFileError(path.name, "is no GGUF file: it does not begin with GGUF")
        version = source.scalar("<I", "version")
        if version not in VERSIONS:
            raise ImportFileError(path.name, f"GGUF version {version}: only {VERSIONS} can be read (little-endian)")
        tensors = source.count("tensor count", MAX_TENSORS, SMALLEST_TENSOR)
        keys = source.count("key count", MAX_KEYS, SMALLEST_KEY)
        header = GgufHeader(path.name)
        for _ in range(keys):
            key = source.string("a key")
            if key in header.metadata:
                raise ImportFileError(path.name, f"key {key[:80]!r} stands twice")
            value = source.value(key)
            if value is not None:
                header.metadata[key] = value
        names: set[str] = set()
        for _ in range(tensors):
            tensor = source.tensor()
            if tensor.name in names:
                raise ImportFileError(path.name, f"tensor {tensor.name[:80]!r} stands twice")
            names.add(tensor.name)
            header.tensors.append(tensor)
    return header


class _Source:
    """A stream that never reads past its end, and checks each count against the bytes that are left."""

    def __init__(self, stream: BinaryIO, size: int, file: str) -> None:
        self.stream = stream
        self.left = size
        self.file = file
        self.kept = 0

    def take(self, number: int, what: str) -> bytes:
        data = self.stream.read(number) if number <= self.left else b""
        if len(data) != number:
            raise ImportFileError(self.file, f"ends within {what}: the header is truncated")
        self.left -= number
        return data

    def scalar(self, layout: str, what: str) -> Any:
        return struct.unpack(layout, self.take(struct.calcsize(layout), what))[0]

    def count(self, what: str, most: int, each: int) -> int:
        number: int = self.scalar("<Q", what)
        if number > most or number * each > self.left:
            raise ImportFileError(self.file, f"{what} {number} is more than {most} or than the file can hold")
        return number

    def string(self, what: str) -> str:
        length = self.count(f"length of {what}", MAX_STRING, 1)
        self.kept += length
        if self.kept > MAX_KEPT:
            raise ImportFileError(self.file, f"its strings take more than {MAX_KEPT} bytes: this is no model's header")
        return self.take(length, what).decode("utf-8", errors="replace")

    def skip_string(self, what: str) -> None:
        self.take(self.count(f"length of {what}", MAX_STRING, 1), what)

    def value(self, key: str) -> Any:
        """The value of a key; None for an array too long to keep."""
        kind = self._type(key)
        if kind == GGUFValueType.STRING:
            return self.string(key)
        if kind != GGUFValueType.ARRAY:
            return self.scalar(SCALARS[kind], key)
        inner = self._type(key)
        if inner == GGUFValueType.ARRAY:
            raise ImportFileError(self.file, f"{key}: arrays of arrays are not read")
        if inner == GGUFValueType.STRING:
            number = self.count(f"length of {key}", MAX_ARRAY, 8)
            for _ in range(number):
                self.skip_string(key)
            return None
        width = struct.calcsize(SCALARS[inner])
        number = self.count(f"length of {key}", MAX_ARRAY, width)
        if number > KEPT_ARRAY:
            self.stream.seek(number * width, 1)
            self.left -= number * width
            return None
        return [self.scalar(SCALARS[inner], key) for _ in range(number)]

    def tensor(self) -> TensorInfo:
        name = self.string("a tensor's name")
        dims = self.scalar("<I", name)
        if not 1 <= dims <= MAX_DIMS:
            raise ImportFileError(self.file, f"tensor {name[:80]!r} has {dims} dimensions")
        shape = [self.scalar("<Q", name) for _ in range(dims)]
        number = self.scalar("<I", name)
        if self.scalar("<Q", name) > MAX_OFFSET:
            raise ImportFileError(self.file, f"tensor {name[:80]!r} lies beyond any file")
        try:
            kind = GGMLQuantizationType(number)
        except ValueError as error:
            raise ImportFileError(self.file, f"tensor {name[:80]!r} has type {number}, unknown to gguf") from error
        parameters = math.prod(shape)
        block, width = GGML_QUANT_SIZES[kind]
        if parameters > MAX_PARAMETERS or shape[0] % block:
            raise ImportFileError(self.file, f"tensor {name[:80]!r} has an impossible shape for {kind.name}")
        return TensorInfo(name, parameters, parameters // block * width)

    def _type(self, key: str) -> GGUFValueType:
        number = self.scalar("<I", key)
        try:
            return GGUFValueType(number)
        except ValueError as error:
            raise ImportFileError(self.file, f"{key[:80]}: value type {number} is unknown") from error
