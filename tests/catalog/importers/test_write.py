"""An imported model becomes a file the catalog loads and checks like any other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from modelpicker.wire.questions import PredictQuestion

from catalog.catalog import Catalog
from catalog.check import check_folder
from catalog.facts import Layout
from catalog.importers.bounded import ImportFileError
from catalog.importers.files import Imported, import_model, write_model
from catalog.load import load_facts
from catalog.quality.table import fit_quality
from service.recommendation.predict import predict

BASE = Path(__file__).parents[1] / "check" / "base"
CONFIG = {
    "model_type": "qwen3",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 100,
    "intermediate_size": 128,
    "max_position_embeddings": 4096,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small, sound folder of facts."""
    return Path(shutil.copytree(BASE, tmp_path / "models_data"))


@pytest.fixture
def imported(tmp_path: Path) -> Imported:
    """A model from a config.json."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIG), encoding="utf-8")
    return import_model(path, identity="new-1b", family="new")


def test_the_written_model_reads_back(imported: Imported, root: Path) -> None:
    """What was imported and what is loaded from its file are one record, and the check has nothing to say."""
    written = write_model(imported, root)
    assert [path.name for path in written] == ["new-1b.toml"]
    assert load_facts(root).models["new-1b"] == imported.model
    assert check_folder(root) == []


def test_exact_bits_go_to_the_quant(imported: Imported, root: Path) -> None:
    """A GGUF file's own bits join the layouts of its quant, for engines that load GGUF; importing again replaces."""
    layout = Layout(model="new-1b", checkpoint="new-1b-Q8_0.gguf", bits={"attn": 8.5, "embed": 16}, source="file")
    found = Imported(imported.model, "q8_0", layout)
    write_model(found, root)
    written = write_model(found, root, replace=True)
    assert [path.name for path in written] == ["new-1b.toml", "q8_0.toml"]
    layouts = load_facts(root).quants["q8_0"].layouts
    assert layouts == (layout.model_copy(update={"engines": ("llama.cpp",)}),)


def test_a_listed_model_is_not_overwritten(imported: Imported, root: Path) -> None:
    """Someone's corrections are not lost to an import."""
    write_model(imported, root)
    with pytest.raises(ImportFileError, match="is there already"):
        write_model(imported, root)


def test_an_imported_model_is_predicted_at_once(imported: Imported, catalog: Catalog) -> None:
    """With the calibration of what is known: no measurement of it is needed, and the figures stay below its ceiling."""
    facts = catalog.facts.model_copy(update={"models": {**catalog.facts.models, "new-1b": imported.model}})
    wider = Catalog("test", facts, catalog.speed, fit_quality(facts))
    question = PredictQuestion(model="new-1b", quant="bf16", engine="vllm")
    answer = predict(wider, question)
    assert answer.basis == "calibrated"
    assert 0 < answer.decode_tok_s.low < answer.decode_tok_s.value <= answer.roofline.ceiling_tok_s
    assert answer.quality.index is None
    assert answer.memory.weights_bytes == pytest.approx(2 * sum((imported.model.parameters or {}).values()), rel=0.01)
