"""What is chosen from: models, weight formats, engines and machines."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from catalog.facts.base import (
    Modality,
    PartialDate,
    Positive,
    Record,
    Slug,
    TensorClass,
    Vendor,
)


class Moe(Record):
    """Mixture of experts: each token is routed to ``experts_per_token`` of ``num_experts``."""

    num_experts: Annotated[int, Field(gt=0)]
    experts_per_token: Annotated[int, Field(gt=0)]
    moe_intermediate_size: int | None = None
    shared_experts: int | None = None
    shared_expert_intermediate_size: int | None = None
    first_k_dense: int | None = None


class AttentionGroup(Record):
    """Layers of one attention kind. Which dimensions are set depends on ``kind``.

    ``full`` caches 2 x kv_heads x head_dim per token; ``sliding`` and ``chunked`` stop at ``window``; ``mla`` caches
    kv_lora_rank + qk_rope_head_dim; ``gated_delta``, ``kda``, ``mamba2``, ``linear`` and ``short_conv`` keep a fixed
    state; ``compressed_sparse`` is DeepSeek-V4's; ``none`` mixes no tokens at all (pruned, MLP or expert-only layers).
    """

    kind: Literal[
        "full",
        "sliding",
        "chunked",
        "mla",
        "gated_delta",
        "kda",
        "mamba2",
        "linear",
        "short_conv",
        "compressed_sparse",
        "none",
    ]
    layers: Annotated[int, Field(gt=0)]
    kv_heads: int | None = None
    head_dim: int | None = None
    v_head_dim: int | None = None
    k_eq_v: bool = False
    window: int | None = None
    kv_lora_rank: int | None = None
    q_lora_rank: int | None = None
    qk_rope_head_dim: int | None = None
    qk_nope_head_dim: int | None = None
    index_topk: int | None = None
    index_head_dim: int | None = None
    index_n_heads: int | None = None
    compress_ratios: str | None = None
    num_k_heads: int | None = None
    num_v_heads: int | None = None
    k_head_dim: int | None = None
    num_heads: int | None = None
    state_size: int | None = None
    n_groups: int | None = None
    conv_kernel: int | None = None
    width: int | None = None
    state_dtype: Literal["float32", "bfloat16"] | None = None
    note: str | None = None


class Kv(Record):
    """Cache sizes at 16 bits as derived from ``attention``; ``complete=False``: some layer kind is not counted."""

    bytes_per_token_full_bf16: float
    bytes_per_token_windowed_bf16: float
    fixed_state_bytes: float
    complete: bool


class Model(Record):
    """A published model: its architecture, its parameter counts and the names it goes by."""

    id: Slug
    name: str
    family: str
    hf_id: str | None = None
    developer: str | None = None
    license: str | None = None
    release_date: PartialDate | None = None
    modality: tuple[Modality, ...] = ("text",)
    role: Literal["catalog", "reference"] = "catalog"
    confidence: Literal["config", "secondary"]
    derivative_of: Slug | None = None
    context_limit: int | None = Field(
        default=None, description="tokens the model was built for; None when not published"
    )
    context_limit_is_library_default: bool = False
    layers: int | None = None
    hidden_size: int | None = None
    attention_heads: int | None = None
    kv_heads: int | None = None
    head_dim: int | None = None
    vocab_size: int | None = None
    intermediate_size: int | None = None
    tied_embeddings: bool | None = None
    mtp_layers: int | None = None
    draft_heads: tuple[str, ...] = Field(default=(), description="published draft heads: eagle3, dflash, dspark...")
    draft_checkpoints: dict[str, str] = Field(
        default_factory=dict, description="method → repository of its draft head, where one is known"
    )
    params_total: int | None = None
    params_active: int | None = None
    params_active_stated: str | None = None
    decode_read_params_per_token: int | None = None
    moe: Moe | None = None
    attention: tuple[AttentionGroup, ...] = ()
    parameters: dict[TensorClass, int] | None = Field(
        default=None, description="parameters by tensor class; None: not public"
    )
    kv: Kv | None = None
    native_quants: tuple[Slug, ...] = Field(
        default=(), description="low-precision formats it was released in: they are the model and lose nothing"
    )
    aliases: tuple[str, ...] = ()
    sources: tuple[str, ...]
    note: str | None = None


class Layout(Record):
    """One real checkpoint of a quant whose per-class bits are known, because its excluded tensors are."""

    model: Slug
    checkpoint: str
    engines: tuple[Slug, ...] = Field(default=(), description="engines that load this checkpoint; empty: every engine")
    bits: dict[TensorClass, float]
    weight_only: bool = Field(default=False, description="multiplied in 16 bits, whatever the format's kernels can do")
    note: str | None = None
    source: str


class MixtureBits(Record):
    """The form that a quant's files of mixtures of experts take, where it differs from those of other models."""

    released_since: PartialDate = Field(description="of the models that are written so")
    bits: dict[TensorClass, float]
    note: str | None = None
    source: str


class Quant(Record):
    """A weight format: stored bits per weight, by tensor class. A class without bits is not known."""

    id: Slug
    family: str
    bits_per_weight: float | None = None
    bits: dict[TensorClass, float] | None = None
    bits_by_engine: dict[Slug, dict[TensorClass, float]] = Field(
        default_factory=dict, description="where the format's file differs by engine (mxfp4: GGUF rest 8.5, else 16)"
    )
    mixtures: MixtureBits | None = None
    weight_only: bool = Field(default=False, description="multiplied in 16 bits, whatever the format's kernels can do")
    bits_basis: str | None = None
    file_bpw_llama31_8b: float | None = None
    engines: tuple[Slug, ...] = ()
    hardware_vendors: tuple[Vendor, ...] = Field(default=(), description="where kernels for it exist; empty: anywhere")
    self_made: bool = Field(
        default=False, description="anyone can make it with the engine's own tool: it exists for any model"
    )
    self_made_engines: tuple[Slug, ...] = Field(
        default=(), description="the engines that hold for when self_made; empty: none"
    )
    compute_path: dict[str, str] = Field(default_factory=dict)
    layouts: tuple[Layout, ...] = ()
    aliases: tuple[str, ...] = ()
    sources: tuple[str, ...]
    note: str | None = None


class Launch(Record):
    """How an engine is started.

    Placeholders, replaced literally (JSON braces in an option stay): {model}, a repository; {name} and {quant} of a file;
    {context} tokens of one stream; {slots} streams; {total_context} = context x slots; {units}; {hosts} and {rpc_hosts}
    of them; {draft_tokens}; {draft_model} and {draft_file} of the draft head; {memory_share} of a unit's memory, and
    {free_share} of what the weights leave of it. An option is appended to ``command``, one whose name starts with
    ``env_`` goes in front of it. ``multi_unit`` is for several machines, ``other_units`` runs on the others first;
    ``multi_gpu`` is for several cards in one machine, ``mtp_head`` for MTP whose layers are a file of their own.
    """

    command: str
    options: dict[str, str] = Field(default_factory=dict)
    flags: tuple[str, ...] = Field(
        default=(), description="flags its documentation lists, to check the templates against"
    )
    source: str


class Buffers(Record):
    """How an engine sizes what it reserves besides weights and cache, as its launch command leaves it."""

    batch_tokens: Annotated[int, Field(gt=0, description="prompt tokens that go through the model together")]
    activation_bytes: Literal[2, 4]
    all_logits: bool = Field(default=False, description="keeps logits for every token of the batch")
    attention_mask: bool = Field(default=False, description="keeps a mask of 2 bytes per cell and token of the batch")
    block_tokens: Annotated[int, Field(gt=0, description="KV cells are reserved in blocks of this many tokens")]
    source: str


class Engine(Record):
    """An inference engine: what it loads, where it runs, how it is started."""

    id: Slug
    name: str
    family: str = Field(description="engines that share kernels share a family: ollama and lmstudio are llama.cpp")
    url: str | None = None
    quant_families: tuple[str, ...] = ()
    experimental_families: tuple[str, ...] = Field(
        default=(), description="loaded through plug-ins: only what somebody measured is offered"
    )
    hardware_vendors: tuple[Vendor, ...] = ()
    vendor_families: dict[Vendor, tuple[str, ...]] = Field(
        default_factory=dict, description="quant families that load on a vendor's hardware, where fewer than elsewhere"
    )
    compute_capability: dict[str, float] = Field(
        default_factory=dict,
        description="least compute capability of NVIDIA hardware: any format (any), a quant family",
    )
    requires_source: str | None = None
    speculation: tuple[str, ...] = ()
    multi_unit: Literal["tensor", "pipeline"] | None = None
    multi_unit_note: str | None = None
    runtime_bytes: int | None = Field(
        default=None, description="what the engine takes besides weights, KV and scratch buffers"
    )
    runtime_note: str | None = None
    buffers: Buffers | None = None
    api: str | None = None
    launch: Launch | None = None
    aliases: tuple[str, ...] = ()
    note: str | None = None


class Link(Record):
    """What joins several units."""

    name: str
    bandwidth_gb_s: Positive
    max_units_seen: int | None = None
    note: str | None = None


class Hardware(Record):
    """A machine or accelerator. Peaks are dense: figures with structured sparsity are never stored."""

    id: Slug
    name: str
    vendor: Vendor
    memory_type: str | None = None
    memory_gb: Positive | None = Field(default=None, description="as on the label")
    memory_usable_bytes: int | None = Field(default=None, description="what the runtime can see, where documented")
    memory_safe_bytes: int | None = Field(
        default=None, description="the default budget: leaves the headroom the note explains"
    )
    memory_note: str | None = None
    unified: bool = False
    bandwidth_gb_s: Positive | None = None
    bandwidth_measured_gb_s: tuple[float, float] | None = None
    bandwidth_measured_source: str | None = None
    peak_dense_tflops: dict[str, float] = Field(default_factory=dict)
    measured_dense_tflops: dict[str, float] = Field(default_factory=dict, description="best measured, by dtype")
    measured_dense_basis: str | None = Field(default=None, description="every measured value with its source")
    peak_basis: str | None = None
    compute_capability: str | None = None
    interconnect: str | None = None
    link: Link | None = None
    tdp_w: float | None = None
    price_usd: float | None = None
    price_date: str | None = None
    price_source: str | None = None
    release_date: PartialDate | None = None
    aliases: tuple[str, ...] = ()
    sources: tuple[str, ...]
    note: str | None = None
