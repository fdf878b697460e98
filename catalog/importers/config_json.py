"""A Hugging Face config.json as a model record."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from catalog.facts import Model, Moe
from catalog.importers.attention import attention_groups, kv_of
from catalog.importers.bounded import MAX_PARAMETERS, Fields, ImportFileError, read_json
from catalog.importers.counting import dims_of, encoder_parameters, expert_width, parameters_of, shared_experts
from catalog.importers.layers import ARCHITECTURES, layers_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from catalog.facts import Modality, TensorClass
    from catalog.importers.layers import Layer

NESTED_TEXT = ("text_config", "llm_config", "language_config")
NESTED_PARTS: tuple[tuple[str, Modality], ...] = (("vision_config", "vision"), ("audio_config", "audio"))
MTP_FIELDS = ("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules")
NOT_READ = frozenset({"vision_audio", "ple"})


class Naming(NamedTuple):
    """What no file says about itself: id, display name and family."""

    id: str
    name: str
    family: str


def model_from_config(path: Path, naming: Naming) -> Model:
    """The model a config.json describes. Raises ImportFileError for unknown architectures and impossible numbers."""
    return model_from_fields(Fields(read_json(path), path.name), naming)


def model_from_fields(whole: Fields, naming: Naming) -> Model:
    """The model that the fields of a config.json describe, wherever they came from."""
    fields = whole.inner(*NESTED_TEXT) or whole
    kind = _kind(fields, whole)
    architecture = ARCHITECTURES[kind]
    layers = layers_of(fields, architecture)
    dims = dims_of(fields, architecture)
    parameters = parameters_of(fields, architecture, layers)
    vision = whole.inner("vision_config")
    if vision and (encoder := encoder_parameters(vision)):
        parameters["vision_audio"] = encoder
        if encoder > MAX_PARAMETERS:
            raise ImportFileError(whole.file, "vision_config: implies more parameters than any model has")
    attention = attention_groups(fields, dims, layers)
    model = Model(
        id=naming.id,
        name=naming.name,
        family=naming.family,
        modality=("text", *(part for name, part in NESTED_PARTS if whole.inner(name))),
        confidence="config",
        context_limit=fields.count_or(None, "max_position_embeddings"),
        layers=len(layers),
        hidden_size=dims.hidden,
        attention_heads=dims.heads,
        kv_heads=dims.kv_heads,
        head_dim=dims.head_dim,
        vocab_size=dims.vocab,
        intermediate_size=fields.count_or(None, "intermediate_size"),
        tied_embeddings=dims.tied,
        mtp_layers=fields.count_or(None, *MTP_FIELDS),
        moe=_moe(fields, layers),
        attention=attention,
        kv=kv_of(attention),
        sources=(f"{whole.file} ({kind})",),
    )
    return with_parameters(model, parameters)


def with_parameters(model: Model, parameters: dict[TensorClass, int]) -> Model:
    """The model with these parameters by class, and the totals that follow from them."""
    counts = {
        "parameters": parameters,
        "params_total": sum(parameters.values()),
        "params_active": _active(parameters, model.moe, NOT_READ),
        "decode_read_params_per_token": _active(parameters, model.moe, NOT_READ | _looked_up(parameters)),
    }
    return model.model_copy(update=counts)


def _looked_up(parameters: Mapping[TensorClass, int]) -> frozenset[str]:
    """An input embedding with a head of its own is looked up, not streamed."""
    return frozenset({"embed"} if "lm_head" in parameters else ())


def _active(parameters: Mapping[TensorClass, int], moe: Moe | None, skipped: frozenset[str]) -> int:
    """Parameters outside ``skipped`` that one token needs: of the routed experts the chosen share."""
    chosen = moe.experts_per_token / moe.num_experts if moe else 1.0
    kept = {name: count for name, count in parameters.items() if name not in skipped}
    return round(sum(count * (chosen if name == "routed_experts" else 1.0) for name, count in kept.items()))


def _kind(fields: Fields, whole: Fields) -> str:
    outer = whole.text("model_type") or ""
    candidates = (fields.text("model_type") or "", f"{outer}_text", outer)
    kind = next((name for name in candidates if name in ARCHITECTURES), None)
    if kind is None:
        stated = fields.text("model_type") or outer
        known = ", ".join(sorted(ARCHITECTURES))
        what = f"architecture {stated[:60]!r} is not known" if stated else "no model_type"
        raise ImportFileError(fields.file, f"model_type: {what}; known are {known}")
    return kind


def _moe(fields: Fields, layers: list[Layer]) -> Moe | None:
    if not any(layer.feed_forward == "moe" for layer in layers):
        return None
    experts = fields.count("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", high=10**5)
    chosen = fields.count("num_experts_per_tok", "experts_per_token", "moe_k", high=experts)
    number, width = shared_experts(fields)
    return Moe(
        num_experts=experts,
        experts_per_token=chosen,
        moe_intermediate_size=expert_width(fields),
        shared_experts=number,
        shared_expert_intermediate_size=width or None,
        first_k_dense=fields.count_or(None, "first_k_dense_replace", "moe_layer_start_index"),
    )


def slug(name: str) -> str:
    """An id from a repository's or file's name. Raises ImportFileError when nothing usable is left."""
    identity = re.sub(r"[^a-z0-9._-]+", "-", name.rsplit("/", 1)[-1].lower()).strip("-._")
    if not identity:
        raise ImportFileError(name, "no id can be made of this name: give one")
    return identity
