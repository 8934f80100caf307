"""Who calls too often is told when to come back, and nobody else is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import TooManyRequests

from api.app import create_app
from api.rates import Rates
from overheard.settings import Settings
from overheard.store.keys import Role, create
from overheard.store.tables.base import EPOCH
from tests.redis_server import redis_server

KEY = "an admin's key of a test"
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


class Clock:
    """A time that a test says: no minute ends in the middle of it."""

    def __init__(self) -> None:
        self.now = 45.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def api(home: Path, clock: Clock, **said: Any) -> Iterator[Flask]:
    home.mkdir(exist_ok=True)
    settings = Settings(home=home, api_key=KEY, **{"redis_url": NOWHERE, **said})  # type: ignore[arg-type]
    app = create_app(settings)
    house = app.extensions["overheard"]
    app.extensions["overheard"] = replace(house, rates=Rates(settings, clock))
    yield app
    house.database.engine.dispose()


def ask(app: Flask, key: str = KEY, address: str = "8.8.8.8", path: str = "/keys", **headers: str) -> Any:
    said = {"Authorization": f"Bearer {key}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return app.test_client().get(path, headers=said, environ_overrides={"REMOTE_ADDR": address})


def test_a_key_that_calls_too_often_is_told_when_to_come_back(tmp_path: Path) -> None:
    clock = Clock()
    with api(tmp_path, clock, rate_per_key=2) as app:
        with app.extensions["overheard"].database.write() as session:
            _, other = create(session, "other", Role.admin, EPOCH)
        answers = [ask(app) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2].headers["Retry-After"] == "15"
        assert answers[2].content_type == "application/problem+json"
        assert "OVERHEARD_RATE_PER_KEY" in answers[2].get_json()["detail"]
        assert ask(app, other).status_code == 200
        clock.now += 15
        assert ask(app).status_code == 200


def test_whoever_tries_keys_is_refused_even_when_one_is_right(tmp_path: Path) -> None:
    clock = Clock()
    with api(tmp_path, clock, rate_of_wrong_keys=2) as app:
        tried = [ask(app, key).status_code for key in ("one", "two", "three", KEY)]
        assert tried == [401, 401, 429, 429]
        assert ask(app, address="9.9.9.9").status_code == 200
        assert ask(app, path="/health/live").status_code == 200
        clock.now += 15
        assert ask(app).status_code == 200


def test_keys_that_are_tried_at_the_sign_in_are_counted_too(tmp_path: Path) -> None:
    with api(tmp_path, Clock(), rate_of_wrong_keys=1) as app:
        tried = [_sign_in(app.test_client(), key) for key in ("wrong", "wrong", KEY)]
    assert tried == [401, 429, 429]


def _sign_in(client: FlaskClient, key: str) -> int:
    token = client.get("/sign-in").text.partition('name="csrf_token" value="')[2].partition('"')[0]
    return client.post("/sign-in", data={"key": key, "csrf_token": token}).status_code


def test_calls_without_a_key_are_counted_by_address_and_health_is_not(tmp_path: Path) -> None:
    with api(tmp_path, Clock(), rate_per_address=2) as app:
        client = app.test_client()
        assert [client.get("/keys").status_code for _ in range(3)] == [401, 401, 429]
        assert client.get("/sign-in").status_code == 429
        assert ask(app, address="127.0.0.1").status_code == 200
        assert [client.get("/health/live").status_code for _ in range(3)] == [200] * 3


def test_an_address_is_what_a_proxy_says_only_where_there_is_one(tmp_path: Path) -> None:
    def tried(app: Flask) -> list[int]:
        return [ask(app, "wrong", X_Forwarded_For=f"9.9.9.{number}").status_code for number in range(3)]

    with api(tmp_path / "none", Clock(), rate_of_wrong_keys=1) as app:
        assert tried(app) == [401, 429, 429]
    with api(tmp_path / "one", Clock(), rate_of_wrong_keys=1, proxies=1) as app:
        assert tried(app) == [401, 401, 401]


@pytest.fixture
def rates() -> Callable[..., Rates]:
    return lambda url=NOWHERE, **said: Rates(Settings(redis_url=url, **said), Clock())


def test_processes_count_together(rates: Callable[..., Rates], redis_url: str) -> None:
    first, second = (rates(redis_url, rate_per_key=2) for _ in range(2))
    first.count_key("together")
    second.count_key("together")
    with pytest.raises(TooManyRequests):
        first.count_key("together")


def test_without_redis_each_process_counts_by_itself(rates: Callable[..., Rates]) -> None:
    first, second = (rates(rate_per_key=1) for _ in range(2))
    first.count_key("ann")
    second.count_key("ann")
    with pytest.raises(TooManyRequests):
        first.count_key("ann")


def test_who_has_one_ipv6_address_has_its_whole_network(rates: Callable[..., Rates]) -> None:
    counting = rates(rate_per_address=1)
    counting.count_address("2001:db8::1")
    counting.count_address("2001:db8:0:1::1")
    with pytest.raises(TooManyRequests):
        counting.count_address("2001:db8::ffff")


def test_zero_is_no_limit(rates: Callable[..., Rates]) -> None:
    counting = rates(rate_per_key=0, rate_per_address=0, rate_of_wrong_keys=0)
    for _ in range(3):
        counting.count_key("ann")
        counting.count_address("8.8.8.8")
        counting.count_failure("8.8.8.8")
        counting.require_open("8.8.8.8")
