"""A record as the TOML text of its file in ``models_data/``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tomli_w

if TYPE_CHECKING:
    from catalog.facts import Record


def toml_text(record: Record) -> str:
    """The record's file: what equals a default is left out, and so is ``id``, which is the file's name."""
    return tomli_w.dumps(record.model_dump(exclude={"id"}, exclude_defaults=True, exclude_none=True))
