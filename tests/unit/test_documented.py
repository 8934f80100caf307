"""What `/openapi` says of calls, without making any."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from api.app import create_app
from overheard.settings import Settings


@pytest.fixture(scope="module")
def operations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    home: Path = tmp_path_factory.mktemp("home")
    app = create_app(Settings(home=home, redis_url="redis://127.0.0.1:1/0", api_key="a key of a test, long"))  # type: ignore[arg-type]
    paths = app.api_doc["paths"]
    yield {f"{method.upper()} {path}": said for path, methods in paths.items() for method, said in methods.items()}
    app.extensions["overheard"].database.engine.dispose()


def test_every_call_says_what_it_answers_when_all_is_well(operations: dict[str, Any]) -> None:
    lacking = [call for call, said in operations.items() if not any(status < "400" for status in said["responses"])]
    assert lacking == []


def test_every_keyed_call_says_how_it_is_refused(operations: dict[str, Any]) -> None:
    keyed = {call: said["responses"] for call, said in operations.items() if said.get("security")}
    assert len(keyed) > 80
    for call, said in keyed.items():
        assert {"401", "403", "422", "429", "503"} <= said.keys(), call
        assert {"Retry-After"} == said["429"]["headers"].keys() == said["503"]["headers"].keys(), call
        assert all(list(said[status]["content"]) == ["application/problem+json"] for status in ("401", "429")), call


def test_no_two_bodies_share_a_name(operations: dict[str, Any]) -> None:
    """The second would be described as the first."""

    def below(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
        for one in kind.__subclasses__():
            yield one
            yield from below(one)

    names = Counter(kind.__name__ for kind in set(below(BaseModel)) if kind.__module__.startswith("api."))
    assert operations
    assert [name for name, count in names.items() if count > 1] == []
