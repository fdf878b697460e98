"""The SDK's wheel and sdist install alone: httpx and pydantic, nothing of the service, the command included."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")


def run(*command: str | Path) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_it_installs_alone(tmp_path: Path, kind: str) -> None:
    """Into an empty environment."""
    run(UV, "build", "--quiet", "clients/python", "--out-dir", tmp_path / "dist")
    (built,) = (tmp_path / "dist").glob(kind)
    run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(UV, "pip", "install", "--quiet", "--python", python, built)
    installed = set(
        run(UV, "pip", "list", "--quiet", "--python", python, "--format", "freeze").lower().replace("_", "-").split()
    )
    names = {line.partition("==")[0] for line in installed}
    assert {"httpx", "pydantic", "modelpicker"} <= names
    assert not {"litestar", "duckdb", "numpy", "mcp"} & names
    assert "recommend" in run(tmp_path / "venv" / "bin" / "modelpicker", "--help")
    typed = run(
        python,
        "-c",
        "import modelpicker, pathlib; print((pathlib.Path(modelpicker.__file__).parent / 'py.typed').exists())",
    )
    assert typed.strip() == "True"
