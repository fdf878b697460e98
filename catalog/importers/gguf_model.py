"""A GGUF header as a model record, with the exact bits of each tensor class in that file."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from gguf.constants import LlamaFileType

from catalog.facts import Layout, Model, Moe
from catalog.importers.attention import kv_of
from catalog.importers.bounded import MAX_LAYERS, Fields, ImportFileError
from catalog.importers.config_json import Naming, with_parameters
from catalog.importers.gguf_attention import gguf_attention, head_dim, largest, window_note
from catalog.importers.gguf_header import read_gguf_header
from catalog.importers.tensors import gguf_class, layer_index

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from catalog.facts import TensorClass
    from catalog.importers.gguf_header import GgufHeader, TensorInfo

SPLIT = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")
MAX_PARTS = 1000
FILE_TYPE_NUMBERS = frozenset(kind.value for kind in LlamaFileType)
FILE_TYPES = {"mostly_mxfp4_moe": "mxfp4", "mostly_nvfp4": "nvfp4-gguf"}


def model_from_gguf(path: Path, naming: Naming) -> tuple[Model, str | None, Layout | None]:
    """The model in a GGUF file, the id of its quant and the layout that gives its exact bits by tensor class.

    All parts of a split file must lie side by side. Raises ImportFileError.
    """
    header = _whole(path)
    fields = _architecture_fields(header)
    blocks = fields.count("block_count", high=MAX_LAYERS) - fields.optional("nextn_predict_layers")
    used = [tensor for tensor in header.tensors if (layer_index(tensor.name) or 0) < blocks]
    parameters, stored = _by_class(used)
    if not parameters.get("embed"):
        raise ImportFileError(header.file, "holds no token_embd tensor: this is no language model's file")
    attention = gguf_attention(fields, used, blocks)
    model = Model(
        id=naming.id,
        name=naming.name,
        family=naming.family,
        confidence="config",
        context_limit=fields.count_or(None, "context_length"),
        layers=blocks,
        hidden_size=fields.count("embedding_length"),
        attention_heads=largest(fields, "attention.head_count"),
        kv_heads=largest(fields, "attention.head_count_kv"),
        head_dim=head_dim(fields),
        vocab_size=fields.count_or(None, "vocab_size"),
        intermediate_size=largest(fields, "feed_forward_length"),
        tied_embeddings="lm_head" not in parameters,
        mtp_layers=fields.count_or(None, "nextn_predict_layers"),
        moe=_moe(fields),
        attention=attention,
        kv=kv_of(attention),
        sources=(f"{path.name} (GGUF header)",),
        note=window_note(fields),
    )
    bits = {name: stored[name] * 8 / count for name, count in parameters.items()}
    layout = Layout(model=naming.id, checkpoint=path.name, bits=bits, source=f"{path.name} (tensor types)")
    return with_parameters(model, parameters), _quant(header), layout


def _whole(path: Path) -> GgufHeader:
    """The header, with the tensors of all parts when the file is split."""
    header = read_gguf_header(path)
    parts = Fields(header.metadata, header.file).optional("split.count")
    if parts <= 1:
        return header
    name = SPLIT.search(path.name)
    if not name or parts > MAX_PARTS:
        raise ImportFileError(header.file, f"is one of {parts} parts, but is not named ...-00001-of-{parts:05}.gguf")
    names = [SPLIT.sub(f"-{part:05}-of-{parts:05}.gguf", path.name) for part in range(1, parts + 1)]
    headers = [read_gguf_header(path.with_name(name)) for name in names]
    merged = headers[0]
    merged.tensors = [tensor for part in headers for tensor in part.tensors]
    return merged


def _architecture_fields(header: GgufHeader) -> Fields:
    """The keys of the file's architecture without its prefix."""
    architecture = Fields(header.metadata, header.file).text("general.architecture")
    if not architecture:
        raise ImportFileError(header.file, "general.architecture: missing")
    prefix = f"{architecture}."
    values: dict[str, Any] = {
        key.removeprefix(prefix): value for key, value in header.metadata.items() if key.startswith(prefix)
    }
    return Fields({**values, "architecture": architecture}, header.file)


def _by_class(tensors: Iterable[TensorInfo]) -> tuple[dict[TensorClass, int], Counter[TensorClass]]:
    listed = list(tensors)
    recurrent = {layer_index(tensor.name) for tensor in listed if ".ssm_" in tensor.name}
    parameters: Counter[TensorClass] = Counter()
    stored: Counter[TensorClass] = Counter()
    for tensor in listed:
        kind = gguf_class(tensor.name, recurrent=layer_index(tensor.name) in recurrent - {None})
        parameters[kind] += tensor.parameters
        stored[kind] += tensor.bytes
    return {name: count for name, count in parameters.items() if count}, stored


def _quant(header: GgufHeader) -> str | None:
    number = Fields(header.metadata, header.file).count_or(None, "general.file_type")
    if number not in FILE_TYPE_NUMBERS:
        return None
    name = str(LlamaFileType(number).name).lower()
    return FILE_TYPES.get(name, name.removeprefix("mostly_"))


def _moe(fields: Fields) -> Moe | None:
    experts = fields.optional("expert_count")
    if not experts:
        return None
    return Moe(
        num_experts=experts,
        experts_per_token=fields.count("expert_used_count", high=experts),
        moe_intermediate_size=fields.count_or(None, "expert_feed_forward_length"),
        shared_experts=fields.count_or(None, "expert_shared_count"),
        shared_expert_intermediate_size=fields.count_or(None, "expert_shared_feed_forward_length"),
        first_k_dense=fields.count_or(None, "leading_dense_block_count"),
    )
