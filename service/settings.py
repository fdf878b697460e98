"""Every knob of the service, read from the environment once, at start."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "MODELPICKER_"
SHARED_METRICS = "PROMETHEUS_MULTIPROC_DIR"
SHARED_COUNTS = "MODELPICKER_SHARED_COUNTS"
"""Variables that the server sets before its workers start: where they add up metrics, and count requests, together."""
ROOT = Path(__file__).resolve().parent.parent


def shared_folder(variable: str) -> Path:
    """The folder that a variable names; a new one where it is not set."""
    return Path(os.environ.get(variable) or tempfile.mkdtemp(prefix="modelpicker-"))


class SettingsError(ValueError):
    """A setting that cannot be used; names the variable and the fix."""


class Settings(BaseModel):
    """Settings with their defaults; each is read from MODELPICKER_<NAME>."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="address to listen on")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(8000, description="port to listen on")
    workers: Annotated[int, Field(ge=1, le=64)] = Field(1, description="processes that answer")
    catalog: Path = Field(ROOT / "build" / "catalog.duckdb", description="the DuckDB catalog to serve")
    reload_seconds: Annotated[float, Field(ge=0)] = Field(
        2.0, description="how often to look for a new catalog; 0: never"
    )
    cached_answers: Annotated[int, Field(ge=0)] = Field(
        1024, description="answers kept encoded in memory, of 70 kB or so each"
    )
    max_body_bytes: Annotated[int, Field(ge=1024)] = Field(1_000_000, description="largest request body")
    body_seconds: Annotated[float, Field(gt=0)] = Field(30.0, description="how long a request body may take to come")
    max_query_bytes: Annotated[int, Field(ge=256)] = Field(8192, description="longest query string")
    ledger: str | Path | None = Field(
        None,
        description="what keeps measurements sent by POST: a file, or the postgresql:// URL of a database for many servers; "
        "unset: none are taken",
    )
    keys: Path | None = Field(None, description="the file of API keys, see `python -m service --new-key NAME`")
    rate_per_address: Annotated[int, Field(ge=0)] = Field(
        0, description="requests a minute from one address without a key (an IPv6 /64 is one); 0: no limit"
    )
    rate_per_key: Annotated[int, Field(ge=0)] = Field(0, description="requests a minute with one key; 0: no limit")
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = Field(
        0, description="proxies in front that add to X-Forwarded-For; 0: the connection's address counts"
    )
    cors_origins: str = Field(
        "",
        description="origins of web pages that may ask, separated by commas, or *; unset: pages of this service alone",
    )
    recalibrate_seconds: Annotated[float, Field(ge=0)] = Field(
        300.0, description="how often to build a new catalog from new rows of the ledger; 0: never"
    )
    slow_ms: Annotated[float, Field(gt=0)] = Field(
        1000.0, description="a request this slow is logged with its question"
    )
    access_log: bool = Field(default=False, description="log every request, not only slow and failed ones")
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        0, description="serve /metrics on this port of the same address instead of beside the answers; 0: beside them"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severe log line written")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the variables that are set. Raises SettingsError naming the variable and what it accepts."""
        given = {
            name: environment[PREFIX + name.upper()]
            for name in cls.model_fields
            if PREFIX + name.upper() in environment
        }
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            name = PREFIX + str(first["loc"][0]).upper()
            raise SettingsError(f"{name}={first['input']!r}: {first['msg']}") from error
