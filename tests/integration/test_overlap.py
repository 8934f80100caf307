"""A promotion on a real stack: the new model reads what the old one read last, and a swap is told as a swap."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from overheard import demo
from overheard.model_store import ModelStore
from overheard.scoring.bundle import Manifest
from overheard.settings import Settings
from overheard.store import models
from overheard.store.database import Database
from overheard.webhooks import HEADER, sign
from tests.models import another_starter
from tests.stack import RunningStack, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
NOW = datetime.now(UTC)
TEXTS = [post.text for post in demo.posts()][:60]


def hear(stack: RunningStack, days_ago: int) -> None:
    (feed,) = stack.client.get("/feeds").json()["feeds"]
    at = [(NOW - timedelta(days=days_ago, minutes=minutes)).isoformat() for minutes in range(60)]
    posts = [{"external_id": then, "text": text, "posted_at": then} for then, text in zip(at, TEXTS, strict=True)]
    body = json.dumps({"posts": posts}).encode()
    secret = stack.client.get(f"/feeds/{feed['id']}/secret").json()["secret"]
    headers = {HEADER: sign(secret, body, int(time.time())), "Content-Type": "application/json"}
    assert stack.client.post(f"/webhooks/{feed['id']}", content=body, headers=headers).status_code == 200


def changes(stack: RunningStack, brand_id: int) -> dict[str, Any]:
    return dict(stack.client.get(f"/brands/{brand_id}/changes").json())


def trained(home: Path, manifest: Manifest, bundle: Path) -> str:
    """A version that a training of this installation might have made."""
    settings = Settings.load(home=home)
    ModelStore(settings).put(bundle)
    database = Database(settings.sql_url)
    with database.write() as session:
        models.register(session, manifest, NOW)
    database.engine.dispose()
    return manifest.version


def test_the_new_model_reads_the_last_week_again_and_the_swap_is_no_mood(tmp_path: Path) -> None:
    with RunningStack(tmp_path / "home", without=("mlflow", "flower", "train")) as stack:
        brand_id = stack.client.post("/brands", json={"name": "zephyr", "sources": ["webhook:zephyr"]}).json()["id"]
        for days_ago in (1, 8):
            hear(stack, days_ago)
        eventually(lambda: all(changes(stack, brand_id)[name]["posts"] == 60 for name in ("before", "after")), 60)
        version = trained(tmp_path / "home", another_starter(tmp_path / "bundle", 6.0), tmp_path / "bundle")
        assert stack.client.post(f"/models/{version}/promote", json={}).status_code == 200
        found = eventually(lambda: (now := changes(stack, brand_id))["compared"] == 60 and now, 120)
        assert found["versions"][0] == version
        split = found["split"]
        assert abs(split["model"]["value"]) > 0.02  # it is much less sure of everything
        assert split["mood"]["value"] == pytest.approx(0, abs=1e-3)  # the same was said
