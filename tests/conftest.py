"""One real stack for all tests that do not break it."""

from collections.abc import Iterator

import pytest

from tests.stack import RunningStack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with RunningStack(tmp_path_factory.mktemp("stack") / "home", without=("mlflow",)) as running:
        yield running
