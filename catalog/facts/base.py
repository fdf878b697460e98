"""What the fields of facts are made of: ids, dates, classes of evidence, and the immutable record."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

TensorClass = Literal[
    "embed",
    "lm_head",
    "attn",
    "linear_attn",
    "dense_mlp",
    "shared_experts",
    "routed_experts",
    "router",
    "vision_audio",
    "ple",
    "other",
]
"""The classes of weight tensors a quant may treat differently.

``ple`` are per-layer or n-gram embedding tables: stored, looked up, never streamed. ``other`` is norms and biases.
"""
Modality = Literal["text", "vision", "audio", "video"]
Evidence = Literal["official", "maintainer", "community", "own"]
Vendor = Literal["nvidia", "amd", "apple", "intel", "cpu"]
KvDtype = Literal["auto", "f16", "fp8", "q8_0"]
Task = Literal["general", "coding", "reasoning", "math", "agentic", "vision"]
SpecBasis = Literal["stated", "tool", "assumed", "unknown"]
Kernels = Literal["weight-only"]
Content = Literal["code", "math", "prose", "qa", "structured", "agentic", "mixed"]

SLUG = re.compile(r"[a-z0-9][a-z0-9._-]*")


def _slug(value: str) -> str:
    if not SLUG.fullmatch(value):
        raise ValueError(f"{value!r} is not a slug: use a-z 0-9 . _ - and start with a letter or digit")
    return value


FIRST_YEAR, LAST_YEAR = 2000, 2100


def _partial_date(value: str) -> str:
    """A date as precise as the source is: YYYY, YYYY-MM or YYYY-MM-DD."""
    try:
        read = dt.date.fromisoformat((value + "-01-01")[:10] if len(value) < 10 else value)
    except ValueError as error:
        raise ValueError(f"{value!r} is not a date: use YYYY, YYYY-MM or YYYY-MM-DD") from error
    if not FIRST_YEAR <= read.year < LAST_YEAR:
        raise ValueError(f"{value!r} lies outside {FIRST_YEAR} to {LAST_YEAR}")
    return value


Slug = Annotated[str, AfterValidator(_slug)]
PartialDate = Annotated[str, AfterValidator(_partial_date)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
MeanCount = Annotated[int | float, Field(ge=0, allow_inf_nan=False)]
"""A count, or the mean of counts over several runs (235.67 tokens)."""


class Record(BaseModel):
    """A fact: immutable, and an unknown field in its file is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
