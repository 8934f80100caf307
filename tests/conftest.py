"""One real stack for all tests that do not break it; and in CI no test is skipped."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from overheard.store.database import Database, migrate
from tests.databases import Postgres, postgres_programs, postgres_server
from tests.stack import RunningStack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    home = tmp_path_factory.mktemp("stack") / "home"
    with RunningStack(home, without=("mlflow", "train"), notify_hosts="127.0.0.1") as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if not postgres_programs():
        pytest.skip("PostgreSQL is not installed")
    with postgres_server() as url:
        server = Postgres(url)
        yield server
        server.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty one with all tables, on SQLite."""
    url = f"sqlite:///{tmp_path / 'test.db'}"
    migrate(url)
    database = Database(url)
    yield database
    database.engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    return str(request.getfixturevalue("postgres").empty())


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database with all tables: the contract of the store holds on both kinds."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'test.db'}"
        migrate(url)
    else:
        url = request.getfixturevalue("postgres").fresh()
    database = Database(url)
    yield database
    database.engine.dispose()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where a service is missing a test may skip on a laptop; in CI that would hide a hole."""
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
    return report
