"""The own sweeps: llama.cpp timed on random weights in published architectures, tensor by tensor in the types of a real file.

Speed does not depend on what weights say, so no checkpoint is needed; answers are noise. Three steps, the second of them on
the machine that is measured:

    python tests/bench/sweep/sweep.py layout --llama-cpp BUILD --out layouts qwen3-8b:qwen3:q4_k_m,q6_k ...
    for each in layouts/*.json: BUILD/bin/sweep run EACH long >> times.jsonl
    python tests/bench/sweep/sweep.py rows --source own-h100 --hardware h100-sxm-80 --hw-variant "NVIDIA H100 80GB HBM3" \
        --engine-version "b11434 (2026-10-06), CUDA 13.0" --date 2026-11-26 times.jsonl > sweep.csv

BUILD is a build of llama.cpp (the patch is for b11434) with ``optional_tensors.patch`` applied, and with ``sweep.cpp`` compiled
against it (``-I include -I ggml/include -I vendor -lllama -lggml -lggml-base``) to ``BUILD/bin/sweep``. With
``SWEEP_OPTIONAL=all`` in its environment a run makes all tensors that an architecture may have. ``layout`` asks that build which tensors an architecture has and ``llama-quantize --dry-run`` which type
each of them gets; a model's parameters must come out as the catalog counts them.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFWriter

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from catalog.calibration.evidence import TIMING_HARNESS  # noqa: E402
from catalog.facts import AttentionGroup, Measurement, Model  # noqa: E402
from catalog.load import load_facts  # noqa: E402

Keys = dict[str, Any]
Shapes = dict[str, tuple[int, ...]]

PLAIN = ("bf16", "f16", "nvfp4")
"""Types that every matrix of a file has; llama-quantize mixes the others."""
FULL_PRECISION = re.compile(r"bias|norm|ffn_gate_inp|ssm_conv1d|ssm_a$|ssm_d$")
QUANT_IDS = {"nvfp4": "nvfp4-gguf", "mxfp4_moe": "mxfp4"}
NEMOTRON_NANO = "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME"
"""Its layers in order: Mamba, experts, attention."""


def group(model: Model, kind: str) -> AttentionGroup | None:
    """The layers of one attention kind, if the model has any."""
    return next((g for g in model.attention if g.kind == kind), None)


def metadata(model: Model, arch: str) -> tuple[Keys, list[str]]:
    """GGUF keys of a model, without the architecture's prefix, and those optional tensors that its published files have."""
    full, moe, layers = group(model, "full"), model.moe, model.layers or 0
    head = (full and full.head_dim) or model.head_dim or 0
    keys: Keys = {
        "context_length": 40960,
        "embedding_length": model.hidden_size,
        "block_count": layers,
        "feed_forward_length": model.intermediate_size or 512,
        "vocab_size": model.vocab_size,
        "rope.freq_base": 1e6,
        "rope.dimension_count": head,
        "attention.head_count": model.attention_heads,
        "attention.head_count_kv": (full and full.kv_heads) or model.kv_heads,
        "attention.key_length": head,
        "attention.value_length": head,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "attention.layer_norm_epsilon": 1e-6,
    }
    optional = [] if model.tied_embeddings else ["output.weight"]
    if moe:
        keys |= {
            "expert_count": moe.num_experts,
            "expert_used_count": moe.experts_per_token,
            "expert_feed_forward_length": moe.moe_intermediate_size,
            "leading_dense_block_count": moe.first_k_dense or 0,
        }
        if moe.shared_experts:
            width = moe.shared_expert_intermediate_size or (moe.moe_intermediate_size or 0) * moe.shared_experts
            keys |= {"expert_shared_count": moe.shared_experts, "expert_shared_feed_forward_length": width}
            keys |= {"expert_weights_scale": 1.0, "expert_weights_norm": True}
    if arch in {"gpt-oss", "glm4moe", "qwen2"}:
        optional += [f"blk.{i}.attn_{x}.bias" for i in range(layers) for x in "qkv"]
    more, also = OF_ARCHITECTURE[arch](model, head) if arch in OF_ARCHITECTURE else ({}, [])
    return keys | more, optional + also


def gated_delta(model: Model, head: int) -> tuple[Keys, list[str]]:
    """Qwen3-Next and Qwen3.5: three layers of linear attention, then a full one."""
    g = group(model, "gated_delta")
    assert g
    keys: Keys = {
        "full_attention_interval": 4,
        "rope.dimension_count": head // 4,
        "rope.dimension_sections": [11, 11, 10, 0],
        "ssm.conv_kernel": g.conv_kernel,
        "ssm.inner_size": (g.v_head_dim or 0) * (g.num_v_heads or 0),
        "ssm.state_size": g.k_head_dim,
        "ssm.time_step_rank": g.num_v_heads,
        "ssm.group_count": g.num_k_heads,
    }
    linear = [i for i in range(model.layers or 0) if (i + 1) % 4]
    return keys, [f"blk.{i}.attn_{x}.weight" for i in linear for x in ("qkv", "gate")]


def sliding(model: Model, _: int) -> tuple[Keys, list[str]]:
    """Gemma 3 and gpt-oss: windows in a pattern that the architecture knows."""
    g = group(model, "sliding")
    assert g
    return {"attention.sliding_window": g.window}, []


def gemma4(model: Model, _: int) -> tuple[Keys, list[str]]:
    """Every n-th layer is full, with heads of its own, and may share keys and values."""
    g, full, layers = group(model, "sliding"), group(model, "full"), model.layers or 0
    assert g
    assert full
    windowed = [(i + 1) % (layers // full.layers) != 0 for i in range(layers)]
    keys: Keys = {
        "attention.sliding_window": g.window,
        "attention.sliding_window_pattern": windowed,
        "attention.shared_kv_layers": 0,
        "attention.key_length_swa": g.head_dim,
        "attention.value_length_swa": g.head_dim,
        "attention.head_count_kv": [g.kv_heads if w else full.kv_heads for w in windowed],
        "embedding_length_per_layer_input": 0,
        "rope.freq_base_swa": 1e4,
        "rope.dimension_count_swa": g.head_dim,
        "final_logit_softcapping": 30.0,
    }
    optional = [f"blk.{i}.layer_output_scale.weight" for i in range(layers)]
    optional += [f"blk.{i}.attn_v.weight" for i, w in enumerate(windowed) if w or not full.k_eq_v]
    if model.moe:
        optional += [f"blk.{i}.ffn_{x}.weight" for i in range(layers) for x in ("gate_inp", "gate_up_exps")]
    return keys, optional


def glm4_moe(_: Model, head: int) -> tuple[Keys, list[str]]:
    """Half of a head is rotated; sigmoid gates."""
    return {"rope.dimension_count": head // 2, "expert_gating_func": 2}, []


def latent(model: Model, _: int) -> tuple[Keys, list[str]]:
    """Multi-head latent attention: one latent for keys and values."""
    g = group(model, "mla")
    assert g
    assert model.moe
    rank, rope = g.kv_lora_rank or 0, g.qk_rope_head_dim or 0
    keys: Keys = {
        "attention.head_count_kv": 1,
        "attention.q_lora_rank": g.q_lora_rank,
        "attention.kv_lora_rank": rank,
        "attention.key_length": rank + rope,
        "attention.value_length": rank,
        "attention.key_length_mla": (g.qk_nope_head_dim or 0) + rope,
        "attention.value_length_mla": g.v_head_dim,
        "rope.dimension_count": rope,
        "expert_gating_func": 2,
        "expert_group_count": 1,
        "expert_group_used_count": 1,
    }
    return keys, [f"blk.{i}.exp_probs_b.bias" for i in range(model.moe.first_k_dense or 0, model.layers or 0)]


def nemotron(model: Model, _: int) -> tuple[Keys, list[str]]:
    """Each layer is one of Mamba 2, attention or experts."""
    g = group(model, "mamba2")
    assert g
    assert model.moe
    assert model.layers == len(NEMOTRON_NANO)
    keys: Keys = {
        "attention.head_count_kv": [model.kv_heads if c == "*" else 0 for c in NEMOTRON_NANO],
        "feed_forward_length": [model.moe.moe_intermediate_size if c == "E" else 0 for c in NEMOTRON_NANO],
        "ssm.conv_kernel": g.conv_kernel,
        "ssm.inner_size": (g.num_heads or 0) * (g.head_dim or 0),
        "ssm.state_size": g.state_size,
        "ssm.time_step_rank": g.num_heads,
        "ssm.group_count": g.n_groups,
        "expert_gating_func": 2,
    }
    return keys, [f"blk.{i}.ssm_conv1d.bias" for i, c in enumerate(NEMOTRON_NANO) if c == "M"]


OF_ARCHITECTURE = {
    "qwen35": gated_delta,
    "qwen35moe": gated_delta,
    "qwen3next": gated_delta,
    "gemma3": sliding,
    "gpt-oss": sliding,
    "gemma4": gemma4,
    "glm4moe": glm4_moe,
    "deepseek2": latent,
    "nemotron_h_moe": nemotron,
}
"""What an architecture of llama.cpp's has beyond plain ones (llama, qwen2, qwen3, qwen3moe)."""


def tensors(build: Path, layout: dict[str, Any]) -> Shapes:
    """Names and shapes of the tensors that llama.cpp makes for a layout."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(json.dumps(layout))
        file.flush()
        listed = subprocess.run([build / "bin/sweep", "list", file.name], capture_output=True, text=True, check=True)
    rows = (line.split() for line in listed.stdout.splitlines())
    return {name: tuple(map(int, shape)) for name, _, *shape in rows}


def full_precision(name: str, shape: tuple[int, ...]) -> bool:
    """Whether files keep a tensor as 32-bit floats whatever their quant."""
    return len(shape) == 1 or FULL_PRECISION.search(name) is not None


def mixed_types(build: Path, arch: str, keys: Keys, shapes: Shapes, quant: str) -> dict[str, str]:
    """The type that llama-quantize gives each tensor, asked with a 16-bit file of nothing but a header and a hole."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.gguf")
        writer = GGUFWriter(path, arch)
        add = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, list: writer.add_array}
        for key, value in keys.items():
            add[type(value)](key, value)
        held = 0
        for name, shape in shapes.items():
            kind = np.dtype(np.float32 if full_precision(name, shape) else np.float16)
            nbytes = int(np.prod(shape)) * kind.itemsize
            writer.add_tensor_info(name, tuple(reversed(shape)), kind, nbytes)
            held += writer.ggml_pad(nbytes, writer.data_alignment)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        writer.close()
        with path.open("r+b") as file:
            file.truncate(writer.ggml_pad(path.stat().st_size, writer.data_alignment) + held)
        command = [str(build / "bin/llama-quantize"), "--dry-run", str(path), quant.upper()]
        said = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.findall(
        r"^\[ *\d+/ *\d+\] +(\S+) .*?type = +(\w+),(?:.*-> .*\((\w+)\))?", said.stdout + said.stderr, re.MULTILINE
    )
    return {name: to or kept for name, kept, to in found}


def plain_types(shapes: Shapes, quant: str) -> dict[str, str]:
    """All matrices of one type; NVFP4 leaves the embedding and the head at 16 bits and scales each matrix."""
    types = {name: "f32" if full_precision(name, shape) else quant for name, shape in shapes.items()}
    if quant == "nvfp4":
        for name in [name for name, kind in types.items() if kind == quant]:
            if not name.startswith("blk.") or shapes[name][0] % 64 or (".ssm_" in name and ".ssm_out" not in name):
                types[name] = "bf16"
            else:
                types[name.replace(".weight", ".scale")] = "f32"
    return types


def layout(build: Path, model: Model, arch: str, quants: list[str], out: Path) -> None:
    """Write a JSON file for each quant: what ``sweep.cpp`` needs to make the model."""
    keys, optional = metadata(model, arch)
    prefixed = {f"{arch}.{key}": value for key, value in keys.items()}
    whole: dict[str, Any] = {"model": model.id, "arch": arch, "n_vocab": model.vocab_size, "kv": prefixed}
    shapes = tensors(build, whole | {"types": dict.fromkeys(optional, "f32")})
    made = sum(int(np.prod(shape)) for shape in shapes.values())
    counted = sum(v for name, v in (model.parameters or {}).items() if name != "vision_audio")
    if abs(made / counted - 1.0) > 1e-5:
        raise SystemExit(f"{model.id}: llama.cpp makes {made} parameters, the catalog counts {counted}")
    for quant in quants:
        types = plain_types(shapes, quant) if quant in PLAIN else mixed_types(build, arch, prefixed, shapes, quant)
        name = QUANT_IDS.get(quant, quant)
        (out / f"{model.id}--{name}.json").write_text(json.dumps(whole | {"quant": name, "types": types}))


def rows(files: list[Path], options: argparse.Namespace) -> None:
    """Print what ``sweep run`` timed as a file of measurements; what was timed twice counts as it was last."""
    timed: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in (line for file in files for line in file.read_text().splitlines()):
        row = json.loads(line)
        if "concurrency" in row:
            timed[row["model"], row["quant"], row["concurrency"], row["isl"]] = row
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for number, row in enumerate(timed.values(), 1):
        total = row["decode_total_tok_s"]
        told = {
            "id": f"{options.source}-{number:04d}",
            "engine": "llama.cpp",
            "engine_version": options.engine_version,
            "hardware": options.hardware,
            "units": 1,
            "speculation": "none",
            "spec_basis": "tool",
            "context_depth": 0,
            "decode_kv_tokens": row["kv"],
            "kv_dtype": "f16",
            "prefill_tok_s": f"{row['prefill_tok_s']:.2f}" if "prefill_tok_s" in row else "",
            "decode_tok_s": f"{total / row['concurrency']:.3f}",
            "decode_total_tok_s": f"{total:.3f}",
            "evidence": "own",
            "tool": TIMING_HARNESS,
            "date": options.date,
            "url": "models_data/README.md#own-measurements",
            "raw_model": row["model"],
            "raw_quant": row["quant"],
            "hw_variant": options.hw_variant,
            "note": f"step times p50/min/max {row['p50']:.6f}/{row['min']:.6f}/{row['max']:.6f} s",
        }
        writer.writerow(told | {key: row[key] for key in ("model", "quant", "concurrency", "isl", "osl")})


COLUMNS = [
    name
    for name in Measurement.model_fields
    if name not in {"source", "content", "ttft_ms", "approx", "checkpoint", "kernels"}
]
"""Those that a sweep fills, flags and memory left to whoever adds them."""


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("layout", help="what to make, as one JSON file for each model and quant")
    make.add_argument("--llama-cpp", type=Path, required=True, help="the patched build")
    make.add_argument("--out", type=Path, required=True)
    make.add_argument("what", nargs="+", help="model:architecture:quant,quant...")
    tell = commands.add_parser("rows", help="what was timed, as measurements")
    for name in ("source", "hardware", "hw-variant", "engine-version", "date"):
        tell.add_argument(f"--{name}", required=True)
    tell.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    if options.command == "rows":
        rows(options.files, options)
        return
    models = load_facts(ROOT / "models_data").models
    options.out.mkdir(parents=True, exist_ok=True)
    for each in options.what:
        model, arch, quants = each.split(":")
        layout(options.llama_cpp, models[model], arch, quants.split(","), options.out)


if __name__ == "__main__":
    main()
