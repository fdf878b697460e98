"""Ask a modelpicker service which model, quant and engine to run, and why.

What needs HTTP is loaded when it is first named, so that the wire types alone (which the service shares) cost nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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


def __getattr__(name: str) -> object:
    """Load a public name from the module that defines it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = {"Options": "transport", "Client": "client", "AsyncClient": "client", "RawResponse": "client"}
    return getattr(import_module(f"modelpicker.{module.get(name, 'errors')}"), name)
