"""Pages without a browser, in the API's process, on a database of their own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from overheard.settings import Settings
from overheard.store.database import Database, migrate
from tests.pages import KEY, sign_in


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all tables: copying it is quicker than making them."""
    path = tmp_path_factory.mktemp("migrated") / "overheard.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def app(tmp_path: Path, migrated: Path) -> Iterator[Flask]:
    shutil.copy(migrated, tmp_path)
    app = create_app(Settings(home=tmp_path, redis_url="redis://127.0.0.1:1/0", api_key=KEY))  # type: ignore[arg-type]
    yield app
    app.extensions["overheard"].database.engine.dispose()


@pytest.fixture
def database(app: Flask) -> Database:
    return app.extensions["overheard"].database  # type: ignore[no-any-return]


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """An admin's browser."""
    client = app.test_client()
    sign_in(client)
    return client
