"""GGUF files as models: real small files give exact bits, hostile ones a clear error."""

from __future__ import annotations

import struct
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType

from catalog.importers.bounded import ImportFileError
from catalog.importers.files import import_model

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

HIDDEN, VOCAB, WIDTH, EXPERTS, BLOCKS = 256, 512, 768, 8, 4
Q8_BITS, Q4_BITS = 8.5, 4.5
MAGIC = b"GGUF"


def add(writer: GGUFWriter, name: str, shape: tuple[int, ...], kind: GGMLQuantizationType) -> None:
    """A tensor of zeros, stored as the type stores it."""
    if kind == GGMLQuantizationType.F32:
        writer.add_tensor(name, np.zeros(shape, np.float32))
        return
    width = {GGMLQuantizationType.Q8_0: 34 / 32, GGMLQuantizationType.Q4_0: 18 / 32}[kind]
    data = np.zeros((*shape[:-1], int(shape[-1] * width)), np.uint8)
    writer.add_tensor(name, data, raw_dtype=kind)


def mixture_file(path: Path, **keys: Any) -> Path:
    """A mixture of experts in 4 blocks: Q8_0 with Q4_0 experts, window in every other block (gpt-oss)."""
    writer = GGUFWriter(path, "gpt-oss")
    writer.add_file_type(LlamaFileType.MOSTLY_MXFP4_MOE)
    writer.add_block_count(BLOCKS)
    writer.add_context_length(131072)
    writer.add_embedding_length(HIDDEN)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_key_length(64)
    writer.add_value_length(64)
    writer.add_sliding_window(128)
    writer.add_expert_count(EXPERTS)
    writer.add_expert_used_count(2)
    writer.add_expert_feed_forward_length(WIDTH)
    writer.add_token_list([f"token {number}" for number in range(VOCAB)])
    for key, value in keys.items():
        writer.add_uint32(key, value)
    add(writer, "token_embd.weight", (VOCAB, HIDDEN), GGMLQuantizationType.Q8_0)
    add(writer, "output.weight", (VOCAB, HIDDEN), GGMLQuantizationType.Q8_0)
    add(writer, "output_norm.weight", (HIDDEN,), GGMLQuantizationType.F32)
    for block in range(BLOCKS):
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(writer, f"blk.{block}.{part}.weight", (HIDDEN, HIDDEN), GGMLQuantizationType.Q8_0)
        add(writer, f"blk.{block}.attn_norm.weight", (HIDDEN,), GGMLQuantizationType.F32)
        add(writer, f"blk.{block}.ffn_gate_inp.weight", (EXPERTS, HIDDEN), GGMLQuantizationType.F32)
        for part in ("gate", "up", "down"):
            shape = (EXPERTS, WIDTH, HIDDEN)
            add(writer, f"blk.{block}.ffn_{part}_exps.weight", shape, GGMLQuantizationType.Q4_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_file_gives_its_model(tmp_path: Path) -> None:
    """Parameters by class, windows and experts are those the file was written with."""
    model = import_model(mixture_file(tmp_path / "Tiny-MXFP4.gguf")).model
    assert model.id == "tiny"
    assert model.parameters == {
        "embed": VOCAB * HIDDEN,
        "lm_head": VOCAB * HIDDEN,
        "attn": BLOCKS * 4 * HIDDEN**2,
        "routed_experts": BLOCKS * 3 * EXPERTS * WIDTH * HIDDEN,
        "router": BLOCKS * EXPERTS * HIDDEN,
        "other": (BLOCKS + 1) * HIDDEN,
    }
    assert [(group.kind, group.layers, group.window) for group in model.attention] == [
        ("sliding", 2, 128),
        ("full", 2, None),
    ]
    assert model.moe is not None
    assert (model.moe.num_experts, model.moe.experts_per_token) == (EXPERTS, 2)
    assert model.context_limit == 131072
    assert model.tied_embeddings is False


def test_a_file_gives_exact_bits(tmp_path: Path) -> None:
    """Bits by class come from the tensors' own types, whatever the file's label says."""
    imported = import_model(mixture_file(tmp_path / "Tiny-MXFP4.gguf"))
    assert imported.quant == "mxfp4"
    assert imported.layout is not None
    assert imported.layout.bits == {
        "embed": Q8_BITS,
        "lm_head": Q8_BITS,
        "attn": Q8_BITS,
        "routed_experts": Q4_BITS,
        "router": 32.0,
        "other": 32.0,
    }


def test_unsloth_names_beat_the_file_type(tmp_path: Path) -> None:
    """A dynamic file says Q4_K_M inside; its name says what it is."""
    imported = import_model(mixture_file(tmp_path / "Tiny-UD-Q4_K_XL.gguf"))
    assert imported.quant == "ud-q4_k_xl"


def test_only_the_header_is_needed(tmp_path: Path) -> None:
    """The first part of a file is enough as long as the header is whole."""
    whole = mixture_file(tmp_path / "whole.gguf").read_bytes()
    end = whole.index(b"blk.3.ffn_down_exps.weight") + 200
    part = tmp_path / "part.gguf"
    part.write_bytes(whole[:end])
    assert import_model(part).model.layers == BLOCKS


def test_multi_token_prediction_blocks_are_left_out(tmp_path: Path) -> None:
    """Blocks that only draft are no part of a plain step."""
    path = mixture_file(tmp_path / "drafting.gguf", **{"gpt-oss.nextn_predict_layers": 1})
    model = import_model(path).model
    assert (model.layers, model.mtp_layers) == (BLOCKS - 1, 1)
    assert (model.parameters or {})["attn"] == (BLOCKS - 1) * 4 * HIDDEN**2


def test_missing_parts_are_named(tmp_path: Path) -> None:
    """A split file needs all its parts beside it."""
    path = mixture_file(tmp_path / "big-00001-of-00002.gguf", **{"split.count": 2})
    with pytest.raises(ImportFileError, match=r"big-00002-of-00002\.gguf"):
        import_model(path)


@pytest.mark.parametrize("share", [0.001, 0.2, 0.5, 0.9])
def test_a_truncated_header_is_an_error(share: float, tmp_path: Path) -> None:
    """Wherever the header is cut, the error says that it is cut."""
    whole = mixture_file(tmp_path / "whole.gguf").read_bytes()
    end = whole.index(b"blk.3.ffn_down_exps.weight")
    part = tmp_path / "part.gguf"
    part.write_bytes(whole[: int(end * share)])
    with pytest.raises(ImportFileError, match=r"truncated|can hold"):
        import_model(part)


def string(text: bytes) -> bytes:
    """A GGUF string."""
    return struct.pack("<Q", len(text)) + text


def header(tensors: int, keys: int, *parts: bytes) -> bytes:
    """A version 3 header followed by whatever."""
    return MAGIC + struct.pack("<IQQ", 3, tensors, keys) + b"".join(parts)


ARCHITECTURE = string(b"general.architecture") + struct.pack("<I", 8) + string(b"llama")
HUGE = 2**62
HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "truncated"),
    "another-format": (b"PK\x03\x04" + bytes(100), "no GGUF"),
    "old-version": (MAGIC + struct.pack("<IQQ", 1, 0, 0), "version 1"),
    "big-endian": (MAGIC + struct.pack(">IQQ", 3, 0, 0), "little-endian"),
    "huge-tensor-count": (header(HUGE, 0), "tensor count"),
    "huge-key-count": (header(0, HUGE), "key count"),
    "huge-string": (header(0, 1, struct.pack("<Q", HUGE), bytes(64)), "length of a key"),
    "huge-array": (header(0, 1, string(b"a"), struct.pack("<IIQ", 9, 4, HUGE), bytes(64)), "length of a"),
    "huge-string-array": (header(0, 1, string(b"a"), struct.pack("<IIQ", 9, 8, 2**40), bytes(64)), "length of a"),
    "array-of-arrays": (header(0, 1, string(b"a"), struct.pack("<IIQ", 9, 9, 1), bytes(64)), "arrays of arrays"),
    "unknown-value-type": (header(0, 1, string(b"a"), struct.pack("<I", 99), bytes(64)), "type 99"),
    "same-key-twice": (header(0, 2, ARCHITECTURE, ARCHITECTURE), "stands twice"),
    "no-architecture": (header(0, 0), "general.architecture"),
    "no-dimensions": (header(0, 1, ARCHITECTURE), "block_count"),
    "many-dimensions": (header(1, 0, string(b"t"), struct.pack("<I", 2**31), bytes(64)), "dimensions"),
    "unknown-tensor-type": (header(1, 0, string(b"t"), struct.pack("<IQIQ", 1, 32, 9999, 0)), "type 9999"),
    "huge-shape": (header(1, 0, string(b"t"), struct.pack("<IQQIQ", 2, HUGE, HUGE, 0, 0)), "impossible shape"),
    "broken-row": (header(1, 0, string(b"t"), struct.pack("<IQIQ", 1, 33, 8, 0)), "impossible shape"),
    "huge-block-count": (
        header(0, 2, ARCHITECTURE, string(b"llama.block_count"), struct.pack("<II", 4, 2**31)),
        "block_count",
    ),
}


@pytest.mark.parametrize("case", sorted(HOSTILE))
def test_hostile_files_give_a_clear_error(case: str, tmp_path: Path) -> None:
    """Huge counts, wrong types and nonsense are named, in little memory."""
    content, message = HOSTILE[case]
    path = tmp_path / "hostile.gguf"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(ImportFileError, match=message):
            import_model(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 2**20


@pytest.mark.parametrize("path", ["", "absent.gguf"])
def test_what_is_no_file_is_named(path: str, tmp_path: Path) -> None:
    """A folder or nothing at all is refused before it is opened."""
    target = tmp_path / path if path else tmp_path / "folder.gguf"
    if not path:
        target.mkdir()
    with pytest.raises(ImportFileError, match=r"is not a file|cannot be opened"):
        import_model(target)


def names(groups: Iterable[Any]) -> list[str]:
    """Kinds of attention groups."""
    return [group.kind for group in groups]


def test_recurrent_blocks_are_told_by_their_tensors(tmp_path: Path) -> None:
    """A block with ssm tensors keeps a state instead of a cache, and its attention tensors belong to the mixer."""
    path = tmp_path / "hybrid.gguf"
    writer = GGUFWriter(path, "qwen3next")
    writer.add_block_count(2)
    writer.add_embedding_length(HIDDEN)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_ssm_conv_kernel(4)
    writer.add_ssm_state_size(32)
    writer.add_ssm_group_count(2)
    writer.add_ssm_time_step_rank(4)
    writer.add_ssm_inner_size(128)
    add(writer, "token_embd.weight", (VOCAB, HIDDEN), GGMLQuantizationType.Q8_0)
    add(writer, "blk.0.attn_qkv.weight", (HIDDEN, HIDDEN), GGMLQuantizationType.Q8_0)
    add(writer, "blk.0.ssm_out.weight", (HIDDEN, HIDDEN), GGMLQuantizationType.Q8_0)
    add(writer, "blk.1.attn_q.weight", (HIDDEN, HIDDEN), GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    model = import_model(path).model
    assert names(model.attention) == ["gated_delta", "full"]
    assert model.attention[0].v_head_dim == 32
    assert model.tied_embeddings is True
    assert model.parameters == {"embed": VOCAB * HIDDEN, "linear_attn": 2 * HIDDEN**2, "attn": HIDDEN**2}
