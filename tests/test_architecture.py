"""The folder list is the architecture, and the README tells the truth about it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOP = {"service", "catalog", "models_data", "clients", "tests", "Dockerfile", "pyproject.toml"}


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_the_top_level_is_what_was_fixed() -> None:
    """Nobody moves the walls of the house."""
    assert {path.split("/")[0] for path in tracked()} >= TOP


def test_models_data_holds_no_python() -> None:
    """Data is not code."""
    assert [p for p in tracked() if p.startswith("models_data/") and p.endswith(".py")] == []


def test_every_path_the_readme_names_exists() -> None:
    """A picture that lies is worse than none."""
    readme = (ROOT / "README.md").read_text()
    named = set(re.findall(r"`((?:service|catalog|models_data|clients|tests)/[\w./-]*)`", readme))
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_code_files_stay_small() -> None:
    """A file that grows two subjects is split: none is longer than 500 lines."""
    code = [p for p in tracked() if p.startswith(("service/", "catalog/", "clients/")) and p.endswith(".py")]
    assert [p for p in code if len((ROOT / p).read_text().splitlines()) > 500] == []


def test_the_project_speaks_of_itself_alone() -> None:
    """No machine's paths in code or documentation."""
    text = [p for p in tracked() if p.endswith((".py", ".md", ".toml", ".yaml")) and not p.startswith("models_data/")]
    assert [p for p in text if re.search(r"/(?:work|root|opt)/", (ROOT / p).read_text(errors="replace"))] == []
