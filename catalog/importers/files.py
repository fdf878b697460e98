"""A model nobody listed yet, from files on this machine: config.json, a GGUF file, a safetensors checkpoint.

``import_model`` reads, ``write_model`` puts the record into ``models_data/``; nothing is fetched. Files are not
trusted: sizes are checked before they are believed, and what cannot be right raises ImportFileError.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from catalog.facts import Layout
from catalog.importers.bounded import Fields, ImportFileError, read_json
from catalog.importers.config_json import Naming, model_from_config, slug, with_parameters
from catalog.importers.gguf_model import model_from_gguf
from catalog.importers.safetensors_file import read_checkpoint, total_size
from catalog.importers.write import toml_text
from catalog.load import load_facts

if TYPE_CHECKING:
    from pathlib import Path

    from catalog.facts import Facts, Model, Quant, Record


QUANT_SUFFIX = re.compile(r"[-.](ud-)?(i?q\d\w*|bf16|f16|f32|mxfp4\w*|nvfp4|tq\d_\d)$", re.IGNORECASE)
PART_SUFFIX = re.compile(r"-\d{5}-of-\d{5}$")
GENERIC_STEMS = ("config", "model", "model.safetensors.index")
QUANT_METHODS = {"fp8": "fp8", "mxfp4": "mxfp4", "awq": "awq-int4", "gptq": "gptq-int4"}
FOUR_BITS = ("awq", "gptq")
CURATED = (
    "family",
    "license",
    "release_date",
    "developer",
    "derivative_of",
    "draft_heads",
    "draft_checkpoints",
    "native_quants",
)
"""What people wrote into a model's file and no file of weights says."""
QUANT_ALGORITHMS = {"NVFP4": "nvfp4", "FP8": "fp8"}
DTYPES = {"bfloat16": "bf16", "float16": "f16"}
NOTABLE = 0.01


@dataclass(frozen=True)
class Imported:
    """What a file says: the model, the id of the quant it is in, its exact bits by tensor class, and remarks."""

    model: Model
    quant: str | None = None
    layout: Layout | None = None
    remarks: tuple[str, ...] = field(default=())


def import_model(path: Path, *, identity: str | None = None, family: str | None = None) -> Imported:
    """The model in a config.json, .gguf, .safetensors or .safetensors.index.json file.

    The latter two need the config.json beside them. Without ``identity`` the id is made of the file's or its
    folder's name, and the family is the id. Raises ImportFileError.
    """
    name = identity or _name(path)
    naming = Naming(slug(name), name, family or slug(name))
    if path.suffix == ".gguf":
        model, quant, layout = model_from_gguf(path, naming)
        return Imported(model, _quant_in_name(path) or quant, layout)
    if path.suffix == ".safetensors" or path.name.endswith(".safetensors.index.json"):
        return _from_checkpoint(path, naming)
    if path.suffix == ".json":
        return Imported(model_from_config(path, naming), _quant_of_config(path))
    raise ImportFileError(path.name, "give a config.json, .gguf, .safetensors or .safetensors.index.json file")


def write_model(imported: Imported, root: Path, *, replace: bool = False) -> list[Path]:
    """Writes ``models/<id>.toml``, and the layout into its quant's file when that quant is listed.

    Returns what was written. Raises ImportFileError when the model is there already and ``replace`` is not set.
    """
    target = root / "models" / f"{imported.model.id}.toml"
    if target.exists() and not replace:
        raise ImportFileError(target.name, "is there already: choose another id, or say that it may be replaced")
    facts = load_facts(root)
    before = facts.models.get(imported.model.id)
    _write(target, _keeping(imported.model, before) if before else imported.model)
    quant = facts.quants.get(imported.quant or "")
    if quant is None or imported.layout is None:
        return [target]
    layout = imported.layout.model_copy(update={"engines": _loaders(facts, quant, imported.layout.checkpoint)})
    others = tuple(x for x in quant.layouts if (x.model, x.engines) != (layout.model, layout.engines))
    quant_file = root / "quants" / f"{quant.id}.toml"
    _write(quant_file, quant.model_copy(update={"layouts": (layout, *others)}))
    return [target, quant_file]


def _keeping(model: Model, before: Model) -> Model:
    """The model as read, with what people had written into its file."""
    kept = {name: getattr(before, name) for name in CURATED if getattr(before, name)}
    names = {
        name: tuple(dict.fromkeys((*getattr(before, name), *getattr(model, name)))) for name in ("aliases", "sources")
    }
    return model.model_copy(update=kept | names)


def _write(path: Path, record: Record) -> None:
    """Write a record beside its place and rename it: a reader sees the old file or the new one."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(toml_text(record), encoding="utf-8")
    beside.replace(path)


def _from_checkpoint(path: Path, naming: Naming) -> Imported:
    config = path.with_name("config.json")
    model = model_from_config(config, naming)
    quant = _quant_of_config(config)
    checkpoint = read_checkpoint(path, model.layers or 0)
    if checkpoint is None:
        size = total_size(path)
        return Imported(model, quant, remarks=(f"its shards are not here, so bits are the quant's own ({size} bytes)",))
    counted = model.parameters or {}
    parameters = checkpoint.parameters or counted
    remarks = []
    text = sum(count for name, count in parameters.items() if name != "vision_audio")
    expected = sum(count for name, count in counted.items() if name != "vision_audio")
    if abs(text - expected) > NOTABLE * expected:
        remarks.append(f"its tensors hold {text} parameters, config.json implies {expected}")
    sources = (*model.sources, f"{path.name} (tensor headers)")
    exact = with_parameters(model.model_copy(update={"sources": sources}), parameters)
    bits = {
        name: checkpoint.bytes[name] * 8 / count for name, count in parameters.items() if checkpoint.bytes.get(name)
    }
    layout = Layout(model=naming.id, checkpoint=path.name, bits=bits, source=f"{path.name} (tensor headers)")
    return Imported(exact, quant, layout, tuple(remarks))


def _loaders(facts: Facts, quant: Quant, checkpoint: str) -> tuple[str, ...]:
    """The quant's engines that can load such a file: llama.cpp's kin for GGUF, the others for safetensors."""
    gguf = checkpoint.endswith(".gguf")
    return tuple(name for name in quant.engines if (facts.engines[name].family == "llama.cpp") == gguf)


def _name(path: Path) -> str:
    stem = PART_SUFFIX.sub("", path.name.removesuffix(path.suffix))
    return path.resolve().parent.name if stem in GENERIC_STEMS else QUANT_SUFFIX.sub("", stem)


def _quant_in_name(path: Path) -> str | None:
    match = QUANT_SUFFIX.search(PART_SUFFIX.sub("", path.stem))
    return match[0].lstrip("-.").lower() if match and match[1] else None


def _quant_of_config(path: Path) -> str | None:
    fields = Fields(read_json(path), path.name)
    quantization = fields.inner("quantization_config")
    if quantization is None:
        text = fields.inner("text_config") or fields
        return DTYPES.get(text.text("torch_dtype") or text.text("dtype") or "")
    algorithm, method = quantization.text("quant_algo") or "", quantization.text("quant_method") or ""
    if method in FOUR_BITS and (quantization.count_or(4, "bits") or 4) != 4:
        return None
    return QUANT_ALGORITHMS.get(algorithm) or QUANT_METHODS.get(method)
