"""Addresses of the explorer: a question, or a config under a question, as a query string without its defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from modelpicker.wire.questions import RecommendQuestion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelpicker.wire.answers import Config

SHOWN = 100
"""Configs listed and drawn, unless the question says otherwise."""
REJECTED_SHOWN = 40
DEFAULTS = RecommendQuestion(limit=SHOWN, rejected_limit=REJECTED_SHOWN)


def how(config: Config) -> str:
    """How a config runs its model, in words."""
    drafts = "" if config.speculation == "none" else f", {config.speculation}"
    return f"{config.quant} on {config.engine}{drafts}"


def fields_of(question: RecommendQuestion) -> dict[str, Any]:
    """The fields of a question that differ from the explorer's defaults."""
    asked, usual = question.model_dump(mode="json"), DEFAULTS.model_dump(mode="json")
    return {name: value for name, value in asked.items() if value != usual[name] and name != "models"}


def question_link(question: RecommendQuestion) -> str:
    """The explorer's first page for a question."""
    return _address("/", fields_of(question))


def config_link(question: RecommendQuestion, config: Config) -> str:
    """The page of one config under the question's load and limits."""
    name = f"{config.model}/{config.quant}/{config.engine}/{config.speculation}"
    return _address("/config", fields_of(question) | {"units": config.units, "config": name})


def flat(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as a query string has them: lists joined, nothing empty."""
    joined = {name: ",".join(value) if isinstance(value, list) else value for name, value in fields.items()}
    return {name: value for name, value in joined.items() if value not in (None, "")}


def _address(path: str, fields: Mapping[str, Any]) -> str:
    query = urlencode(flat(fields), safe="/,")
    return f"{path}?{query}" if query else path
