"""What each answer carries, whatever it answers; and an upload for which there is no room."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from api.app import create_app
from overheard.settings import Settings

KEY = "an admin's key of a test"
PATHS = [
    "/",
    "/keys",
    "/nowhere",
    "/health/live",
    "/sign-in",
    "/static/overheard.css",
    "/openapi/openapi.json",
    "/boom",
]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    settings = Settings(
        home=tmp_path, redis_url="redis://127.0.0.1:1/0", api_key=KEY, keep_free_bytes=10**18, proxies=1
    )  # type: ignore[arg-type]
    app = create_app(settings)

    @app.get("/boom")
    def boom() -> str:
        raise ZeroDivisionError

    yield app
    app.extensions["overheard"].database.engine.dispose()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("key", [KEY, "wrong"])
def test_no_answer_lets_a_browser_do_what_was_not_meant(app: Flask, path: str, key: str) -> None:
    headers = app.test_client().get(path, headers={"Authorization": f"Bearer {key}"}).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    policy = headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self';" in policy or path.startswith("/openapi")


def test_browsers_that_came_by_tls_are_told_to_come_so_again_and_no_others(app: Flask) -> None:
    def told(**headers: str) -> str | None:
        return app.test_client().get("/health/live", headers=headers).headers.get("Strict-Transport-Security")

    assert told(**{"X-Forwarded-Proto": "https"}) == "max-age=31536000"
    assert told() is told(**{"X-Forwarded-Proto": "http"}) is None


def test_an_upload_that_would_take_the_last_of_the_disk_is_refused_before_it_comes(app: Flask) -> None:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "text/csv"}
    answer = app.test_client().post("/batches", data=b"text\nhello\n", headers=headers)
    assert answer.status_code == 507
    assert "OVERHEARD_KEEP_FREE_BYTES" in answer.get_json()["detail"]
