"""Which model serves: one row on a real SQLite file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from overheard.errors import Conflict, NotFound
from overheard.registry import locate
from overheard.scoring.bundle import Manifest, load_manifest
from overheard.store import models
from overheard.store.database import Database

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STARTER = load_manifest(locate("starter", Path()))


@pytest.fixture
def database(either: Database) -> Database:
    with either.write() as session:
        models.register(session, STARTER, NOW, location="starter")
    return either


def version(number: int) -> str:
    return f"{number:012x}"


def trained(number: int) -> Manifest:
    return STARTER.model_copy(update={"version": version(number)})


def add(database: Database, number: int) -> None:
    with database.write() as session:
        models.register(session, trained(number), NOW + timedelta(days=number), job_id=f"job {number}")


def promote(database: Database, wanted: str) -> None:
    with database.write() as session:
        models.promote(session, wanted, "starter", "ann", "better", NOW)


def roles(database: Database) -> dict[str, str]:
    with database.read() as session:
        return {alias: version for version, alias in models.aliases(session, "starter").items()}


def test_before_any_promotion_the_first_model_serves(database: Database) -> None:
    with database.read() as session:
        assert models.champion(session) is None
        serves = models.serving(session, "starter")
        assert serves is not None
        assert serves.version == STARTER.version
        assert models.serving(session, "another/model") is None
    assert roles(database) == {"champion": STARTER.version}


def test_a_promotion_can_be_rolled_back_and_forth(database: Database) -> None:
    add(database, 1)
    assert roles(database) == {"champion": STARTER.version, "challenger": version(1)}
    promote(database, version(1))
    assert roles(database) == {"champion": version(1), "previous": STARTER.version}
    for _ in range(2):
        with database.write() as session:
            models.roll_back(session, "bob", "worse after all", NOW)
    assert roles(database) == {"champion": version(1), "previous": STARTER.version}
    with database.read() as session:
        champion = models.champion(session)
        assert champion is not None
        assert (champion.changed_by, champion.reason) == ("bob", "worse after all")


def test_what_serves_already_or_does_not_exist_is_not_promoted(database: Database) -> None:
    with pytest.raises(Conflict, match="serves already"):
        promote(database, STARTER.version)
    with pytest.raises(NotFound):
        promote(database, version(9))
    add(database, 1)
    promote(database, version(1))
    with pytest.raises(Conflict, match="serves already"):
        promote(database, version(1))


def test_nothing_is_rolled_back_before_a_promotion(database: Database) -> None:
    with database.write() as session, pytest.raises(Conflict, match="no previous model"):
        models.roll_back(session, "bob", "why not", NOW)


def test_registering_twice_keeps_what_was_there(database: Database) -> None:
    add(database, 1)
    with database.write() as session:
        again = models.register(session, trained(1), NOW, job_id="another job")
        assert again.job_id == "job 1"


def test_pages_hold_each_version_once_newest_first(database: Database) -> None:
    for number in (1, 2, 3):
        add(database, number)
    with database.read() as session:
        first = models.page(session, None, 2)
        rest = models.page(session, (first[-1].created_at, first[-1].version), 5)
    assert [m.version for m in [*first, *rest]] == [version(3), version(2), version(1), STARTER.version]


def test_the_challenger_is_the_newest_trained_one_that_has_not_served(database: Database) -> None:
    add(database, 1)
    add(database, 2)
    promote(database, version(1))
    assert roles(database)["challenger"] == version(2)
    promote(database, version(2))
    assert roles(database) == {"champion": version(2), "previous": version(1)}
