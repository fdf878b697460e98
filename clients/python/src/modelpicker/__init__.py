"""Ask a modelpicker service which model, quant and engine to run, and why."""

from modelpicker.client import AsyncClient, Client, RawResponse
from modelpicker.errors import (
    BadRequestError,
    ConnectionFailedError,
    ModelpickerError,
    NotAllowedError,
    NotFoundError,
    ProblemError,
    RateLimitedError,
    ServiceError,
)
from modelpicker.transport import Options

__all__ = [
    "AsyncClient",
    "BadRequestError",
    "Client",
    "ConnectionFailedError",
    "ModelpickerError",
    "NotAllowedError",
    "NotFoundError",
    "Options",
    "ProblemError",
    "RateLimitedError",
    "RawResponse",
    "ServiceError",
]
