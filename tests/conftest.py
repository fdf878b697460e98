"""What every test may ask for: the catalog that `make test` built, and a client of a service that answers from it."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from litestar.testing import TestClient

from catalog.load import load_facts
from catalog.store import build, open_catalog
from service.app import create_app
from service.settings import Settings
from tests.serving import Running, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from catalog.catalog import Catalog
    from catalog.facts import Facts

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "models_data"


@pytest.fixture(scope="session")
def facts() -> Facts:
    """The facts that ship with the project."""
    return load_facts(DATA)


@pytest.fixture(scope="session")
def catalog_file() -> Path:
    """The built catalog; `make test` has it ready, a bare `pytest` builds it once."""
    path = ROOT / "build" / "catalog.duckdb"
    if not path.exists():
        build(DATA, path)
    return path


@pytest.fixture(scope="session")
def catalog(catalog_file: Path) -> Catalog:
    """The catalog in memory. Nothing changes it."""
    return open_catalog(catalog_file)


@pytest.fixture(scope="session")
def client(catalog_file: Path) -> Iterator[TestClient[Any]]:
    """A client of the whole service, without a socket."""
    with TestClient(create_app(Settings(catalog=catalog_file, reload_seconds=0))) as client:
        yield client


@pytest.fixture(scope="session")
def ask(client: TestClient[Any]) -> Callable[..., dict[str, Any]]:
    """GET a path with parameters; the answer must be 200."""

    def get(path: str, **parameters: Any) -> dict[str, Any]:
        response = client.get(path, params=parameters)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    return get


@pytest.fixture
def data_copy(tmp_path: Path) -> Path:
    """A copy of the facts that a test may spoil."""
    return Path(shutil.copytree(DATA, tmp_path / "models_data"))


@pytest.fixture(scope="session")
def url(catalog_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service on a free port of this machine, stopped afterwards."""
    service = start(catalog_file, tmp_path_factory.mktemp("service") / "log", MODELPICKER_LOG_LEVEL="error")
    yield service.url
    service.process.terminate()
    service.process.wait(20)


@pytest.fixture
def started(catalog_file: Path, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts services with settings; stops them afterwards, each in its time."""
    running: list[Running] = []

    def begin(**settings: str) -> Running:
        running.append(start(catalog_file, tmp_path / f"log-{len(running)}", **settings))
        return running[-1]

    yield begin
    for service in running:
        if service.process.poll() is None:
            service.process.terminate()
            assert service.process.wait(20) in (0, -signal.SIGTERM)
