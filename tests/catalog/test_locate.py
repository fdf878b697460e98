"""Finding a key's line again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catalog.locate import csv_lines, toml_line

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
name = "x"
# a comment
groups = [
    { kind = "full", layers = 2 },
    { kind = "sliding", layers = 3 },
]

[limits]
low = 1

["a b"]
low = 2

[[layouts]]
model = "m"

[[layouts]]
model = "n"
[layouts.bits]
attn = 8
"""


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("name",), 1),
        (("groups",), 3),
        (("groups", 1, "layers"), 5),
        (("limits", "low"), 9),
        (("a b", "low"), 12),
        (("layouts", 1, "model"), 18),
        (("layouts", 1, "bits", "attn"), 20),
        (("absent",), 1),
        (("limits", "absent"), 8),
    ],
)
def test_a_key_is_found_on_its_line(keys: tuple[str | int, ...], line: int) -> None:
    """The deepest key that exists gives the line."""
    assert toml_line(TEXT, keys) == line


def test_rows_that_span_lines_are_counted_by_their_last(tmp_path: Path) -> None:
    """A quoted line break moves the rows after it, a blank line is no row."""
    path = tmp_path / "rows.csv"
    path.write_text('a,b\n1,"two\nlines"\n\n3,4\n', encoding="utf-8")
    assert csv_lines(path) == [3, 5]
