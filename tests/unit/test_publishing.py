"""The champion's way to the Hub, as its row tells it: through the Hub's own client, to a Hub on loopback."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from overheard.model_store import ModelStore
from overheard.settings import Settings
from overheard.store import models
from overheard.store.database import Database, migrate
from tests.hub_uploads import READ, WRITE, WritableHub
from tests.models import another_starter
from tests.stack import free_port
from tests.unit.test_publish import clean

NOW = datetime(2026, 3, 1, tzinfo=UTC)
REPOSITORY = "acme/sentiment"
PUBLISH = """
from datetime import UTC, datetime
from overheard.publishing import publish_champion
from overheard.settings import Settings
from overheard.store.database import Database
settings = Settings.load()
publish_champion(Database(settings.sql_url), settings, datetime.now(UTC))
"""


class House:
    """A home with two trained models, and a Hub to publish them to."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings.load(home=home)
        home.mkdir()
        migrate(self.settings.sql_url)
        self.database = Database(self.settings.sql_url)

    def add(self, temperature: float) -> str:
        bundle = self.settings.home / f"bundle-{temperature}"
        manifest = another_starter(bundle, temperature)
        ModelStore(self.settings).put(bundle)
        with self.database.write() as session:
            models.register(session, manifest, NOW, job_id="a job", facts={"params": {"epochs": 2}})
        return manifest.version

    def promote(self, version: str) -> None:
        with self.database.write() as session:
            models.promote(session, version, "starter", "ann", "better", NOW)

    def publish(self, url: str, token: str = WRITE) -> None:
        own = {"OVERHEARD_HOME": str(self.settings.home), "OVERHEARD_HF_REPO": REPOSITORY, "OVERHEARD_HF_TOKEN": token}
        environment = clean(url, self.settings.home / "hf", **own)
        run = subprocess.run([sys.executable, "-c", PUBLISH], env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr

    def told(self, version: str) -> dict[str, Any]:
        with self.database.read() as session:
            return models.get(session, version).published or {}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "home")
    yield house
    house.database.engine.dispose()


def served(hub: WritableHub) -> str:
    return str(json.loads(hub.files(REPOSITORY)["manifest.json"])["version"])


def test_main_holds_what_serves_after_a_promotion_and_after_a_roll_back(house: House, tmp_path: Path) -> None:
    first, second = house.add(1.5), house.add(1.75)
    with WritableHub(folder=tmp_path / "hub") as hub:
        house.publish(hub.url)  # nothing was promoted yet
        assert hub.asked == []
        for version in (first, second, first):
            house.promote(version)
            house.publish(hub.url)
            assert served(hub) == version
            assert house.told(version)["state"] == "published"
        asked = len(hub.asked)
        house.publish(hub.url)
        assert len(hub.asked) == asked
        assert b"# " in hub.files(REPOSITORY, second)["README.md"]


def test_a_hub_that_is_away_is_tried_again(house: House, tmp_path: Path) -> None:
    version = house.add(1.5)
    house.promote(version)
    house.publish(f"http://127.0.0.1:{free_port()}")
    told = house.told(version)
    assert (told["state"], told["tries"]) == ("to be tried again", 1)
    with WritableHub(folder=tmp_path / "hub") as hub:
        house.publish(hub.url)
        assert served(hub) == version
    assert (house.told(version)["state"], house.told(version)["tries"]) == ("published", 2)


def test_a_token_that_may_not_write_is_said_once(house: House, tmp_path: Path) -> None:
    version = house.add(1.5)
    house.promote(version)
    with WritableHub(folder=tmp_path / "hub") as hub:
        house.publish(hub.url, READ)
        assert house.told(version)["state"] == "failed"
        assert "token" in house.told(version)["detail"]
        asked = len(hub.asked)
        house.publish(hub.url, READ)
        assert len(hub.asked) == asked
