"""Where a fact of a model, quant or machine can be looked up: its source as an address, pinned, dated and classed.

A record states a source as people write it, address first and then what was taken from there:

    github:ai-dynamo/aiconfigurator@095f58a5:systems/h100_sxm.yaml (dense peaks)     a file of a commit
    pip transformers==5.23.0 exaone4 configuration class                             a release of a package
    https://huggingface.co/mistralai/Devstral-Small-2-24B-Instruct-2512              a page
    measurements/elsung.csv (label as printed there)                                 a source of our measurements
    config.json (config.json)                                                        a file that somebody imported
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from catalog.facts import Evidence, PartialDate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog.facts import Facts, Publisher

GITHUB = re.compile(r"github:(?P<repository>[\w.-]+/[\w.-]+)@(?P<commit>[0-9a-f]{7,40})(?::(?P<path>[^\s()]+))?")
PACKAGE = re.compile(r"pip (?P<name>[\w.-]+)==(?P<release>\w+(?:\.\w+)*)")
PAGE = re.compile(r"https?://[^\s/]+\.[^\s/]+[^\s]*")
ROWS = re.compile(r"measurements/(?P<source>[\w.-]+)\.csv")
IMPORTED = re.compile(r"[^\s/:]+\.(?:json|gguf|safetensors)(?= \()")


class Citation(BaseModel):
    """One source of a record. ``pinned`` is the commit or release that was read; None for a page, which may change."""

    model_config = ConfigDict(frozen=True)

    stated: str
    url: str
    pinned: str | None = None
    date: PartialDate | None = None
    evidence: Evidence


class UncitableError(ValueError):
    """Why a source cannot be looked up, and what to write instead."""


def cite(stated: str, facts: Facts) -> Citation:
    """The source that a record states. Raises UncitableError for no address, or one whose publisher is not known."""
    if found := GITHUB.match(stated):
        inside = f"blob/{found['commit']}/{found['path']}" if found["path"] else f"tree/{found['commit']}"
        url = f"https://github.com/{found['repository']}/{inside}"
        return _published(stated, url, facts.publishers, found["commit"])
    if found := PACKAGE.match(stated):
        url = f"https://pypi.org/project/{found['name']}/{found['release']}/"
        return _published(stated, url, facts.publishers, found["release"])
    if found := PAGE.match(stated):
        return _published(stated, found[0].rstrip(".,;"), facts.publishers, None)
    if found := ROWS.match(stated):
        if found["source"] not in facts.sources:
            raise UncitableError(f"{found[0]}: no source of measurements is called {found['source']!r}")
        source = facts.sources[found["source"]]
        return Citation(stated=stated, url=source.url, date=source.date, evidence=source.evidence)
    if found := IMPORTED.match(stated):
        return Citation(stated=stated, url=found[0], evidence="own")
    raise UncitableError(
        f"{stated!r} starts with no address: write https://…, github:owner/repository@commit:path or pip name==release"
    )


def _published(stated: str, url: str, publishers: Mapping[str, Publisher], pinned: str | None) -> Citation:
    """Class and date are the publisher's: the one whose address is the longest that this one starts with."""
    bare = f"{url.partition('://')[2]}/"
    owner = max((p for p in publishers if bare.startswith(f"{p}/")), key=len, default=None)
    if owner is None:
        raise UncitableError(f"{url}: publishers.toml does not say who publishes there: add it with its evidence class")
    publisher = publishers[owner]
    return Citation(
        stated=stated, url=url, pinned=pinned, date=publisher.releases.get(pinned or ""), evidence=publisher.evidence
    )
