"""A safetensors checkpoint: bytes by tensor class from the headers of its files, which hold no weights."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from catalog.importers.bounded import (
    MAX_JSON_BYTES,
    MAX_PARAMETERS,
    Fields,
    ImportFileError,
    parse_json,
    read_json,
    regular_file,
)
from catalog.importers.tensors import hf_class, layer_index

if TYPE_CHECKING:
    from pathlib import Path

    from catalog.facts import TensorClass

MAX_HEADER = MAX_JSON_BYTES
"""The format's own limit."""
MAX_SHARDS = 2000
LENGTH_BYTES = 8
FLOAT_BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16}


class Checkpoint(NamedTuple):
    """What the headers say: bytes by class, and parameters by class unless some tensors are packed."""

    bytes: dict[TensorClass, int]
    parameters: dict[TensorClass, int] | None


def read_checkpoint(path: Path, layers: int) -> Checkpoint | None:
    """The tensors of a .safetensors file, or of all shards an index names; None when the shards are not here.

    Tensors of layers beyond ``layers`` (multi-token prediction) are left out. Raises ImportFileError.
    """
    shards = _shards(path) if path.suffix == ".json" else [path]
    if not all(shard.exists() for shard in shards):
        return None
    stored: Counter[TensorClass] = Counter()
    parameters: Counter[TensorClass] = Counter()
    packed = False
    for shard in shards:
        for name, size, dtype in _tensors(shard):
            if (layer_index(name) or 0) >= layers or name.startswith("mtp."):
                continue
            tensor = hf_class(name)
            stored[tensor] += size
            parameters[tensor] += size * 8 // FLOAT_BITS.get(dtype, 8)
            packed = packed or dtype not in FLOAT_BITS
    return Checkpoint(dict(stored), None if packed else dict(parameters))


def total_size(path: Path) -> int | None:
    """The bytes an index says its shards hold together."""
    metadata = Fields(read_json(path), path.name).inner("metadata")
    return metadata.count_or(None, "total_size", high=MAX_PARAMETERS) if metadata else None


def _shards(index: Path) -> list[Path]:
    weights = Fields(read_json(index), index.name).inner("weight_map")
    if not weights or not weights.values:
        raise ImportFileError(index.name, "weight_map: missing, so this is no safetensors index")
    names = set()
    for name in weights.values.values():
        if not isinstance(name, str) or "/" in name or "\\" in name or not name.endswith(".safetensors"):
            raise ImportFileError(index.name, f"weight_map: {str(name)[:80]!r} is no file beside the index")
        names.add(name)
    if len(names) > MAX_SHARDS:
        raise ImportFileError(index.name, f"weight_map: names {len(names)} files, more than {MAX_SHARDS}")
    return [index.with_name(name) for name in sorted(names)]


def _tensors(path: Path) -> list[tuple[str, int, str]]:
    """Name, bytes and dtype of every tensor in one file."""
    size = regular_file(path)
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
        if not 0 < length <= min(MAX_HEADER, size - LENGTH_BYTES):
            raise ImportFileError(path.name, f"header of {length} bytes in a file of {size}: broken or truncated")
        header = parse_json(stream.read(length), path.name)
    return [_tensor(name, entry, path.name) for name, entry in header.items() if name != "__metadata__"]


def _tensor(name: str, entry: object, file: str) -> tuple[str, int, str]:
    shown = name[:80]
    if not isinstance(entry, dict):
        raise ImportFileError(file, f"tensor {shown!r}: no object")
    fields = Fields(entry, file)
    dtype, shape, offsets = fields.text("dtype"), fields.items("shape"), fields.items("data_offsets")
    whole = [number for number in (*shape, *offsets) if isinstance(number, int) and 0 <= number <= MAX_PARAMETERS]
    if dtype is None or len(offsets) != 2 or len(whole) != len(shape) + 2:
        raise ImportFileError(file, f"tensor {shown!r}: needs dtype, shape and two data_offsets")
    size: int = offsets[1] - offsets[0]
    expected = math.prod(shape) * FLOAT_BITS[dtype] // 8 if dtype in FLOAT_BITS else size
    if size < 0 or size != expected:
        raise ImportFileError(file, f"tensor {shown!r}: {size} bytes for shape {str(shape)[:60]} of {dtype[:10]}")
    return name, size, dtype
