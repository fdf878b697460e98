"""Tokens and addresses, from the environment alone: never logged, and a missing one is a sentence at start."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class StartError(RuntimeError):
    """Why the bot cannot start, in a sentence that names the variable and the fix."""


def required(name: str, what: str, environment: Mapping[str, str] = os.environ) -> str:
    """A variable that must be set. Raises StartError."""
    value = environment.get(name, "").strip()
    if not value:
        raise StartError(f"{name} is not set: put {what} there")
    return value


def port(environment: Mapping[str, str] = os.environ) -> int:
    """Where the Slack bot listens for HTTP: MODELPICKER_SLACK_PORT, else 3000. Raises StartError."""
    text = environment.get("MODELPICKER_SLACK_PORT", "3000")
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise StartError(f"MODELPICKER_SLACK_PORT={text!r} is no port: put a number from 1 to 65535 there")
    return int(text)
