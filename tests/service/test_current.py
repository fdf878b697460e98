"""The catalog in use, and what is left of the one before it."""

from __future__ import annotations

import shutil
import weakref
from typing import TYPE_CHECKING

from modelpicker.wire.questions import RecommendQuestion

from service.current import Current

if TYPE_CHECKING:
    from pathlib import Path


def test_nothing_stays_of_an_old_catalog(catalog_file: Path, tmp_path: Path) -> None:
    """Its facts, tables and answers go with it, or a service would grow with every new catalog."""
    place, following = tmp_path / "catalog.duckdb", tmp_path / "next.duckdb"
    shutil.copy(catalog_file, place)
    current = Current(place, cached=10)
    assert current.refresh()
    assert current.answers is not None
    current.answers.recommend(RecommendQuestion(min_tg=30))
    catalog = current.answers.catalog
    table = catalog.candidates(catalog.hardware("dgx-spark"))
    left = [weakref.ref(thing) for thing in (catalog, current.answers, table, table.configs[0].model)]
    del catalog, table
    shutil.copy(catalog_file, following)
    following.replace(place)
    assert current.refresh()
    assert [thing() for thing in left] == [None] * 4
